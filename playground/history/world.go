package history

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// world is the state of the cluster at one moment.
type world struct {
	nodes    map[string]*corev1.Node
	volumes  map[string]*corev1.PersistentVolume
	pods     grouped[*corev1.Pod]
	claims   grouped[*corev1.PersistentVolumeClaim]
	policies map[client.ObjectKey]*v1alpha1.PlacementPolicy
	index    slots.NodeMap

	// unlabelled are the claims that name no group, those of StatefulSets mostly. Each of them is in the group of the pod
	// that mounts it, or mounted it when it was last seen.
	unlabelled map[client.ObjectKey]*corev1.PersistentVolumeClaim
	mountedBy  map[client.ObjectKey]*corev1.Pod
}

// grouped finds objects by their group and name.
type grouped[T client.Object] map[slots.Group]map[client.ObjectKey]T

func newWorld() *world {
	return &world{
		nodes: map[string]*corev1.Node{}, volumes: map[string]*corev1.PersistentVolume{},
		pods: grouped[*corev1.Pod]{}, claims: grouped[*corev1.PersistentVolumeClaim]{},
		policies:   map[client.ObjectKey]*v1alpha1.PlacementPolicy{},
		unlabelled: map[client.ObjectKey]*corev1.PersistentVolumeClaim{}, mountedBy: map[client.ObjectKey]*corev1.Pod{},
	}
}

// apply takes in one event and returns the groups that it can have changed.
func (w *world) apply(event Event) []slots.Group {
	key := client.ObjectKeyFromObject(event.Object)
	switch o := event.Object.(type) {
	case *corev1.Node:
		return w.applyNode(o, event.Deleted)
	case *corev1.PersistentVolume:
		before := w.volumes[o.Name]
		put(w.volumes, o.Name, o, event.Deleted)
		if o.Spec.ClaimRef == nil || before != nil && !event.Deleted && equality.Semantic.DeepEqual(before.Spec, o.Spec) {
			return nil
		}
		claim := client.ObjectKey{Namespace: o.Spec.ClaimRef.Namespace, Name: o.Spec.ClaimRef.Name}
		for group, claims := range w.claims {
			if claims[claim] != nil {
				return []slots.Group{group}
			}
		}
	case *corev1.PersistentVolumeClaim:
		return w.applyClaim(key, o, event.Deleted)
	case *corev1.Pod:
		return w.applyPod(key, o, event.Deleted)
	case *v1alpha1.PlacementPolicy:
		put(w.policies, key, o, event.Deleted)
		return []slots.Group{{Namespace: o.Namespace, Policy: o.Name}}
	}
	return nil
}

// applyNode returns every group when something about the node changed that slots depend on; heartbeats are most of a
// node's events.
func (w *world) applyNode(node *corev1.Node, deleted bool) []slots.Group {
	before := w.nodes[node.Name]
	put(w.nodes, node.Name, node, deleted)
	if before != nil && !deleted && slots.OutOfService(before) == slots.OutOfService(node) &&
		before.Labels[corev1.LabelHostname] == node.Labels[corev1.LabelHostname] {
		return nil
	}
	list := make([]*corev1.Node, 0, len(w.nodes))
	for _, n := range w.nodes {
		list = append(list, n)
	}
	w.index = slots.NewNodeMap(list)
	var groups []slots.Group
	for group := range w.pods {
		groups = append(groups, group)
	}
	for group := range w.claims {
		if _, both := w.pods[group]; !both {
			groups = append(groups, group)
		}
	}
	return groups
}

func (w *world) applyClaim(key client.ObjectKey, claim *corev1.PersistentVolumeClaim, deleted bool) []slots.Group {
	group, labelled := slots.GroupOf(claim.Namespace, claim.Labels)
	put(w.unlabelled, key, claim, deleted || labelled)
	if !labelled {
		if pod := w.mountedBy[key]; pod != nil {
			group, labelled = slots.GroupOf(pod.Namespace, pod.Labels)
		}
	}
	if deleted {
		delete(w.mountedBy, key) // a new claim of that name has a new volume
	}
	before := w.claims[group][key]
	changed := w.claims.apply(group, labelled, key, claim, deleted)
	if before != nil && !deleted && sameClaim(before, claim) {
		return nil
	}
	return changed
}

// sameClaim and samePod report whether nothing has changed that slots follow from. Most changes are of the status, and a
// group of a thousand is not counted again for each.
func sameClaim(a, b *corev1.PersistentVolumeClaim) bool {
	return a.UID == b.UID && a.Spec.VolumeName == b.Spec.VolumeName && maps.Equal(a.Labels, b.Labels) &&
		a.Annotations[slots.SelectedNode] == b.Annotations[slots.SelectedNode]
}

func samePod(a, b *corev1.Pod) bool {
	ended := func(p *corev1.Pod) bool {
		return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
	}
	return a.UID == b.UID && a.Spec.NodeName == b.Spec.NodeName && maps.Equal(a.Labels, b.Labels) && ended(a) == ended(b)
}

// applyPod also brings the claims that the pod mounts to its group, or takes them out with it when its labels changed.
// They stay when it is deleted: a StatefulSet's pod comes back to its volume.
func (w *world) applyPod(key client.ObjectKey, pod *corev1.Pod, deleted bool) []slots.Group {
	group, labelled := slots.GroupOf(pod.Namespace, pod.Labels)
	before := w.pods[group][key]
	changed, claimed := w.pods.apply(group, labelled, key, pod, deleted), false
	for _, name := range slots.ClaimNames(pod) {
		claimKey := client.ObjectKey{Namespace: pod.Namespace, Name: name}
		if last := w.mountedBy[claimKey]; !labelled && (last == nil || last.Name != pod.Name) {
			continue // a backup, say, that reads the volume beside the instance
		}
		put(w.mountedBy, claimKey, pod, !labelled)
		if claim := w.unlabelled[claimKey]; claim != nil {
			claimed = true
			changed = append(changed, w.claims.apply(group, labelled, claimKey, claim, false)...)
		}
	}
	if before != nil && !deleted && !claimed && samePod(before, pod) {
		return nil
	}
	return unique(changed)
}

func unique(groups []slots.Group) []slots.Group {
	seen := map[slots.Group]bool{}
	out := groups[:0]
	for _, g := range groups {
		if !seen[g] {
			seen[g] = true
			out = append(out, g)
		}
	}
	return out
}

func put[K comparable, V any](m map[K]V, key K, value V, deleted bool) {
	if deleted {
		delete(m, key)
		return
	}
	m[key] = value
}

// apply moves an object to its group, if it is in one: labels can change. It returns the groups that changed.
func (m grouped[T]) apply(group slots.Group, in bool, key client.ObjectKey, o T, deleted bool) []slots.Group {
	var changed []slots.Group
	for other, objects := range m {
		if _, there := objects[key]; there && (!in || other != group) {
			delete(objects, key)
			changed = append(changed, other)
		}
	}
	if !in {
		return changed
	}
	if m[group] == nil {
		m[group] = map[client.ObjectKey]T{}
	}
	put(m[group], key, o, deleted)
	return append(changed, group)
}

// slots are those of a group.
func (w *world) slots(group slots.Group) []slots.Slot {
	in := slots.World{Nodes: w.index, Volume: func(name string) *corev1.PersistentVolume { return w.volumes[name] }}
	mounted := map[client.ObjectKey]bool{}
	for _, p := range w.pods[group] {
		in.Pods = append(in.Pods, p)
		if p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded {
			continue
		}
		for _, name := range slots.ClaimNames(p) {
			mounted[client.ObjectKey{Namespace: p.Namespace, Name: name}] = true
		}
	}
	for key, c := range w.claims[group] {
		in.Claims = append(in.Claims, c)
		if w.unlabelled[key] != nil && !mounted[key] {
			in.Pods = append(in.Pods, awaited(w.mountedBy[key]))
		}
	}
	held := slots.Count(in)
	ours := held[:0]
	for _, s := range held {
		if s.Group == group {
			ours = append(ours, s)
		}
	}
	return ours
}

// awaited is the pod as it will come back: it is nowhere, and says whose the claim is.
func awaited(last *corev1.Pod) *corev1.Pod {
	pod := last.DeepCopy()
	pod.Spec.NodeName, pod.Status = "", corev1.PodStatus{}
	return pod
}

// known is the number of instances that hold a slot or wait for one.
func (w *world) known(group slots.Group, held []slots.Slot) int {
	instances := map[slots.Instance]bool{}
	for _, s := range held {
		instances[s.Instance] = true
	}
	for _, p := range w.pods[group] {
		instances[slots.InstanceOfPod(p)] = true
	}
	return len(instances)
}
