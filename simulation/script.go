package simulation

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// The verbs of scenarios. Each is what a person, or fate, does to a cluster.

// AddNodes adds nodes of so many CPUs.
func (w *World) AddNodes(cpus int64, names ...string) {
	for _, name := range names {
		w.addNode(name, Node(cpus))
	}
}

// Apply creates an InstanceSet, as a user.
func (w *World) Apply(set *v1alpha1.InstanceSet) error {
	if size := set.Spec.ShardSize; size != nil {
		w.shardSize[set.Name] = *size
	}
	return w.user.create(w.ctx, set)
}

// Edit changes an InstanceSet, as a user.
func (w *World) Edit(name string, change func(*v1alpha1.InstanceSet)) error {
	set := &v1alpha1.InstanceSet{}
	if err := w.user.get(w.ctx, types.NamespacedName{Namespace: Namespace, Name: name}, set); err != nil {
		return err
	}
	change(set)
	return w.user.update(w.ctx, set, "")
}

// Remove deletes an object, as a user: "pod r-0", "pvc data-r-0" or "set r".
func (w *World) Remove(kind, name string) error {
	empty := map[string]client.Object{
		"pod": &corev1.Pod{}, "pvc": &corev1.PersistentVolumeClaim{}, "set": &v1alpha1.InstanceSet{}, "node": &corev1.Node{},
		"policy": &v1alpha1.PlacementPolicy{},
	}[kind]
	if empty == nil {
		return fmt.Errorf("no such kind: %s", kind)
	}
	empty.SetName(name)
	if kind != "node" {
		empty.SetNamespace(Namespace)
	}
	if pod, is := empty.(*corev1.Pod); is {
		return w.deletePod(pod, metav1.DeleteOptions{})
	}
	return w.user.remove(w.ctx, empty, metav1.DeleteOptions{})
}

// deletePod deletes a pod as a user does who means it: as the manager, whom alone the admission policy lets delete an instance that has
// no annotation which allows it.
func (w *World) deletePod(pod *corev1.Pod, options metav1.DeleteOptions) error {
	return w.user.do(w.ctx, "delete", pod, "", func() error { return w.api.Delete(w.ctx, managerUser, pod, options) })
}

// Foreign creates a pod of somebody else.
func (w *World) Foreign(name string) error {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: name, Labels: map[string]string{Foreign: "true"}}}
	pod.Spec.Containers = []corev1.Container{{Name: "other", Image: "other"}}
	return w.user.create(w.ctx, pod)
}

// Fate does something to a node: "off", "silent", "on", "declare" (out of service) or "undeclare".
func (w *World) Fate(node, what string) error {
	if w.machines[node] == nil {
		return fmt.Errorf("there is no node %s", node)
	}
	switch what {
	case "off", "silent":
		w.silence(node, what == "off")
	case "on":
		w.restore(node)
	case "declare", "undeclare":
		w.taint(node, what == "declare")
	default:
		return fmt.Errorf("nodes cannot be %q", what)
	}
	return nil
}

// Crash ends the manager or the scheduler; it starts again after a while.
func (w *World) Crash(process string) error {
	switch process {
	case "manager":
		w.crash(w.operator.access)
	case "scheduler":
		w.crash(w.placer.access)
	default:
		return fmt.Errorf("there is no process %s", process)
	}
	return nil
}

// Lag has events reach our processes so late.
func (w *World) Lag(long time.Duration) {
	w.faults.lagging, w.faults.lagMost = 0, 0
	w.steadyLag = long
}

// version is that of a policy in a plan: it counts all writes of a world, so that each change of anything would change it.
var version = regexp.MustCompile(`@\d+`)

// Lines are the trace since the last call, without times and versions, and without what the cluster does on its own.
func (w *World) Lines(who ...string) []string {
	var out []string
	for _, line := range w.trace.lines[w.told:] {
		fields := strings.Fields(line)
		if slices.Contains(who, fields[1]) {
			out = append(out, version.ReplaceAllString(strings.Join(fields[2:], " "), ""))
		}
	}
	w.told = len(w.trace.lines)
	return out
}

// State is a cluster in a few lines: each set with its conditions, and which instances are on which node.
func (w *World) State() string {
	var b strings.Builder
	for _, set := range all[*v1alpha1.InstanceSet](w) {
		fmt.Fprintf(&b, "%s: %d of %d ready, %s\n", set.Name, set.Status.ReadyReplicas, *set.Spec.Replicas, conditionsOf(set))
	}
	for _, node := range all[*corev1.Node](w) {
		fmt.Fprintf(&b, "node %s%s: %s\n", node.Name, strings.TrimRight(describe(node), " "), strings.Join(w.on(node.Name), " "))
	}
	if waiting := w.on(""); len(waiting) > 0 {
		fmt.Fprintf(&b, "waiting: %s\n", strings.Join(waiting, " "))
	}
	return b.String()
}

// on are the pods on a node, with a mark for those that are not ready.
func (w *World) on(node string) []string {
	var out []string
	for _, pod := range all[*corev1.Pod](w) {
		if pod.Spec.NodeName != node {
			continue
		}
		name := pod.Name
		if !isReady(pod) {
			name += "(not ready)"
		}
		if pod.DeletionTimestamp != nil {
			name += "(terminating)"
		}
		if pod.Labels[v1alpha1.LabelLost] != "" {
			name += "(lost)"
		}
		out = append(out, name)
	}
	return out
}
