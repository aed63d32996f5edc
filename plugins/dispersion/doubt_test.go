package dispersion

import (
	"testing"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/placement"
)

// The binding of r-0 was stored, its answer was lost, and the scheduler has forgotten the pod: its node is not free.
func TestAPlacementInDoubtHoldsItsSlot(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("r", 2, placement.Limits{MaxPerNode: 1})
	w.node("a", 4, 10)
	first, second := instance("r-0", "r", ""), instance("r-1", "r", "")
	w.arrive(first, second)
	w.plugin.Unreserve(t.Context(), nil, first, "a")
	if node, _ := w.schedule(second); node != "" {
		t.Fatalf("r-1 was placed on %s, where r-0 may be", node)
	}
	if node, _ := w.schedule(first); node != "a" {
		t.Fatalf("r-0 was placed on %q: it is not in its own way", node)
	}
	if err := w.plugin.pods.Delete(first); err != nil {
		t.Fatal(err)
	}
	w.note(first)
	w.node("b", 4, 10)
	w.plugin.Unreserve(t.Context(), nil, second, "b")
	if len(w.plugin.index.doubts.pods) != 1 {
		t.Errorf("a pod that is gone is still in doubt: %v", w.plugin.index.doubts.pods)
	}
}

// The plugin of another profile counts what this one is in doubt about.
func TestProfilesShareTheIndex(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("r", 2, placement.Limits{MaxPerNode: 1})
	w.node("a", 4, 10)
	first, second := instance("r-0", "r", ""), instance("r-1", "r", "")
	w.arrive(first, second)
	other, err := newPlugin(&config.DispersionArgs{}, w.plugin.handle, w.plugin.index)
	if err != nil {
		t.Fatal(err)
	}
	other.Unreserve(t.Context(), nil, first, "a")
	if node, _ := w.schedule(second); node != "" {
		t.Errorf("r-1 was placed on %s, where r-0 of another profile may be", node)
	}
}
