package placement

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestPlanPlacesWhatCanBePlaced compares plans of small groups, part of which is placed already, with a search through
// all ways to place them.
func TestPlanPlacesWhatCanBePlaced(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawRows(t)
		p := NewPlan(g)
		checkPlan(t, g, p)
		if best := mostPlaced(g); g.Remaining-p.Unplaceable != best {
			t.Fatalf("places %d of %d, %d are possible\n%+v\n%+v", g.Remaining-p.Unplaceable, g.Remaining, best, g, p)
		}
	})
}

// TestPlanFollowsItself places the instances of a plan one after the other, in any order, planning anew each time, as a
// scheduler does that was restarted in between. Everything that the first plan promised must be placed.
func TestPlanFollowsItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawRows(t)
		promised := g.Remaining - NewPlan(g).Unplaceable
		for placed := 0; ; placed++ {
			p := NewPlan(g)
			checkPlan(t, g, p)
			if g.Remaining-p.Unplaceable != promised-placed {
				t.Fatalf("after %d placed: the plan places %d more, %d were promised in all\n%+v\n%+v", placed, g.Remaining-p.Unplaceable, promised, g, p)
			}
			var wanting []int
			for j := range p.Rows {
				if len(p.Rows[j]) > 0 {
					wanting = append(wanting, j)
				}
			}
			if len(wanting) == 0 {
				return
			}
			j := rapid.SampledFrom(wanting).Draw(t, "row")
			n := rapid.SampledFrom(p.Rows[j]).Draw(t, "node")
			g.Nodes[n].Held++
			g.Nodes[n].Free--
			g.Remaining--
			g.Rows[j].Remaining--
			g.Rows[j].Held = append(g.Rows[j].Held, n)
		}
	})
}

// TestFreshPlansAreEven: a group of which nothing is placed, on enough nodes with room, differs by at most one.
func TestFreshPlansAreEven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shards, size := rapid.IntRange(1, 40).Draw(t, "shards"), rapid.IntRange(1, 4).Draw(t, "size")
		k := rapid.IntRange(size, 30).Draw(t, "K")
		level := (shards*size + k - 1) / k
		g := Group{Limits: Limits{MaxPerNode: level, MaxNodes: k, MaxPerShard: 1}, Shards: shards, Remaining: shards * size}
		for range k + rapid.IntRange(0, 5).Draw(t, "more nodes") {
			g.Nodes = append(g.Nodes, Node{Free: level + rapid.IntRange(0, 3).Draw(t, "free")})
		}
		for range shards {
			g.Rows = append(g.Rows, Row{Remaining: size})
		}
		p := NewPlan(g)
		checkPlan(t, g, p)
		if p.Unplaceable > 0 {
			t.Fatalf("%d unplaceable: %+v", p.Unplaceable, p)
		}
		used := slices.DeleteFunc(slices.Clone(p.Quota), func(q int) bool { return q == 0 })
		if spread := slices.Max(used) - slices.Min(used); spread > 1 || len(used) != min(k, shards*size) {
			t.Fatalf("%d nodes of %d, from %d to %d", len(used), k, slices.Min(used), slices.Max(used))
		}
	})
}

// checkPlan checks that the plan keeps the limits and agrees with itself.
func checkPlan(t *rapid.T, g Group, p Plan) {
	used, more := 0, 0
	rowsOn := make([]int, len(g.Nodes))
	for _, row := range p.Rows {
		for _, n := range row {
			rowsOn[n]++
		}
	}
	for n, q := range p.Quota {
		node := g.Nodes[n]
		if q > 0 {
			used++
		}
		more += q - node.Held
		if q < node.Held || q-node.Held > g.Capacity(node) {
			t.Fatalf("node %d holds %d, can take %d, and gets a quota of %d", n, node.Held, g.Capacity(node), q)
		}
		if len(g.Rows) > 0 && rowsOn[n] != q-node.Held {
			t.Fatalf("node %d: the rows have %d there, the quota says %d", n, rowsOn[n], q-node.Held)
		}
	}
	if more+p.Unplaceable != g.Remaining {
		t.Fatalf("%d placed and %d unplaceable, %d remain", more, p.Unplaceable, g.Remaining)
	}
	if g.MaxNodes > 0 && used > g.MaxNodes {
		t.Fatalf("%d nodes in use, at most %d", used, g.MaxNodes)
	}
	for j, row := range p.Rows {
		if len(row) > g.Rows[j].Remaining {
			t.Fatalf("row %d wants %d and gets %d", j, g.Rows[j].Remaining, len(row))
		}
		for n, count := range counted(append(slices.Clone(row), g.Rows[j].Held...)) {
			if g.MaxPerShard > 0 && count > g.MaxPerShard && count > counted(g.Rows[j].Held)[n] {
				t.Fatalf("row %d has %d on node %d", j, count, n)
			}
		}
	}
}

// drawRows draws a small group of shards that keeps its limits, in which part of the instances may be placed already.
func drawRows(t *rapid.T) Group {
	shards, size := rapid.IntRange(1, 4).Draw(t, "shards"), rapid.IntRange(1, 3).Draw(t, "size")
	g := Group{
		Limits: Limits{
			MaxPerNode: rapid.IntRange(1, 4).Draw(t, "M"), MaxNodes: rapid.IntRange(1, 4).Draw(t, "K"),
			MaxPerShard: rapid.IntRange(1, 2).Draw(t, "m"),
		},
		Shards: shards,
	}
	for range rapid.IntRange(1, 5).Draw(t, "nodes") {
		g.Nodes = append(g.Nodes, Node{
			Free: rapid.IntRange(0, 4).Draw(t, "free"), Unusable: rapid.IntRange(0, 9).Draw(t, "unusable") == 9,
			Load: rapid.IntRange(0, 3).Draw(t, "load"),
		})
	}
	used := 0
	for range shards {
		row := Row{}
		for range size {
			n := rapid.IntRange(-len(g.Nodes), len(g.Nodes)-1).Draw(t, "held") // half of them are placed
			switch {
			case n < 0, g.Nodes[n].Held == g.MaxPerNode, counted(row.Held)[n] == g.MaxPerShard, g.Nodes[n].Held == 0 && used == g.MaxNodes:
				row.Remaining++
				g.Remaining++
				continue
			case g.Nodes[n].Held == 0:
				used++
			}
			row.Held = append(row.Held, n)
			g.Nodes[n].Held++
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}

// mostPlaced is the dumb oracle: for every set of nodes that may be in use together, it places row by row in every way.
func mostPlaced(g Group) int {
	best := 0
	for set := range 1 << len(g.Nodes) {
		used := 0
		room := make([]int, len(g.Nodes))
		for n, node := range g.Nodes {
			if node.Held > 0 || set&(1<<n) != 0 {
				used++
				room[n] = g.Capacity(node)
			}
		}
		if g.mayUse(used) {
			best = max(best, g.search(room, 0, map[string]int{}))
		}
	}
	return best
}

// search is the most that the rows from j on can place into the room.
func (g Group) search(room []int, j int, known map[string]int) int {
	if j == len(g.Rows) {
		return 0
	}
	key := string(rune(j))
	for _, r := range room {
		key += string(rune(r))
	}
	if best, ok := known[key]; ok {
		return best
	}
	best := 0
	held := counted(g.Rows[j].Held)
	var choose func(n, left, placed int)
	choose = func(n, left, placed int) {
		if n == len(room) {
			best = max(best, placed+g.search(room, j+1, known))
			return
		}
		for take := 0; take <= min(left, room[n], max(0, g.MaxPerShard-held[n])); take++ {
			room[n] -= take
			choose(n+1, left-take, placed+take)
			room[n] += take
		}
	}
	choose(0, g.Rows[j].Remaining, 0)
	known[key] = best
	return best
}
