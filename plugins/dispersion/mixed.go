package dispersion

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// Instances of one group may ask for different amounts: the templates of an InstanceSet have requests of their own. A guard
// that counts places for pods like the one at hand then lets small instances open and fill the only nodes that are large
// enough for the large ones. So while pods of different sizes wait, and the number of nodes is limited, placement.Pack says
// where each of them goes. What it says is kept for as long as it can still be done.

// mixture is where the absent instances of a group go.
type mixture struct {
	at       map[slots.Instance]spot
	unknown  []spot               // for instances that are not there yet, taken to be like the pod at hand
	plan     *plan                // how many instances each node holds in the end
	rows     map[kind]map[int]int // how many instances of a kind go to a node, by its number
	more     map[int]*load        // what goes to each node
	room     slots.Room           // the nodes that all of them may use
	limits   placement.Limits
	moved    []slots.Instance // that were placed, came or went since follow took it in
	seen     int              // how much of the changelog there was when it was made
	read     int              // how much of it was taken in
	leftOver int              // known instances without a node
	least    int              // instances that have no place whatever is done with the others
	broken   bool             // it cannot be done as it was made
}

// spot is the node of an instance, -1 for none.
type spot struct {
	kind
	number int
	size   slots.Amount
}

// kind is what makes one instance equal to another.
type kind struct{ size, shard string }

// load is what goes to one node.
type load struct {
	size   slots.Amount
	count  int
	shards map[string]int
}

func spotOf(pod *corev1.Pod) spot {
	size := slots.RequestOf(pod)
	return spot{kind{size.String(), pod.Labels[v1alpha1.LabelShard]}, -1, size}
}

// mixed reports whether pods of different sizes wait, or did and the last of them still do.
func (x *index) mixed(g slots.Group, pod *corev1.Pod) bool {
	k, m := x.known(g), x.mixtures[g]
	if len(k.absent) == 0 || len(k.sizes) < 2 && m == nil {
		return false
	}
	if m == nil {
		return x.useSameNodes(slots.RoomFor(pod), k.absent)
	}
	moved := map[slots.Instance]bool{}
	for _, i := range m.moved {
		moved[i] = k.absent[i]
	}
	return m.room.SameNodes(pod) && x.useSameNodes(m.room, moved)
}

// useSameNodes is false where pods may use different nodes: they are no case for one packing.
func (x *index) useSameNodes(room slots.Room, absent map[slots.Instance]bool) bool {
	for i, is := range absent {
		if !is {
			continue
		}
		if waiting := x.informed[i.Namespace+"/"+i.Name]; waiting == nil || !room.SameNodes(waiting) {
			return false
		}
	}
	return true
}

// waitingOf are the pods of a group that wait without a slot, by name.
func (x *index) waitingOf(g slots.Group) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, i := range slices.SortedFunc(maps.Keys(x.known(g).absent), byInstance) {
		pods = append(pods, x.informed[i.Namespace+"/"+i.Name])
	}
	return pods
}

func byInstance(a, b slots.Instance) int { return cmp.Compare(a.Name, b.Name) } // of one group, so of one namespace

// blend fixes the nodes of the pod where the group is a mixture; false where it is none.
func (s *state) blend(pod *corev1.Pod) bool {
	x := s.index
	if s.limits.MaxNodes == 0 || !x.mixed(s.group, pod) {
		delete(x.mixtures, s.group)
		return false
	}
	m := x.mixtures[s.group]
	if m != nil {
		m.follow(s)
	}
	switch {
	case m == nil:
		m = s.repack(pod)
	case !m.broken && (!m.misses(pod) || m.seen == x.changes.end()):
	case x.allowances.may(s.group, s.now):
		m = s.repack(pod)
	case m.misses(pod):
		s.later = x.allowances.wait(s.group, s.now)
	}
	s.view.moves = s.view.moves[:0]
	s.mix, s.plan, s.level = m, m.plan, max(1, min(m.plan.level, maxLevel))
	s.guard = placement.Guard{Openable: len(s.view.seats)} // what is packed needs no other guard
	if s.pinned == "" {
		s.fixed, s.row = true, slices.Sorted(maps.Keys(m.rows[spotOf(pod).kind]))
	}
	return true
}

// repack packs anew, and books what that cost.
func (s *state) repack(pod *corev1.Pod) *mixture {
	x := s.index
	m, cost := s.pack(pod, x.waitingOf(s.group))
	x.allowances.spend(s.group, s.now, cost)
	x.mixtures[s.group], s.view.plan = m, m.plan
	x.publish(s.view, s.replicas)
	m.seen = x.changes.end()
	m.read = m.seen
	return m
}

// misses reports whether the packing has no node for the pod.
func (m *mixture) misses(pod *corev1.Pod) bool {
	at, there := m.at[slots.InstanceOfPod(pod)]
	return there && at.number < 0
}

// book counts a spot, or no longer.
func (m *mixture) book(p spot, by int) {
	if p.number < 0 {
		return
	}
	l := m.more[p.number]
	if l == nil {
		l = &load{shards: map[string]int{}}
		m.more[p.number] = l
	}
	l.count += by
	if l.size = l.size.Plus(p.size); by < 0 {
		l.size = l.size.Minus(p.size).Minus(p.size)
	}
	if p.shard != "" {
		count(l.shards, p.shard, by)
	}
	if l.count == 0 {
		delete(m.more, p.number)
	}
}

// put gives an instance a spot, instead of the one that it had.
func (m *mixture) put(i slots.Instance, p spot) {
	m.drop(i)
	m.at[i] = p
	m.book(p, +1)
	if p.number >= 0 {
		if m.rows[p.kind] == nil {
			m.rows[p.kind] = map[int]int{}
		}
		m.rows[p.kind][p.number]++
	}
}

func (m *mixture) drop(i slots.Instance) {
	p, there := m.at[i]
	if !there {
		return
	}
	delete(m.at, i)
	m.book(p, -1)
	if p.number >= 0 {
		count(m.rows[p.kind], p.number, -1)
	}
}

// follow takes in what has moved since, and breaks the packing where it can no longer be done: who loses the spot has none until
// the next packing, and the others keep theirs. It costs as much as what has changed.
func (m *mixture) follow(s *state) {
	slices.SortFunc(m.moved, byInstance) // they come in any order
	moved := slices.Compact(m.moved)
	absent := s.index.known(s.group).absent
	for _, i := range moved {
		was, there := m.at[i]
		if !there || absent[i] {
			continue
		}
		m.drop(i)
		held := s.tally.Instances[i]
		if len(held) == 0 { // it is gone
			continue
		}
		if number := s.index.names[held[0].Node]; number != was.number {
			m.swap(was, number)
		}
	}
	for _, i := range moved {
		pod := s.index.informed[i.Namespace+"/"+i.Name]
		if !absent[i] || pod == nil {
			continue
		}
		own := spotOf(pod)
		if was, there := m.at[i]; there && was.kind == own.kind {
			continue
		}
		if own.number = -1; len(m.unknown) > 0 {
			own.number = m.unknown[0].number
			m.reserve(len(m.unknown)-1, true)
		}
		m.broken = m.broken || own.number < 0
		m.put(i, own)
	}
	m.moved = m.moved[:0]
	m.reserve(min(len(m.unknown), max(0, s.remaining-len(absent))), false)
	m.check(s)
}

// reserve keeps so many spots for instances that are not there yet; it drops the first of them, or the last.
func (m *mixture) reserve(n int, first bool) {
	gone := m.unknown[n:]
	if first {
		gone = m.unknown[:len(m.unknown)-n]
		m.unknown = m.unknown[len(gone):]
	} else {
		m.unknown = m.unknown[:n]
	}
	for _, p := range gone {
		m.book(p, -1)
	}
}

// swap gives the place of an instance to one like it, whose place it has taken: the first of them.
func (m *mixture) swap(was spot, number int) {
	var first slots.Instance
	found := false
	for i, other := range m.at {
		if other.number == number && other.kind == was.kind && (!found || byInstance(i, first) < 0) {
			first, found = i, true
		}
	}
	if found {
		m.put(first, was)
		m.broken = m.broken || was.number < 0
	}
}

// check takes the spots away from which something is in the way by now: room, M, K or the shard rule.
func (m *mixture) check(s *state) {
	log := &s.index.changes
	changed, all := map[int]bool{}, m.read < log.dropped || m.limits != s.limits
	if !all {
		for _, number := range log.numbers[m.read-log.dropped:] {
			changed[int(number)] = true
		}
	}
	m.read, m.limits = log.end(), s.limits
	opens := 0
	var lost map[int]bool
	for number, l := range m.more { // each is judged by itself
		seat := s.view.seats[number]
		if seat.held == 0 {
			opens++
		}
		if seat.avoided || (all || changed[number]) && !s.holdsMore(number, l) {
			if lost == nil {
				lost = map[int]bool{}
			}
			lost[number] = true
		}
	}
	if opens > 0 && s.view.used+opens > s.limits.MaxNodes { // no more nodes are opened as it was planned
		lost = map[int]bool{}
		for number := range m.more {
			lost[number] = s.view.seats[number].held == 0
		}
	}
	if lost != nil {
		m.lose(lost)
	}
}

// lose takes the spots on some nodes away.
func (m *mixture) lose(on map[int]bool) {
	m.broken = true
	for i, p := range m.at {
		if p.number >= 0 && on[p.number] {
			p.number = -1
			m.put(i, p)
		}
	}
	kept := m.unknown[:0]
	for _, p := range m.unknown {
		if p.number >= 0 && on[p.number] {
			m.book(p, -1)
			continue
		}
		kept = append(kept, p)
	}
	m.unknown = kept
}

// holdsMore reports whether a node can still take what goes there.
func (s *state) holdsMore(number int, l *load) bool {
	held := int(s.view.seats[number].held)
	if most := s.limits.MaxPerNode; most > 0 && held+l.count > most || !l.size.Fits(s.freeFor(number, l.size)) {
		return false
	}
	for shard, n := range l.shards {
		if most := s.limits.MaxPerShard; most > 0 && s.tally.PerShard[shard][s.index.nodes[number].name]+n > most {
			return false
		}
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
