package simulation

import (
	"slices"
	"strings"
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

// Some seeds have all instances silent, and some have none: no agent reaches the manager for longer than the silence after which nothing is known
// of them, from after their first reports on, before another hush ends that one or all trouble is over.
func TestSomeHushesOutlastSilence(t *testing.T) {
	const seeds, silence, started = 400, 8 * time.Minute, time.Minute
	silent := 0
	for seed := range int64(seeds) {
		c := newChoice(farm.FirstWithRoles+seed, nil)
		begun, ends := []time.Duration{}, []time.Duration{trouble}
		for _, d := range drawnRoleTroubles(c.of("troubles of roles")) {
			if strings.HasPrefix(d.name, "hush.") && c.happens(d.name) {
				begun = append(begun, d.at)
				ends = append(ends, d.at+hushed(c.of(d.name)))
			}
		}
		if slices.ContainsFunc(begun, func(from time.Duration) bool {
			return !slices.ContainsFunc(ends, func(end time.Duration) bool { return from <= end && end < max(from, started)+silence })
		}) {
			silent++
		}
	}
	if t.Logf("%d of %d seeds have all instances silent", silent, seeds); silent < seeds/40 || silent > seeds/2 {
		t.Errorf("%d of %d", silent, seeds)
	}
}
