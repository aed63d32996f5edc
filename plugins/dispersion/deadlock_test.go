package dispersion

import (
	"fmt"
	"math/rand"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// TestTightShardsNeverDeadlock does the same with shards of 4 whose instances may not share a node, on 1.05 times the fewest
// nodes. They arrive in the order of their ordinals.
func TestTightShardsNeverDeadlock(t *testing.T) {
	for seed := range int64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			tightGroup{nodes: 150, replicas: 500, m: 8, shardSize: 4, seed: seed}.place(t, false)
		})
	}
}

// TestShardsWithoutSlackArriveInAnyOrder has not one place more than instances: K times M is R, the shards of two fill every
// node, and their instances come in random order, and of the nodes that are allowed other plugins like any best. Most orders strand some
// of them if the plan is not followed: then the last nodes with room hold their siblings.
func TestShardsWithoutSlackArriveInAnyOrder(t *testing.T) {
	const k, m, size = 5, 4, 2
	stranded := 0
	for seed := range int64(20) {
		for _, planned := range []bool{true, false} {
			w := newWorld(t, config.DispersionArgs{})
			w.unplanned = !planned
			random := rand.New(rand.NewSource(seed))
			w.choose = func(allowed []string) string { return allowed[random.Intn(len(allowed))] }
			for i := range k {
				w.node(fmt.Sprintf("node-%d", i), m, 110)
			}
			g := slots.Group{Namespace: "ns", Policy: "p"}
			w.policies[g] = policy{counted: true, replicas: k * m, shards: k * m / size, limits: fixed(placement.Limits{MaxPerNode: m, MaxNodes: k, MaxPerShard: 1})}
			placed := 0
			for _, i := range random.Perm(k * m) {
				pod := instance(fmt.Sprintf("r-%d", i), "p", fmt.Sprintf("s-%d", i/size))
				w.arrive(pod)
				if node, _ := w.schedule(pod); node != "" {
					placed++
				}
			}
			switch {
			case planned && placed < k*m:
				t.Errorf("seed %d: %d of %d placed", seed, placed, k*m)
			case !planned && placed < k*m:
				stranded++
			}
		}
	}
	t.Logf("without the plan %d of 20 orders stranded instances", stranded)
	if stranded == 0 {
		t.Error("no order stranded anything without the plan: the test proves nothing")
	}
}

// TestTightGroupNeverDeadlocks places 1,000 instances on 300 nodes of three sizes with background pods, with 1.05 times
// the fewest nodes that could hold them. With the guard all are placed; without it most seeds are stuck.
func TestTightGroupNeverDeadlocks(t *testing.T) {
	const seeds = 10
	var stuck atomic.Int32
	t.Run("seeds", func(t *testing.T) {
		for seed := range int64(seeds) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				g := tightGroup{nodes: 300, replicas: 1000, m: 8, seed: seed}
				g.place(t, false)
				alone := g
				alone.unplanned = true // the guard alone is enough, in whatever order other plugins like the nodes
				alone.place(t, false)
				if g.place(t, true) < g.replicas {
					stuck.Add(1)
				}
			})
		}
	})
	t.Logf("without the guard %d of %d seeds were stuck", stuck.Load(), seeds)
	if stuck.Load() <= seeds/2 {
		t.Errorf("without the guard only %d of %d seeds were stuck: the test proves nothing", stuck.Load(), seeds)
	}
}

type tightGroup struct {
	nodes, replicas, m, shardSize int
	seed                          int64
	unplanned                     bool
}

// place returns how many instances were placed. Guarded, all of them must be; the limits hold either way.
func (g tightGroup) place(t *testing.T, unguarded bool) int {
	w := newWorld(t, config.DispersionArgs{})
	w.unguarded, w.unplanned = unguarded, g.unplanned
	free := w.mixed(g.nodes, g.m, g.seed)
	k := (fewest(free, g.m, g.replicas)*105 + 99) / 100
	w.limit("p", g.replicas, placement.Limits{MaxPerNode: g.m, MaxNodes: k, MaxPerShard: 1})
	placed := 0
	for i := range g.replicas {
		shard := ""
		if g.shardSize > 0 {
			shard = fmt.Sprintf("s-%d", i/g.shardSize)
		}
		pod := instance(fmt.Sprintf("r-%d", i), "p", shard)
		w.arrive(pod)
		if node, _ := w.schedule(pod); node != "" {
			placed++
		}
	}
	perNode, worst := w.perNode("p"), 0
	for _, n := range perNode {
		worst = max(worst, n)
	}
	if len(perNode) > k || worst > g.m {
		t.Errorf("%d nodes in use and %d instances on one, at most %d and %d are allowed", len(perNode), worst, k, g.m)
	}
	if !unguarded && placed < g.replicas {
		t.Errorf("%d of %d placed", placed, g.replicas)
	}
	t.Logf("guarded %v: %d of %d placed on %d of %d nodes, at most %d on one", !unguarded, placed, g.replicas, len(perNode), k, worst)
	return placed
}

// TestGroupsThatGrowTogetherDoNotTakeEachOthersRoom places 20 groups at once, pod by pod in random order. Ten of them need a
// large node each, as a whole, and have their first pod there; the others need two small nodes each, and would rather have the
// large ones, which are less loaded. There is just enough room for all.
func TestGroupsThatGrowTogetherDoNotTakeEachOthersRoom(t *testing.T) {
	const half, large, small = 10, 8, 6
	for seed := range int64(5) {
		w := newWorld(t, config.DispersionArgs{})
		var first, pods []*corev1.Pod
		grow := func(name string, replicas, k int) {
			w.limit(name, replicas, placement.Limits{MaxNodes: k})
			for i := range replicas {
				pods = append(pods, instance(fmt.Sprintf("%s-%d", name, i), name, ""))
			}
		}
		for i := range half {
			w.node(fmt.Sprintf("large-%d", i), large, 110)
			grow(fmt.Sprintf("l-%d", i), large, 1)
			first, pods = append(first, pods[len(pods)-large]), append(pods[:len(pods)-large], pods[len(pods)-large+1:]...)
			for _, node := range []string{fmt.Sprintf("small-%d", 2*i), fmt.Sprintf("small-%d", 2*i+1)} {
				w.node(node, small+4, 110)
				for j := range 4 {
					w.bind(instance(fmt.Sprintf("%s-%d", node, j), "", ""), node)
				}
			}
			grow(fmt.Sprintf("s-%d", i), 2*small, 2)
		}
		rand.New(rand.NewSource(seed)).Shuffle(len(pods), func(i, j int) { pods[i], pods[j] = pods[j], pods[i] })
		pods = append(first, pods...)
		w.arrive(pods...)
		placed := 0
		for _, pod := range pods {
			if node, _ := w.schedule(pod); node != "" {
				placed++
			}
		}
		if placed < len(pods) {
			t.Errorf("seed %d: %d of %d placed", seed, placed, len(pods))
		}
	}
}

// TestGroupsEndEven: where the planned nodes have room for it, they differ by at most one instance in the end, although nodes
// differ in size and in load. 120 nodes have room for 10 to 20, and 100 idle ones for three; the group may use 105 and needs 10
// on each. The guard alone would let it open small ones.
func TestGroupsEndEven(t *testing.T) {
	const k, replicas = 105, 1000
	spread := func(seed int64, unplanned bool) (least, most, nodes int) {
		w := newWorld(t, config.DispersionArgs{})
		w.unplanned = unplanned
		random := rand.New(rand.NewSource(seed))
		for i := range 120 {
			name := fmt.Sprintf("large-%03d", i)
			w.node(name, int64(20+random.Intn(11)), 110)
			for j := range 10 {
				w.bind(instance(fmt.Sprintf("background-%d-%d", i, j), "", ""), name)
			}
		}
		for i := range 100 {
			w.node(fmt.Sprintf("idle-%03d", i), 3, 110)
		}
		w.limit("p", replicas, placement.Limits{MaxPerNode: 30, MaxNodes: k})
		for i := range replicas {
			pod := instance(fmt.Sprintf("r-%d", i), "p", "")
			w.arrive(pod)
			if node, _ := w.schedule(pod); node == "" {
				t.Fatalf("seed %d: pod %d has no node", seed, i)
			}
		}
		least = replicas
		for _, n := range w.perNode("p") {
			least, most = min(least, n), max(most, n)
		}
		return least, most, len(w.perNode("p"))
	}
	for seed := range int64(3) {
		if least, most, nodes := spread(seed, false); most-least > 1 || nodes != k {
			t.Errorf("seed %d: from %d to %d on %d nodes", seed, least, most, nodes)
		}
		if least, most, _ := spread(seed, true); most-least <= 1 {
			t.Errorf("seed %d: from %d to %d without the plan: the test proves nothing", seed, least, most)
		}
	}
}

// TestRoomIsKeptBetweenTwoWavesOfPods: the pods of a group come in waves, and between two of them none waits. A group that may
// use one node, and is on it, still needs that node: others must not take what its next wave needs, until its policy wants less.
func TestRoomIsKeptBetweenTwoWavesOfPods(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.node("a", 8, 110)
	w.limit("one", 8, placement.Limits{MaxNodes: 1})
	first := instance("one-0", "one", "")
	w.arrive(first)
	if node, _ := w.schedule(first); node != "a" {
		t.Fatalf("the first pod is on %q", node)
	}
	w.node("b", 6, 110)
	w.limit("other", 8, placement.Limits{MaxNodes: 2})
	placed := 0
	wave := func(group string, from, to int) {
		for i := from; i < to; i++ {
			pod := instance(fmt.Sprintf("%s-%d", group, i), group, "")
			w.arrive(pod)
			if node, _ := w.schedule(pod); node != "" {
				placed++
			}
		}
	}
	wave("other", 0, 8)
	if placed != 6 {
		t.Errorf("%d of the other group are placed, there is room for 6 beside what the first group needs", placed)
	}
	wave("one", 1, 4)
	w.limit("one", 4, placement.Limits{MaxNodes: 1})
	w.plugin.index.notes.policy(&v1alpha1.PlacementPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "one"}})
	wave("other", 8, 10)
	if placed != 6+3+2 {
		t.Errorf("%d are placed; once the first group is complete, 2 more of the other have room", placed)
	}
}

// TestShardsEndEven: the last instances of a group may find that the nodes which still want one hold their siblings. 40 shards of
// three end with five on each of 24 nodes nevertheless, beside another group, in whatever order they come and wherever other
// plugins like them best.
func TestShardsEndEven(t *testing.T) {
	const shards, size, k = 40, 3, 24
	uneven := 0
	for seed := range int64(20) {
		w := newWorld(t, config.DispersionArgs{})
		random := rand.New(rand.NewSource(seed))
		for i := range 60 {
			w.node(fmt.Sprintf("node-%d", i), 16, 110, func(n *corev1.Node) { n.Status.Allocatable[corev1.ResourceMemory] = resource.MustParse("32Gi") })
		}
		w.policies[slots.Group{Namespace: "ns", Policy: "p"}] = policy{
			counted: true, replicas: shards * size, shards: shards, limits: fixed(placement.Limits{MaxPerNode: 6, MaxNodes: k, MaxPerShard: 1}),
		}
		w.limit("cache", 40, placement.Limits{MaxPerNode: 2, MaxNodes: 20})
		var pods []*corev1.Pod
		for i := range shards * size {
			pods = append(pods, instance(fmt.Sprintf("r-%d", i), "p", fmt.Sprintf("s-%d", i/size)))
		}
		for i := range 40 {
			pods = append(pods, instance(fmt.Sprintf("c-%d", i), "cache", ""))
		}
		random.Shuffle(len(pods), func(i, j int) { pods[i], pods[j] = pods[j], pods[i] })
		w.any = random
		if seed%2 == 0 {
			w.arrive(pods...) // in the other half none is known before it is scheduled
		}
		for _, pod := range pods {
			w.arrive(pod)
			if node, why := w.schedule(pod); node == "" {
				t.Fatalf("seed %d: %s has no node: %v", seed, pod.Name, why)
			}
		}
		least, most := shards*size, 0
		for _, n := range w.perNode("p") {
			least, most = min(least, n), max(most, n)
		}
		both := 0
		for node := range w.perNode("cache") {
			if w.perNode("p")[node] > 0 {
				both++
			}
		}
		t.Logf("seed %d: from %d to %d on %d nodes, %d of them hold the other group too", seed, least, most, len(w.perNode("p")), both)
		if most > least || len(w.perNode("p")) != k {
			uneven++
		}
		if both > 0 {
			t.Errorf("seed %d: %d nodes hold both groups, and 16 hold none", seed, both)
		}
	}
	if uneven > 0 {
		t.Errorf("%d of 20 orders end uneven", uneven)
	}
}

// TestACompleteGroupKeepsNoRoom: the last instance of a group went elsewhere than planned, as another plugin liked that node better.
// No pod of the group comes any more that would find out, and yet the room that was planned for it is free for others.
func TestACompleteGroupKeepsNoRoom(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.node("a", 3, 110)
	w.node("b", 2, 110)
	w.limit("p", 4, placement.Limits{MaxNodes: 2})
	w.limit("other", 1, placement.Limits{})
	other := instance("o-0", "other", "")
	w.arrive(other)
	for i, want := range []string{"a", "b", "a", "a"} {
		pod := instance(fmt.Sprintf("r-%d", i), "p", "")
		if i == 3 {
			w.blocked["a"], w.choose = true, nil
			if node, _ := w.schedule(other); node != "" {
				t.Fatalf("%s has the room on %s that is needed", other.Name, node)
			}
			delete(w.blocked, "a")
		}
		w.choose = func(allowed []string) string { return want }
		w.arrive(pod)
		if node, refused := w.schedule(pod); node != want {
			t.Fatalf("%s is on %q: %v", pod.Name, node, refused)
		}
	}
	if !w.activated(other) {
		t.Errorf("%s is not tried again when the group is complete", other.Name)
	}
	w.choose = nil
	if node, refused := w.schedule(other); node != "b" {
		t.Errorf("the pod of another group is on %q: %v", node, refused["b"])
	}
}

// TestAGroupWithoutPolicyNeedsWhatWaits: eight pods are planned for one node, and six of them are deleted for good. Nothing tells
// how many the group wants, so the room of those six is free.
func TestAGroupWithoutPolicyNeedsWhatWaits(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{Defaults: config.GroupLimits{MaxNodes: ptr.To[int32](1)}})
	w.node("a", 8, 110)
	var pods []*corev1.Pod
	for i := range 8 {
		pod := instance(fmt.Sprintf("r-%d", i), "", "")
		pod.Labels[v1alpha1.LabelCluster] = "c"
		pods = append(pods, pod)
	}
	w.arrive(pods...)
	for i, pod := range pods {
		if node, _ := w.schedule(pod); i < 4 && node != "a" {
			t.Fatalf("%s is on %q", pod.Name, node)
		}
	}
	for _, pod := range pods[2:] {
		o, _, err := w.plugin.pods.GetByKey("ns/" + pod.Name)
		must(t, err)
		w.remove(o.(*corev1.Pod))
	}
	w.limit("other", 1, placement.Limits{})
	pod := instance("o-0", "other", "")
	w.arrive(pod)
	if node, refused := w.schedule(pod); node != "a" {
		t.Errorf("the pod of another group is on %q: %v", node, refused["a"])
	}
}
