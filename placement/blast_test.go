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
