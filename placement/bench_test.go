package placement

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Compare two versions with
//
//	go test ./placement -run '^$' -bench . -count 10 > old.txt    (and new.txt)
//	benchstat old.txt new.txt

// BenchmarkPlan plans a group of shards of three from the beginning, and one of which half is placed in random order,
// which is the hardest for the flow.
func BenchmarkPlan(b *testing.B) {
	for _, replicas := range []int{99, 999, 9999} {
		for _, half := range []bool{false, true} {
			b.Run(fmt.Sprintf("replicas=%d/half=%v", replicas, half), func(b *testing.B) {
				g := benchGroup(replicas, half)
				b.ReportAllocs()
				for b.Loop() {
					NewPlan(g)
				}
			})
		}
	}
}

// BenchmarkGuard is what one pod costs without a plan.
func BenchmarkGuard(b *testing.B) {
	for _, replicas := range []int{99, 999, 9999} {
		b.Run(fmt.Sprintf("replicas=%d", replicas), func(b *testing.B) {
			g := benchGroup(replicas, false)
			b.ReportAllocs()
			for b.Loop() {
				NewGuard(g)
			}
		})
	}
}

// benchGroup has shards of three, 20 instances per node, and twice as many nodes as it may use.
func benchGroup(replicas int, half bool) Group {
	r := rand.New(rand.NewPCG(1, 2))
	k := replicas/20 + 2
	g := Group{
		Limits: Limits{MaxPerNode: 21, MaxNodes: k, MaxPerShard: 1},
		Shards: replicas / 3, Remaining: replicas, Nodes: make([]Node, 2*k),
	}
	for n := range g.Nodes {
		g.Nodes[n] = Node{Free: 15 + r.IntN(10), Load: r.IntN(100)}
	}
	for range g.Shards {
		row := Row{Remaining: 3}
		if half {
			n := r.IntN(k)
			if g.Capacity(g.Nodes[n]) > 0 {
				row = Row{Remaining: 2, Held: []int{n}}
				g.Nodes[n].Held++
				g.Nodes[n].Free--
				g.Remaining--
			}
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}

// BenchmarkPack packs three sizes on nodes of which half may be used, with some room to spare and with too little.
func BenchmarkPack(b *testing.B) {
	for _, replicas := range []int{12, 100, 1000, 10000} {
		for _, short := range []bool{false, true} {
			b.Run(fmt.Sprintf("replicas=%d/short=%v", replicas, short), func(b *testing.B) {
				m := plantedTwice(replicas, short)
				b.ReportAllocs()
				for b.Loop() {
					Pack(m)
				}
			})
		}
	}
}
