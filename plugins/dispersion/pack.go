package dispersion

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// pack makes a mixture anew from what is placed. The pod at hand has that shape.
func (s *state) pack(own shape) *mixture {
	defer planned(planSizes, time.Now())
	k := s.index.known(s.group)
	m := newMixture(k.absent)
	wanted := make([]spot, 0, max(s.remaining, k.absent))
	var absent []slots.Instance
	for _, i := range slices.SortedFunc(maps.Keys(k.waiting), func(a, b slots.Instance) int { return cmp.Compare(a.Name, b.Name) }) {
		if w := k.waiting[i]; w.absent {
			absent, wanted = append(absent, i), append(wanted, spot{w.shape, -1})
		}
	}
	own.shard = ""
	for len(wanted) < s.remaining {
		wanted = append(wanted, spot{own, -1})
	}
	packing, bound := s.packed(wanted, len(absent))
	wanted, m.least = wanted[:len(packing.Node)], bound
	m.plan = &plan{remaining: -1} // no other plan is like it
	for n := range wanted {
		wanted[n].number = packing.Node[n]
		if n < len(absent) {
			m.put(absent[n], wanted[n])
			continue
		}
		m.comes(wanted[n])
		m.unknown = append(m.unknown, wanted[n])
	}
	m.recount(s.view.seats)
	return m
}

// packed packs what is wanted, of which the first known instances are there, and says how many of all have no place at least. Those that are
// there come before others that may never come, because somebody has taken them offline: where both do not fit, it packs the former
// alone, if no fewer are placed then.
func (s *state) packed(wanted []spot, known int) (placement.Packing, int) {
	all := placement.Pack(s.mixedGroup(wanted))
	s.preferKnown(wanted, all.Node, known)
	if out := leftOut(all, known); out > 0 && known < len(wanted) {
		alone := placement.Pack(s.mixedGroup(wanted[:known]))
		if n := leftOut(alone, known); n < out && known-n >= len(wanted)-leftOut(all, len(wanted)) {
			return alone, all.Bound.Unplaceable
		}
	}
	return all, all.Bound.Unplaceable
}

// preferKnown gives those of the first known instances that have no node the nodes of instances like them that are not there: those
// may never come. As many are placed as before. The last of those loses its node first: the first pod that comes takes the place of
// the first.
func (s *state) preferKnown(wanted []spot, nodes []int, known int) {
	if known == len(wanted) {
		return
	}
	size, next := wanted[known].asks, len(wanted)-1 // they are all alike, and of no shard
	for i := range known {
		if nodes[i] >= 0 || !wanted[i].asks.Equal(size) {
			continue
		}
		for next >= known && nodes[next] < 0 {
			next--
		}
		for j := next; j >= known; j-- {
			if nodes[j] >= 0 && s.mayJoin(wanted[i].shard, nodes[j], wanted[:known], nodes) {
				nodes[i], nodes[j] = nodes[j], -1
				break
			}
		}
	}
}

// mayJoin reports whether the shard rule allows one more instance of the shard on a node, beside those that are packed there.
func (s *state) mayJoin(shard string, number int, known []spot, nodes []int) bool {
	if shard == "" || s.limits.MaxPerShard == 0 {
		return true
	}
	there := s.tally.PerShard[shard][s.index.nodes[number].name]
	for k := range known {
		if nodes[k] == number && known[k].shard == shard {
			there++
		}
	}
	return there < s.limits.MaxPerShard
}

// leftOut is how many of the first so many instances have no node.
func leftOut(p placement.Packing, first int) (n int) {
	for _, node := range p.Node[:first] {
		if node < 0 {
			n++
		}
	}
	return n
}

// mixedGroup is the group as placement.Pack sees it.
func (s *state) mixedGroup(wanted []spot) placement.Mixed {
	g := placement.Mixed{Limits: s.limits}
	asked := slots.Amount{}
	for _, w := range wanted {
		asked = asked.Plus(w.asks)
	}
	extended := slices.Sorted(maps.Keys(asked.Extended))
	for number, seat := range s.view.seats {
		free := s.freeFor(number, asked)
		g.Nodes = append(g.Nodes, placement.Machine{
			Held: int(seat.held), Free: free.Dimensions(extended), Unusable: seat.avoided || free.Pods <= 0, Load: int(seat.load),
		})
	}
	shards := map[string]int{}
	number := func(shard string) int {
		n, known := shards[shard]
		if !known {
			n = len(shards)
			shards[shard] = n
			g.Held = append(g.Held, nil)
		}
		return n
	}
	for _, shard := range slices.Sorted(maps.Keys(s.tally.PerShard)) {
		i := number(shard)
		for node, n := range s.tally.PerShard[shard] { // only counted
			g.Held[i] = append(g.Held[i], slices.Repeat([]int{s.index.names[node]}, n)...)
		}
	}
	for _, w := range wanted {
		shard := -1
		if w.shard != "" {
			shard = number(w.shard)
		}
		g.Wanted = append(g.Wanted, placement.Wanted{Size: w.asks.Dimensions(extended), Shard: shard})
	}
	return g
}
