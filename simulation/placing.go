package simulation

import (
	"slices"
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
func (w *World) Create(o client.Object) error { return w.system.create(w.ctx, o) }

// UpdateStatus stores the status of an object.
func (w *World) UpdateStatus(o client.Object) error { return w.system.update(w.ctx, o, "status") }

// patienceOfPlace is how long a pod that was refused may still be placed.
const patienceOfPlace = 150 * time.Millisecond

// Place waits until the scheduler has placed a pod, and returns the node; or "" when the pod was refused, and is deleted.
func (w *World) Place(name string) (string, error) {
	key := types.NamespacedName{Namespace: Namespace, Name: name}
	for refused := time.Duration(0); refused < patienceOfPlace; {
		const step = 5 * time.Millisecond
		if err := w.Run(step); err != nil {
			return "", err
		}
		pod, there := find[*corev1.Pod](w, key)
		if there && pod.Spec.NodeName != "" {
			return pod.Spec.NodeName, nil
		}
		if there && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodScheduled }) {
			refused += step
		}
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: name}}
	if err := w.user.remove(w.ctx, pod, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}); err != nil {
		return "", err
	}
	return "", w.Run(time.Second)
}
