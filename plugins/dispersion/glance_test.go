package dispersion

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// large is a world in which PreFilter names some nodes, and has done so for a pod of group p: the next one's cycle may glance.
func large(t *testing.T, replicas int, l placement.Limits) *world {
	t.Helper()
	w := newWorld(t, config.DispersionArgs{})
	for i := range 2 * cutAboveNodes {
		w.node(fmt.Sprintf("node-%03d", i), 8, 110)
	}
	w.limit("p", replicas, l)
	first := instance("p-0", "p", "")
	w.arrive(first)
	if on, refused := w.schedule(first); on == "" {
		t.Fatalf("p-0 has no place: %v", refused)
	}
	return w
}

// glanced reports whether the last cycle only glanced.
func (w *world) glanced(before int) bool { return w.plugin.index.stir.cycles == before+1 }

// assume puts a pod where only the scheduler's cache knows of it.
func (w *world) assume(pod *corev1.Pod, node string) {
	w.t.Helper()
	assumed := pod.DeepCopy()
	assumed.Spec.NodeName = node
	if err := w.cache.AssumePod(klog.Background(), assumed); err != nil {
		w.t.Fatal(err)
	}
}

// TestAGlanceSeesWhatWasReserved: the pods of a group that may use two nodes are assumed one after the other, and the watch shows
// none of them yet.
func TestAGlanceSeesWhatWasReserved(t *testing.T) {
	const replicas = 12
	w := large(t, replicas, placement.Limits{MaxPerNode: 8, MaxNodes: 2})
	used := w.perNode("p")
	for i := 1; i < replicas; i++ {
		pod := instance(fmt.Sprintf("p-%d", i), "p", "")
		w.arrive(pod)
		before := w.plugin.index.stir.cycles
		node := w.reserve(pod)
		if node == "" {
			t.Fatalf("%s has no place", pod.Name)
		}
		if !w.glanced(before) {
			t.Errorf("the cycle of %s looked at all nodes", pod.Name)
		}
		w.assume(pod, node)
		used[node]++
	}
	if len(used) != 2 || gap(used) > 0 {
		t.Errorf("want 6 instances on each of 2 nodes, got %v", used)
	}
}

// reserve runs a cycle up to Reserve, and returns the node of the highest score.
func (w *world) reserve(pod *corev1.Pod) string {
	w.t.Helper()
	cs, _ := w.cycle(pod)
	best, score := "", int64(-1)
	for _, info := range w.candidates(w.result) {
		if !w.plugin.Filter(w.t.Context(), cs, pod, info).IsSuccess() {
			continue
		}
		if points, _ := w.plugin.Score(w.t.Context(), cs, pod, info); points > score {
			best, score = info.Node().Name, points
		}
	}
	if best != "" {
		w.plugin.Reserve(w.t.Context(), cs, pod, best)
	}
	return best
}

func gap(used map[string]int) int {
	low, high := 1<<30, 0
	for _, n := range used {
		low, high = min(low, n), max(high, n)
	}
	return high - low
}

// TestAGlanceTakesNoNodeThatHasChanged: a profile without the plugin places pods of the group, of which nothing is heard before they
// are bound.
func TestAGlanceTakesNoNodeThatHasChanged(t *testing.T) {
	w := large(t, 400, placement.Limits{MaxPerNode: 1})
	next := instance("p-1", "p", "")
	w.arrive(next)
	w.cycle(next)
	for i, info := range w.candidates(w.result) {
		w.assume(instance(fmt.Sprintf("elsewhere-%d", i), "p", ""), info.Node().Name)
	}
	taken := map[string]bool{}
	for _, info := range w.candidates(w.result) {
		taken[info.Node().Name] = true
	}
	before := w.plugin.index.stir.cycles
	if node := w.reserve(next); node == "" || taken[node] {
		t.Errorf("p-1 goes to %q, where another one of the group is", node)
	}
	if w.glanced(before) {
		t.Error("the cycle went by what it had seen of nodes that have changed")
	}
}

// TestNobodyIsTurnedAwayAfterAGlance: the group may use one node, which pods of others fill. One of them goes, which nobody notes; the
// pod that is tried next would wait for an event that has been.
func TestNobodyIsTurnedAwayAfterAGlance(t *testing.T) {
	w := large(t, 400, placement.Limits{MaxPerNode: 8, MaxNodes: 1})
	var node string
	for node = range w.perNode("p") {
	}
	var others []*corev1.Pod
	for i := range 7 {
		pod := instance(fmt.Sprint("other-", i), "", "")
		pod.Spec.NodeName = node
		if err := w.cache.AddPod(klog.Background(), pod); err != nil {
			t.Fatal(err)
		}
		w.plugin.index.notes.stir(pod)
		others = append(others, pod)
	}
	next := instance("p-1", "p", "")
	w.arrive(next)
	if on, _ := w.schedule(next); on != "" {
		t.Fatalf("p-1 went to %s, which is full", on)
	}
	w.plugin.index.known(slots.Group{Namespace: "ns", Policy: "p"}).memo.cut = true // as after a pod of the group with a volume
	if err := w.cache.RemovePod(klog.Background(), others[0]); err != nil {
		t.Fatal(err)
	}
	if on := w.reserve(next); on != node {
		t.Errorf("p-1 goes to %q, want %q, where there is room again", on, node)
	}
}

// TestAnotherListIsNoGlance: a node is gone and another one has come, so that there are as many as before.
func TestAnotherListIsNoGlance(t *testing.T) {
	w := large(t, 400, placement.Limits{MaxPerNode: 2})
	next := instance("p-1", "p", "")
	w.arrive(next)
	w.cycle(next)
	info, err := w.snapshot.Get("node-007")
	must(t, err)
	if err := w.cache.RemoveNode(klog.Background(), info.Node()); err != nil {
		t.Fatal(err)
	}
	w.node("node-new", 8, 110)
	w.cycle(next)
	if x := w.plugin.index; x.stir.cycles != 0 || x.Get("node-new") == nil || x.Get("node-007") != nil {
		t.Errorf("after %d glances the index has the node that came: %v, and the one that went: %v",
			x.stir.cycles, x.Get("node-new") != nil, x.Get("node-007") != nil)
	}
}

// TestAllNodesAreLookedAtNowAndThen: what nobody noted is seen in the 64th cycle at the latest.
func TestAllNodesAreLookedAtNowAndThen(t *testing.T) {
	w := large(t, 400, placement.Limits{MaxPerNode: 2})
	next := instance("p-1", "p", "")
	w.arrive(next)
	w.cycle(next)
	w.assume(instance("elsewhere", "p", ""), quiet)
	for i := range glances + 1 {
		w.cycle(next)
		if w.plugin.index.stir.cycles == 0 {
			if held := w.countedOn(quiet); held != 1 {
				t.Errorf("after %d cycles and a look at all nodes, %d instances are counted on %s", i+1, held, quiet)
			}
			return
		}
	}
	t.Errorf("%d cycles have only glanced", glances+1)
}

// quiet is never named, as it is the last of equally good nodes.
const quiet = "node-199"

func (w *world) countedOn(node string) int {
	return w.plugin.index.nodes[w.plugin.index.names[node]].all
}

// TestANotedNodeIsAskedForSomeCycles: the informer's cache has a change before the snapshot does.
func TestANotedNodeIsAskedForSomeCycles(t *testing.T) {
	w := large(t, 400, placement.Limits{MaxPerNode: 2})
	next := instance("p-1", "p", "")
	w.arrive(next)
	for range 2 * glances { // to the first glance after a look at all nodes
		if w.cycle(next); w.plugin.index.stir.cycles == 1 {
			break
		}
	}
	w.plugin.index.notes.stirNode(quiet)
	w.cycle(next)
	w.cycle(next)
	w.assume(instance("elsewhere", "p", ""), quiet)
	w.cycle(next)
	if held := w.countedOn(quiet); held != 1 || w.plugin.index.stir.cycles != 4 {
		t.Errorf("after glance %d %d instances are counted on %s, which was noted three cycles ago", w.plugin.index.stir.cycles, held, quiet)
	}
}

// TestInformersNoteNodes: of a pod of no group, and of a Node, the stores of the informers say which node has changed.
func TestInformersNoteNodes(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	pod := instance("plain", "", "")
	pod.Spec.NodeName = "a"
	w.add(w.factory.Core().V1().Pods().Informer().GetIndexer(), pod)
	w.add(w.factory.Core().V1().Nodes().Informer().GetIndexer(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "b"}})
	if noted := w.plugin.index.notes.stirred(); !noted["a"] || !noted["b"] || len(noted) != 2 {
		t.Errorf("noted are %v", noted)
	}
}

// TestAFailedPlacementIsNoted: the snapshot no longer has the pod afterwards, of which no event tells.
func TestAFailedPlacementIsNoted(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.plugin.Unreserve(t.Context(), framework.NewCycleState(), instance("p-0", "p", ""), "a")
	if noted := w.plugin.index.notes.stirred(); !noted["a"] {
		t.Errorf("noted are %v", noted)
	}
}
