package decide

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// Room is what there is of the cluster when instances have to leave their nodes.
type Room struct {
	Nodes []*corev1.Node
	// On are the pods on a node; one that cannot be looked at is no place.
	On func(node string) ([]*corev1.Pod, error)
	// Held are the slots of the set's placement group, and Queued the pods of it that have no node.
	Held   []slots.Slot
	Queued []*corev1.Pod
}

// Bounds of what one look for room costs: kinds of pods that are asked for, and nodes for each kind beside those that the group uses.
const (
	maxKinds  = 100
	maxPlaces = 100
)

// Cordoned reports whether a node is alive, and nothing new is to come to it.
func Cordoned(n *corev1.Node) bool {
	return n != nil && n.Spec.Unschedulable && stateOf(n) == NodeHealthy
}

// kind are pods that could go to the same nodes, or stay for the same reason. Of 10,000 that leave most are alike.
type kind struct {
	*Move
	live *corev1.Pod // one of them
	room slots.Room
	// reach are where their volumes may be used, and volumes those that say so.
	reach   []*nodeaffinity.NodeSelector
	volumes []*corev1.PersistentVolume
	// found are the nodes that would take them, beside those that the group uses.
	found int
}

// observeRoom finds out where instances of cordoned nodes could go.
func (s *Snapshot) observeRoom(o Objects, pods map[int32]*corev1.Pod, volumes map[string]*corev1.PersistentVolume) {
	if o.Room == nil {
		return
	}
	s.sort()
	pinned := map[int32]bool{}
	for n := range s.Claims {
		pinned[s.Claims[n].Ordinal] = pinned[s.Claims[n].Ordinal] || s.Claims[n].Node != ""
	}
	kinds := s.observeMovers(o, pods, volumes, pinned)
	if len(kinds) == 0 {
		return
	}
	kinds = s.observeQueue(o, pods, kinds, pinned)
	places, podless := heldPlaces(o.Room.Held), map[string]int64{}
	for _, slot := range o.Room.Held {
		if slot.Pod == nil {
			podless[slot.Node]++
		}
	}
	for _, node := range nodesInUseFirst(o.Room.Nodes, places) {
		if !node.Spec.Unschedulable && stateOf(node) == NodeHealthy {
			offer(node, o.Room, kinds, places, podless[node.Name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(places)) {
		s.Places = append(s.Places, *places[name])
	}
}

// observeMovers sorts those into kinds who could leave cordoned nodes. Whose volume is on its node stays, wherever there is room.
func (s *Snapshot) observeMovers(o Objects, pods map[int32]*corev1.Pod, volumes map[string]*corev1.PersistentVolume, pinned map[int32]bool) (kinds []*kind) {
	reach := map[int32][]*corev1.PersistentVolume{}
	for n := range s.Claims {
		c := &s.Claims[n]
		if v := volumes[c.Volume]; v != nil && v.Spec.NodeAffinity != nil && v.Spec.NodeAffinity.Required != nil {
			reach[c.Ordinal] = append(reach[c.Ordinal], v)
		}
	}
	ours := make(map[string]bool, len(o.Claims))
	for _, c := range o.Claims {
		ours[c.Name] = true
	}
	for n := range s.Pods {
		p := &s.Pods[n]
		if p.Foreign || p.Terminating || pinned[p.Ordinal] || !Cordoned(o.Nodes.Get(p.Node)) {
			continue
		}
		live := pods[p.Ordinal]
		if strange := strangeClaim(ours, live); strange != "" {
			p.Move = &Move{Tied: strange}
			continue
		}
		var k *kind
		if kinds, k = kindOf(kinds, live, reach[p.Ordinal]); k != nil {
			p.Move = k.Move
		}
	}
	return kinds
}

// observeQueue notes who has yet to get a node: of the group, and of the set. Who has a volume on one waits for that.
func (s *Snapshot) observeQueue(o Objects, pods map[int32]*corev1.Pod, kinds []*kind, pinned map[int32]bool) []*kind {
	waiting := slices.Clone(o.Room.Queued)
	of := map[types.UID]bool{}
	for _, pod := range waiting {
		of[pod.UID] = true
	}
	for n := range s.Pods {
		if p := &s.Pods[n]; p.Node == "" && !p.Foreign && !p.Terminating && !p.ended() && !of[p.UID] && !pinned[p.Ordinal] {
			waiting = append(waiting, pods[p.Ordinal])
		}
	}
	slices.SortFunc(waiting, func(a, b *corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	known := map[*Move]bool{}
	for _, pod := range waiting {
		var k *kind
		move := (*Move)(nil)
		if kinds, k = kindOf(kinds, pod, nil); k != nil {
			move = k.Move
		}
		if !known[move] {
			known[move] = true
			s.Queued = append(s.Queued, Waiting{Pod: pod.Name, Move: move})
		}
	}
	return kinds
}

// kindOf finds or makes the kind of a pod with volumes that may be used in some places; nil where there are too many.
func kindOf(kinds []*kind, pod *corev1.Pod, volumes []*corev1.PersistentVolume) ([]*kind, *kind) {
	for _, k := range kinds {
		if k.room.Covers(pod) && alike(k.live, pod) && slices.EqualFunc(k.volumes, volumes, sameReach) {
			return kinds, k
		}
	}
	if len(kinds) == maxKinds {
		return kinds, nil
	}
	k := &kind{live: pod, room: slots.RoomFor(pod), volumes: volumes}
	k.Move = &Move{Asks: k.room.Request(), To: map[string]bool{}}
	k.Alone, k.Tied = judgeNeighbours(pod)
	for _, v := range volumes {
		selector, err := nodeaffinity.NewNodeSelector(v.Spec.NodeAffinity.Required)
		if err != nil {
			k.Tied = "volume " + v.Name + ": " + err.Error()
			continue
		}
		k.reach = append(k.reach, selector)
	}
	return append(kinds, k), k
}

func sameReach(a, b *corev1.PersistentVolume) bool {
	return a == b || equality.Semantic.DeepEqual(a.Spec.NodeAffinity.Required, b.Spec.NodeAffinity.Required)
}

// ownLabels differ between the pods of a set, or change while they run. Pods are alike without them (see keepsAway).
var ownLabels = map[string]bool{
	v1alpha1.LabelOrdinal: true, v1alpha1.LabelShard: true, v1alpha1.LabelRole: true, v1alpha1.LabelMayLeave: true,
}

// alike reports whether other pods keep away from two pods alike, and they from others.
func alike(a, b *corev1.Pod) bool {
	if a.Namespace != b.Namespace || (a.Spec.Affinity != nil || b.Spec.Affinity != nil) && !equality.Semantic.DeepEqual(a.Spec.Affinity, b.Spec.Affinity) ||
		!equality.Semantic.DeepEqual(a.Spec.TopologySpreadConstraints, b.Spec.TopologySpreadConstraints) {
		return false
	}
	within := func(a, b map[string]string) bool {
		for key, value := range a {
			if other, has := b[key]; !ownLabels[key] && (!has || other != value) {
				return false
			}
		}
		return true
	}
	return within(a.Labels, b.Labels) && within(b.Labels, a.Labels)
}

// heldPlaces are the nodes on which the group holds slots.
func heldPlaces(held []slots.Slot) map[string]*Place {
	places := map[string]*Place{}
	for _, slot := range held {
		p := places[slot.Node]
		if p == nil {
			p = &Place{Node: slot.Node}
			places[slot.Node] = p
		}
		p.add(slot.Shard, 1)
	}
	return places
}

func nodesInUseFirst(nodes []*corev1.Node, used map[string]*Place) []*corev1.Node {
	rank := func(n *corev1.Node) int {
		if used[n.Name] != nil {
			return 0
		}
		return 1
	}
	nodes = slices.Clone(nodes)
	slices.SortFunc(nodes, func(a, b *corev1.Node) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Name, b.Name)) })
	return nodes
}

// offer notes who could go to a node.
func offer(node *corev1.Node, r *Room, kinds []*kind, places map[string]*Place, podless int64) {
	var there []*corev1.Pod
	var free slots.Amount
	looked, offered, used := false, false, places[node.Name] != nil
	for _, k := range kinds {
		outside := func(s *nodeaffinity.NodeSelector) bool { return !s.Match(node) }
		if !used && k.found == maxPlaces || !k.room.Usable(node) || slices.ContainsFunc(k.reach, outside) {
			continue
		}
		if !looked { // most nodes are not usable
			var err error
			if there, err = r.On(node.Name); err != nil {
				return
			}
			looked, free = true, freeOn(node, there, podless, kinds[0].Asks)
		}
		if !k.Asks.Fits(free) || repelled(k.live, there) {
			continue
		}
		if offered, k.To[node.Name] = true, true; !used {
			k.found++
		}
	}
	if !offered {
		return
	}
	if !used {
		places[node.Name] = &Place{Node: node.Name}
	}
	places[node.Name].Free = free
}

// freeOn is what no pod asks for, nor one of the group that will come back to its volume there and asks for as much as others.
func freeOn(node *corev1.Node, there []*corev1.Pod, podless int64, each slots.Amount) slots.Amount {
	free := slots.AmountOf(node.Status.Allocatable)
	for _, pod := range there {
		if !slots.Ended(pod) {
			free = free.Minus(slots.RequestOf(pod))
		}
	}
	for range podless {
		free = free.Minus(each)
	}
	return free
}

// strangeClaim names a claim of a pod that is none of the set's: where its volume may be used is not known here.
func strangeClaim(ours map[string]bool, pod *corev1.Pod) string {
	for n := range pod.Spec.Volumes {
		source := pod.Spec.Volumes[n].PersistentVolumeClaim
		if source != nil && !ours[source.ClaimName] {
			return "claim " + source.ClaimName + " is none of the set's"
		}
	}
	return ""
}

// judgeNeighbours says what a pod demands of the pods beside it: alone, that some stay away from its node; or what is not judged here.
func judgeNeighbours(pod *corev1.Pod) (alone bool, unjudged string) {
	for _, c := range pod.Spec.TopologySpreadConstraints {
		if c.WhenUnsatisfiable == corev1.DoNotSchedule {
			return false, "its topologySpreadConstraints are not judged"
		}
	}
	if a := pod.Spec.Affinity; a != nil && a.PodAffinity != nil && len(a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution) > 0 {
		return false, "its podAffinity is not judged"
	}
	for _, term := range antiAffinity(pod) {
		if alone = true; term.TopologyKey != corev1.LabelHostname {
			return alone, "its podAntiAffinity is judged for " + corev1.LabelHostname + " alone"
		}
	}
	return alone, ""
}

func antiAffinity(pod *corev1.Pod) []corev1.PodAffinityTerm {
	if pod.Spec.Affinity == nil || pod.Spec.Affinity.PodAntiAffinity == nil {
		return nil
	}
	return pod.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
}

// repelled reports whether a pod keeps away from one of those on a node, or one of those from it.
func repelled(pod *corev1.Pod, there []*corev1.Pod) bool {
	return slices.ContainsFunc(there, func(other *corev1.Pod) bool {
		return !slots.Ended(other) && other.UID != pod.UID && (keepsAway(pod, other) || keepsAway(other, pod))
	})
}

// keepsAway reports whether one pod demands that the other is not on its node. Where that is not certain, it does: what is asked of the labels that
// differ between the pods of a set counts as fulfilled.
func keepsAway(one, other *corev1.Pod) bool {
	return slices.ContainsFunc(antiAffinity(one), func(term corev1.PodAffinityTerm) bool {
		if term.NamespaceSelector == nil && len(term.Namespaces) == 0 && one.Namespace != other.Namespace {
			return false
		}
		if len(term.Namespaces) > 0 && term.NamespaceSelector == nil && !slices.Contains(term.Namespaces, other.Namespace) {
			return false
		}
		selector, err := metav1.LabelSelectorAsSelector(term.LabelSelector)
		if err != nil {
			return true
		}
		requirements, some := selector.Requirements()
		return some && !slices.ContainsFunc(requirements, func(r labels.Requirement) bool {
			return !ownLabels[r.Key()] && !r.Matches(labels.Set(other.Labels))
		})
	})
}
