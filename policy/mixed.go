package policy

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// isMixed reports whether the group's pods ask for different amounts.
func (s snapshot) isMixed() bool {
	return slices.ContainsFunc(s.world.Pods, func(pod *corev1.Pod) bool {
		first := s.world.Pods[0]
		return !slots.AskAlike(first, pod) && !slots.RequestOf(first).Equal(slots.RequestOf(pod))
	})
}

// pack places the instances of a mixed group that have no slot, as the scheduler does; false where they are alike, or may use
// different nodes, which is no case for one packing. Instances that are not there yet are taken to be like the first that waits.
func (s snapshot) pack(g placement.Group, held []slots.Slot) (placement.Packing, bool) {
	waiting := s.waiting(held)
	if len(waiting) == 0 || !s.isMixed() {
		return placement.Packing{}, false
	}
	room := slots.RoomFor(waiting[0])
	asked := slots.Amount{}
	for _, pod := range waiting {
		if !room.SameNodes(pod) {
			return placement.Packing{}, false
		}
		asked = asked.Plus(slots.RequestOf(pod))
	}
	extended := slices.Sorted(maps.Keys(asked.Extended))
	m := placement.Mixed{Limits: g.Limits}
	promised := map[string]int64{}
	for _, slot := range held {
		if slot.Pod == nil {
			promised[slot.Node]++
		}
	}
	for i, n := range s.nodes { // in the order of the group's
		free := slots.AmountOf(n.Status.Allocatable).Minus(s.requested[n.Name])
		for range promised[n.Name] {
			free = free.Minus(room.Request())
		}
		m.Nodes = append(m.Nodes, placement.Machine{Held: g.Nodes[i].Held, Free: free.Dimensions(extended), Unusable: !room.Usable(n)})
	}
	for _, n := range g.Nodes[len(s.nodes):] { // deleted Nodes
		m.Nodes = append(m.Nodes, placement.Machine{Held: n.Held, Free: slots.Amount{}.Dimensions(extended), Unusable: true})
	}
	s.addWanted(&m, waiting, held, g.Remaining, extended)
	return placement.Pack(m), true
}

// addWanted tells which instances are to be placed, and where those of their shards are.
func (s snapshot) addWanted(m *placement.Mixed, waiting []*corev1.Pod, held []slots.Slot, remaining int, extended []corev1.ResourceName) {
	shards, nodes := map[string]int{}, map[string]int{}
	for _, n := range s.nodes {
		numberOf(nodes, n.Name)
	}
	shard := func(name string) int {
		if name == "" {
			return -1
		}
		n := numberOf(shards, name)
		if n == len(m.Held) {
			m.Held = append(m.Held, nil)
		}
		return n
	}
	for _, slot := range held {
		node := numberOf(nodes, slot.Node) // deleted Nodes in the order in which group appends them
		if i := shard(slot.Shard); i >= 0 {
			m.Held[i] = append(m.Held[i], node)
		}
	}
	for _, pod := range waiting {
		m.Wanted = append(m.Wanted, placement.Wanted{
			Size: slots.RequestOf(pod).Dimensions(extended), Shard: shard(pod.Labels[v1alpha1.LabelShard]),
		})
	}
	for len(m.Wanted) < remaining {
		m.Wanted = append(m.Wanted, placement.Wanted{Size: slots.RequestOf(waiting[0]).Dimensions(extended), Shard: -1})
	}
}

// waiting are the pods whose instances have no slot, by name.
func (s snapshot) waiting(held []slots.Slot) []*corev1.Pod {
	placed := map[slots.Instance]bool{}
	for _, slot := range held {
		placed[slot.Instance] = true
	}
	var waiting []*corev1.Pod
	for _, pod := range s.world.Pods {
		if pod.Spec.NodeName == "" && !placed[slots.InstanceOfPod(pod)] {
			waiting = append(waiting, pod)
		}
	}
	slices.SortFunc(waiting, func(a, b *corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	return waiting
}
