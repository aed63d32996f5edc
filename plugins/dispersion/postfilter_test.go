package dispersion

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/placement"
)

// PreFilter names a few planned nodes, and another plugin refuses all of them: the pod still finds one of the others.
func TestTheCutCostsNoPodItsPlace(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("p", 80, placement.Limits{MaxNodes: 40})
	for i := range cutAbove + 20 {
		w.node(fmt.Sprintf("node-%03d", i), 4, 110)
	}
	first, second := instance("r-0", "p", ""), instance("r-1", "p", "")
	w.arrive(first, second)
	cs, _ := w.cycle(first)
	s, status := stateOf(cs)
	if !status.IsSuccess() || !s.narrow {
		t.Fatal("PreFilter names no nodes in a large cluster")
	}
	for i := range w.plugin.index.marks {
		if n := w.plugin.index.nodes[w.plugin.index.marks[i].number]; s.plan.quota[w.plugin.index.marks[i].number] > 0 {
			w.blocked[n.name] = true
		}
	}
	for _, pod := range []string{"r-0", "r-1"} {
		o, _, err := w.plugin.pods.GetByKey("ns/" + pod)
		if err != nil {
			t.Fatal(err)
		}
		if node, _ := w.schedule(o.(*corev1.Pod)); node == "" || w.blocked[node] {
			t.Errorf("%s is on %q", pod, node)
		}
	}
}

// A node that others refused is not planned with, until the minute is over.
func TestRefusedNodesAreAvoidedForAMinute(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("p", 6, placement.Limits{MaxNodes: 2})
	w.node("a", 3, 110)
	w.node("b", 3, 110)
	w.node("c", 1, 110)
	w.blocked["a"] = true
	at := time.Unix(0, 0)
	w.plugin.now = func() time.Time { return at }
	for i := range 3 {
		pod := instance(fmt.Sprintf("r-%d", i), "p", "")
		w.arrive(pod)
		w.schedule(pod)
	}
	pod := instance("r-3", "p", "")
	w.arrive(pod)
	w.blocked["c"] = true
	if node, _ := w.schedule(pod); node != "" {
		t.Fatalf("r-3 is on %s", node)
	}
	if _, allowed := w.cycle(pod); !allowed("c") {
		t.Error("c is kept for the sake of a, which does not take the pod")
	}
	at = at.Add(avoidFor + time.Second)
	if _, allowed := w.cycle(pod); allowed("c") {
		t.Error("a is still not counted on after a minute")
	}
}
