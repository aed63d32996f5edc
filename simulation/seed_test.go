package simulation

import (
	"flag"
	"fmt"
	"math/rand"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seeds     = flag.Int("seeds", 20, "number of seeds that TestSeeds plays")
	firstSeed = flag.Int64("seed", 0, "first seed that TestSeeds plays; alone if -seeds is not given")
	lines     = flag.Int("lines", 60, "lines of the trace that are shown of a seed that fails")
)

// playSeed plays a seed in a bubble of its own.
func playSeed(t *testing.T, seed int64) Result {
	t.Helper()
	a, err := assets()
	if err != nil {
		t.Fatal(err)
	}
	var r Result
	synctest.Test(t, func(t *testing.T) {
		rand.Seed(seed) //nolint:staticcheck // see world_test.go
		if r, err = Play(t.Context(), a, seed); err != nil {
			t.Fatal(err)
		}
	})
	return r
}

// TestSeeds plays seeds and stops at none: it says of each that fails how to play it again.
func TestSeeds(t *testing.T) {
	begun, failed := time.Now(), 0
	for n := range *seeds {
		r := playSeed(t, *firstSeed+int64(n))
		if r.Failure != nil {
			failed++
			t.Errorf("seed %d: %v\n%s\nagain: make sim SEEDS=1 SEED=%d", r.Seed, r.Failure, last(r.Trace, *lines), r.Seed)
		}
		if (n+1)%100 == 0 {
			fmt.Fprintf(os.Stderr, "%d seeds, %d failed, %.1f a second\n", n+1, failed, float64(n+1)/time.Since(begun).Seconds())
		}
	}
}

func last(trace []string, n int) string { return strings.Join(trace[max(0, len(trace)-n):], "\n") }

// A seed that cannot be played again is of no use.
func TestTheSameSeedIsTheSameRun(t *testing.T) {
	for seed := range int64(3) {
		a, b := playSeed(t, seed).Trace, playSeed(t, seed).Trace
		for n := range min(len(a), len(b)) {
			if a[n] != b[n] {
				t.Fatalf("seed %d, line %d:\n%s\n%s\nbefore:\n%s", seed, n, a[n], b[n], last(a[:n], 10))
			}
		}
		if len(a) != len(b) {
			t.Errorf("seed %d: %d and %d lines", seed, len(a), len(b))
		}
	}
}
