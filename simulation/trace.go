package simulation

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/simulation/apiserver"
	"github.com/shoal-dev/shoal/slots"
)

// trace is what happened, a line each: plans in the words of the plan, changes of the store, faults and crashes.
type trace struct {
	lines []string
}

func (t *trace) add(at time.Duration, who, what string) {
	t.lines = append(t.lines, fmt.Sprintf("%10.3fs %-9s %s", at.Seconds(), who, what))
}

// last are the last n lines.
func (t *trace) last(n int) string {
	return strings.Join(t.lines[max(0, len(t.lines)-n):], "\n")
}

// event writes a line for a change of the store that says something.
func (t *trace) event(w *World, before any, e apiserver.Event) {
	was := ""
	if old, ok := before.(client.Object); ok {
		was = describe(old)
	}
	now := describe(e.Object)
	switch {
	case now == "":
	case e.Type == apiserver.Deleted:
		w.tell("store", "%s %s is gone", kindOf(e.Object), e.Object.GetName())
	case now != was:
		w.tell("store", "%s %s%s", kindOf(e.Object), e.Object.GetName(), now)
	}
}

// describe is what a person would want to know of an object; "" for kinds that say nothing.
func describe(o client.Object) string {
	var words []string
	say := func(condition bool, format string, args ...any) {
		if condition {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	switch o := o.(type) {
	case *corev1.Pod:
		say(true, "uid=%s", o.UID)
		say(o.Spec.NodeName != "", "on %s", o.Spec.NodeName)
		say(isReady(o), "ready")
		say(o.Labels[v1alpha1.LabelRole] != "", "role=%s", o.Labels[v1alpha1.LabelRole])
	case *corev1.PersistentVolumeClaim:
		say(true, "uid=%s", o.UID)
		say(o.Annotations[slots.SelectedNode] != "", "for %s", o.Annotations[slots.SelectedNode])
		say(o.Spec.VolumeName != "", "volume=%s", o.Spec.VolumeName)
	case *corev1.PersistentVolume:
		say(true, "on %s %s %s", slots.NodeOfVolume(o, slots.NodeMap{}), strings.ToLower(string(o.Status.Phase)), o.Spec.PersistentVolumeReclaimPolicy)
	case *corev1.Node:
		for _, taint := range o.Spec.Taints {
			say(tellsOf(taint), "%s", strings.TrimPrefix(taint.Key, "node.kubernetes.io/"))
		}
	case *v1alpha1.InstanceSet:
		say(true, "replicas=%d ready=%d nodes=%d max=%d", *o.Spec.Replicas, o.Status.ReadyReplicas, o.Status.Nodes, o.Status.MaxPerNode)
		say(o.Spec.Paused, "paused")
	case *v1alpha1.PlacementPolicy:
		say(o.Spec.Replicas != nil, "replicas=%d", deref(o.Spec.Replicas))
	default:
		return ""
	}
	say(o.GetLabels()[v1alpha1.LabelLost] != "", "LOST")
	say(o.GetLabels()[v1alpha1.LabelRetired] != "", "retired")
	say(o.GetDeletionTimestamp() != nil, "terminating")
	return " " + strings.Join(words, " ")
}

// tellsOf picks one of the taints for each thing that is wrong with a node. Of a silent one that is NoSchedule: the other goes
// when all are silent.
func tellsOf(t corev1.Taint) bool {
	if t.Key == corev1.TaintNodeUnreachable {
		return t.Effect == corev1.TaintEffectNoSchedule
	}
	return t.Effect == corev1.TaintEffectNoExecute
}

func deref(n *int32) int32 {
	if n == nil {
		return 0
	}
	return *n
}
