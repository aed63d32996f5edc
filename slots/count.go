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

// Count returns the slots of the world, sorted by instance and node. An instance whose pod is placed holds exactly one
// slot; one whose claims are local to different nodes holds one on each of them, until its pod is placed.
func Count(w World) []Slot {
	placed := map[Instance]bool{}
	mountedBy := map[Instance]*corev1.Pod{} // claim -> pod
	var held []Slot
	for _, pod := range w.Pods {
		group, grouped := GroupOf(pod.Namespace, pod.Labels)
		if !grouped || ended(pod) {
			continue
		}
		for _, name := range ClaimNames(pod) {
			mountedBy[Instance{pod.Namespace, name}] = pod
		}
		node := w.nodeOf(pod)
		if node == "" {
			continue
		}
		placed[InstanceOfPod(pod)] = true
		if !Lost(pod.Labels, w.Nodes.Get(node)) {
			held = append(held, Slot{InstanceOfPod(pod), group, pod.Labels[v1alpha1.LabelShard], node, pod})
		}
	}
	for _, claim := range w.Claims {
		if slot, ok := w.heldByClaim(claim, placed, mountedBy); ok {
			held = append(held, slot)
		}
	}
	slices.SortFunc(held, compare)
	return slices.CompactFunc(held, func(a, b Slot) bool { return a.Instance == b.Instance && a.Node == b.Node })
}

func (w World) nodeOf(pod *corev1.Pod) string {
	if pod.Spec.NodeName != "" {
		return pod.Spec.NodeName
	}
	if w.Nominated != nil && w.Nominated(pod) {
		return pod.Status.NominatedNodeName
	}
	return ""
}

func (w World) heldByClaim(claim *corev1.PersistentVolumeClaim, placed map[Instance]bool, mountedBy map[Instance]*corev1.Pod) (Slot, bool) {
	instance := instanceOfClaim(claim, mountedBy)
	if placed[instance] || claim.Labels[v1alpha1.LabelRetired] != "" {
		return Slot{}, false
	}
	labels := claim.Labels
	group, grouped := GroupOf(claim.Namespace, labels)
	if !grouped { // a StatefulSet's claims have the labels of their template only: the pod knows
		pod := mountedBy[Instance{claim.Namespace, claim.Name}]
		if pod == nil {
			return Slot{}, false
		}
		labels = pod.Labels
		group, _ = GroupOf(pod.Namespace, labels)
	}
	var volume *corev1.PersistentVolume
	if claim.Spec.VolumeName != "" {
		volume = w.Volume(claim.Spec.VolumeName)
	}
	node := NodeOfClaim(claim, volume, w.Nodes)
	if node == "" || Lost(claim.Labels, w.Nodes.Get(node)) {
		return Slot{}, false
	}
	return Slot{instance, group, labels[v1alpha1.LabelShard], node, nil}, true
}

// Lost reports whether a pod or claim with these labels, on that node (nil when the Node was deleted), holds no slot
// because its node is proven dead.
func Lost(labels map[string]string, node *corev1.Node) bool {
	if labels[v1alpha1.LabelLost] != "" {
		return true
	}
	return labels[v1alpha1.LabelInstanceSet] == "" && OutOfService(node)
}

// ended reports whether the pod's processes are gone for good; the instance's claims may still hold its slot.
func ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

func compare(a, b Slot) int {
	return cmp.Or(
		cmp.Compare(a.Instance.Namespace, b.Instance.Namespace),
		cmp.Compare(a.Instance.Name, b.Instance.Name),
		cmp.Compare(a.Node, b.Node),
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
