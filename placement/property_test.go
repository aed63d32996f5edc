package placement

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestGuardNeverDeadlocks places a random group in a random, so also the worst, order. As many instances as can be
// placed at best must be placed, and the limits must hold.
func TestGuardNeverDeadlocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, _ := drawGroup(t)
		want := bruteForce(g)
		before := g.Remaining
		place(&g, func(allowed []int, _ Group) int { return rapid.SampledFrom(allowed).Draw(t, "node") }, false)
		if got := before - g.Remaining; got != want {
			t.Fatalf("placed %d of %d, %d are possible: %+v", got, before, want, g)
		}
		used := 0
		for _, n := range g.Nodes {
			if n.Held > 0 {
				used++
			}
			if g.MaxPerNode > 0 && n.Held > g.MaxPerNode {
				t.Fatalf("a node holds %d, more than %d", n.Held, g.MaxPerNode)
			}
		}
		if g.MaxNodes > 0 && used > g.MaxNodes {
			t.Fatalf("%d nodes in use, more than %d", used, g.MaxNodes)
		}
	})
}

// TestWithoutGuardItDeadlocks makes sure that the property above can fail at all.
func TestWithoutGuardItDeadlocks(t *testing.T) {
	stuck := 0
	for seed := range 1000 {
		drawn := rapid.Custom(func(t *rapid.T) Group { g, _ := drawGroup(t); return g }).Example(seed)
		want, before := bruteForce(drawn), drawn.Remaining
		place(&drawn, smallestFirst, true)
		if before-drawn.Remaining < want {
			stuck++
		}
	}
	if stuck < 20 {
		t.Errorf("only %d of 1000 groups were stuck without the guard: the groups are too easy to prove anything", stuck)
	}
}

func TestReachableAgreesWithBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, _ := drawGroup(t)
		if got, want := NewGuard(g).Reachable, bruteForce(g); got != want {
			t.Fatalf("reachable %d, brute force says %d: %+v", got, want, g)
		}
	})
}

// TestAdviceHelps: every number that is advised helps, and one less does not, and where none is advised none helps.
func TestAdviceHelps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, replicas := drawGroup(t)
		for i := range g.Nodes {
			g.Nodes[i].Cordoned = g.Nodes[i].Unusable && rapid.Bool().Draw(t, "cordoned")
		}
		checkAdvice(t, g, Assess(g, replicas))
	})
}

// TestAdviceHelpsShards is the same for shards, of which part is placed and blocks the rest.
func TestAdviceHelpsShards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawRows(t)
		for i := range g.Nodes {
			g.Nodes[i].Cordoned = g.Nodes[i].Unusable && rapid.Bool().Draw(t, "cordoned")
		}
		checkAdvice(t, g, Assess(g, g.Remaining+held(g)))
	})
}

func held(g Group) int {
	n := 0
	for _, node := range g.Nodes {
		n += node.Held
	}
	return n
}

func checkAdvice(t *rapid.T, g Group, a Assessment) {
	t.Helper()
	if a.Feasible != (a.Unplaceable == 0) || a.Feasible != (possible(g) >= g.Remaining) {
		t.Fatalf("contradiction: %+v\n%+v", a, g)
	}
	if a.Feasible && (a.NeedMaxNodes+a.NeedPerNode+a.NeedUncordoned+a.NeedNewNodes > 0 || a.Advice() != "" && !a.LimitsTooTight) {
		t.Fatalf("advice although nothing is missing: %+v", a)
	}
	if a.Feasible {
		return
	}
	limits := []struct {
		what     string
		is, need int
		most     int
		set      func(g *Group, n int)
	}{
		{"maxNodes", g.MaxNodes, a.NeedMaxNodes, len(g.Nodes), func(g *Group, n int) { g.MaxNodes = n }},
		{"maxInstancesPerNode", g.MaxPerNode, a.NeedPerNode, g.Remaining + held(g), func(g *Group, n int) { g.MaxPerNode = n }},
	}
	for _, l := range limits {
		if l.is > 0 {
			checkLeast(t, l.what, l.need, l.is, l.most, g, l.set)
		}
	}
	if len(g.Rows) == 0 {
		checkLeast(t, "uncordoned", a.NeedUncordoned, 0, a.Cordoned, g, func(g *Group, n int) { *g = g.anyUncordoned(n) })
	} else if n := a.NeedUncordoned; (n > 0) != (possible(g.anyUncordoned(a.Cordoned)) >= g.Remaining) || n > 0 && possible(g.anyUncordoned(n)) < g.Remaining {
		t.Fatalf("%d nodes should be uncordoned: %+v", n, g)
	}
	if a.NewNodeRoom > 0 && len(g.Nodes)+a.NeedNewNodes <= 10 {
		checkLeast(t, "new nodes", a.NeedNewNodes, 0, min(g.Remaining, 10-len(g.Nodes)), g, func(g *Group, n int) { *g = g.enlarged(n, a.NewNodeRoom) })
	}
}

// checkLeast: the advised number is the smallest above what there is with which the dumb oracle places everything.
func checkLeast(t *rapid.T, what string, advised, is, most int, g Group, set func(*Group, int)) {
	t.Helper()
	for n := is + 1; n <= max(most, advised); n++ {
		h := g
		h.Nodes = slices.Clone(g.Nodes)
		set(&h, n)
		if helps := possible(h) >= h.Remaining; helps {
			if n != advised {
				t.Fatalf("%s %d was advised, %d is the least that helps: %+v", what, advised, n, g)
			}
			return
		}
	}
	if advised > 0 {
		t.Fatalf("%s %d was advised and does not help: %+v", what, advised, g)
	}
}

// anyUncordoned is the group with the best choice of so many cordoned nodes back, found by trying all.
func (g Group) anyUncordoned(n int) Group {
	best, most := g, -1
	for set := range 1 << len(g.Nodes) {
		h := g
		h.Nodes = slices.Clone(g.Nodes)
		back := 0
		for i := range h.Nodes {
			if set&(1<<i) != 0 && h.Nodes[i].Cordoned {
				h.Nodes[i].Unusable = false
				back++
			}
		}
		if back == n {
			if p := possible(h); p > most {
				best, most = h, p
			}
		}
	}
	return best
}

// possible is what the dumb oracles can place.
func possible(g Group) int {
	if len(g.Rows) > 0 {
		return mostPlaced(g)
	}
	return bruteForce(g)
}

// drawGroup draws a small group that keeps its limits, in which part of the instances may be placed already.
func drawGroup(t *rapid.T) (Group, int) {
	g := Group{Limits: Limits{
		MaxPerNode: rapid.IntRange(0, 4).Draw(t, "M"),
		MaxNodes:   rapid.IntRange(0, 4).Draw(t, "K"),
	}}
	n := rapid.IntRange(1, 8).Draw(t, "nodes")
	used, held := 0, 0
	for range n {
		node := Node{Free: rapid.IntRange(0, 5).Draw(t, "free"), Unusable: rapid.IntRange(0, 9).Draw(t, "unusable") == 9}
		limit := 3
		if g.MaxPerNode > 0 {
			limit = min(limit, g.MaxPerNode)
		}
		if g.MaxNodes == 0 || used < g.MaxNodes {
			node.Held = rapid.SampledFrom([]int{0, 0, 0, 1, limit}).Draw(t, "held")
		}
		if node.Held > 0 {
			used++
		}
		held += node.Held
		g.Nodes = append(g.Nodes, node)
	}
	g.Remaining = rapid.IntRange(0, 14).Draw(t, "remaining")
	return g, held + g.Remaining
}

// mayUse reports whether so many nodes may be in use. Where K was lowered below what is in use, those stay in use.
func (g Group) mayUse(nodes int) bool {
	open := 0
	for _, n := range g.Nodes {
		if n.Held > 0 {
			open++
		}
	}
	return g.MaxNodes == 0 || nodes <= max(g.MaxNodes, open)
}

// bruteForce is the dumb oracle: it tries every set of nodes that may be in use together.
func bruteForce(g Group) int {
	best := 0
	for set := range 1 << len(g.Nodes) {
		used, room := 0, 0
		for i, n := range g.Nodes {
			if n.Held > 0 || set&(1<<i) != 0 {
				used++
				room += g.Capacity(n)
			}
		}
		if g.mayUse(used) {
			best = max(best, room)
		}
	}
	return min(best, g.Remaining)
}
