package placement

import (
	"iter"
	"math"
	"slices"
)

// attempt is a way to fill nodes: which node an instance gets, and which instances come first.
type attempt struct {
	rank      rank
	ascending bool
}

// packer is one attempt of Pack on a set of nodes, up to a level.
type packer struct {
	Mixed
	*kinds
	level int
	attempt
	work *int

	at   []int // of each wanted instance: a bin, by index; -1 for none
	left int   // how many have none
	bins []bin
}

// bin is a chosen node while it is filled.
type bin struct {
	node   int // of Mixed.Nodes
	count  int
	free   Amounts
	share  float64     // of what all nodes have left, see shareOf
	shards map[int]int // nil without any
	in     []int       // the wanted instances that are here, for squeeze
}

// rank says how good a place is for an instance of that size: the lower the better, first by the first number. Of equal places the
// first is taken.
type rank func(p *packer, size Amounts, b *bin) (int, float64)

// emptiest takes the place with the fewest instances: it ends even.
func emptiest(_ *packer, _ Amounts, b *bin) (int, float64) { return b.count, -b.share }

// tightest takes the place that has the least left: it keeps large bins for large instances.
func tightest(_ *packer, _ Amounts, b *bin) (int, float64) { return 0, b.share }

// loosest takes the place that has the most left.
func loosest(_ *packer, _ Amounts, b *bin) (int, float64) { return 0, -b.share }

// aligned takes the place whose room has most nearly the shape of the instance, so that no dimension is left over alone
// (Panigrahy and others, Heuristics for Vector Bin Packing, 2011).
func aligned(p *packer, size Amounts, b *bin) (int, float64) {
	return 0, -alignment(size, b.free, p.room)
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

func (m Mixed) newPacker(k *kinds, chosen []int, level int, try attempt, work *int) *packer {
	p := &packer{Mixed: m, kinds: k, level: level, attempt: try, work: work, at: slices.Repeat([]int{-1}, len(m.Wanted)), left: len(m.Wanted)}
	p.bins = make([]bin, len(chosen))
	at := slices.Repeat([]int{-1}, len(m.Nodes))
	for i, n := range chosen {
		at[n] = i
		p.bins[i] = bin{node: n, count: m.Nodes[n].Held, free: slices.Clone(m.Nodes[n].Free), share: shareOf(m.Nodes[n].Free, k.room)}
	}
	for shard, nodes := range m.Held {
		for _, n := range nodes {
			if at[n] >= 0 {
				p.bins[at[n]].hold(shard, +1)
			}
		}
	}
	return p
}

// hold counts instances of a shard.
func (b *bin) hold(shard, by int) {
	if b.shards == nil {
		b.shards = map[int]int{}
	}
	b.shards[shard] += by
}

// takes reports whether a place takes an instance now.
func (p *packer) takes(to int, w Wanted) bool {
	*p.work--
	return p.fits(&p.bins[to], w.Size) && !p.meets(&p.bins[to], w.Shard)
}

// fits reports whether there is room, whatever the shard.
func (p *packer) fits(at *bin, size Amounts) bool {
	if at.count >= p.level || p.Nodes[at.node].Unusable {
		return false
	}
	for d, want := range size {
		if want > 0 && at.free[d] < want { // a dimension of which it wants nothing may be overcommitted
			return false
		}
	}
	return true
}

// meets reports whether there are as many siblings already as a node may have.
func (p *packer) meets(at *bin, shard int) bool {
	return shard >= 0 && p.MaxPerShard > 0 && at.shards[shard] >= p.MaxPerShard
}

// put moves an instance to a place, -1 for none.
func (p *packer) put(i, to int) {
	w := p.Wanted[i]
	if from := p.at[i]; from >= 0 {
		p.move(&p.bins[from], w, -1)
		p.left++
	}
	if p.at[i] = to; to >= 0 {
		p.move(&p.bins[to], w, +1)
		p.left--
	}
}

// shift is put, and says where everybody is.
func (p *packer) shift(i, to int) {
	if from := p.at[i]; from >= 0 {
		b := &p.bins[from]
		b.in = slices.DeleteFunc(b.in, func(j int) bool { return j == i })
	}
	if to >= 0 {
		p.bins[to].in = append(p.bins[to].in, i)
	}
	p.put(i, to)
}

func (p *packer) move(b *bin, w Wanted, by int) {
	b.count += by
	for d := range w.Size {
		b.free[d] -= int64(by) * w.Size[d]
	}
	b.share = shareOf(b.free, p.room)
	if w.Shard >= 0 {
		b.hold(w.Shard, by)
	}
}

// fill gives the instances their places one after the other, one size after the other, and those of a shard together.
func (p *packer) fill() {
	for run := range p.runs() {
		q := p.queue(p.Wanted[run[0]].Size)
		for len(run) > 0 {
			n := 1
			for n < len(run) && p.Wanted[run[n]].Shard == p.Wanted[run[0]].Shard {
				n++
			}
			q.serve(run[:n])
			run = run[n:]
		}
	}
}

// runs are the instances of one size each.
func (p *packer) runs() iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		for rest := p.order; len(rest) > 0; {
			first, last := 0, 0
			if p.ascending {
				first = len(rest) - 1
			}
			size := p.size[rest[first]]
			for p.ascending && first > 0 && p.size[rest[first-1]] == size {
				first--
			}
			for last = first + 1; last < len(rest) && p.size[rest[last]] == size; last++ {
			}
			run := rest[first:last]
			if rest = rest[last:]; p.ascending {
				rest = p.order[:first]
			}
			if !yield(run) {
				return
			}
		}
	}
}

// squeeze tries to place what is left by moving others out of the way, and again while that helps. When there is no way for one,
// there is none for another one like it, until something has moved.
func (p *packer) squeeze() {
	if p.left == 0 {
		return
	}
	type like struct{ size, shard int }
	for i, to := range p.at {
		if to >= 0 {
			p.bins[to].in = append(p.bins[to].in, i)
		}
	}
	for again := true; again; {
		again = false
		vain := map[like]bool{}
		for run := range p.runs() {
			for _, i := range run {
				own := like{p.size[i], p.Wanted[i].Shard}
				switch {
				case p.at[i] >= 0 || *p.work <= 0 || vain[own]:
				case p.makeRoom(i, maxMoved, map[int]bool{i: true}):
					again = true
					clear(vain)
				default:
					vain[own] = true
				}
			}
		}
	}
}

// maxMoved is how many instances are moved, one out of the way of the other, to place one.
const maxMoved = 3

// makeRoom makes room for an instance that has no place, and puts it there: on a place that takes it, or that would without one of
// those that were put there, if that one finds another place in the same way. Those that were moved are not moved again, and of
// those that are alike in one place only one is tried. It leaves everything as it was when there is no way.
func (p *packer) makeRoom(i, depth int, moved map[int]bool) bool {
	for to := range p.bins {
		if p.takes(to, p.Wanted[i]) {
			p.shift(i, to)
			return true
		}
	}
	if depth == 0 {
		return false
	}
	var room [16]int
	for to := range p.bins {
		for _, j := range p.different(to, moved, room[:0]) {
			if *p.work <= 0 {
				return false
			}
			p.shift(j, -1)
			if p.takes(to, p.Wanted[i]) {
				p.shift(i, to)
				moved[j] = true
				if p.makeRoom(j, depth-1, moved) {
					return true
				}
				delete(moved, j)
				p.shift(i, -1)
			}
			p.shift(j, to)
		}
	}
	return false
}

// different are instances in a place that were not moved, one of each size and shard.
func (p *packer) different(in int, moved map[int]bool, all []int) []int {
	for _, j := range p.bins[in].in {
		*p.work--
		if !moved[j] && !slices.ContainsFunc(all, func(k int) bool { return p.size[j] == p.size[k] && p.Wanted[j].Shard == p.Wanted[k].Shard }) {
			all = append(all, j)
		}
	}
	return all
}

// instead is the packing if it places more than another one, or as much on a lower level; otherwise the other one.
func (p *packer) instead(best Packing) Packing {
	level := 0
	for _, n := range p.Nodes {
		level = max(level, n.Held)
	}
	for i := range p.bins {
		level = max(level, p.bins[i].count)
	}
	if p.left > best.Unplaceable || p.left == best.Unplaceable && level >= best.Level {
		return best
	}
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
