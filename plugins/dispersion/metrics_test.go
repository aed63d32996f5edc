package dispersion

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-base/metrics/testutil"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/reason"
)

// Other tests of this process count too, so that only differences tell something.
func refusals(t *testing.T, code reason.Code) float64 {
	t.Helper()
	n, err := testutil.GetCounterMetricValue(measured().refusals.WithLabelValues(code.String()))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func heldPods(t *testing.T) float64 {
	t.Helper()
	n, err := testutil.GetGaugeMetricValue(measured().held)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func plans(t *testing.T, kind string) uint64 {
	t.Helper()
	n, err := testutil.GetHistogramMetricCount(measured().plans.WithLabelValues(kind))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRefusalsAreCountedOncePerTry(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("p", 4, placement.Limits{MaxPerNode: 1, MaxNodes: 2})
	for _, node := range []string{"a", "b", "c", "d"} {
		w.node(node, 4, 110)
	}
	w.bind(instance("r-0", "p", ""), "a")
	w.bind(instance("r-1", "p", ""), "b")
	full, more := refusals(t, reason.NodeInstanceLimit), refusals(t, reason.NodeCountLimit)
	waits := refusals(t, reason.PolicyNotFound)
	pod, stray := instance("r-2", "p", ""), instance("s-0", "missing", "")
	w.arrive(pod, stray)
	for range 2 {
		if node, _ := w.schedule(pod); node != "" {
			t.Fatalf("r-2 is on %s", node)
		}
	}
	w.schedule(stray)
	if n := refusals(t, reason.NodeInstanceLimit) - full; n != 2 {
		t.Errorf("two tries, each with two full nodes, count as %v", n)
	}
	if n := refusals(t, reason.NodeCountLimit) - more; n != 2 {
		t.Errorf("two tries, each with two nodes too many, count as %v", n)
	}
	if n := refusals(t, reason.PolicyNotFound) - waits; n != 1 {
		t.Errorf("a try without a policy counts as %v", n)
	}
}

func TestPlansAreCountedWhenTheyAreMade(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("p", 4, placement.Limits{MaxPerNode: 2, MaxNodes: 2})
	for _, node := range []string{"a", "b", "c"} {
		w.node(node, 4, 110)
	}
	before := plans(t, planEven)
	for _, name := range []string{"r-0", "r-1", "r-2"} {
		pod := instance(name, "p", "")
		w.arrive(pod)
		if node, _ := w.schedule(pod); node == "" {
			t.Fatalf("%s has no node", name)
		}
	}
	if n := plans(t, planEven) - before; n != 1 {
		t.Errorf("%d plans were counted for one that was followed", n)
	}
}

// However a pod ceases to wait, it ceases to be counted.
func TestHeldPodsAreCounted(t *testing.T) {
	for name, end := range map[string]func(*world, *corev1.Pod, *corev1.Pod){
		"deleted": func(w *world, _, held *corev1.Pod) { w.plugin.releasing(w.t.Context()).OnDelete(held) },
		"bound by somebody else": func(w *world, _, held *corev1.Pod) {
			now := held.DeepCopy()
			now.Spec.NodeName = "a"
			w.plugin.releasing(w.t.Context()).OnUpdate(held, now)
		},
		"the other one is gone": func(w *world, spokesman, _ *corev1.Pod) {
			w.plugin.releasing(w.t.Context()).OnDelete(spokesman)
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := heldPods(t)
			w, spokesman, held := heldWorld(t)
			w.plugin.PreEnqueue(t.Context(), held)
			if n := heldPods(t) - before; n != 1 {
				t.Errorf("%v pods are held, want 1", n)
			}
			end(w, spokesman, held)
			if n := heldPods(t) - before; n != 0 {
				t.Errorf("%v pods are held at the end", n)
			}
		})
	}
}
