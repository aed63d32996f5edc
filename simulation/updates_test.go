package simulation

import (
	"testing"

	"github.com/shoal-dev/shoal/simulation/farm"
)

// TestUpdateSeeds plays the first few seeds in which people change templates.
func TestUpdateSeeds(t *testing.T) {
	for n := range int64(4) {
		seed := farm.FirstWithUpdates + 1 + n
		if r := playSeed(t, farm.Job{Seed: seed}); r.Failed() {
			t.Errorf("seed %d: %s\n%s\nagain: make sim SEED=%d", seed, r.Failure, last(r.Trace, *lines), seed)
		}
	}
}
