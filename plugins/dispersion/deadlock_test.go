package dispersion

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/placement"
)

// TestTightShardsNeverDeadlock does the same with shards of 4 whose instances may not share a node. They arrive in the
// order of their ordinals; 5 % of slack were enough in each seed. Without any slack the closed form does not promise it.
func TestTightShardsNeverDeadlock(t *testing.T) {
	for seed := range int64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			tightGroup{nodes: 150, replicas: 500, m: 8, shardSize: 4, seed: seed}.place(t, false)
		})
	}
}

// TestTightGroupNeverDeadlocks places 1,000 instances on 300 nodes of three sizes with background pods, with 1.05 times
// the fewest nodes that could hold them. With the guard all are placed; without it most seeds are stuck.
func TestTightGroupNeverDeadlocks(t *testing.T) {
	const seeds = 10
	var stuck atomic.Int32
	t.Run("seeds", func(t *testing.T) {
		for seed := range int64(seeds) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				g := tightGroup{nodes: 300, replicas: 1000, m: 8, seed: seed}
				g.place(t, false)
				if g.place(t, true) < g.replicas {
					stuck.Add(1)
				}
			})
		}
	})
	t.Logf("without the guard %d of %d seeds were stuck", stuck.Load(), seeds)
	if stuck.Load() <= seeds/2 {
		t.Errorf("without the guard only %d of %d seeds were stuck: the test proves nothing", stuck.Load(), seeds)
	}
}

type tightGroup struct {
	nodes, replicas, m, shardSize int
	seed                          int64
}

// place returns how many instances were placed. Guarded, all of them must be; the limits hold either way.
func (g tightGroup) place(t *testing.T, unguarded bool) int {
	w := newWorld(t, config.DispersionArgs{})
	w.unguarded = unguarded
	free := w.mixed(g.nodes, g.m, g.seed)
	k := (fewest(free, g.m, g.replicas)*105 + 99) / 100
	w.limit("p", g.replicas, placement.Limits{MaxPerNode: g.m, MaxNodes: k, MaxPerShard: 1})
	placed := 0
	for i := range g.replicas {
		shard := ""
		if g.shardSize > 0 {
			shard = fmt.Sprintf("s-%d", i/g.shardSize)
		}
		pod := instance(fmt.Sprintf("r-%d", i), "p", shard)
		w.arrive(pod)
		if node, _ := w.schedule(pod); node != "" {
			placed++
		}
	}
	perNode, worst := w.perNode("p"), 0
	for _, n := range perNode {
		worst = max(worst, n)
	}
	if len(perNode) > k || worst > g.m {
		t.Errorf("%d nodes in use and %d instances on one, at most %d and %d are allowed", len(perNode), worst, k, g.m)
	}
	if !unguarded && placed < g.replicas {
		t.Errorf("%d of %d placed", placed, g.replicas)
	}
	t.Logf("guarded %v: %d of %d placed on %d of %d nodes, at most %d on one", !unguarded, placed, g.replicas, len(perNode), k, worst)
	return placed
}
