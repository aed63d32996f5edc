package placement

import (
	"testing"

	"pgregory.net/rapid"
)

// TestHistogramAgreesWithTheGuard changes the nodes of a group one by one; the guard must be that of the whole group.
func TestHistogramAgreesWithTheGuard(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, _ := drawGroup(t)
		var h Histogram
		used, left := 0, 0
		count := func(n Node, by int) {
			if c := g.Capacity(n); n.Held > 0 {
				used, left = used+by, left+by*c
			} else {
				h.Add(c, by)
			}
		}
		for _, n := range g.Nodes {
			count(n, +1)
		}
		for range rapid.IntRange(0, 10).Draw(t, "changes") {
			n := &g.Nodes[rapid.IntRange(0, len(g.Nodes)-1).Draw(t, "node")]
			count(*n, -1)
			n.Held, n.Free = rapid.IntRange(0, 4).Draw(t, "held"), rapid.IntRange(0, 5).Draw(t, "free")
			n.Unusable = rapid.Bool().Draw(t, "unusable")
			count(*n, +1)
			if got, want := h.Guard(g.MaxNodes, used, left, g.Remaining), NewGuard(g); got != want {
				t.Fatalf("got %+v, want %+v: %+v", got, want, g)
			}
		}
	})
}
