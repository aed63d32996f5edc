package dispersion

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// PreFilter names a few planned nodes, and another plugin refuses all of them: the pod still finds one of the others.
func TestTheCutCostsNoPodItsPlace(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("p", 80, placement.Limits{MaxNodes: 40})
	for i := range cutAboveNodes + 20 {
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

// A pod that no node took is shown all nodes at its next tries, until a sibling finds one: its status names the same reasons each
// time. (Seed 7063 of the simulation: a pod whose volume's node was down was tried in two ways every five minutes, and its status told of the
// first way for five minutes and then of the second.)
func TestAPodThatFoundNoNodeIsShownAllOfThem(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("p", 80, placement.Limits{MaxNodes: 40})
	for i := range cutAboveNodes + 20 {
		w.node(fmt.Sprintf("node-%03d", i), 4, 110)
		w.blocked[fmt.Sprintf("node-%03d", i)] = true
	}
	first, second := instance("r-0", "p", ""), instance("r-1", "p", "")
	w.arrive(first, second)
	narrow := func() bool {
		cs, _ := w.cycle(first)
		s, status := stateOf(cs)
		if !status.IsSuccess() {
			t.Fatal(status.Message())
		}
		return s.narrow
	}
	if !narrow() {
		t.Fatal("PreFilter names no nodes in a large cluster")
	}
	if node, _ := w.schedule(first); node != "" {
		t.Fatalf("r-0 is on %s", node)
	}
	for range 2 {
		if narrow() {
			t.Error("named nodes come first again, for a pod that none of them took")
		}
	}
	clear(w.blocked)
	if node, _ := w.schedule(second); node == "" {
		t.Fatal("r-1 has no node")
	}
	if !narrow() {
		t.Error("a sibling has found a node, and the pod is still shown all of them")
	}
}

// What a pod found that may go anywhere says nothing about the one node of a pod whose volume is local: that one is shown all nodes until
// it is placed or gone. And the pods of the largest group are remembered, and none beyond it at the expense of another.
func TestWhoIsShownAllNodes(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("p", 80, placement.Limits{MaxNodes: 40})
	for i := range cutAboveNodes + 20 {
		w.node(fmt.Sprintf("node-%03d", i), 4, 110)
	}
	w.add(w.plugin.claims, claimOn("data-r-0", "p", "node-007"))
	pinned, other := mountingClaim(instance("r-0", "p", ""), "data-r-0"), instance("r-1", "p", "")
	w.arrive(pinned, other)
	w.blocked["node-007"] = true
	if node, _ := w.schedule(pinned); node != "" {
		t.Fatalf("r-0 is on %s", node)
	}
	if node, _ := w.schedule(other); node == "" {
		t.Fatal("r-1 has no node")
	}
	cs, _ := w.cycle(pinned)
	if s, status := stateOf(cs); !status.IsSuccess() || s.narrow {
		t.Error("named nodes come first again, for a pod whose node did not take it")
	}
	memo := &w.plugin.index.known(slots.Group{Namespace: "ns", Policy: "p"}).memo
	w.remove(pinned)
	if w.cycle(other); len(memo.pinned) > 0 {
		t.Errorf("a pod that is gone is remembered: %v", memo.pinned)
	}

	pod := func(i int) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: types.UID(fmt.Sprint(i))}}
	}
	for i := range maxWide {
		memo.widen(pod(i), i%2 == 0)
	}
	if memo.widen(pod(maxWide), false) || !memo.isWide(pod(0)) || !memo.isWide(pod(maxWide-1)) {
		t.Error("one more is remembered, or one that was is not")
	}
}

// The pod is tried twice every five minutes, with the nodes that another plugin refuses and without them: what is said of it stays.
func TestNodesThatAreAvoidedDoNotChangeWhatIsSaid(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("p", 6, placement.Limits{MaxPerNode: 3, MaxNodes: 2})
	refused := map[string]*fwk.Status{}
	for name, cpu := range map[string]int64{"big-0": 3, "big-1": 3, "small": 1} {
		w.node(name, cpu, 110)
		refused[name] = fwk.NewStatus(fwk.Unschedulable, "another plugin refuses")
	}
	clock := time.Unix(1000, 0)
	w.plugin.now = func() time.Time { return clock }
	pod := instance("r-0", "p", "")
	w.arrive(pod)
	var said []string
	for i := range 4 {
		for again := true; again; again = w.activated(pod) {
			w.activated(nil)
			cs, _ := w.cycle(pod)
			_, after := w.plugin.PostFilter(t.Context(), cs, pod, framework.NewNodeToStatus(refused, fwk.NewStatus(fwk.UnschedulableAndUnresolvable)))
			if i > 0 {
				said = append(said, after.Message())
			}
		}
		clock = clock.Add(5 * time.Minute)
	}
	if distinct := slices.Compact(slices.Clone(said)); len(said) < 6 || len(distinct) != 1 || distinct[0] == "" {
		t.Errorf("said in turn: %q", said)
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

// Nothing happens when the minute is over, and yet a pod is tried again that was refused because of it: in mode Strict it has no other node.
func TestWhoIsRefusedForANodeThatIsAvoidedIsTriedAgain(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("p", 2, placement.Limits{MaxNodes: 1})
	w.mode("p", v1alpha1.PlacementStrict)
	w.node("a", 4, 110)
	w.node("b", 3, 110)
	at := time.Unix(0, 0)
	w.plugin.now = func() time.Time { return at }
	w.blocked["a"], w.blocked["b"] = true, true
	pod := instance("r-0", "p", "")
	w.arrive(pod)
	if node, _ := w.schedule(pod); node != "" {
		t.Fatalf("r-0 is on %s", node)
	}
	clear(w.blocked)
	w.activated(nil)
	for _, c := range []struct {
		after time.Duration
		tried bool
	}{{avoidFor - time.Second, false}, {time.Second, true}, {avoidFor, false}} {
		at = at.Add(c.after)
		w.plugin.tryDue(t.Context())
		if tried := w.activated(pod); tried != c.tried {
			t.Errorf("%s later it is tried again: %v, want %v", c.after, tried, c.tried)
		}
		w.activated(nil)
	}
	if node, refused := w.schedule(pod); node != "a" {
		t.Errorf("r-0 is on %q: %v", node, refused)
	}
}

// TestGroupWithoutNodeLimitLooksAtTheEmptiest: a group without K may use all nodes, and yet in a large cluster only the least loaded
// of the emptiest are looked at; a pod that would rather be near something is shown all.
func TestGroupWithoutNodeLimitLooksAtTheEmptiest(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	const nodes = 3 * cutAboveNodes
	for i := range nodes {
		name := fmt.Sprintf("node-%03d", i)
		w.node(name, 8, 110, func(n *corev1.Node) { n.Status.Allocatable[corev1.ResourceMemory] = resource.MustParse("32Gi") })
		if i < nodes-2*cutToNodes {
			w.bind(instance("p-"+name, "p", ""), name)
		} else if i < nodes-cutToNodes {
			w.bind(instance("other-"+name, "", ""), name)
		}
	}
	w.limit("p", 2*nodes, placement.Limits{MaxPerNode: 2})
	pod := instance("next", "p", "")
	w.arrive(pod)
	named := func() map[string]bool {
		w.cycle(pod)
		names := map[string]bool{}
		for _, info := range w.candidates(w.result) {
			names[info.Node().Name] = true
		}
		return names
	}
	if got := named(); len(got) != cutToNodes || !got["node-299"] || got[fmt.Sprintf("node-%03d", nodes-cutToNodes-1)] {
		t.Errorf("PreFilter names %d nodes, wanted the %d that are idle: %v", len(got), cutToNodes, got)
	}
	// The idle ones stand at the end of the list, after more with some load than can be named.
	for i := nodes - cutToNodes/2; i < nodes; i++ {
		w.bind(instance(fmt.Sprintf("late-%d", i), "", ""), fmt.Sprintf("node-%03d", i))
	}
	got := named()
	for i := nodes - cutToNodes; i < nodes-cutToNodes/2; i++ {
		if name := fmt.Sprintf("node-%03d", i); !got[name] {
			t.Errorf("PreFilter does not name %s, which is idle", name)
		}
	}
	if len(got) != cutToNodes {
		t.Errorf("PreFilter names %d nodes", len(got))
	}
	// Whoever is asked to stay away does.
	shunned := fmt.Sprintf("node-%03d", nodes-cutToNodes)
	info, err := w.snapshot.Get(shunned)
	must(t, err)
	after := info.Node().DeepCopy()
	after.Spec.Taints = []corev1.Taint{{Key: "old", Effect: corev1.TaintEffectPreferNoSchedule}}
	w.cache.UpdateNode(klog.Background(), info.Node(), after)
	if got := named(); len(got) != cutToNodes || got[shunned] {
		t.Errorf("PreFilter names %d nodes, and %v one with a taint PreferNoSchedule", len(got), got[shunned])
	}
	pod = pod.DeepCopy()
	pod.Spec.Tolerations = []corev1.Toleration{{Key: "old", Operator: corev1.TolerationOpExists}}
	if got := named(); !got[shunned] {
		t.Error("PreFilter does not name a node whose taint the pod tolerates")
	}
	pod.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{WhenUnsatisfiable: corev1.ScheduleAnyway}}
	if got := named(); len(got) != nodes {
		t.Errorf("PreFilter names %d nodes for a pod with a preference, which it does not know", len(got))
	}
}

// The cycles of a PodGroup have no PostFilter: a pod to which PreFilter named a few nodes would get no other chance.
func TestPodGroupsAreNotCut(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("p", 80, placement.Limits{MaxNodes: 40})
	for i := range cutAboveNodes + 20 {
		w.node(fmt.Sprintf("node-%03d", i), 4, 110)
	}
	pod := instance("r-0", "p", "")
	w.arrive(pod)
	must(t, w.cache.UpdateSnapshot(klog.Background(), w.snapshot))
	nodes, err := w.snapshot.List()
	must(t, err)
	for _, group := range []bool{false, true} {
		cs := framework.NewCycleState()
		if group {
			cs.SetPodGroupSchedulingCycle(framework.NewCycleState())
		}
		result, status := w.plugin.PreFilter(t.Context(), cs, pod, nodes)
		if !status.IsSuccess() || (result == nil) != group {
			t.Errorf("in the cycle of a PodGroup: %v, named nodes: %v (%v)", group, result != nil, status)
		}
	}
}
