package dispersion

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/klog/v2"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
)

// The claim of r-1 was retired. Its pod comes back to a, which is one of the two nodes that K allows, and goes again. Whether the claim
// holds its slot by then, the scheduler has not seen. (Seed 10212 of the simulation: the watch of claims was behind by half a minute, and
// a tenth node was taken where nine were allowed.)
func TestAClaimThatComesBackHoldsItsSlotBeforeThatIsSeen(t *testing.T) {
	unretired := func(version string) *corev1.PersistentVolumeClaim {
		claim := stored("1", false)
		claim.ResourceVersion = version
		return claim
	}
	retired := labelled(unretired("5"), v1alpha1.LabelRetired)
	for name, c := range map[string]struct {
		stored *corev1.PersistentVolumeClaim // at the API server; nil: the claim is gone
		seen   *corev1.PersistentVolumeClaim // by the scheduler, after the API server was asked; nil: what it saw before
		free   bool                          // c may be taken when the pod has gone
		last   bool                          // and when the scheduler has seen that
		asked  int
	}{
		"the manager has given its slot back":          {stored: unretired("6"), asked: 1},
		"and that is seen":                             {stored: unretired("6"), seen: unretired("6"), asked: 1},
		"and it is retired again when that is seen":    {stored: unretired("6"), seen: labelled(unretired("7"), v1alpha1.LabelRetired), last: true, asked: 1},
		"and something else is seen, that came before": {stored: unretired("7"), seen: labelled(unretired("6"), v1alpha1.LabelRetired), asked: 1},
		"it is still retired":                          {stored: retired, free: true, last: true, asked: 1},
		"it was declared lost":                         {stored: labelled(unretired("6"), v1alpha1.LabelLost), free: true, last: true, asked: 1},
		"it was replaced":                              {stored: stored("2", false), free: true, last: true, asked: 1},
		"it is gone":                                   {free: true, last: true, asked: 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, config.DispersionArgs{})
			w.limit("r", 4, placement.Limits{MaxPerNode: 1, MaxNodes: 2})
			for _, node := range []string{"a", "b", "c"} {
				w.node(node, 4, 10)
			}
			var objects []runtime.Object
			if c.stored != nil {
				objects = append(objects, c.stored)
			}
			client := fake.NewClientset(objects...)
			w.handle().client = client
			w.add(w.plugin.claims, retired)
			w.bind(instance("r-0", "r", ""), "b")
			back, other := mountingClaim(instance("r-1", "r", ""), "data-r-1"), instance("r-2", "r", "")
			w.arrive(back, other)
			if node, _ := w.schedule(back); node != "a" {
				t.Fatalf("r-1 is on %q, and its volume on a", node)
			}
			mayOpen := func() bool { _, allowed := w.cycle(other); return allowed("c") }
			if mayOpen() || len(client.Actions()) > 0 {
				t.Fatalf("a third node is open, or somebody was asked while r-1 is there: %v", client.Actions())
			}
			bound := back.DeepCopy()
			bound.Spec.NodeName = "a"
			w.remove(bound)
			if may := mayOpen(); may != c.free {
				t.Errorf("a third node may be taken: %v, want %v", may, c.free)
			}
			if c.seen != nil {
				w.add(w.plugin.claims, c.seen)
			}
			if may := mayOpen(); may != c.last {
				t.Errorf("a third node may be taken at last: %v, want %v", may, c.last)
			}
			if n := len(client.Actions()); n != c.asked {
				t.Errorf("the API server was asked %d times, want %d", n, c.asked)
			}
		})
	}
}

// A pod that could not be bound leaves nothing behind, and nobody is asked.
func TestAClaimThatDoesNotComeBackHoldsNothing(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("r", 4, placement.Limits{MaxPerNode: 1, MaxNodes: 2})
	w.node("a", 4, 10)
	w.add(w.plugin.claims, labelled(stored("1", false), v1alpha1.LabelRetired))
	pod, other := mountingClaim(instance("r-1", "r", ""), "data-r-1"), instance("r-2", "r", "")
	w.arrive(pod, other)
	cs, _ := w.cycle(pod)
	w.plugin.Reserve(t.Context(), cs, pod, "a")
	assumed := pod.DeepCopy()
	assumed.Spec.NodeName = "a"
	must(t, w.cache.AssumePod(klog.Background(), assumed))
	w.cycle(other)
	w.plugin.Unreserve(t.Context(), cs, pod, "a")
	must(t, w.cache.ForgetPod(klog.Background(), assumed))
	if w.cycle(other); len(w.inDoubt(returning)) > 0 {
		t.Errorf("on their way back: %v", w.inDoubt(returning))
	}
}

// The API server has said that the claim holds its slot, and the next pod of the claim could not be bound: what was learnt holds.
func TestTheNextPodOfAClaimMakesNothingForgotten(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("r", 4, placement.Limits{MaxPerNode: 1, MaxNodes: 2})
	for _, node := range []string{"a", "b", "c"} {
		w.node(node, 4, 10)
	}
	now := stored("1", false)
	now.ResourceVersion = "6"
	w.handle().client = fake.NewClientset(now)
	before := labelled(stored("1", false), v1alpha1.LabelRetired)
	before.ResourceVersion = "5"
	w.add(w.plugin.claims, before)
	w.bind(instance("r-0", "r", ""), "b")
	back, other := mountingClaim(instance("r-1", "r", ""), "data-r-1"), instance("r-2", "r", "")
	w.arrive(back, other)
	if node, _ := w.schedule(back); node != "a" {
		t.Fatalf("r-1 is on %q, and its volume on a", node)
	}
	bound := back.DeepCopy()
	bound.Spec.NodeName = "a"
	w.remove(bound)
	if _, allowed := w.cycle(other); allowed("c") {
		t.Fatal("a third node is open")
	}
	again := mountingClaim(instance("r-1", "r", ""), "data-r-1")
	again.UID = "again"
	w.arrive(again)
	cs, _ := w.cycle(again)
	w.plugin.Reserve(t.Context(), cs, again, "a")
	w.plugin.Unreserve(t.Context(), cs, again, "a")
	if _, allowed := w.cycle(other); allowed("c") {
		t.Error("a third node is open: what the API server said was forgotten")
	}
}
