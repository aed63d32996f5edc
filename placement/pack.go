package placement

import (
	"cmp"
	"slices"
)

// Packing says where the instances of a mixed group go.
type Packing struct {
	// Node is, for each of Mixed.Wanted, the node that it gets, by index; -1 for none.
	Node []int
	// Unplaceable is the number of instances without a node.
	Unplaceable int
	// Level is the number of instances on the fullest node in the end, those that are there already included.
	Level int
	// Work is the number of steps that it took, of some ten nanoseconds each. It does not depend on the machine.
	Work int
	// Bound says what is not possible: when Unplaceable and Level are equal to it, the packing is the best there is.
	Bound Bound
}

// A packing is bounded by how many times something is held against a node: what the attempts may take, and what may be taken to
// move others in each of the best attempts. A step takes some ten nanoseconds, so that all together are some tens of milliseconds.
const (
	maxWork     = 1_000_000
	maxSqueezed = 8
	squeezeWork = 200_000
)

// Pack places the instances of a mixed group: as many as it can, and on nodes that differ as little as it can manage. It never
// exceeds M, K or the shard rule. Where all instances ask for the same, NewPlan is exact and to be preferred.
//
// The largest instances come first, by the largest share that they want of any dimension (first fit decreasing, with its
// variants); where not all fit, the smallest first, of which more do. Several choices of the K nodes are tried, and for each of
// them several levels, from the lower bound up, and several ways to pick a node. What is left over is squeezed in by moving
// others. The first packing that reaches the bound ends it, and so does maxWork: no attempt is begun after that, and each level has
// its share of it. The same group always gives the same packing.
//
// With N nodes, R instances and s sizes an attempt costs O(s N + R log N): instances of one size come one after the other, and
// each of them changes the rank of one node only.
func Pack(m Mixed) Packing {
	k := m.kinds()
	bound, best, work := m.leastUnplaceable(k), m.nothing(), maxWork
	level := m.leastLevel(len(m.Wanted)-bound, k)
	choices := m.choices(k)
	var tried []*packer
	levels := m.levels(level)
	for i, l := range levels {
		reserved := work - work/(len(levels)-i) // for the other levels
		for _, chosen := range choices {
			for _, try := range attempts {
				if work <= reserved || best.Unplaceable == bound && best.Level <= l {
					break
				}
				p := m.newPacker(k, chosen, l, try, &work)
				p.fill()
				tried = keep(tried, p)
				best = p.instead(best)
			}
		}
	}
	spent := maxWork - work
	for _, p := range tried {
		if best.Unplaceable == bound && best.Level <= p.level {
			break
		}
		work = squeezeWork
		p.squeeze()
		spent += squeezeWork - work
		best = p.instead(best)
	}
	best.Work = spent
	best.Bound = Bound{Unplaceable: bound, Level: m.leastLevel(len(m.Wanted)-best.Unplaceable, k)}
	return best
}

// keep adds an attempt to the best ones, those that leave the fewest out, on the lowest levels, and drops one too many.
func keep(tried []*packer, p *packer) []*packer {
	better := func(a, b *packer) int { return cmp.Or(cmp.Compare(a.left, b.left), cmp.Compare(a.level, b.level)) }
	at := len(tried)
	for at > 0 && better(p, tried[at-1]) < 0 {
		at--
	}
	tried = slices.Insert(tried, at, p)
	return tried[:min(len(tried), maxSqueezed)]
}

// attempts are the ways to fill the nodes, the most promising first.
var attempts = []attempt{
	{emptiest, false}, {tightest, false}, {loosest, false}, {aligned, false}, {emptiest, true}, {tightest, true},
}

// Fewest is the smallest K, of those that allow what is in use, with which Pack places everything, and the least that it could be: with fewer nodes nothing
// could. It is 0 when
// Pack finds no K.
func (m Mixed) Fewest() (nodes, bound int) {
	with := func(k int) Mixed {
		h := m
		h.MaxNodes = k
		return h
	}
	open := 0
	for _, n := range m.Nodes {
		if n.Held > 0 {
			open++
		}
	}
	kinds := m.kinds()
	bound = least(max(1, open), len(m.Nodes), func(k int) bool { return with(k).leastUnplaceable(kinds) == 0 })
	if bound == 0 {
		return 0, 0
	}
	return least(bound, len(m.Nodes), func(k int) bool { return Pack(with(k)).Unplaceable == 0 }), bound
}

func (m Mixed) nothing() Packing {
	p := Packing{Node: slices.Repeat([]int{-1}, len(m.Wanted)), Unplaceable: len(m.Wanted)}
	for _, n := range m.Nodes {
		p.Level = max(p.Level, n.Held)
	}
	return p
}

// levels are the numbers of instances per node that are worth a try: the least that is possible, the limit, at which the most can
// be placed, and some steps up from the least.
func (m Mixed) levels(least int) []int {
	limit := m.MaxPerNode
	if limit == 0 {
		limit = unlimited
	}
	if least >= limit {
		return []int{limit}
	}
	all := []int{least, limit}
	for level := least + 1; level < least+4 && level < limit; level++ {
		all = append(all, level)
	}
	return all
}

// choices are sets of nodes that the group may use, S and K - |S| others: those that could hold the most by different measures.
// Without a limit there is only one.
func (m Mixed) choices(k *kinds) [][]int {
	var open, closed []int
	for n, node := range m.Nodes {
		switch {
		case node.Held > 0:
			open = append(open, n)
		case !node.Unusable && slices.ContainsFunc(k.sizes, func(size Amounts) bool { return Times(node.Free, size) > 0 }):
			closed = append(closed, n)
		}
	}
	openable := len(closed)
	if m.MaxNodes > 0 {
		openable = min(openable, max(0, m.MaxNodes-len(open)))
	}
	if openable == len(closed) {
		return [][]int{append(open, closed...)}
	}
	var all [][]int
	for _, measure := range m.measures(k) {
		value := make([]float64, len(m.Nodes))
		for _, n := range closed {
			value[n] = measure(m.Nodes[n])
		}
		slices.SortStableFunc(closed, func(a, b int) int {
			return cmp.Or(cmp.Compare(value[b], value[a]), cmp.Compare(m.Nodes[a].Load, m.Nodes[b].Load))
		})
		chosen := slices.Sorted(slices.Values(slices.Concat(open, closed[:openable])))
		if !slices.ContainsFunc(all, func(c []int) bool { return slices.Equal(c, chosen) }) {
			all = append(all, chosen)
		}
	}
	return all
}

// measures say how good a node is for the group: how much of all that is wanted it can hold, in the scarcest dimension; how
// much of each dimension; how many of each size.
func (m Mixed) measures(k *kinds) []func(Machine) float64 {
	want := make(Amounts, len(k.smallest))
	for _, w := range m.Wanted {
		for d := range want {
			want[d] += w.Size[d]
		}
	}
	all := []func(Machine) float64{func(n Machine) float64 {
		least := 1.0
		for d := range want {
			if want[d] > 0 {
				least = min(least, float64(n.Free[d])/float64(want[d]))
			}
		}
		return least
	}}
	for d := range want {
		all = append(all, func(n Machine) float64 { return float64(n.Free[d]) })
	}
	for _, size := range k.sizes[:min(len(k.sizes), 8)] {
		all = append(all, func(n Machine) float64 { return float64(m.limit(n, Times(n.Free, size))) })
	}
	return append(all, func(n Machine) float64 { return float64(m.limit(n, Times(n.Free, k.smallest))) })
}

func (m Mixed) limit(n Machine, fit int) int {
	return Group{Limits: m.Limits}.Capacity(Node{Held: n.Held, Free: fit})
}
