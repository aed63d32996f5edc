package decide

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"github.com/shoal-dev/shoal/slots"
)

// Room is what there is of the cluster when instances have to leave their nodes.
type Room struct {
	Nodes []*corev1.Node
	// On are the pods on a node; one that cannot be looked at is no place.
	On func(node string) ([]*corev1.Pod, error)
	// Held are the slots of the set's placement group, and Queued says that a pod of it has no node.
	Held   []slots.Slot
	Queued bool
}

// Bounds of what one look for room costs: instances that are asked for, and nodes beside those that the group uses.
const (
	maxMovers = 100
	maxPlaces = 100
)

// Cordoned reports whether a node is alive, and nothing new is to come to it.
func Cordoned(n *corev1.Node) bool {
	return n != nil && n.Spec.Unschedulable && stateOf(n) == NodeHealthy
}

// mover is an instance on a cordoned node.
type mover struct {
	*Pod
	live *corev1.Pod
	room slots.Room
	// reach are where its volumes may be used.
	reach []*nodeaffinity.NodeSelector
}

// observeRoom finds out where instances of cordoned nodes could go.
func (s *Snapshot) observeRoom(o Objects, pods map[int32]*corev1.Pod, volumes map[string]*corev1.PersistentVolume) {
	if o.Room == nil {
		return
	}
	s.Queued = o.Room.Queued
	movers := s.observeMovers(o, pods, volumes)
	places, open := heldPlaces(o.Room.Held), 0
	for _, node := range nodesInUseFirst(o.Room.Nodes, places) {
		if open == maxPlaces {
			break
		}
		if !node.Spec.Unschedulable && stateOf(node) == NodeHealthy && offer(node, o.Room, movers, places) {
			open++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(places)) {
		s.Places = append(s.Places, *places[name])
	}
}

func (s *Snapshot) observeMovers(o Objects, pods map[int32]*corev1.Pod, volumes map[string]*corev1.PersistentVolume) []mover {
	var movers []mover
	for n := range s.Pods {
		if p := &s.Pods[n]; !p.Foreign && !p.Terminating && Cordoned(o.Nodes.Get(p.Node)) {
			movers = append(movers, mover{Pod: p, live: pods[p.Ordinal]})
		}
	}
	slices.SortStableFunc(movers, func(a, b mover) int { // node by node: one is to be empty before the next one
		return cmp.Or(b.MayLeave.Compare(a.MayLeave), cmp.Compare(a.Node, b.Node), cmp.Compare(b.Ordinal, a.Ordinal))
	})
	movers = movers[:min(len(movers), maxMovers)]
	at := map[int32]*mover{}
	for n := range movers {
		m := &movers[n]
		at[m.Ordinal], m.room = m, slots.RoomFor(m.live)
		m.Move = &Move{Asks: m.room.Request()}
		m.Move.Alone, m.Move.Tied = judgeNeighbours(m.live)
		m.Move.Tied = cmp.Or(m.Move.Tied, strangeClaim(o, m.live))
	}
	for n := range s.Claims {
		m, v := at[s.Claims[n].Ordinal], volumes[s.Claims[n].Volume]
		if m == nil || v == nil || v.Spec.NodeAffinity == nil || v.Spec.NodeAffinity.Required == nil {
			continue
		}
		selector, err := nodeaffinity.NewNodeSelector(v.Spec.NodeAffinity.Required)
		if err != nil {
			m.Move.Tied = "volume " + v.Name + ": " + err.Error()
			continue
		}
		m.reach = append(m.reach, selector)
	}
	return movers
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

// offer notes who could go to a node, and reports whether anybody could.
func offer(node *corev1.Node, r *Room, movers []mover, places map[string]*Place) bool {
	var there []*corev1.Pod
	var free slots.Amount
	looked, offered := false, false
	for n := range movers {
		m := &movers[n]
		outside := func(s *nodeaffinity.NodeSelector) bool { return !s.Match(node) }
		if m.Move.Tied != "" || !m.room.Usable(node) || slices.ContainsFunc(m.reach, outside) {
			continue
		}
		if !looked { // most nodes are not usable
			var err error
			if there, err = r.On(node.Name); err != nil {
				return false
			}
			looked = true
			free = freeOn(node, there, r.Held, m.Move.Asks)
		}
		if !m.Move.Asks.Fits(free) || repelled(m.live, there) {
			continue
		}
		offered = true
		m.Move.To = append(m.Move.To, node.Name)
	}
	if offered {
		if places[node.Name] == nil {
			places[node.Name] = &Place{Node: node.Name}
		}
		places[node.Name].Free = free
	}
	return offered
}

// freeOn is what no pod asks for, nor one of the group that will come back to its volume there and asks for as much as others.
func freeOn(node *corev1.Node, there []*corev1.Pod, held []slots.Slot, each slots.Amount) slots.Amount {
	free := slots.AmountOf(node.Status.Allocatable)
	for _, pod := range there {
		if !slots.Ended(pod) {
			free = free.Minus(slots.RequestOf(pod))
		}
	}
	for _, slot := range held {
		if slot.Node == node.Name && slot.Pod == nil {
			free = free.Minus(each)
		}
	}
	return free
}

// strangeClaim names a claim of a pod that is none of the set's: where its volume may be used is not known here.
func strangeClaim(o Objects, pod *corev1.Pod) string {
	for n := range pod.Spec.Volumes {
		source := pod.Spec.Volumes[n].PersistentVolumeClaim
		if source != nil && !slices.ContainsFunc(o.Claims, func(c *corev1.PersistentVolumeClaim) bool { return c.Name == source.ClaimName }) {
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

// keepsAway reports whether one pod demands that the other is not on its node. Where that is not certain, it does.
func keepsAway(one, other *corev1.Pod) bool {
	return slices.ContainsFunc(antiAffinity(one), func(term corev1.PodAffinityTerm) bool {
		if term.NamespaceSelector == nil && len(term.Namespaces) == 0 && one.Namespace != other.Namespace {
			return false
		}
		if len(term.Namespaces) > 0 && term.NamespaceSelector == nil && !slices.Contains(term.Namespaces, other.Namespace) {
			return false
		}
		selector, err := metav1.LabelSelectorAsSelector(term.LabelSelector)
		return err != nil || selector.Matches(labels.Set(other.Labels))
	})
}
