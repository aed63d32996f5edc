package placement

import (
	"testing"

	"pgregory.net/rapid"
)

// TestBlastIsTheWorstLoss takes away each node in turn and looks at what is left.
func TestBlastIsTheWorstLoss(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var placed []Place
		for range rapid.IntRange(0, 12).Draw(t, "instances") {
			placed = append(placed, Place{rapid.IntRange(0, 4).Draw(t, "node"), rapid.IntRange(-1, 3).Draw(t, "shard")})
		}
		var want BlastRadius
		for node := range 5 {
			lost, touched, left, before := 0, map[int]bool{}, map[int]bool{}, map[int]bool{}
			for _, p := range placed {
				before[p.Shard] = true
				if p.Node != node {
					left[p.Shard] = true
					continue
				}
				lost++
				touched[p.Shard] = true
			}
			delete(touched, -1)
			last := 0
			for shard := range before {
				if shard >= 0 && !left[shard] {
					last++
				}
			}
			want.Instances, want.Shards, want.LastInstances = max(want.Instances, lost), max(want.Shards, len(touched)), max(want.LastInstances, last)
		}
		got := Blast(placed, 20)
		if want.Percent = 5 * want.Instances; got != want {
			t.Fatalf("got %+v, want %+v: %v", got, want, placed)
		}
	})
}

func TestHoldsMajority(t *testing.T) {
	for _, c := range []struct {
		shards, touched int
		want            bool
	}{{1, 1, false}, {2, 2, false}, {3, 1, false}, {3, 2, true}, {4, 1, false}, {4, 2, true}, {5, 2, false}, {5, 3, true}, {300, 149, false}, {300, 150, true}} {
		if got := (BlastRadius{Shards: c.touched}).HoldsMajority(c.shards); got != c.want {
			t.Errorf("%d of %d shards: %v, want %v", c.touched, c.shards, got, c.want)
		}
	}
}

// The blast radius is the worst loss of a single node, in each of its numbers.
func TestBlastIsTheWorstLossOfOneNode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var placed []Place
		for range rapid.IntRange(0, 12).Draw(t, "instances") {
			placed = append(placed, Place{rapid.IntRange(0, 3).Draw(t, "node"), rapid.IntRange(-1, 3).Draw(t, "shard")})
		}
		replicas := rapid.IntRange(0, 20).Draw(t, "replicas")
		var worst BlastRadius
		for node := range 4 {
			loss := LossOf(placed, replicas, func(n int) bool { return n == node })
			worst = BlastRadius{
				max(worst.Instances, loss.Instances), max(worst.Percent, loss.Percent),
				max(worst.Shards, loss.Shards), max(worst.LastInstances, loss.LastInstances),
			}
		}
		if blast := Blast(placed, replicas); blast != worst {
			t.Fatalf("Blast is %+v, the worst node takes %+v", blast, worst)
		}
	})
}

func TestLossOfTwoNodes(t *testing.T) {
	placed := []Place{{0, 0}, {1, 0}, {0, 1}, {2, 1}, {2, -1}}
	got := LossOf(placed, 10, func(n int) bool { return n < 2 })
	if want := (BlastRadius{Instances: 3, Percent: 30, Shards: 2, LastInstances: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := LossOf(placed, 10, func(int) bool { return false }); got != (BlastRadius{}) {
		t.Errorf("nothing is lost, and %+v is", got)
	}
}
