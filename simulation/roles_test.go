package simulation

import (
	"testing"
	"time"

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

// Of the seeds in which no agent reaches the manager some have all instances silent: an agent has reported up to five minutes before, and is
// silent eight minutes after that.
func TestSomeHushesOutlastSilence(t *testing.T) {
	long, begun := 0, 0
	for seed := range int64(400) {
		c := newChoice(farm.FirstWithRoles+seed, nil)
		if length := hushed(c.of("hush.0")); length >= 8*time.Minute {
			long++
		}
		begun++
	}
	if long < begun/4 || long > begun/2 {
		t.Errorf("%d of %d", long, begun)
	}
}
