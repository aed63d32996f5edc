package answer

import (
	"slices"
	"testing"

	"github.com/shoal-dev/shoal/instanceset/decide"
)

// TestEveryWaitHasAPhase: what the manager says of an update that goes on with nobody, a person hears of as what it is.
func TestEveryWaitHasAPhase(t *testing.T) {
	for _, code := range slices.Concat(decide.UpdateWaits, decide.GrowthStates) {
		if phases[code] == "" {
			t.Errorf("%s (%v) has no phase", code.Name(), code)
		}
	}
}
