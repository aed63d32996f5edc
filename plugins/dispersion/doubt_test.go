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

// r-2 may be on c, and more likely is not: the claim that pins it was promised to b in a later attempt. With both nodes in use
// that K allows, c is no place for r-3.
func TestAPlacementInDoubtOpensNoNode(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("r", 4, placement.Limits{MaxPerNode: 2, MaxNodes: 2})
	for _, node := range []string{"a", "b", "c"} {
		w.node(node, 4, 10)
	}
	w.bind(instance("r-0", "r", ""), "a")
	w.bind(instance("r-1", "r", ""), "b")
	unsure, pod := instance("r-2", "r", ""), instance("r-3", "r", "")
	w.arrive(unsure, pod)
	w.plugin.Unreserve(t.Context(), nil, unsure, "c")
	if _, allowed := w.cycle(pod); allowed("c") || !allowed("a") {
		t.Errorf("a %v, c %v: want only a, which is in use for certain", allowed("a"), allowed("c"))
	}
}
