package placement

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// Mixed is a group whose instances ask for different amounts. To place as many of them as possible is packing in several
// dimensions, which is NP-hard, so that no plan of it can promise to be exact: Pack is a heuristic, and says how far from the
// best it can be at most.
type Mixed struct {
	Limits
	// Nodes are all nodes, those in use and the others, in any order.
	Nodes []Machine
	// Wanted are the instances that want a slot and have none.
	Wanted []Wanted
	// Held are, for each shard, the nodes that hold instances of it already, one entry per instance. Shards are numbered by it.
	Held [][]int
}

// Wanted is an instance that wants a slot.
type Wanted struct {
	Size Amounts
	// Shard is an index of Mixed.Held; negative for an instance of no shard.
	Shard int
}

// Bound is what no placement can be better than.
type Bound struct {
	// Unplaceable is a number of instances for which there is no place, whatever is done with the others.
	Unplaceable int
	// Level is a number of instances that the fullest node has at least, if as many are placed as the packing places.
	Level int
}

// relaxed is the group with all instances that are at least this large, taken to be exactly so large: whatever can be placed
// of the group can be placed of this one, and of this one we know exactly how much can.
func (m Mixed) relaxed(size Amounts) Group {
	g := Group{Limits: m.Limits}
	sharded := len(m.Held) > 0
	for _, w := range m.Wanted {
		if covers(w.Size, size) {
			g.Remaining++
			sharded = sharded && w.Shard >= 0
		}
	}
	if sharded {
		g.Shards = len(m.Held)
	}
	for _, n := range m.Nodes {
		g.Nodes = append(g.Nodes, Node{Held: n.Held, Free: Times(n.Free, size), Unusable: n.Unusable, Load: n.Load})
	}
	return g
}

// covers reports whether a is at least b in every dimension.
func covers(a, b Amounts) bool {
	for d := range b {
		if a[d] < b[d] {
			return false
		}
	}
	return true
}

// kinds are what all attempts to pack a group need to know about what is wanted.
type kinds struct {
	// sizes are the different ones, the largest first, see shareOf; size is that of each instance, by index.
	sizes []Amounts
	size  []int
	// smallest is the least of each dimension.
	smallest Amounts
	room     Amounts // what all usable nodes have left
	// order has the instances by size, the largest first, and those of a shard together.
	order []int
}

func (m Mixed) kinds() *kinds {
	k := &kinds{size: make([]int, len(m.Wanted)), room: m.total(), order: make([]int, len(m.Wanted))}
	at := map[string]int{}
	var key []byte
	for i, w := range m.Wanted {
		key = key[:0]
		for _, v := range w.Size {
			key = binary.LittleEndian.AppendUint64(key, uint64(v))
		}
		s, known := at[string(key)]
		if !known {
			s = len(k.sizes)
			at[string(key)] = s
			k.sizes = append(k.sizes, w.Size)
		}
		k.size[i], k.order[i] = s, i
	}
	k.sort()
	for i, size := range k.sizes {
		if i == 0 {
			k.smallest = slices.Clone(size)
		}
		for d := range size {
			k.smallest[d] = min(k.smallest[d], size[d])
		}
	}
	slices.SortStableFunc(k.order, func(a, b int) int {
		return cmp.Or(k.size[a]-k.size[b], m.Wanted[a].Shard-m.Wanted[b].Shard)
	})
	return k
}

// sort puts the largest sizes first.
func (k *kinds) sort() {
	found := k.sizes
	shares, by := make([]float64, len(found)), make([]int, len(found))
	for s, size := range found {
		shares[s], by[s] = shareOf(size, k.room), s
	}
	slices.SortFunc(by, func(a, b int) int {
		return cmp.Or(cmp.Compare(shares[b], shares[a]), slices.Compare(found[b], found[a]))
	})
	k.sizes = make([]Amounts, len(found))
	place := make([]int, len(found))
	for to, from := range by {
		k.sizes[to], place[from] = found[from], to
	}
	for i, s := range k.size {
		k.size[i] = place[s]
	}
}

// total is what all usable nodes have left.
func (m Mixed) total() Amounts {
	var sum Amounts
	if len(m.Wanted) > 0 { // there may be no node at all
		sum = make(Amounts, len(m.Wanted[0].Size))
	}
	for _, n := range m.Nodes {
		if sum == nil {
			sum = make(Amounts, len(n.Free))
		}
		for d := range n.Free {
			if !n.Unusable {
				sum[d] += max(0, n.Free[d])
			}
		}
	}
	return sum
}

// shareOf is the largest part of the total that the amounts are in one dimension. Dominant shares compare amounts of different
// shape (Ghodsi and others, Dominant Resource Fairness, 2011).
func shareOf(a, total Amounts) float64 {
	most := 0.0
	for d := range a {
		if a[d] > 0 {
			most = max(most, float64(a[d])/float64(max(1, total[d])))
		}
	}
	return most
}

// maxSizes is how many sizes are looked at by themselves. A group has a few templates.
const maxSizes = 16

// leastUnplaceable is the best lower bound that the relaxed groups, and the sums of each dimension, give.
func (m Mixed) leastUnplaceable(k *kinds) int {
	bound := 0
	for _, size := range append(slices.Clone(k.sizes[:min(len(k.sizes), maxSizes)]), k.smallest) {
		g := m.relaxed(size)
		bound = max(bound, g.Remaining-NewGuard(g).Reachable)
	}
	for d := range k.smallest {
		bound = max(bound, m.overflow(d))
	}
	return bound
}

// overflow is how many instances have to be left out until the others fit, in one dimension, into the largest nodes that may
// be in use, taken as one.
func (m Mixed) overflow(d int) int {
	room, want := int64(0), int64(0)
	var sizes, closed []int64
	openable := len(m.Nodes)
	for _, n := range m.Nodes {
		free := max(0, n.Free[d])
		if n.Held > 0 {
			openable--
		}
		switch {
		case n.Unusable:
		case n.Held > 0:
			room += free
		default:
			closed = append(closed, free)
		}
	}
	if m.MaxNodes > 0 {
		openable = min(openable, max(0, m.MaxNodes-(len(m.Nodes)-openable)))
	}
	slices.Sort(closed)
	slices.Reverse(closed)
	for _, free := range closed[:min(openable, len(closed))] {
		room += free
	}
	for _, w := range m.Wanted {
		sizes = append(sizes, w.Size[d])
		want += w.Size[d]
	}
	slices.Sort(sizes)
	out := 0
	for want > room && out < len(sizes) {
		out++
		want -= sizes[len(sizes)-out]
	}
	return out
}

// leastLevel is the level that the fullest node has at least when so many are placed: that of the exact plan if all were as
// small as the smallest in every dimension.
func (m Mixed) leastLevel(placed int, k *kinds) int {
	g := m.relaxed(k.smallest)
	g.Remaining = placed
	return NewPlan(g).Level
}
