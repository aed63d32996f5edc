package dispersion

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// heldWorld has one node, which is full, with r-1 standing for r-2.
func heldWorld(t *testing.T) (w *world, spokesman, held *corev1.Pod) {
	w = newWorld(t, config.DispersionArgs{})
	w.limit("p", 3, placement.Limits{MaxPerNode: 1, MaxNodes: 1})
	w.node("a", 4, 110)
	w.bind(instance("r-0", "p", ""), "a")
	spokesman, held = instance("r-1", "p", ""), instance("r-2", "p", "")
	w.arrive(spokesman, held)
	told(held)
	if node, _ := w.schedule(spokesman); node != "" {
		t.Fatalf("r-1 is on %s", node)
	}
	if status := w.plugin.PreEnqueue(t.Context(), held); status.IsSuccess() {
		t.Fatal("r-2 is not held")
	}
	return w, spokesman, held
}

// The pod that stands for others can come to its end without a cycle of this scheduler. Nobody may wait for it then.
func TestWhoStandsForNobodyHoldsNobody(t *testing.T) {
	for name, change := range map[string]func(*corev1.Pod){
		"bound by somebody else": func(p *corev1.Pod) { p.Spec.NodeName = "a" },
		"terminating":            func(p *corev1.Pod) { p.DeletionTimestamp = new(metav1.Now()) },
		"failed":                 func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed },
		"in another group":       func(p *corev1.Pod) { p.Labels[v1alpha1.LabelPlacementPolicy] = "q" },
		"recreated":              func(p *corev1.Pod) { p.UID = "another" },
	} {
		t.Run(name, func(t *testing.T) {
			w, spokesman, held := heldWorld(t)
			now := spokesman.DeepCopy()
			change(now)
			w.arrive(now)
			if status := w.plugin.PreEnqueue(t.Context(), held); !status.IsSuccess() {
				t.Errorf("r-2 is still held: %s", status.Message())
			}
			w.plugin.releasing(t.Context()).OnUpdate(spokesman, now)
			if !w.activated(held) {
				t.Error("r-2 is not tried again")
			}
		})
	}
}

// What a pod wishes that is held helps nobody: it is tried when the one that it waits behind is, and takes the place of a wish that counts.
func TestWhoIsHeldWishesNothing(t *testing.T) {
	w, spokesman, held := heldWorld(t)
	group := slots.Group{Namespace: "ns", Policy: "p"}
	w.plugin.wishes.put(group, held, wish{slots: true, kept: true, open: true})
	if w.plugin.PreEnqueue(t.Context(), held).IsSuccess() {
		t.Fatal("r-2 is not held")
	}
	if w.plugin.knows(held) {
		t.Error("the wish of a pod that is held is remembered")
	}
	leaves := podGoes(on(instance("r-0", "p", ""), "a"))
	if w.wakes(held, leaves) || !w.wakes(spokesman, leaves) {
		t.Error("events retry the pod that is held, or not the one that it waits behind")
	}
}

// A pod whose siblings are on the only node says nothing about pods of other shards: the node has room for them.
func TestWhoseSiblingsAreThereHoldsNobody(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("p", 3, placement.Limits{MaxPerShard: 1})
	w.node("a", 4, 110)
	w.bind(instance("r-0", "p", "s"), "a")
	refused, other := instance("r-1", "p", "s"), instance("r-2", "p", "t")
	w.arrive(refused, other)
	told(other)
	if node, _ := w.schedule(refused); node != "" {
		t.Fatalf("r-1 is on %s", node)
	}
	if status := w.plugin.PreEnqueue(t.Context(), other); !status.IsSuccess() {
		t.Errorf("r-2 is held: %s", status.Message())
	}
}

// Whoever stands for others is refused for another reason, which may not be theirs.
func TestAnotherReasonReleases(t *testing.T) {
	w, spokesman, held := heldWorld(t)
	delete(w.policies, slots.Group{Namespace: "ns", Policy: "p"})
	w.schedule(spokesman)
	if !w.activated(held) {
		t.Error("r-2 is not tried again")
	}
}

func TestHeldPodsAreToldOnce(t *testing.T) {
	w, _, _ := heldWorld(t)
	recorder := events.NewFakeRecorder(10)
	w.plugin.handle.(*handle).events = recorder
	pod := instance("r-3", "p", "")
	told(pod)
	w.arrive(pod)
	for range 2 {
		if w.plugin.PreEnqueue(t.Context(), pod).IsSuccess() {
			t.Fatal("r-3 is not held")
		}
	}
	if n := len(recorder.Events); n != 1 {
		t.Fatalf("%d events, want 1", n)
	}
	if got := <-recorder.Events; !strings.Contains(got, "no node can take r-1 of the same group") {
		t.Errorf("the event says %q", got)
	}
}

// A pod that is held before its first try would be Pending without a word in its status: neither a person nor an autoscaler
// could tell that it has no node.
func TestEveryPodHasATryOfItsOwn(t *testing.T) {
	w, _, _ := heldWorld(t)
	pod := instance("r-3", "p", "")
	gated := corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonSchedulingGated}
	for _, conditions := range [][]corev1.PodCondition{nil, {gated}} {
		pod.Status.Conditions = conditions
		if status := w.plugin.PreEnqueue(t.Context(), pod); !status.IsSuccess() {
			t.Errorf("with the conditions %v r-3 is held: %s", conditions, status.Message())
		}
	}
}

// A pod that may evict others has a way that the one which stands for its siblings has not.
func TestWhoMayEvictIsNotHeld(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("p", 3, placement.Limits{MaxPerNode: 1, MaxNodes: 1})
	w.node("a", 4, 110)
	w.bind(instance("r-0", "p", ""), "a")
	spokesman, other := instance("r-1", "p", ""), instance("r-2", "p", "")
	spokesman.Spec.Priority, spokesman.Spec.PreemptionPolicy = new(int32(5)), new(corev1.PreemptNever)
	other.Spec.Priority = new(int32(5))
	told(other)
	w.arrive(spokesman, other)
	if node, _ := w.schedule(spokesman); node != "" {
		t.Fatalf("r-1 is on %s", node)
	}
	if status := w.plugin.PreEnqueue(t.Context(), other); !status.IsSuccess() {
		t.Errorf("r-2 is held, although it could evict r-0: %s", status.Message())
	}
}

// r-1 has grown while it waited, and no longer speaks for pods of the old size.
func TestWhoHasGrownStandsForNobody(t *testing.T) {
	w, spokesman, held := heldWorld(t)
	now := spokesman.DeepCopy()
	now.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("100")
	w.arrive(now)
	if status := w.plugin.PreEnqueue(t.Context(), held); !status.IsSuccess() {
		t.Errorf("r-2 is still held: %s", status.Message())
	}
	w.plugin.releasing(t.Context()).OnUpdate(spokesman, now)
	if !w.activated(held) {
		t.Error("r-2 is not tried again")
	}
}
