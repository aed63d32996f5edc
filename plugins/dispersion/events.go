package dispersion

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// EventsToRegister says what can unblock a pod that the plugin refused. Which event can make which refusal disappear:
//
//	SHOAL1100 1106 1107  the policy comes or changes: wake, because the CRD may not exist when the scheduler starts
//	SHOAL1101 1104       a slot of the group is freed; a node comes, grows or becomes usable that has room for one more
//	SHOAL1102            a slot of the group is freed; room on a node that is in use
//	SHOAL1103 1111 1112  a slot of the group is freed or taken; room on any node, or less of it: guard and plan change; a pod of
//	                     the group that waits is deleted (podGone)
//	SHOAL1105            a pod, or a claim of the group, frees room on a node
//	SHOAL1110            the same, and what is said of 1103: an absent sibling may take less of the room than is kept
//	SHOAL1113            the same, and what other groups need: another plan, policy or deleted pods of theirs (feed); a claim or
//	                     volume of theirs is given up
//	SHOAL1108            the pod's own claim or volume changes or is deleted; its own node comes back, or may be used again
//	SHOAL1109 1117       the pod's own claim or volume changes or is deleted
//	SHOAL1118            whatever of these: it is said in Reserve, which asks for no wish
//	SHOAL1114            the pod that it waits behind is placed, refused for another reason, or gone (release)
//
// And for all of them: the policy changes, is replaced or deleted (wake), and the pod itself changes. "A slot is freed" is a
// pod or claim that is deleted, or gets the label shoal.dev/lost or shoal.dev/retired; a volume that is deleted or turns out to
// be elsewhere; and for StatefulSets a node that gets the taint out-of-service. A pod whose wish is known is left alone by
// room on nodes where its group can place nothing whatever happens there.
func (p *Plugin) EventsToRegister(context.Context) ([]fwk.ClusterEventWithHint, error) {
	return []fwk.ClusterEventWithHint{
		{Event: fwk.ClusterEvent{Resource: fwk.AssignedPod, ActionType: fwk.Delete | fwk.UpdatePodScaleDown}, QueueingHintFn: p.podLeavesRoom},
		// A sibling that was placed on a larger node than needed can let the guard open smaller ones; one that was nominated
		// leaves the node that it was nominated to.
		{Event: fwk.ClusterEvent{Resource: fwk.AssignedPod, ActionType: fwk.Add}, QueueingHintFn: p.siblingPlaced},
		{Event: fwk.ClusterEvent{Resource: fwk.AssignedPod, ActionType: fwk.UpdatePodLabel}, QueueingHintFn: p.slotRelabelled},
		{Event: fwk.ClusterEvent{
			Resource:   fwk.Node,
			ActionType: fwk.Add | fwk.Delete | fwk.UpdateNodeAllocatable | fwk.UpdateNodeTaint | fwk.UpdateNodeLabel,
		}, QueueingHintFn: p.nodeHelps},
		{Event: fwk.ClusterEvent{Resource: fwk.PersistentVolumeClaim, ActionType: fwk.Delete | fwk.Update}, QueueingHintFn: p.claimHelps},
		{Event: fwk.ClusterEvent{Resource: fwk.PersistentVolume, ActionType: fwk.Add | fwk.Delete | fwk.Update}, QueueingHintFn: p.volumeHelps},
		{Event: fwk.ClusterEvent{Resource: fwk.TargetPod, ActionType: fwk.UpdatePodLabel | fwk.UpdatePodScaleDown | fwk.UpdatePodToleration}},
	}, nil
}

// hint is for events that help if they may.
func hint(may bool) (fwk.QueueingHint, error) {
	if may {
		return fwk.Queue, nil
	}
	return fwk.QueueSkip, nil
}

// podLeavesRoom is for a pod on a node that is gone, or asks for less.
func (p *Plugin) podLeavesRoom(_ klog.Logger, pod *corev1.Pod, before, after any) (fwk.QueueingHint, error) {
	if after == nil && podOfGroup(before) {
		p.index.notes.pod(before)
	}
	w, known := p.wishOf(pod)
	gone, ok := before.(*corev1.Pod)
	switch {
	case !known || !ok:
		return fwk.Queue, nil
	case after == nil && inGroupOf(pod, gone.Namespace, gone.Labels):
		return hint(w.slots || w.shifting)
	case gone.Spec.NodeName == "": // it was assumed or nominated, and the event does not say where
		return hint(w.slots)
	}
	return hint(w.slots && w.room(gone.Spec.NodeName) && p.mayUse(pod, gone.Spec.NodeName))
}

// mayUse is false only for a node that is known to be out of the pod's reach. When that changes, an event of the node follows.
func (p *Plugin) mayUse(pod *corev1.Pod, node string) bool {
	n, err := p.handle.SharedInformerFactory().Core().V1().Nodes().Lister().Get(node)
	return err != nil || slots.RoomFor(pod).Usable(n)
}

func (p *Plugin) siblingPlaced(_ klog.Logger, pod *corev1.Pod, _, after any) (fwk.QueueingHint, error) {
	sibling, ok := after.(*corev1.Pod)
	w, known := p.wishOf(pod)
	return hint(!ok || inGroupOf(pod, sibling.Namespace, sibling.Labels) && (!known || w.kept || w.shifting))
}

// slotRelabelled is for labels of a pod on a node. Most of its labels say nothing about its slot: roles change all the time.
func (p *Plugin) slotRelabelled(_ klog.Logger, pod *corev1.Pod, before, after any) (fwk.QueueingHint, error) {
	was, ok1 := before.(*corev1.Pod)
	now, ok2 := after.(*corev1.Pod)
	if !ok1 || !ok2 {
		return fwk.Queue, nil
	}
	w, known := p.wishOf(pod)
	ours := inGroupOf(pod, was.Namespace, was.Labels) || inGroupOf(pod, now.Namespace, now.Labels)
	total := p.args.MaxInstancesPerNode > 0 // counts slots of whichever group
	return hint((!known || w.slots) && (ours || total) && !sameSlot(was.Labels, now.Labels))
}

// slotLabels are the labels from which slots follow.
var slotLabels = []string{
	v1alpha1.LabelPlacementPolicy, v1alpha1.LabelCluster, v1alpha1.LabelShard, v1alpha1.LabelInstanceSet, v1alpha1.LabelOrdinal,
	v1alpha1.LabelLost, v1alpha1.LabelRetired,
}

func sameSlot(a, b map[string]string) bool {
	return !slices.ContainsFunc(slotLabels, func(key string) bool { return a[key] != b[key] })
}

// nodeHelps wakes nobody for a node that the pod may not use, such as one that was just cordoned; unless the node's slots may
// have become free, or volumes may have found their node, or the pod is kept from others for the node's sake.
func (p *Plugin) nodeHelps(_ klog.Logger, pod *corev1.Pod, before, after any) (fwk.QueueingHint, error) {
	w, known := p.wishOf(pod)
	if !known {
		w = wish{slots: true, open: true, kept: true}
	}
	old, there := before.(*corev1.Node)
	now, ok := after.(*corev1.Node)
	if !ok { // it is gone, which frees nothing, but the plan can no longer want it
		return hint(w.kept)
	}
	if there && old.Labels[corev1.LabelHostname] != now.Labels[corev1.LabelHostname] {
		return fwk.Queue, nil
	}
	if slots.OutOfService(now) && (!there || !slots.OutOfService(old)) && w.slots {
		return fwk.Queue, nil
	}
	room := slots.RoomFor(pod)
	usable, was := room.Usable(now), there && room.Usable(old)
	switch {
	case usable && (!was || grown(old, now)): // it may have less of another resource
		return hint(w.room(now.Name) || w.kept && was && grown(now, old))
	case was && (!usable || grown(now, old)):
		return hint(w.kept)
	}
	return fwk.QueueSkip, nil
}

// grown reports whether a node has more of anything than before.
func grown(before, after *corev1.Node) bool {
	for name, now := range after.Status.Allocatable { // any of them will do
		if was := before.Status.Allocatable[name]; now.Cmp(was) > 0 {
			return true
		}
	}
	return false
}

// claimHelps is for claims that are gone, or of which something has changed that slots follow from. Any newer version of one that
// is promised to no node can settle a doubt (isSettled), and is the only event that tells.
func (p *Plugin) claimHelps(_ klog.Logger, pod *corev1.Pod, before, after any) (fwk.QueueingHint, error) {
	if after == nil {
		p.index.notes.claim(before)
	}
	was, ok := before.(*corev1.PersistentVolumeClaim)
	if !ok {
		return fwk.Queue, nil
	}
	if now, changed := after.(*corev1.PersistentVolumeClaim); changed && was.Spec.VolumeName == now.Spec.VolumeName &&
		was.Annotations[slots.SelectedNode] == now.Annotations[slots.SelectedNode] && sameSlot(was.Labels, now.Labels) {
		w, known := p.wishOf(pod)
		promised := now.Spec.VolumeName != "" || now.Annotations[slots.SelectedNode] != ""
		if promised || known && !w.shifting {
			return fwk.QueueSkip, nil
		}
	}
	return hint(p.claimMatters(pod, was) || p.claimMatters(pod, after) || givesUp(was, after) && p.othersNeedRoom(pod))
}

// givesUp reports whether a claim holds its slot no longer, or for another instance: room that was kept for it is free.
func givesUp(was *corev1.PersistentVolumeClaim, after any) bool {
	now, there := after.(*corev1.PersistentVolumeClaim)
	return !there || !sameSlot(was.Labels, now.Labels)
}

// othersNeedRoom reports whether the pod may wait for room that is kept for instances of other groups.
func (p *Plugin) othersNeedRoom(pod *corev1.Pod) bool {
	w, known := p.wishOf(pod)
	return !known || w.needed
}

// claimMatters reports whether the pod may wait for a slot that the claim holds, or for the claim itself.
func (p *Plugin) claimMatters(pod *corev1.Pod, o any) bool {
	claim, ok := o.(*corev1.PersistentVolumeClaim)
	if !ok {
		return false
	}
	w, known := p.wishOf(pod)
	_, labelled := slots.GroupOf(claim.Namespace, claim.Labels)
	switch {
	case claim.Namespace == pod.Namespace && slices.Contains(slots.ClaimNames(pod), claim.Name):
		return true
	case known && !w.slots && !w.shifting:
		return false
	}
	// The claim of a StatefulSet's pod may lack the labels. The cap over all groups counts claims of whichever group.
	return p.args.MaxInstancesPerNode > 0 || inGroupOf(pod, claim.Namespace, claim.Labels) || !labelled && claim.Namespace == pod.Namespace
}

// volumeHelps is for a volume that is gone, or of which it turns out where it is: its claim no longer holds a slot where it did.
func (p *Plugin) volumeHelps(_ klog.Logger, pod *corev1.Pod, before, after any) (fwk.QueueingHint, error) {
	if after == nil {
		p.index.notes.volume(before)
	}
	was, old := before.(*corev1.PersistentVolume)
	now, ok := after.(*corev1.PersistentVolume)
	switch {
	case old && ok && equality.Semantic.DeepEqual(was.Spec.NodeAffinity, now.Spec.NodeAffinity) && equality.Semantic.DeepEqual(was.Spec.ClaimRef, now.Spec.ClaimRef):
		return fwk.QueueSkip, nil
	case old && p.othersNeedRoom(pod): // it is gone, or somewhere else
		return fwk.Queue, nil
	case !ok:
		now = was
	}
	if now == nil || now.Spec.ClaimRef == nil {
		return fwk.QueueSkip, nil
	}
	o, _, err := p.claims.GetByKey(now.Spec.ClaimRef.Namespace + "/" + now.Spec.ClaimRef.Name)
	return hint(err == nil && p.claimMatters(pod, o))
}

func inGroupOf(pod *corev1.Pod, namespace string, labels map[string]string) bool {
	a, ok1 := slots.GroupOf(pod.Namespace, pod.Labels)
	b, ok2 := slots.GroupOf(namespace, labels)
	return ok1 && ok2 && a == b
}
