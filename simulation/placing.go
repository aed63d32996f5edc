package simulation

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What is needed to compare the scheduler of a world with another one: objects are given, and pods are placed one by one.

// OnlyPlace ends the manager for good. From now on limits are not checked: what a world begins with may exceed them.
func (w *World) OnlyPlace() { w.operator.crashed, w.checker.anyUsage = true, true }

// AddNode adds a node.
func (w *World) AddNode(name string, allocatable corev1.ResourceList) { w.addNode(name, allocatable) }

// Create stores an object, as the cluster, and its status if it has one to be written.
func (w *World) Create(o client.Object) error {
	if _, pod := o.(*corev1.Pod); pod { // an admission policy lets nobody else make those of a set
		return (&access{w: w, process: "cluster", user: managerUser}).create(w.ctx, o)
	}
	return w.system.create(w.ctx, o)
}

// UpdateStatus stores the status of an object.
func (w *World) UpdateStatus(o client.Object) error { return w.system.update(w.ctx, o, "status") }

// Label labels an object, as the manager.
func (w *World) Label(o client.Object, key, value string) error {
	manager := &access{w: w, process: "cluster", user: managerUser}
	patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:%q}}}`, key, value)
	return manager.patch(w.ctx, o, "", types.MergePatchType, patch)
}

// Delete deletes an object without grace, as a user, and returns when it is gone.
func (w *World) Delete(o client.Object) error {
	options := metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}
	remove := func() error { return w.user.remove(w.ctx, o, options) }
	if pod, is := o.(*corev1.Pod); is {
		remove = func() error { return w.deletePod(pod, options) }
	}
	err := remove()
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	return w.Run(time.Second)
}

// Pod is a pod as the store has it.
func (w *World) Pod(name string) (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	return pod, w.user.get(w.ctx, types.NamespacedName{Namespace: Namespace, Name: name}, pod)
}
