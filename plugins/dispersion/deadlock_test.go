package dispersion

import (
	"fmt"
	"testing"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/placement"
)

// TestTightGroupNeverDeadlocks places 1,000 instances on 300 nodes of three sizes with background pods, with 1.05 times
// the fewest nodes that could hold them. With the guard all are placed; without it most seeds are stuck.
func TestTightGroupNeverDeadlocks(t *testing.T) {
	const nodes, replicas, m, seeds = 300, 1000, 8, 10
	stuck := 0
	for seed := range int64(seeds) {
		for _, unguarded := range []bool{false, true} {
			placed, used, worst := tightGroup(t, nodes, replicas, m, seed, unguarded)
			if unguarded {
				if placed < replicas {
					stuck++
				}
				continue
			}
			if placed < replicas {
				t.Errorf("seed %d: %d of %d placed", seed, placed, replicas)
			}
			if worst > m {
				t.Errorf("seed %d: %d instances on one node, more than %d", seed, worst, m)
			}
			t.Logf("seed %d: all %d placed on %d nodes, at most %d on one", seed, placed, used, worst)
		}
	}
	t.Logf("without the guard %d of %d seeds were stuck", stuck, seeds)
	if stuck <= seeds/2 {
		t.Errorf("without the guard only %d of %d seeds were stuck: the test proves nothing", stuck, seeds)
	}
}

func tightGroup(t *testing.T, nodes, replicas, m int, seed int64, unguarded bool) (placed, used, worst int) {
	w := newWorld(t, config.DispersionArgs{})
	w.unguarded = unguarded
	free := w.mixed(nodes, m, seed)
	k := (fewest(free, m, replicas)*105 + 99) / 100
	w.limit("p", replicas, placement.Limits{MaxPerNode: m, MaxNodes: k, MaxPerShard: 1})
	for i := range replicas {
		pod := instance(fmt.Sprintf("r-%d", i), "p", "")
		w.arrive(pod)
		if node, _ := w.schedule(pod); node != "" {
			placed++
		}
	}
	perNode := w.perNode("p")
	for _, n := range perNode {
		worst = max(worst, n)
	}
	if len(perNode) > k {
		t.Errorf("seed %d: %d nodes in use, more than %d", seed, len(perNode), k)
	}
	return placed, len(perNode), worst
}
