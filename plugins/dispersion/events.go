package dispersion

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/slots"
)

// EventsToRegister says what can unblock a pod that the plugin refused. Changes of a policy are not among them: wake
// handles those, because the CRD may not exist when the scheduler starts.
func (p *Plugin) EventsToRegister(context.Context) ([]fwk.ClusterEventWithHint, error) {
	return []fwk.ClusterEventWithHint{
		// A pod that goes frees its slot, or room that lets the guard open a node.
		{Event: fwk.ClusterEvent{Resource: fwk.AssignedPod, ActionType: fwk.Delete}},
		// A sibling that was placed on a larger node than needed can let the guard open smaller ones; the label
		// shoal.dev/lost frees a slot.
		{Event: fwk.ClusterEvent{Resource: fwk.AssignedPod, ActionType: fwk.Add | fwk.UpdatePodLabel}, QueueingHintFn: sameGroup},
		// A node that comes, grows, or loses a taint can be used; a taint out-of-service frees slots of StatefulSets.
		{Event: fwk.ClusterEvent{Resource: fwk.Node, ActionType: fwk.Add | fwk.UpdateNodeAllocatable | fwk.UpdateNodeTaint | fwk.UpdateNodeLabel}, QueueingHintFn: nodeHelps},
		// A claim that goes, or gets the label shoal.dev/lost or shoal.dev/retired, frees its slot.
		{Event: fwk.ClusterEvent{Resource: fwk.PersistentVolumeClaim, ActionType: fwk.Delete | fwk.Update}, QueueingHintFn: claimOfGroup},
		// The pod itself was moved to another group.
		{Event: fwk.ClusterEvent{Resource: fwk.TargetPod, ActionType: fwk.UpdatePodLabel}},
	}, nil
}

func sameGroup(_ klog.Logger, pod *corev1.Pod, before, after any) (fwk.QueueingHint, error) {
	for _, o := range []any{before, after} {
		if other, ok := o.(*corev1.Pod); ok && inGroupOf(pod, other.Namespace, other.Labels) {
			return fwk.Queue, nil
		}
	}
	return fwk.QueueSkip, nil
}

// nodeHelps wakes nobody for a node that the pod may not use, such as one that was just cordoned; unless the node's slots may
// have become free, or volumes may have found their node.
func nodeHelps(_ klog.Logger, pod *corev1.Pod, before, after any) (fwk.QueueingHint, error) {
	now, ok := after.(*corev1.Node)
	if !ok {
		return fwk.Queue, nil
	}
	if slots.RoomFor(pod).Usable(now) {
		return fwk.Queue, nil
	}
	old, ok := before.(*corev1.Node)
	if slots.OutOfService(now) && (!ok || !slots.OutOfService(old)) || ok && old.Labels[corev1.LabelHostname] != now.Labels[corev1.LabelHostname] {
		return fwk.Queue, nil
	}
	return fwk.QueueSkip, nil
}

func claimOfGroup(_ klog.Logger, pod *corev1.Pod, before, after any) (fwk.QueueingHint, error) {
	for _, o := range []any{before, after} {
		claim, ok := o.(*corev1.PersistentVolumeClaim)
		if !ok {
			continue
		}
		if inGroupOf(pod, claim.Namespace, claim.Labels) {
			return fwk.Queue, nil
		}
		if _, labelled := slots.GroupOf(claim.Namespace, claim.Labels); !labelled && claim.Namespace == pod.Namespace {
			return fwk.Queue, nil // the claim of a StatefulSet's pod may lack the labels
		}
	}
	return fwk.QueueSkip, nil
}

func inGroupOf(pod *corev1.Pod, namespace string, labels map[string]string) bool {
	a, ok1 := slots.GroupOf(pod.Namespace, pod.Labels)
	b, ok2 := slots.GroupOf(namespace, labels)
	return ok1 && ok2 && a == b
}
