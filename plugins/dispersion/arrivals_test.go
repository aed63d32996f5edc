package dispersion

import (
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// TestPodsOfUnknownNumberTakeNoPlanEach: nobody knows how many pods of a group without a policy are to come, and to plan all of it anew for
// each that does would cost milliseconds on thousands of nodes.
func TestPodsOfUnknownNumberTakeNoPlanEach(t *testing.T) {
	for _, kind := range []string{"equal", "mixed"} {
		a := newArrivals(t, 110, kind)
		group := slots.Group{Namespace: "ns", Cluster: "c"}
		plans, last := 0, (*plan)(nil)
		for range 120 {
			a.next()
			if now := a.plugin.latest.Load().s.plan; now != last {
				plans, last = plans+1, now
			}
		}
		held := a.plugin.index.ledger.Group(group).PerNode
		if plans > 12 || len(held) != 11 {
			t.Errorf("%s: %d plans for 120 pods, which are on %d nodes of 11", kind, plans, len(held))
		}
		a.arrives() // the last one is counted when another comes
		a.snap()
		a.first(a.waiting[0])
		if counts := countsOf(held); kind == "equal" && slices.Max(counts)-slices.Min(counts) > 1 {
			t.Errorf("%s: they end uneven: %v", kind, held)
		}
	}
}

func countsOf(perNode map[string]int) (counts []int) {
	for _, n := range perNode { // only the extremes are read
		counts = append(counts, n)
	}
	return counts
}

// TestPodsOfUnknownNumberArePlacedAsTheyCome: of pods that come one by one or a few at a time, on nodes of different size that others fill
// and leave, as many are placed as there is room for within K and M.
func TestPodsOfUnknownNumberArePlacedAsTheyCome(t *testing.T) {
	placed, refused := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		k, m := r2(r, 1, 4, "K"), r2(r, 2, 6, "M")
		w := newWorld(t, config.DispersionArgs{Defaults: config.GroupLimits{MaxNodes: ptr.To(int32(k)), MaxInstancesPerNode: ptr.To(int32(m))}})
		free, held := map[string]int{}, map[string]int{}
		for i := range r2(r, 2, 6, "nodes") {
			name := fmt.Sprintf("n-%d", i)
			free[name] = r2(r, 1, 6, "cpu")
			w.node(name, int64(free[name]), 110)
		}
		come := 0
		for range r2(r, 2, 8, "waves") {
			var pods []*corev1.Pod
			for range r2(r, 1, 3, "pods") {
				pod := instance(fmt.Sprintf("r-%d", come), "", "")
				pod.Labels[v1alpha1.LabelCluster] = "c"
				pods, come = append(pods, pod), come+1
			}
			g := placement.Group{Limits: placement.Limits{MaxPerNode: m, MaxNodes: k}, Remaining: len(pods)}
			for name, left := range free {
				g.Nodes = append(g.Nodes, placement.Node{Held: held[name], Free: left})
			}
			want, got := placement.NewGuard(g).Reachable, 0
			w.arrive(pods...)
			for _, pod := range pods {
				node, _ := w.schedule(pod)
				if node == "" {
					w.remove(pod)
					refused++
					continue
				}
				free[node]--
				held[node]++
				got++
				placed++
			}
			if got != want {
				r.Fatalf("%d of %d pods are placed, and there was room for %d: %v are held, %v free", got, len(pods), want, held, free)
			}
			if name := fmt.Sprintf("n-%d", r2(r, 0, 5, "filled")); free[name] > 0 {
				w.bind(instance(fmt.Sprintf("other-%d", come), "", ""), name)
				free[name]--
			}
		}
	})
	if placed < 20 || refused < 20 {
		t.Errorf("%d pods were placed, %d refused: that tests nothing", placed, refused)
	}
}

// TestPodsOfUnknownNumberKeepNoMoreRoomThanTheyNeed: of a group without a policy nobody knows how many are to come. Whatever its sizes,
// whichever of its pods are deleted, and whoever takes the nodes that they were to get, it keeps room for those that wait and for no more.
func TestPodsOfUnknownNumberKeepNoMoreRoomThanTheyNeed(t *testing.T) {
	mixed, planned := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t, config.DispersionArgs{Defaults: config.GroupLimits{MaxNodes: ptr.To(int32(r2(r, 1, 3, "K")))}})
		for i := range r2(r, 2, 5, "nodes") {
			w.node(fmt.Sprintf("n-%d", i), int64(r2(r, 2, 9, "cpu")), 110)
		}
		var waiting []*corev1.Pod
		for step := range r2(r, 4, 20, "steps") {
			switch what := r2(r, 0, 5, "what"); {
			case what <= 2:
				pod := sized(fmt.Sprintf("r-%d", step), "", fmt.Sprint(r2(r, 1, 3, "size")))
				pod.Labels = map[string]string{v1alpha1.LabelCluster: "c"}
				w.arrive(pod)
				waiting = append(waiting, pod)
			case what == 3:
				other := instance(fmt.Sprintf("other-%d", step), "", "")
				w.bind(other, fmt.Sprintf("n-%d", r2(r, 0, 1, "filled")))
			case len(waiting) == 0:
				continue
			case what == 4:
				at := r2(r, 0, len(waiting)-1, "goes")
				w.remove(waiting[at])
				waiting = slices.Delete(waiting, at, at+1)
			default:
				at := r2(r, 0, len(waiting)-1, "scheduled")
				if node, _ := w.schedule(waiting[at]); node != "" {
					waiting = slices.Delete(waiting, at, at+1)
				}
			}
			if len(waiting) == 0 {
				continue
			}
			w.cycle(waiting[0])
			x, group := w.plugin.index, slots.Group{Namespace: "ns", Cluster: "c"}
			if x.mixtures[group] != nil {
				mixed++
			}
			kept := 0
			for number := range x.nodes {
				for _, v := range x.planned[number] {
					kept += max(0, v.plan.quota[number]-x.heldOn(group, number))
					planned++
					break // one view speaks for the group
				}
			}
			if kept > len(waiting) {
				r.Fatalf("room is kept for %d, and %d wait", kept, len(waiting))
			}
		}
	})
	if mixed < 20 || planned < 20 {
		t.Errorf("%d times it was packed, and %d plans had something to come: that tests nothing", mixed, planned)
	}
}
