package placement

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestPackKeepsTheLimits: whatever is packed, M, K, the shard rule and the room of every node hold, and the bounds are none
// that a packing could be better than.
func TestPackKeepsTheLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := mixedGroup(func(low, high int, what string) int { return rapid.IntRange(low, high).Draw(t, what) })
		p := Pack(m)
		if err := m.broken(p.Node); err != nil {
			t.Fatalf("%v: %+v\n%+v", err, m, p)
		}
		if p.Unplaceable < p.Bound.Unplaceable || p.Level < p.Bound.Level {
			t.Fatalf("better than the bound: %+v\n%+v", m, p)
		}
		if again := Pack(m); !slices.Equal(again.Node, p.Node) {
			t.Fatalf("another packing of the same group: %v and %v", again.Node, p.Node)
		}
	})
}

// TestPackAgainstExactSearch prints how far from the best the heuristic ends on small groups, and how often its own bound
// shows that it is the best.
func TestPackAgainstExactSearch(t *testing.T) {
	const groups = 2000
	left, level, fewest := map[int]int{}, map[int]int{}, map[int]int{}
	proven, tight := 0, 0
	for seed := range uint64(groups) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := mixedGroup(func(low, high int, _ string) int { return low + r.IntN(high-low+1) })
		p, best := Pack(m), m.exact()
		if best.Unplaceable < p.Bound.Unplaceable || best.Unplaceable == p.Unplaceable && best.Level < p.Bound.Level {
			t.Fatalf("seed %d: the bound excludes what is possible: %+v\npacked %+v\nbest   %+v", seed, m, p, best)
		}
		left[p.Unplaceable-best.Unplaceable]++
		if p.Unplaceable == best.Unplaceable {
			level[p.Level-best.Level]++
		}
		if p.Unplaceable == p.Bound.Unplaceable && p.Level == p.Bound.Level {
			proven++
		}
		if best.Unplaceable > 0 {
			tight++
		}
		if seed%4 == 0 {
			if n, bound := m.Fewest(); n > 0 {
				fewest[n-m.exactFewest(bound, n)]++
			}
		}
	}
	t.Logf("%d groups of at most 12 instances, %d of them with instances that have no place at all", groups, tight)
	t.Logf("instances placed fewer than the best: %s", distribution(left))
	t.Logf("level higher than the best, where as many are placed: %s", distribution(level))
	t.Logf("nodes more than the fewest: %s", distribution(fewest))
	t.Logf("proven to be the best by the bound: %.1f %%", 100*float64(proven)/groups)
	if tight < groups/10 || tight > groups*9/10 {
		t.Errorf("%d of %d groups do not fit: they prove nothing", tight, groups)
	}
	for what, gaps := range map[string]map[int]int{"placed": left, "level": level, "nodes": fewest} {
		all := 0
		for _, n := range gaps {
			all += n
		}
		if gaps[0] < all*99/100 {
			t.Errorf("the heuristic got worse: %s", what)
		}
	}
	for gap := range left {
		if gap > 1 {
			t.Errorf("%d instances without a place that had one", gap)
		}
	}
}

// TestPackWithoutAnySlack cuts nodes to what a random placement needs, so that every instance has a place and nothing is left
// over, and prints how many the heuristic does not place.
func TestPackWithoutAnySlack(t *testing.T) {
	for _, c := range []struct{ groups, instances, nodes, slack int }{{1000, 12, 4, 0}, {10, 300, 30, 0}, {10, 300, 30, 2}, {10, 300, 30, 5}} {
		left := map[int]int{}
		for seed := range uint64(c.groups) {
			m := planted(rand.New(rand.NewPCG(seed, 2)), c.instances, c.nodes, c.slack)
			p := Pack(m)
			if err := m.broken(p.Node); err != nil {
				t.Fatal(err)
			}
			left[p.Unplaceable]++
		}
		t.Logf("%d instances of three sizes on %d nodes with %d %% to spare: without a place %s", c.instances, c.nodes, c.slack, distribution(left))
		if c.slack == 5 && left[0] < c.groups*9/10 {
			t.Error("the heuristic got worse")
		}
	}
}

// TestPackOfManyInstances: with a tenth to spare, 10,000 instances are all placed, in a bounded number of steps. When each attempt held
// every instance against every node, two attempts took seconds, and the packing ended with 1,282 of them left out.
func TestPackOfManyInstances(t *testing.T) {
	for _, short := range []bool{false, true} {
		m := plantedTwice(10000, short)
		p := Pack(m)
		if err := m.broken(p.Node); err != nil {
			t.Fatal(err)
		}
		if p.Unplaceable > 0 || p.Work > maxWork+maxSqueezed*squeezeWork {
			t.Errorf("short %v: %d without a place, level %d, after %d steps", short, p.Unplaceable, p.Level, p.Work)
		}
	}
}

// plantedTwice is a planted group with a tenth to spare beside as many nodes that are half as large; short takes a tenth of K away.
func plantedTwice(instances int, short bool) Mixed {
	m := planted(rand.New(rand.NewPCG(1, 2)), instances, instances/20+2, 10)
	for n := range m.Nodes {
		m.Nodes = append(m.Nodes, Machine{Free: Amounts{m.Nodes[n].Free[0] / 2, m.Nodes[n].Free[1] / 2}})
	}
	if short {
		m.MaxNodes -= m.MaxNodes/10 + 1
	}
	return m
}

// planted is a group that fits exactly, or with some percent to spare, in two dimensions.
func planted(r *rand.Rand, instances, nodes, slack int) Mixed {
	m := Mixed{Limits: Limits{MaxNodes: nodes}, Nodes: make([]Machine, nodes)}
	sizes := []Amounts{{1000, 2000}, {1000, 8000}, {4000, 16000}}
	for n := range m.Nodes {
		m.Nodes[n].Free = Amounts{0, 0}
	}
	for range instances {
		size, n := sizes[r.IntN(len(sizes))], r.IntN(nodes)
		m.Wanted = append(m.Wanted, Wanted{Size: size, Shard: -1})
		for d := range size {
			m.Nodes[n].Free[d] += size[d] * int64(100+slack) / 100
		}
	}
	return m
}

func distribution(gaps map[int]int) string {
	total := 0
	for _, n := range gaps {
		total += n
	}
	var parts []string
	for _, gap := range slices.Sorted(maps.Keys(gaps)) {
		parts = append(parts, fmt.Sprintf("%d: %.2f %%", gap, 100*float64(gaps[gap])/float64(max(1, total))))
	}
	return strings.Join(parts, ", ")
}

// mixedGroup draws a group of at most 12 instances of one to three sizes, some of them placed, on two to six nodes that have
// about as much room as is wanted.
func mixedGroup(draw func(low, high int, what string) int) Mixed {
	m := Mixed{Limits: Limits{MaxPerNode: draw(0, 5, "M"), MaxNodes: draw(0, 5, "K"), MaxPerShard: draw(0, 2, "m")}}
	var sizes []Amounts
	for range draw(1, 3, "sizes") {
		sizes = append(sizes, Amounts{int64(draw(1, 6, "cpu")), int64(draw(0, 6, "memory"))})
	}
	for range draw(2, 6, "nodes") {
		m.Nodes = append(m.Nodes, Machine{
			Free: Amounts{int64(draw(0, 20, "free cpu")), int64(draw(0, 20, "free memory"))}, Unusable: draw(0, 9, "unusable") == 9, Load: draw(0, 3, "load"),
		})
	}
	shards := draw(0, 4, "shards")
	m.Held = make([][]int, shards)
	used := 0
	for range draw(1, 12, "instances") {
		w := Wanted{Size: sizes[draw(0, len(sizes)-1, "size")], Shard: draw(0, max(0, shards-1), "shard")}
		if shards == 0 {
			w.Shard = -1
		}
		n := draw(-3*len(m.Nodes), len(m.Nodes)-1, "held") // a quarter of them is placed
		switch {
		case n < 0, m.MaxPerNode > 0 && m.Nodes[n].Held >= m.MaxPerNode, m.Nodes[n].Held == 0 && m.MaxNodes > 0 && used == m.MaxNodes,
			w.Shard >= 0 && m.MaxPerShard > 0 && counted(m.Held[w.Shard])[n] >= m.MaxPerShard:
			m.Wanted = append(m.Wanted, w)
			continue
		case m.Nodes[n].Held == 0:
			used++
		}
		m.Nodes[n].Held++
		if w.Shard >= 0 {
			m.Held[w.Shard] = append(m.Held[w.Shard], n)
		}
	}
	return m
}

// broken checks a packing with the dumbest possible loops.
func (m Mixed) broken(at []int) error {
	for n, node := range m.Nodes {
		count, shards := node.Held, map[int]int{}
		free := slices.Clone(node.Free)
		for i, w := range m.Wanted {
			if at[i] != n {
				continue
			}
			count++
			for d := range free {
				if free[d] -= w.Size[d]; w.Size[d] > 0 && free[d] < 0 {
					return fmt.Errorf("node %d has no room for instance %d", n, i)
				}
			}
			if w.Shard >= 0 {
				shards[w.Shard]++
			}
		}
		if count > node.Held && (node.Unusable || m.MaxPerNode > 0 && count > m.MaxPerNode) {
			return fmt.Errorf("node %d gets %d and has %d", n, count-node.Held, node.Held)
		}
		for shard, more := range shards {
			if m.MaxPerShard > 0 && more+counted(m.Held[shard])[n] > m.MaxPerShard {
				return fmt.Errorf("node %d gets %d of shard %d", n, more, shard)
			}
		}
	}
	open, used := 0, map[int]bool{}
	for n, node := range m.Nodes {
		if node.Held > 0 {
			open++
			used[n] = true
		}
	}
	for _, n := range at {
		if n >= 0 {
			used[n] = true
		}
	}
	if m.MaxNodes > 0 && len(used) > max(m.MaxNodes, open) {
		return fmt.Errorf("%d nodes in use", len(used))
	}
	return nil
}

// exact tries every node for every instance, and gives up a branch only when it has left out more than the best so far, or is
// as good at most.
func (m Mixed) exact() Packing {
	best := m.nothing()
	at := slices.Clone(best.Node)
	kinds := m.kinds()
	order := kinds.order
	work := unlimited
	all := make([]int, len(m.Nodes))
	limit, used := m.MaxPerNode, 0
	for n := range all {
		all[n] = n
		if m.Nodes[n].Held > 0 {
			used++
		}
	}
	if limit == 0 {
		limit = unlimited
	}
	k := max(m.MaxNodes, used)
	if m.MaxNodes == 0 {
		k = len(all)
	}
	p := m.newPacker(kinds, all, limit, attempts[0], &work)
	var try func(turn, left, level, used int)
	try = func(turn, left, level, used int) {
		if left > best.Unplaceable || left == best.Unplaceable && level >= best.Level {
			return
		}
		if turn == len(order) {
			best = Packing{Node: slices.Clone(at), Unplaceable: left, Level: level}
			return
		}
		i := order[turn]
		for n := range all {
			opens := 0
			if p.bins[n].count == 0 {
				opens = 1
			}
			if used+opens > k || !p.takes(n, m.Wanted[i]) {
				continue
			}
			p.put(i, n)
			at[i] = n
			try(turn+1, left, max(level, p.bins[n].count), used+opens)
			p.put(i, -1)
			at[i] = -1
		}
		try(turn+1, left+1, level, used)
	}
	try(0, 0, best.Level, used)
	return best
}

// exactFewest is the smallest K between two numbers with which everything can be placed.
func (m Mixed) exactFewest(low, high int) int {
	for k := low; k < high; k++ {
		h := m
		h.MaxNodes = k
		if h.exact().Unplaceable == 0 {
			return k
		}
	}
	return high
}

// TestPackWithoutNodes: all nodes may be gone.
func TestPackWithoutNodes(t *testing.T) {
	m := Mixed{Limits: Limits{MaxPerNode: 1, MaxNodes: 2}, Wanted: []Wanted{{Size: Amounts{1, 2}, Shard: -1}, {Size: Amounts{2, 2}, Shard: -1}}}
	if p := Pack(m); p.Unplaceable != 2 || p.Bound.Unplaceable != 2 {
		t.Errorf("of two instances %d have no node, and at least %d: %+v", p.Unplaceable, p.Bound.Unplaceable, p)
	}
}
