package dispersion

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// Instances of one group may ask for different amounts: the templates of an InstanceSet have requests of their own. A guard
// that counts places for pods like the one at hand then lets small instances open and fill the only nodes that are large
// enough for the large ones. So while pods of different sizes wait, and the number of nodes is limited, placement.Pack says
// where each of them goes. What it says is kept for as long as it can still be done.

// mixed reports whether pods of different sizes wait, or did and the last of them still do, and returns those that wait
// without a slot, by name.
func (x *index) mixed(g slots.Group, pod *corev1.Pod) ([]*corev1.Pod, bool) {
	k := x.known(g)
	if len(k.sizes) < 2 && x.mixtures[g] == nil {
		return nil, false
	}
	room := slots.RoomFor(pod)
	var pods []*corev1.Pod
	for _, i := range slices.SortedFunc(maps.Keys(k.waiting), func(a, b slots.Instance) int { return cmp.Compare(a.Name, b.Name) }) {
		if !k.isAbsent(i) {
			continue
		}
		waiting := x.informed[i.Namespace+"/"+i.Name]
		if waiting == nil || !room.SameNodes(waiting) {
			return nil, false // pods that may use different nodes are no case for one packing
		}
		pods = append(pods, waiting)
	}
	return pods, len(pods) > 0
}

// blend fixes the nodes of the pod where the group is a mixture; false where it is none.
func (s *state) blend(pod *corev1.Pod) bool {
	x := s.index
	pods, mixed := x.mixed(s.group, pod)
	if !mixed || s.limits.MaxNodes == 0 {
		delete(x.mixtures, s.group)
		return false
	}
	m := x.mixtures[s.group]
	kept := m
	if m == nil || !m.follow(s, pods) || m.misses(pod) && m.seen != x.changes.end() {
		m = s.pack(pod, pods)
		x.mixtures[s.group] = m
	}
	if s.view.plan != m.plan { // each size has a view of its own, and whatever is published is of this packing
		s.view.plan = m.plan
		x.publish(s.view, s.replicas)
	}
	if m != kept {
		m.seen = x.changes.end()
	}
	s.view.moves = s.view.moves[:0]
	s.mix = m
	s.plan, s.level = m.plan, max(1, min(m.plan.level, maxLevel))
	s.guard = placement.Guard{Openable: len(s.view.seats)} // what is packed needs no other guard
	if s.pinned != "" {
		return true
	}
	s.fixed = true
	own := spotOf(pod)
	for _, other := range m.at {
		if other.number >= 0 && other.like(own) && !slices.Contains(s.row, other.number) {
			s.row = append(s.row, other.number)
		}
	}
	slices.Sort(s.row)
	return true
}

// stands reports whether every instance can still go where it should: room, M, K and the shard rule.
func (s *state) stands(m *mixture) bool {
	type there struct {
		size   slots.Amount
		count  int
		shards map[string]int
	}
	more, opened := map[int]*there{}, 0
	add := func(p spot) {
		if p.number < 0 {
			return
		}
		t := more[p.number]
		if t == nil {
			t = &there{shards: map[string]int{}}
			more[p.number] = t
		}
		t.size, t.count = t.size.Plus(p.size), t.count+1
		if p.shard != "" {
			t.shards[p.shard]++
		}
	}
	for _, p := range m.at {
		add(p)
	}
	for _, p := range m.unknown {
		add(p)
	}
	for number, t := range more { // each is judged by itself
		seat, name := s.view.seats[number], s.index.nodes[number].name
		if seat.held == 0 {
			opened++
		}
		if l := s.limits.MaxPerNode; seat.avoided || l > 0 && int(seat.held)+t.count > l || !t.size.Fits(s.freeFor(number, t.size)) {
			return false
		}
		for shard, n := range t.shards {
			if l := s.limits.MaxPerShard; l > 0 && s.tally.PerShard[shard][name]+n > l {
				return false
			}
		}
	}
	return opened == 0 || s.view.used+opened <= s.limits.MaxNodes
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
