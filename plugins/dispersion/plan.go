package dispersion

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// plan is placement.Plan for the pods of one view, by the numbers of nodes. It is kept for as long as reality follows it,
// and made anew from what is placed when it does not; nothing of it is stored.
type plan struct {
	quota     []int            // of each node; those that came later have none
	opened    []int            // the nodes that have a quota
	ranks     []rank           // of opened, for the view that the plan was made for; nil for a packing, which several share
	at        []int32          // the place of each node in opened, -1 for those that are not there
	rows      map[string][]int // of each shard, the nodes of its instances that are still to come; nil without rows
	unnamed   [][]int          // rows of shards of which nothing is known yet
	level     int
	remaining int
	gap       int  // remaining instances for which there was no room at all
	short     bool // some of the remaining instances have no node in it
	grown     bool // a node can take more than when it was made
	tight     bool // rows were asked for
	broken    bool
}

// move is a slot of the group that was taken or given up.
type move struct {
	shard      string
	number, by int
}

// maxMoves bounds the memory of a plan that nobody asks for.
const maxMoves = 10000

// follow notes a move for the group's plans.
func (x *index) follow(slot slots.Slot, number, by int) {
	for _, v := range x.views[slot.Group] {
		switch {
		case v.plan == nil:
		case len(v.moves) == maxMoves:
			x.unplan(v)
		default:
			v.moves = append(v.moves, move{slot.Shard, number, by})
		}
	}
}

// row is where the instances of a shard go that are still to come. A shard that was not known takes any row that is left.
func (p *plan) row(shard string) []int {
	row, named := p.rows[shard]
	if !named && len(p.unnamed) > 0 {
		row, p.unnamed = p.unnamed[0], p.unnamed[1:]
		p.rows[shard] = row
	}
	return row
}

// check breaks the plan when a node can no longer take what is planned for it, and notes when one can take more.
func (p *plan) check(number int, before, now seat) {
	if p == nil {
		return
	}
	p.grown = p.grown || now.capacity > before.capacity
	p.rerank(number, &now)
	if number < len(p.quota) && p.quota[number]-int(now.held) > int(now.capacity) {
		p.broken = true
	}
}

// rerank brings the rank of a node up to date. One that has all that is planned for it has none.
func (p *plan) rerank(number int, s *seat) {
	if p.ranks == nil || number >= len(p.at) || p.at[number] < 0 {
		return
	}
	r := noRank
	if p.more(number, *s) > 0 {
		r = s.rank()
	}
	p.ranks[p.at[number]] = r
}

// rankAll ranks the nodes of the plan.
func (p *plan) rankAll(seats []seat) {
	p.ranks, p.at = make([]rank, len(p.opened)), make([]int32, len(p.quota))
	for number := range p.at {
		p.at[number] = -1
	}
	for i, number := range p.opened {
		p.at[number] = int32(i)
		p.rerank(number, &seats[number])
	}
}

// more is how many further instances the plan has for a node.
func (p *plan) more(number int, s seat) int {
	if number >= len(p.quota) {
		return 0
	}
	return p.quota[number] - int(s.held)
}

// follow takes in what has moved since, and breaks the plan when it did not foresee that.
func (p *plan) follow(moves []move, seats []seat) {
	if len(moves) == 1 { // most often one pod came
		p.take(moves[0], seats)
		return
	}
	type at struct {
		shard  string
		number int
	}
	net := map[at]int{}
	for _, m := range moves {
		count(net, at{m.shard, m.number}, m.by)
	}
	byPlace := func(a, b at) int { return cmp.Or(cmp.Compare(a.shard, b.shard), cmp.Compare(a.number, b.number)) }
	for _, where := range slices.SortedFunc(maps.Keys(net), byPlace) { // a shard that was not known takes the first row that is left
		if !p.take(move{where.shard, where.number, net[where]}, seats) {
			return
		}
	}
}

// take takes in what has moved at one place, and reports false, with the plan broken, if it did not foresee that.
func (p *plan) take(m move, seats []seat) bool {
	if m.by < 0 || p.more(m.number, seats[m.number]) < 0 {
		p.broken = true
		return false
	}
	p.remaining -= m.by
	if p.rows == nil {
		return true
	}
	for range m.by {
		row := p.row(m.shard)
		i := slices.Index(row, m.number)
		if i < 0 {
			p.broken = true
			return false
		}
		p.rows[m.shard] = slices.Delete(row, i, i+1)
	}
	return true
}

// outgrown reports whether the plan has no node for an instance of the shard, and might have one by now. Numbers alone do not
// tell: the room that was there may have been where its siblings are.
func (p *plan) outgrown(shard string) bool {
	return p.short && p.grown && p.rows != nil && shard != "" && len(p.row(shard)) == 0
}

// planOf is the plan of a view, the one that it has if that still holds. Reachable is how many can be placed at best; tight
// asks for rows. Shard is that of the pod at hand, if it needs a row.
func (x *index) planOf(v *view, tight bool, shard string, shards, replicas, remaining, reachable int, s *state) *plan {
	if p := v.plan; p != nil {
		if len(v.moves) > 0 {
			p.follow(v.moves, v.seats)
			v.moves = v.moves[:0]
		}
		if v.group.Policy == "" && !p.broken && p.tight == tight && p.extend(s, remaining) {
			x.publish(v, replicas)
		}
		if !p.broken && p.tight == tight && p.remaining == remaining && remaining-reachable >= p.gap && !p.outgrown(shard) {
			return p
		}
	}
	started, kind := time.Now(), planEven
	g := x.groupOf(v, remaining)
	var names, full []string
	if tight {
		kind = planShards
		names, g.Rows, full = x.rowsOf(v, shards, replicas, remaining)
	}
	made := placement.NewPlan(g)
	p := &plan{
		quota: made.Quota, level: made.Level, tight: tight, remaining: remaining, gap: remaining - reachable, short: made.Unplaceable > 0,
	}
	for number, q := range p.quota {
		if q > 0 {
			p.opened = append(p.opened, number)
		}
	}
	p.rankAll(v.seats)
	if g.Rows != nil {
		p.rows = make(map[string][]int, len(names)+len(full))
		for _, name := range full { // a pod too many of it takes no other shard's row
			p.rows[name] = nil
		}
		for i, name := range names {
			p.rows[name] = made.Rows[i]
		}
		p.unnamed = made.Rows[len(names):]
	}
	planned(kind, started)
	v.plan, v.moves = p, v.moves[:0]
	x.publish(v, replicas)
	if x.alone(v) {
		x.speaksFor(v)
	}
	return p
}

// extend plans for instances that have come since, of a group without a policy, of which nobody knows how many are to come: to plan all
// of it anew for each would cost milliseconds on thousands of nodes. Each goes to the lowest node of the plan, or to a further one, as
// the plan would have it if what it has were placed. It reports whether it has changed anything; where there is no such node, and there
// was none for the others that came, the plan stands as it is, and otherwise it does not.
func (p *plan) extend(s *state, remaining int) bool {
	if p.rows != nil || p.remaining >= remaining {
		return false
	}
	v := s.view
	for len(p.quota) < len(v.seats) {
		p.quota, p.at = append(p.quota, 0), append(p.at, -1)
	}
	changed := false
	for p.remaining < remaining {
		number := p.lowest(s)
		switch {
		case number >= 0:
			p.raise(number)
			p.rerank(number, &v.seats[number])
			changed = true
		case !p.short || p.grown:
			return changed
		default:
			p.gap++
		}
		p.remaining++
	}
	return changed
}

// lowest is the node that gets one more; -1 for none.
func (p *plan) lowest(s *state) int {
	v := s.view
	best := -1
	if l := v.limits.MaxNodes; l == 0 || len(p.opened) < l {
		for number := range v.seats {
			seat := &v.seats[number]
			if p.quota[number] > 0 || seat.capacity <= 0 || int(seat.capacity) < s.guard.Need {
				continue
			}
			if best >= 0 {
				b := &v.seats[best]
				if cmp.Or(cmp.Compare(min(int(b.capacity), p.level), min(int(seat.capacity), p.level)), cmp.Compare(seat.load, b.load)) >= 0 {
					continue
				}
			}
			if !s.met(number) {
				best = number
			}
		}
		if best >= 0 {
			return best
		}
	}
	for _, number := range p.opened {
		seat := &v.seats[number]
		if p.more(number, *seat) >= int(seat.capacity) {
			continue
		}
		if best >= 0 && cmp.Or(cmp.Compare(p.quota[number], p.quota[best]), cmp.Compare(seat.load, v.seats[best].load)) >= 0 {
			continue
		}
		if !s.met(number) {
			best = number
		}
	}
	return best
}

// raise has one more instance go to a node.
func (p *plan) raise(number int) {
	if p.quota[number]++; p.quota[number] == 1 {
		at, _ := slices.BinarySearch(p.opened, number)
		p.opened = slices.Insert(p.opened, at, number)
		if p.ranks != nil {
			p.ranks = slices.Insert(p.ranks, at, noRank)
			for i := at; i < len(p.opened); i++ {
				p.at[p.opened[i]] = int32(i)
			}
		}
	}
	p.level = max(p.level, p.quota[number])
}

// rowsOf are the shards of a group and their names, see slots.Rows.
func (x *index) rowsOf(v *view, shards, replicas, remaining int) (names []string, rows []placement.Row, full []string) {
	if v.limits.MaxPerShard == 0 {
		return nil, nil, nil
	}
	var perShard map[string]map[string]int
	if held := x.ledger.Group(v.group); held != nil {
		perShard = held.PerShard
	}
	waiting := slices.Collect(maps.Keys(x.known(v.group).shards))
	return slots.Rows(shards, replicas, remaining, perShard, waiting, func(node string) int { return x.names[node] })
}
