package dispersion

import (
	"cmp"
	"maps"
	"slices"

	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// mixture is where the absent instances of a group go. Those of one kind are equal: what counts is how many of them go to a node, and not
// which. It follows the index: a cycle looks at the instances and nodes that have changed since the one before, however many wait.
type mixture struct {
	of       map[slots.Instance]likeness // the absent instances
	rows     map[likeness]*row
	unknown  []spot // for instances that are not there yet, taken to be like the pod at hand when it was packed
	coming   map[int]*coming
	plan     *plan // how many instances each node holds in the end
	leftOver int   // known instances without a node
	least    int   // instances that have no place whatever is done with the others
	astray   bool  // not all has gone as in the plan since it was made known
	seen     int   // how much of the changelog there was

	moved  map[slots.Instance]bool // their slots or pods have changed since the last cycle
	stale  map[int]bool            // nodes that have to be judged again
	judged int                     // how much of the changelog is judged; -1 for nothing
	limits placement.Limits        // by these
	opens  int                     // nodes that are not in use yet
}

// row is where the instances of one kind go.
type row struct {
	asks    slots.Amount
	numbers []int       // in their order: each takes at least one
	count   map[int]int // how many each takes
	none    int         // how many have no node
}

// coming is what is to come to a node.
type coming struct {
	asks   slots.Amount
	count  int
	shards map[string]int
	opens  bool // the node is not in use yet
}

// spot is the node of an instance, -1 for none.
type spot struct {
	shape
	number int
}

func newMixture(absent int) *mixture {
	return &mixture{
		of: make(map[slots.Instance]likeness, absent), rows: map[likeness]*row{}, coming: map[int]*coming{}, moved: map[slots.Instance]bool{},
		stale: map[int]bool{}, judged: -1,
	}
}

// misses reports whether the packing has no node for any instance of the kind.
func (m *mixture) misses(k likeness) bool {
	r := m.rows[k]
	return r != nil && r.none > 0 && len(r.numbers) == 0
}

// put has an instance go to a node, or to none.
func (m *mixture) put(i slots.Instance, p spot) {
	m.of[i] = p.likeness
	r := m.rows[p.likeness]
	if r == nil {
		r = &row{asks: p.asks, count: map[int]int{}}
		m.rows[p.likeness] = r
	}
	if p.number < 0 {
		r.none++
		m.leftOver++
		return
	}
	if r.count[p.number]++; r.count[p.number] == 1 {
		at, _ := slices.BinarySearch(r.numbers, p.number)
		r.numbers = slices.Insert(r.numbers, at, p.number)
	}
	m.comes(p)
}

// take takes out an instance that is on that node now, or is gone: -1. If one of its kind was to go there, that place is taken. If not, one
// of its kind that had no place is one less, or else the first place of its kind is given up, whichever was meant for it. It reports
// whether it went where one was to go.
func (m *mixture) take(i slots.Instance, number int) (foreseen bool) {
	k := m.of[i]
	delete(m.of, i)
	r := m.rows[k]
	if foreseen = r.count[number] > 0; !foreseen {
		if r.none > 0 {
			r.none--
			m.leftOver--
			return false
		}
		number = r.numbers[0]
	}
	count(r.count, number, -1)
	if r.count[number] == 0 {
		at, _ := slices.BinarySearch(r.numbers, number)
		r.numbers = slices.Delete(r.numbers, at, at+1)
	}
	if len(r.numbers)+r.none == 0 {
		delete(m.rows, k)
	}
	m.goes(spot{shape{k, r.asks, ""}, number})
	return foreseen
}

// recount makes the plan of what the nodes hold and what is to come to them.
func (m *mixture) recount(seats []seat) {
	p := m.plan
	p.quota, p.opened, p.level = slices.Grow(p.quota[:0], len(seats))[:len(seats)], p.opened[:0], 0
	for number := range seats {
		p.quota[number] = int(seats[number].held)
	}
	for number, c := range m.coming { // sums alone
		p.quota[number] += c.count
	}
	for number, q := range p.quota {
		if q > 0 {
			p.opened, p.level = append(p.opened, number), max(p.level, q)
		}
	}
}

// comes adds what is to come to a node.
func (m *mixture) comes(p spot) {
	if p.number < 0 {
		return
	}
	c := m.coming[p.number]
	if c == nil {
		c = &coming{shards: map[string]int{}}
		m.coming[p.number] = c
	}
	c.asks, c.count = c.asks.Plus(p.asks), c.count+1
	if p.shard != "" {
		c.shards[p.shard]++
	}
	m.stale[p.number] = true
}

// goes takes that off again.
func (m *mixture) goes(p spot) {
	if p.number < 0 {
		return
	}
	c := m.coming[p.number]
	c.asks, c.count = c.asks.Minus(p.asks), c.count-1
	if p.shard != "" {
		count(c.shards, p.shard, -1)
	}
	m.stale[p.number] = true
}

// follow takes in what was placed since, and reports whether the rest can still go where it should.
func (m *mixture) follow(s *state) bool {
	k := s.index.known(s.group)
	moved := slices.SortedFunc(maps.Keys(m.moved), func(a, b slots.Instance) int { return cmp.Compare(a.Name, b.Name) })
	clear(m.moved)
	for _, i := range moved {
		was, there := m.of[i]
		if w := k.waiting[i]; !there || w != nil && w.absent && w.shape.likeness == was {
			m.astray = m.astray || !there
			continue
		}
		number := -1
		if held := s.tally.Instances[i]; len(held) > 0 {
			number = s.index.names[held[0].Node]
		}
		if !m.take(i, number) {
			m.astray = true
		}
	}
	for _, i := range moved {
		w := k.waiting[i]
		if _, there := m.of[i]; there || w == nil || !w.absent {
			continue
		}
		if len(m.unknown) == 0 {
			if s.group.Policy != "" || !m.join(s, i, w.shape) {
				return false
			}
			continue
		}
		m.goes(m.unknown[0])
		m.put(i, spot{w.shape, m.unknown[0].number})
		m.unknown = m.unknown[1:]
	}
	for len(m.unknown) > max(0, s.remaining-k.absent) {
		last := len(m.unknown) - 1
		m.goes(m.unknown[last])
		m.unknown = m.unknown[:last]
	}
	return m.stands(s)
}

// join finds a place for an instance that nobody knew of, in a group without a policy, of which nobody knows how many are to come: to pack
// all anew for each would cost tens of milliseconds. It goes to a further node while there may be one, the largest first, and then to the
// one that holds the fewest in the end. False asks for a packing; where one has left out an instance
// of its kind already, this one waits as well.
func (m *mixture) join(s *state, i slots.Instance, wants shape) bool {
	for len(m.plan.quota) < len(s.view.seats) {
		m.plan.quota = append(m.plan.quota, 0)
	}
	best, seats, quota := -1, s.view.seats, m.plan.quota
	if s.view.used+m.opens < s.limits.MaxNodes {
		for number := range seats {
			if seats[number].held > 0 || m.coming[number] != nil || best >= 0 &&
				cmp.Or(cmp.Compare(seats[best].capacity, seats[number].capacity), cmp.Compare(seats[number].load, seats[best].load)) >= 0 {
				continue
			}
			if m.takes(s, number, wants) {
				best = number
			}
		}
	}
	if best < 0 {
		for _, number := range m.plan.opened {
			if seats[number].held == 0 && m.coming[number] == nil || best >= 0 &&
				cmp.Or(cmp.Compare(quota[number], quota[best]), cmp.Compare(seats[number].load, seats[best].load)) >= 0 {
				continue
			}
			if m.takes(s, number, wants) {
				best = number
			}
		}
	}
	m.astray = true
	if best < 0 {
		m.put(i, spot{wants, -1})
		return m.rows[wants.likeness].none > 1
	}
	m.put(i, spot{wants, best})
	if quota[best] == 0 {
		quota[best] = int(seats[best].held)
	}
	m.plan.raise(best)
	return m.nodeStands(s, best)
}

// takes reports whether a node can take one more, beside what is to come to it.
func (m *mixture) takes(s *state, number int, wants shape) bool {
	seat, asks, count, siblings := &s.view.seats[number], wants.asks, 1, 0
	if c := m.coming[number]; c != nil {
		asks, count, siblings = asks.Plus(c.asks), count+c.count, c.shards[wants.shard]
	}
	if l := s.limits.MaxPerNode; seat.avoided || l > 0 && int(seat.held)+count > l {
		return false
	}
	if l := s.limits.MaxPerShard; wants.shard != "" && l > 0 && s.tally.PerShard[wants.shard][s.index.nodes[number].name]+siblings >= l {
		return false
	}
	return asks.Fits(s.freeFor(number, asks))
}

// stands reports whether every instance can still go where it should: room, M, K and the shard rule. It judges the nodes that have changed.
func (m *mixture) stands(s *state) bool {
	changes := &s.index.changes
	if m.judged < changes.dropped || m.limits != s.limits {
		for number := range m.coming {
			m.stale[number] = true
		}
		m.limits = s.limits
	} else {
		for _, e := range changes.entries[m.judged-changes.dropped:] {
			if _, wanted := m.coming[int(e.number)]; wanted && e.except != s.view.id {
				m.stale[int(e.number)] = true
			}
		}
	}
	for number := range s.view.avoided { // by pods of this size alone: another's cycle may have come after that change
		if _, wanted := m.coming[number]; wanted {
			m.stale[number] = true
		}
	}
	m.judged = changes.end()
	for number := range m.stale { // each is judged by itself
		if !m.nodeStands(s, number) {
			return false // it is packed anew
		}
	}
	clear(m.stale)
	return m.opens == 0 || s.view.used+m.opens <= s.limits.MaxNodes
}

// nodeStands reports whether a node can take what is to come to it.
func (m *mixture) nodeStands(s *state, number int) bool {
	c, seat := m.coming[number], s.view.seats[number]
	if c.opens {
		m.opens--
	}
	if c.opens = c.count > 0 && seat.held == 0; c.opens {
		m.opens++
	}
	if c.count == 0 {
		delete(m.coming, number)
		return true
	}
	if l := s.limits.MaxPerNode; seat.avoided || l > 0 && int(seat.held)+c.count > l || !c.asks.Fits(s.freeFor(number, c.asks)) {
		return false
	}
	name := s.index.nodes[number].name
	for shard, n := range c.shards {
		if l := s.limits.MaxPerShard; l > 0 && s.tally.PerShard[shard][name]+n > l {
			return false
		}
	}
	return true
}
