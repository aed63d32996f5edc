package dispersion

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// Instances of one group may ask for different amounts: the templates of an InstanceSet have requests of their own. A guard
// that counts places for pods like the one at hand then lets small instances open and fill the only nodes that are large
// enough for the large ones. So while pods of different sizes wait, and the number of nodes is limited, placement.Pack says
// where each of them goes. What it says is kept for as long as it can still be done.

// mixed reports whether pods of different sizes wait, or did and the last of them still do. Pods that may use different nodes are no case
// for one packing.
func (x *index) mixed(g slots.Group) bool {
	k := x.known(g)
	return k.absent > 0 && (len(k.sizes) > 1 || x.mixtures[g] != nil) && len(k.places) == 1 && k.places[""] == 0
}

// blend fixes the nodes of the pod where the group is a mixture; false where it is none.
func (s *state) blend(pod *corev1.Pod) bool {
	x := s.index
	m := x.mixtures[s.group]
	if s.limits.MaxNodes == 0 || !x.mixed(s.group) {
		if m != nil {
			x.replan(s.group) // the plan of a packing is none to go on with
		}
		return false
	}
	own := x.known(s.group).memo.shapeOf(pod)
	kept := m
	if m == nil || !m.follow(s) || m.misses(own.likeness) && m.seen != x.changes.end() {
		m = s.pack(own)
		x.mixtures[s.group] = m
	}
	if m.astray {
		m.recount(s.view.seats)
	}
	if s.view.plan != m.plan || m.astray { // each size has a view of its own, and whatever is published is of this packing
		s.view.plan = m.plan
		x.publish(s.view, s.replicas)
		m.astray = false
	}
	if m != kept {
		m.seen = x.changes.end()
		x.speaksFor(s.view)
	}
	s.view.moves = s.view.moves[:0]
	s.mix = m
	s.plan, s.level = m.plan, max(1, min(m.plan.level, maxLevel))
	s.guard = placement.Guard{Openable: len(s.view.seats)} // what is packed needs no other guard
	if s.pinned != "" {
		return true
	}
	s.fixed = true
	if r := m.rows[own.likeness]; r != nil {
		s.row = slices.Clone(r.numbers)
	}
	return true
}

// freeFor is what the group can use of a node, of the resources that are asked for.
func (s *state) freeFor(number int, asked slots.Amount) slots.Amount {
	n := s.index.nodes[number]
	if n.info == nil || !s.view.room.Usable(n.object) {
		return slots.Amount{Pods: -1}
	}
	free := freeOf(asked, n.info)
	if others := s.index.neededBy(s.view, number); others.any {
		free = minus(free, others.total)
	}
	for range s.view.seats[number].promised {
		free = minus(free, s.view.room.Request())
	}
	if s.total > 0 {
		free.Pods = min(free.Pods, int64(s.total)-int64(s.view.seats[number].all))
	}
	return free
}
