package simulation

import (
	"testing"

	"github.com/shoal-dev/shoal/simulation/farm"
)

// TestRoleSeeds plays the first few seeds whose sets have roles.
func TestRoleSeeds(t *testing.T) {
	for _, residue := range roled[:4] {
		seed := firstRoled + residue
		if r := playSeed(t, farm.Job{Seed: seed}); r.Failed() {
			t.Errorf("seed %d: %s\n%s\nagain: make sim SEED=%d", seed, r.Failure, last(r.Trace, *lines), seed)
		}
	}
}
