package placement

import (
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

func TestAdviceHelps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, replicas := drawGroup(t)
		a := Assess(g, replicas)
		if a.Feasible != (a.Unplaceable == 0) {
			t.Fatalf("contradiction: %+v", a)
		}
		if a.NeedMaxNodes > 0 {
			checkLeast(t, "maxNodes", a.NeedMaxNodes, g, func(g *Group, n int) { g.MaxNodes = n })
		}
		if a.NeedPerNode > 0 {
			checkLeast(t, "maxInstancesPerNode", a.NeedPerNode, g, func(g *Group, n int) { g.MaxPerNode = n })
		}
	})
}

func checkLeast(t *rapid.T, what string, advised int, g Group, set func(*Group, int)) {
	set(&g, advised)
	if NewGuard(g).Reachable < g.Remaining {
		t.Fatalf("%s %d was advised and does not help: %+v", what, advised, g)
	}
	set(&g, advised-1)
	if advised > 1 && NewGuard(g).Reachable >= g.Remaining {
		t.Fatalf("%s %d was advised, one less would do: %+v", what, advised, g)
	}
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
		if g.MaxNodes == 0 || used <= g.MaxNodes {
			best = max(best, room)
		}
	}
	return min(best, g.Remaining)
}
