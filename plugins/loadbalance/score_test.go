package loadbalance

import (
	"math"
	"testing"

	fwk "k8s.io/kube-scheduler/framework"
	"pgregory.net/rapid"
)

func TestScore(t *testing.T) {
	for name, c := range map[string]struct {
		dimensions []dimension
		worst      int64
		want       int64
	}{
		// max 0, deviation 0: 100 * (1 - 0)
		"empty": {[]dimension{{0, 8, 1}, {0, 32, 1}}, 70, 100000},
		// max 0.5, deviation 0: 100 * (1 - 0.7*0.5)
		"half, even": {[]dimension{{4, 8, 1}, {16, 32, 1}}, 70, 65000},
		// u = 0.5 and 0.25, mean 0.375, deviation 0.125: 100 * (1 - 0.7*0.5 - 0.3*0.125) = 61.25
		"half, lopsided": {[]dimension{{4, 8, 1}, {8, 32, 1}}, 70, 61250},
		// u = 0.5 and 0.25 with weights 3 and 1: mean 0.4375, variance (3*0.0625^2 + 0.1875^2)/4, deviation 0.108:
		// 100 * (1 - 0.35 - 0.0324) = 61.7
		"weights": {[]dimension{{4, 8, 3}, {8, 32, 1}}, 70, 61753},
		// only the worst: 100 * (1 - 0.5)
		"worst only": {[]dimension{{4, 8, 1}, {8, 32, 1}}, 100, 50000},
		// only the deviation: 100 * (1 - 0.125) = 87.5
		"spread only": {[]dimension{{4, 8, 1}, {8, 32, 1}}, 0, 87500},
		// max 1, deviation 0.5: 100 * (1 - 0.7 - 0.15)
		"one is full": {[]dimension{{8, 8, 1}, {0, 32, 1}}, 70, 15000},
		// overcommitted counts as full
		"over": {[]dimension{{16, 8, 1}, {64, 32, 1}}, 70, 30000},
		// a node without the resource counts as full in it: max 1, deviation 0.5
		"absent": {[]dimension{{0, 0, 1}, {0, 32, 1}}, 70, 15000},
		"none":   {nil, 70, 0},
	} {
		if got := score(c.dimensions, c.worst); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestScoreStaysInRangeAndFallsWithUse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Int64Range(0, math.MaxInt64/4)
		d := make([]dimension, rapid.IntRange(1, 4).Draw(t, "dimensions"))
		for i := range d {
			d[i] = dimension{amount.Draw(t, "used"), amount.Draw(t, "capacity"), rapid.Int64Range(1, 100).Draw(t, "weight")}
		}
		worst := rapid.Int64Range(0, 100).Draw(t, "worst")
		if s := score(d, worst); s < 0 || s > whole {
			t.Fatalf("score %d", s)
		}
		one := []dimension{d[0]}
		fuller := []dimension{{d[0].used + d[0].used/2, d[0].capacity, d[0].weight}}
		if score(fuller, worst) > score(one, worst) {
			t.Fatalf("a fuller node scores better: %v", d[0])
		}
	})
}

func TestSpread(t *testing.T) {
	for name, c := range map[string]struct{ scores, want []int64 }{
		"equal":              {[]int64{50000, 50000}, []int64{100, 100}},
		"one":                {[]int64{7}, []int64{100}},
		"hardly apart":       {[]int64{50000, 49999, 49900, 49899}, []int64{100, 99, 99, 98}},
		"a point":            {[]int64{61000, 60000}, []int64{100, 90}},
		"five points":        {[]int64{61000, 56000}, []int64{100, 50}},
		"far":                {[]int64{90000, 89000, 85000, 45000, 5000}, []int64{100, 90, 50, 25, 0}},
		"the worst has none": {[]int64{90000, 84000}, []int64{100, 0}},
	} {
		list := make(fwk.NodeScoreList, len(c.scores))
		for i, s := range c.scores {
			list[i].Score = s
		}
		spread(list)
		for i, want := range c.want {
			if list[i].Score != want {
				t.Errorf("%s: %d becomes %d, want %d", name, c.scores[i], list[i].Score, want)
			}
		}
	}
	spread(nil)
}

func TestSpreadKeepsTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Int64Range(0, whole), 1, 20).Draw(t, "scores")
		list := make(fwk.NodeScoreList, len(raw))
		for i, s := range raw {
			list[i].Score = s
		}
		spread(list)
		for i, s := range list {
			if s.Score < 0 || s.Score > fwk.MaxScore {
				t.Fatalf("%d becomes %d", raw[i], s.Score)
			}
			for j := range list {
				if raw[i] > raw[j] && list[i].Score < list[j].Score {
					t.Fatalf("%v becomes %v", raw, list)
				}
			}
		}
	})
}
