package placement

import (
	"math"
	"slices"
)

// attempt is a way to fill nodes: which instances come first, and which node they get.
type attempt struct {
	better    rule
	ascending bool
}

// packer is one attempt of Pack on a set of nodes, up to a level.
type packer struct {
	Mixed
	level int
	attempt
	work  *int
	total Amounts

	at   []int // of each wanted instance: a bin, by index; -1 for none
	bins []bin
}

// bin is a chosen node while it is filled.
type bin struct {
	node   int // of Mixed.Nodes
	count  int
	free   Amounts
	shards map[int]int
}

// rule reports whether a place is better than another for an instance of that size.
type rule func(p *packer, size Amounts, a, b *bin) bool

// emptiest takes the place with the fewest instances: it ends even.
func emptiest(p *packer, size Amounts, a, b *bin) bool {
	return a.count < b.count || a.count == b.count && loosest(p, size, a, b)
}

// tightest takes the place that has the least left: it keeps large bins for large instances.
func tightest(p *packer, _ Amounts, a, b *bin) bool {
	return shareOf(a.free, p.total) < shareOf(b.free, p.total)
}

// loosest takes the place that has the most left.
func loosest(p *packer, _ Amounts, a, b *bin) bool {
	return shareOf(a.free, p.total) > shareOf(b.free, p.total)
}

// aligned takes the place whose room has most nearly the shape of the instance, so that no dimension is left over alone
// (Panigrahy and others, Heuristics for Vector Bin Packing, 2011).
func aligned(p *packer, size Amounts, a, b *bin) bool {
	return alignment(size, a.free, p.total) > alignment(size, b.free, p.total)
}

// alignment is the cosine of the angle between two amounts.
func alignment(a, b, total Amounts) float64 {
	dot, length := 0.0, 0.0
	for d := range a {
		x, y := float64(a[d])/float64(max(1, total[d])), float64(b[d])/float64(max(1, total[d]))
		dot, length = dot+x*y, length+y*y
	}
	if length == 0 {
		return 0
	}
	return dot / math.Sqrt(length)
}

func (m Mixed) newPacker(chosen []int, level int, try attempt, work *int) *packer {
	p := &packer{Mixed: m, level: level, attempt: try, work: work, total: m.total(), at: slices.Repeat([]int{-1}, len(m.Wanted))}
	at := map[int]int{}
	for i, n := range chosen {
		at[n] = i
		p.bins = append(p.bins, bin{node: n, count: m.Nodes[n].Held, free: slices.Clone(m.Nodes[n].Free), shards: map[int]int{}})
	}
	for shard, nodes := range m.Held {
		for _, n := range nodes {
			if i, there := at[n]; there {
				p.bins[i].shards[shard]++
			}
		}
	}
	return p
}

// takes reports whether a place takes an instance now.
func (p *packer) takes(to int, w Wanted) bool {
	*p.work--
	at := &p.bins[to]
	if p.Nodes[at.node].Unusable || at.count >= p.level {
		return false
	}
	if w.Shard >= 0 && p.MaxPerShard > 0 && at.shards[w.Shard] >= p.MaxPerShard {
		return false
	}
	for d, want := range w.Size {
		if want > 0 && at.free[d] < want { // a dimension of which it wants nothing may be overcommitted
			return false
		}
	}
	return true
}

// put moves an instance to a place, -1 for none.
func (p *packer) put(i, to int) {
	w := p.Wanted[i]
	move := func(at *bin, by int) {
		at.count += by
		for d := range w.Size {
			at.free[d] -= int64(by) * w.Size[d]
		}
		if w.Shard >= 0 {
			at.shards[w.Shard] += by
		}
	}
	if from := p.at[i]; from >= 0 {
		move(&p.bins[from], -1)
	}
	if p.at[i] = to; to >= 0 {
		move(&p.bins[to], +1)
	}
}

// fill bins the instances one after the other, the largest first, and those of a shard together.
func (p *packer) fill() {
	for _, i := range p.order() {
		best := -1
		for to := range p.bins {
			if p.takes(to, p.Wanted[i]) && (best < 0 || p.better(p, p.Wanted[i].Size, &p.bins[to], &p.bins[best])) {
				best = to
			}
		}
		if best >= 0 {
			p.put(i, best)
		}
	}
}

func (p *packer) order() []int {
	order := make([]int, len(p.Wanted))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		c := compareShares(p.Wanted[b].Size, p.Wanted[a].Size, p.total)
		switch {
		case c != 0 && p.ascending:
			return -c
		case c != 0:
			return c
		}
		return p.Wanted[a].Shard - p.Wanted[b].Shard
	})
	return order
}

// squeeze tries to place what is left by moving others out of the way, and again while that helps.
func (p *packer) squeeze() {
	for again := true; again; {
		again = false
		for _, i := range p.order() {
			if p.at[i] < 0 && *p.work > 0 && p.make(i, maxMoved, map[int]bool{i: true}) {
				again = true
			}
		}
	}
}

// maxMoved is how many instances are moved, one out of the way of the other, to place one.
const maxMoved = 3

// make makes room for an instance that has no place, and puts it there: on a place that takes it, or that would without one of
// those that were put there, if that one finds another place in the same way. Those that were moved are not moved again. It
// leaves everything as it was when there is no way.
func (p *packer) make(i, depth int, moved map[int]bool) bool {
	for to := range p.bins {
		if p.takes(to, p.Wanted[i]) {
			p.put(i, to)
			return true
		}
	}
	if depth == 0 {
		return false
	}
	for j, to := range p.at {
		if to < 0 || moved[j] || *p.work <= 0 {
			continue
		}
		p.put(j, -1)
		if p.takes(to, p.Wanted[i]) {
			p.put(i, to)
			moved[j] = true
			if p.make(j, depth-1, moved) {
				return true
			}
			delete(moved, j)
			p.put(i, -1)
		}
		p.put(j, to)
	}
	return false
}

// left is how many instances have no place.
func (p *packer) left() int {
	n := 0
	for _, at := range p.at {
		if at < 0 {
			n++
		}
	}
	return n
}

func (p *packer) result() Packing {
	r := p.nothing()
	for i, to := range p.at {
		if to >= 0 {
			r.Node[i] = p.bins[to].node
			r.Unplaceable--
			r.Level = max(r.Level, p.bins[to].count)
		}
	}
	return r
}
