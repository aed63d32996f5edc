package placement

import (
	"testing"

	"pgregory.net/rapid"
)

// TestCapacityAgreesWithBruteForce adds instances, or whole shards, for as long as a search through all ways to place them
// finds one.
func TestCapacityAgreesWithBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Limits{MaxPerNode: rapid.IntRange(0, 3).Draw(t, "M"), MaxNodes: rapid.IntRange(0, 3).Draw(t, "K"), MaxPerShard: rapid.IntRange(0, 2).Draw(t, "m")}
		size := Amounts{rapid.Int64Range(0, 2).Draw(t, "cpu"), rapid.Int64Range(0, 2).Draw(t, "memory"), 1}
		var machines []Machine
		for range rapid.IntRange(1, 4).Draw(t, "nodes") {
			machines = append(machines, Machine{
				Held:     rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "held"),
				Free:     Amounts{rapid.Int64Range(-1, 6).Draw(t, "free cpu"), rapid.Int64Range(0, 6).Draw(t, "free memory"), 4},
				Unusable: rapid.IntRange(0, 9).Draw(t, "unusable") == 9,
			})
		}
		shardSize := rapid.IntRange(0, 3).Draw(t, "shard")
		want := 0
		for step := max(1, shardSize); holdsMore(machines, l, shardSize, want+step, size); {
			want += step
		}
		if got := Capacity(machines, l, shardSize, size); got != want {
			t.Fatalf("capacity %d, brute force says %d: %+v %+v, shards of %d, size %v", got, want, machines, l, shardSize, size)
		}
	})
}

// holdsMore is the dumb oracle: it counts one by one how often the size fits, and tries every way.
func holdsMore(machines []Machine, l Limits, shardSize, instances int, size Amounts) bool {
	g := Group{Limits: l, Remaining: instances}
	for _, m := range machines {
		fit := 0
		for fits := true; fits && fit <= 20; fit++ {
			for d := range size {
				fits = fits && (size[d] == 0 || int64(fit+1)*size[d] <= m.Free[d])
			}
			if !fits {
				break
			}
		}
		g.Nodes = append(g.Nodes, Node{Held: m.Held, Free: fit, Unusable: m.Unusable})
	}
	if shardSize == 0 {
		return bruteForce(g) == instances
	}
	if g.MaxPerShard == 0 {
		g.MaxPerShard = shardSize
	}
	for range instances / shardSize {
		g.Rows = append(g.Rows, Row{Remaining: shardSize})
	}
	return mostPlaced(g) == instances
}

func TestCapacityOfNothing(t *testing.T) {
	if got := Capacity([]Machine{{Free: Amounts{1}}}, Limits{}, 0, Amounts{0}); got != MaxReplicas {
		t.Errorf("instances that want nothing: %d", got)
	}
	if got := Capacity(nil, Limits{MaxPerNode: 1}, 2, Amounts{1}); got != 0 {
		t.Errorf("no nodes: %d", got)
	}
	if got := Capacity([]Machine{{Free: Amounts{-5, 10}}}, Limits{}, 0, Amounts{1, 1}); got != 0 {
		t.Errorf("an overcommitted node: %d", got)
	}
}
