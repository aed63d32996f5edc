package slots

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// World is what slots are counted from. Pods and claims of no group are ignored.
type World struct {
	Pods   []*corev1.Pod
	Claims []*corev1.PersistentVolumeClaim
	// Volume returns a PersistentVolume by name, nil when it is unknown.
	Volume func(name string) *corev1.PersistentVolume
	Nodes  Nodes
	// Nominated reports whether a pod without a node counts on the node that it is nominated to. Nil: none does.
	Nominated func(*corev1.Pod) bool
}

// Slot is held by one instance on one node.
type Slot struct {
	Instance Instance
	Group    Group
	Shard    string
	Node     string
	// Pod is the pod that holds the slot; nil while only a claim holds it.
	Pod *corev1.Pod
}

// Count returns the slots of the world, sorted by instance, node and group. An instance whose pod is placed, and whose
// claims are where the pod is, holds exactly one slot; one whose claims are local to different nodes holds one on each.
func Count(w World) []Slot {
	l := NewLedger(w.Volume, w.Nodes, w.Nominated)
	for _, pod := range w.Pods {
		l.PutPod(pod)
	}
	for _, claim := range w.Claims {
		l.PutClaim(claim)
	}
	return l.Slots()
}

// Lost reports whether a pod or claim with these labels, on that node (nil when the Node was deleted), holds no slot
// because its node is proven dead.
func Lost(labels map[string]string, node *corev1.Node) bool {
	if labels[v1alpha1.LabelLost] != "" {
		return true
	}
	return labels[v1alpha1.LabelInstanceSet] == "" && OutOfService(node)
}

// Ended reports whether the pod's processes are gone for good; the instance's claims may still hold its slot.
func Ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// Interchangeable reports whether the same slots follow from two versions of one pod: most of what is written to a pod says
// nothing about where it counts. The API server itself writes labels to each pod that is bound: those of its node's zone
// (PodTopologyLabels).
func Interchangeable(a, b *corev1.Pod) bool {
	if a.Spec.NodeName != b.Spec.NodeName || Ended(a) != Ended(b) {
		return false
	}
	if a.Spec.NodeName == "" && a.Status.NominatedNodeName != b.Status.NominatedNodeName {
		return false
	}
	for _, label := range countingLabels {
		if a.Labels[label] != b.Labels[label] {
			return false
		}
	}
	return slices.Equal(ClaimNames(a), ClaimNames(b))
}

// countingLabels are the labels of a pod by which it counts: GroupOf, Lost, and its shard.
var countingLabels = [...]string{
	v1alpha1.LabelPlacementPolicy, v1alpha1.LabelCluster, v1alpha1.LabelShard, v1alpha1.LabelLost, v1alpha1.LabelInstanceSet,
}

func compare(a, b Slot) int {
	return cmp.Or(
		cmp.Compare(a.Instance.Namespace, b.Instance.Namespace),
		cmp.Compare(a.Instance.Name, b.Instance.Name),
		cmp.Compare(a.Node, b.Node),
		cmp.Compare(a.Group.Policy, b.Group.Policy),
		cmp.Compare(a.Group.Cluster, b.Group.Cluster),
	)
}

// PerNode is the number of slots of each node among the given ones.
func PerNode(held []Slot) map[string]int {
	n := map[string]int{}
	for _, s := range held {
		n[s.Node]++
	}
	return n
}
