package answer

import (
	"cmp"
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/kubectlshoal/trial"
	"github.com/shoal-dev/shoal/slots"
)

// Rivals are pods that want room at the same time as what is to be rebuilt, and whose priority is not lower than all of that. They are
// placed first: who is quicker is chance, and what is said to come back has to come back in any case.
type Rivals struct {
	// Waiting have no node already. Evicted are of no group and were on the lost nodes: their controllers create them anew.
	Waiting int `json:"waiting"`
	Evicted int `json:"evicted"`
	// Placed of them find a node.
	Placed int `json:"placed"`
	// Untried were too many to be placed in a minute: the room that they may take is not taken off.
	Untried int `json:"untried,omitempty"`
}

// claimant is a pod that wants room: in the place of a lost instance, or a rival.
type claimant struct {
	pod   *corev1.Pod
	group *GroupLoss // nil for a rival
	lost  *LostInstance
}

// returning places what may be rebuilt on the cluster without the nodes, and before that its rivals: all of them together, each on the room
// that those before it have left.
func (l *Loss) returning(ctx context.Context, c *snapshot.Cluster, config *trial.Config, groups []slots.Group) error {
	after := c.Clone()
	for _, name := range l.Nodes {
		node := snapshot.Find(after.Nodes, "", name).DeepCopy()
		if node == nil {
			continue // it was deleted
		}
		node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeOutOfService, Effect: corev1.TaintEffectNoExecute})
		after.Put(node)
	}
	if back := l.replacements(after, groups); len(back) > 0 {
		claimants := slices.Concat(l.rivals(c, after, back), back)
		slices.SortStableFunc(claimants, func(a, b claimant) int { return cmp.Compare(priorityOf(b.pod), priorityOf(a.pod)) })
		if err := l.placeAll(ctx, config, after, claimants); err != nil {
			return err
		}
	}
	for g := range l.Groups {
		l.Groups[g].RoomLeft = roomLeft(after, groups[g], l.Groups[g].Losses)
	}
	return nil
}

// replacements are fresh pods for what is lost and may be rebuilt.
func (l *Loss) replacements(after *snapshot.Cluster, groups []slots.Group) []claimant {
	var back []claimant
	for g := range l.Groups {
		group := &l.Groups[g]
		for i := range group.Losses {
			lost := &group.Losses[i]
			if lost.LastCopy {
				lost.Why = "it may hold the last copy of its data: it is not given up without a person"
				continue
			}
			old := snapshot.Find(after.Pods, groups[g].Namespace, lost.Instance)
			if old == nil {
				lost.Why = "it has no pod that could be placed"
				continue
			}
			back = append(back, claimant{replaced(after, old, lost.Volumes), group, lost})
		}
	}
	return back
}

// rivals are the pods that may be placed before back, with fresh ones for those that are evicted from the lost nodes.
func (l *Loss) rivals(c, after *snapshot.Cluster, back []claimant) []claimant {
	lowest := priorityOf(slices.MinFunc(back, func(a, b claimant) int { return cmp.Compare(priorityOf(a.pod), priorityOf(b.pod)) }).pod)
	var rivals []claimant
	for _, pod := range c.Pods {
		if snapshot.Ended(pod) || pod.DeletionTimestamp != nil || priorityOf(pod) < lowest {
			continue
		}
		_, grouped := slots.GroupOf(pod.Namespace, pod.Labels)
		switch {
		case pod.Spec.NodeName == "":
			l.Rivals.Waiting++
		case !grouped && slices.Contains(l.Nodes, pod.Spec.NodeName) && createdAnew(pod):
			l.Rivals.Evicted++
			pod = replaced(after, pod, nil)
		default:
			continue
		}
		rivals = append(rivals, claimant{pod: pod})
	}
	if most := triedOn(len(c.Nodes)); len(rivals) > most {
		l.Rivals.Untried, rivals = len(rivals)-most, rivals[:most]
	}
	return rivals
}

// createdAnew reports whether the controller of an evicted pod makes one that may go to another node: those of DaemonSets and of the kubelet
// itself belong to their node.
func createdAnew(pod *corev1.Pod) bool {
	owner := metav1.GetControllerOf(pod)
	return owner != nil && owner.Kind != "DaemonSet" && owner.Kind != "Node"
}

func priorityOf(pod *corev1.Pod) int32 { return ptr.Deref(pod.Spec.Priority, 0) }

// placeAll has the scheduler place pods, one after the other. The rivals are on their nodes in after then.
func (l *Loss) placeAll(ctx context.Context, config *trial.Config, after *snapshot.Cluster, claimants []claimant) error {
	s, err := trial.New(ctx, config, after)
	if err != nil {
		return err
	}
	for _, one := range claimants {
		v, err := s.Place(ctx, one.pod)
		switch {
		case err != nil:
			return err
		case one.lost == nil && v.Node != "":
			l.Rivals.Placed++
			bound := one.pod.DeepCopy()
			bound.Spec.NodeName = v.Node
			after.Put(bound)
		case one.lost == nil:
		case v.Node == "":
			one.lost.Why = whyNot(v, l.Nodes)
		default:
			one.lost.Returns = v.Node
			one.group.CanReturn++
		}
	}
	return nil
}

// replaced puts a fresh pod in the place of an old one, with claims that are not bound where their volumes are lost.
func replaced(c *snapshot.Cluster, old *corev1.Pod, lost []string) *corev1.Pod {
	pod := old.DeepCopy()
	pod.UID, pod.Spec.NodeName, pod.Status, pod.DeletionTimestamp = old.UID+"-again", "", corev1.PodStatus{Phase: corev1.PodPending}, nil
	for _, name := range slots.ClaimNames(pod) {
		claim := snapshot.Find(c.Claims, pod.Namespace, name)
		if claim == nil || claim.Spec.VolumeName != "" && !slices.Contains(lost, claim.Spec.VolumeName) {
			continue
		}
		claim = claim.DeepCopy()
		c.Volumes = snapshot.Without(c.Volumes, func(v *corev1.PersistentVolume) bool { return v.Name == claim.Spec.VolumeName })
		claim.UID, claim.Spec.VolumeName, claim.Status = claim.UID+"-again", "", corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending}
		for _, key := range []string{slots.SelectedNode, "pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller"} {
			delete(claim.Annotations, key)
		}
		c.Put(claim)
	}
	c.Put(pod)
	return pod
}
