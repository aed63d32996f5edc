package dispersion

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// TestAPlanThatIsDroppedNeedsNothing: big planned all of node a, and then its limit of nodes is lifted, so that it has no plan any
// more. Nothing happens on node a, and yet its room is free, and the pod that found none for that reason is tried again.
func TestAPlanThatIsDroppedNeedsNothing(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.node("a", 3, 110)
	w.node("b", 1, 110)
	w.limit("big", 3, placement.Limits{MaxNodes: 1})
	w.limit("small", 1, placement.Limits{})
	first, second, third, small := instance("b-0", "big", ""), instance("b-1", "big", ""), instance("b-2", "big", ""), instance("s-0", "small", "")
	w.arrive(first, second, third, small)
	if node, refused := w.schedule(first); node != "a" {
		t.Fatalf("b-0 is on %q: %v", node, refused)
	}
	w.blocked["b"] = true
	if node, refused := w.schedule(small); node != "" || refused["a"].Message() != roomIsNeeded.message {
		t.Fatalf("s-0 is on %q: %v", node, refused)
	}
	w.limit("big", 3, placement.Limits{})
	w.blocked["b"], w.blocked["a"] = false, true
	if node, refused := w.schedule(second); node != "b" {
		t.Fatalf("b-1 is on %q: %v", node, refused)
	}
	if !w.activated(small) {
		t.Error("s-0 is not tried again")
	}
	w.blocked["a"] = false
	if node, refused := w.schedule(small); node != "a" {
		t.Errorf("s-0 is on %q: %v", node, refused["a"])
	}
}

// TestWhoStarvesIsFedWhenWaitingPodsAreDeleted: nobody knows how many a group without a policy wants, so that it needs no more than
// what waits. No event of the scheduler's tells that a pod which had no node was deleted.
func TestWhoStarvesIsFedWhenWaitingPodsAreDeleted(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{Defaults: config.GroupLimits{MaxNodes: ptr.To[int32](1)}})
	w.node("a", 2, 110)
	w.limit("other", 1, placement.Limits{})
	first, second, other := instance("r-0", "", ""), instance("r-1", "", ""), instance("o-0", "other", "")
	first.Labels[v1alpha1.LabelCluster], second.Labels[v1alpha1.LabelCluster] = "c", "c"
	w.arrive(first, second, other)
	if node, _ := w.schedule(first); node != "a" {
		t.Fatalf("r-0 is on %q", node)
	}
	if node, refused := w.schedule(other); node != "" || refused["a"].Message() != roomIsNeeded.message {
		t.Fatalf("o-0 is on %q: %v", node, refused)
	}
	w.activated(nil)
	w.remove(second)
	if !w.activated(other) {
		t.Error("o-0 is not tried again")
	}
	if node, _ := w.schedule(other); node != "a" {
		t.Errorf("o-0 is on %q", node)
	}
}

// TestTheLeastLoadedOfManyNodesAreNamed: more nodes have the same load than 16 bits can count. With a counter that overflowed, all
// of them were named.
func TestTheLeastLoadedOfManyNodesAreNamed(t *testing.T) {
	const idle = 10
	s := &state{base: &base{cutTo: cutToNodes, view: &view{seats: make([]seat, 40000), ranks: make([]rank, 40000)}}}
	for number := range s.view.seats {
		s.view.seats[number] = seat{capacity: 1, load: 500}
		if number%4000 == 0 {
			s.view.seats[number].load = 1
		}
		s.view.ranks[number] = s.view.seats[number].rank()
	}
	named := s.lowest(s.view.all(), s.view.ranks)
	least := 0
	for _, number := range named {
		if s.view.seats[number].load == 1 {
			least++
		}
	}
	if len(named) != cutToNodes || least != idle {
		t.Errorf("%d nodes are named, wanted %d; %d of the %d least loaded are among them", len(named), cutToNodes, least, idle)
	}
}

// TestGroupsOfDifferentSizesRest: of two groups whose instances differ in size, each has one without a place, and room that it keeps
// for one that is not there yet. What one of them plans anew is what it had planned: it must not wake the other one's pod, which
// would plan anew, and wake the first.
func TestGroupsOfDifferentSizesRest(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.node("a", 4, 20)
	w.node("b", 4, 20)
	var queue []*corev1.Pod
	for _, group := range []string{"p", "q"} {
		w.limit(group, 3, placement.Limits{MaxNodes: 1, MaxPerShard: 1})
		large, small := sized(group+"-0", group, "2"), sized(group+"-1", group, "1")
		large.Labels[v1alpha1.LabelPlacementPolicy], small.Labels[v1alpha1.LabelPlacementPolicy] = group, group
		w.arrive(large, small)
		queue = append(queue, large, small)
	}
	queue = append(queue, queue[1]) // something happens, and it is tried once more, when the other group keeps room too
	cycles, placed, starved := 0, 0, 0
	for ; len(queue) > 0 && cycles < 100; cycles++ {
		pod := queue[0]
		queue = queue[1:]
		w.handle().woken = nil
		if node, refused := w.schedule(pod); node != "" {
			placed++
		} else if refused["a"].Message() == roomIsNeeded.message || refused["b"].Message() == roomIsNeeded.message || w.plugin.index.starved.n > 0 {
			starved++
		}
		for _, woken := range w.handle().woken {
			if woken.Name != pod.Name {
				queue = append(queue, woken)
			}
		}
	}
	if cycles >= 20 || placed != 2 || starved == 0 {
		t.Errorf("%d cycles, %d placed, %d starved", cycles, placed, starved)
	}
}

// TestAPodThatIsRefusedFeedsOthers: a policy wants less, and the next pod that comes is one whose volume is lost. The pod that starves
// must not wait for another one.
func TestAPodThatIsRefusedFeedsOthers(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.node("a", 2, 110)
	w.limit("big", 2, placement.Limits{MaxNodes: 1})
	w.limit("small", 1, placement.Limits{MaxNodes: 1})
	w.limit("other", 1, placement.Limits{})
	first, second, small, lost := instance("b-0", "big", ""), instance("b-1", "big", ""), instance("s-0", "small", ""), instance("o-0", "other", "")
	lost.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-o-0"},
	}}}
	w.add(w.plugin.claims, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: "data-o-0", Labels: map[string]string{v1alpha1.LabelPlacementPolicy: "other", v1alpha1.LabelLost: "uid"},
	}})
	w.arrive(first, second, small, lost)
	if node, _ := w.schedule(first); node != "a" {
		t.Fatalf("b-0 is on %q", node)
	}
	if node, refused := w.schedule(small); node != "" || refused["a"].Message() != roomIsNeeded.message {
		t.Fatalf("s-0 is on %q: %v", node, refused)
	}
	w.limit("big", 1, placement.Limits{MaxNodes: 1})
	w.plugin.index.notes.policy(&v1alpha1.PlacementPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "big"}})
	w.handle().woken = nil
	if node, _ := w.schedule(lost); node != "" {
		t.Fatalf("o-0 is on %q", node)
	}
	if w.handle().woken["ns/s-0"] == nil {
		t.Error("s-0 is not tried again")
	}
}

// TestFeedingCostsNothingForOnesOwn: a group whose pods wait in thousands frees something with each cycle, and none of its own pods is
// fed by that. To look at each of them made every cycle as long as there are pods.
func TestFeedingCostsNothingForOnesOwn(t *testing.T) {
	fewest := func(pods int) time.Duration {
		var s starved
		for i := range pods {
			s.add(instance(fmt.Sprintf("p-%d", i), "p", ""))
		}
		best := time.Hour
		for range 200 {
			begun := time.Now()
			if fed := s.take(nil, map[slots.Group]bool{{Namespace: "ns", Policy: "p"}: true}); len(fed) > 0 {
				t.Fatalf("%d of its own are fed", len(fed))
			}
			best = min(best, time.Since(begun))
		}
		return best
	}
	few, many := fewest(3), fewest(9000)
	if many > 50*few {
		t.Errorf("%s with 3 pods, %s with 9,000", few, many)
	}
}

// TestGroupsThatWaitKeepTheirViews: the pods of more groups than there are views for come in turns. If each evicted the view of
// another, every cycle would look at every node, and the plans would be lost. Nor is a group evicted of which nobody waits just now, while
// it is not complete or a volume of it has its place: others would take the room.
func TestGroupsThatWaitKeepTheirViews(t *testing.T) {
	const groups = maxViews + 44
	w := newWorld(t, config.DispersionArgs{})
	for i := range 10 {
		w.node(fmt.Sprintf("n-%d", i), 200, 200)
	}
	schedule := func(i, n int) {
		t.Helper()
		if node, refused := w.schedule(instance(fmt.Sprintf("g-%d-%d", i, n), fmt.Sprintf("g-%d", i), "")); node == "" {
			t.Fatalf("g-%d-%d has no node: %v", i, n, refused)
		}
	}
	viewOf := func(i int) *view {
		return w.plugin.index.views[slots.Group{Namespace: "ns", Policy: fmt.Sprintf("g-%d", i)}][0]
	}
	for i := range groups {
		w.limit(fmt.Sprintf("g-%d", i), 3, placement.Limits{MaxNodes: 2})
		for n := range 3 {
			w.arrive(instance(fmt.Sprintf("g-%d-%d", i, n), fmt.Sprintf("g-%d", i), ""))
		}
	}
	for group, replicas := range map[string]int{"unfinished": 2, "absent": 1} {
		w.limit(group, replicas, placement.Limits{MaxNodes: 2})
		pod := instance(group+"-0", group, "")
		w.arrive(pod)
		if node, refused := w.schedule(pod); node == "" {
			t.Fatalf("%s has no node: %v", pod.Name, refused)
		}
	}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: "data-absent-1", Annotations: map[string]string{slots.SelectedNode: "n-0"},
		Labels: map[string]string{v1alpha1.LabelPlacementPolicy: "absent", v1alpha1.LabelInstanceSet: "absent", v1alpha1.LabelOrdinal: "1"},
	}}
	w.add(w.plugin.claims, claim)
	before := map[int]*view{}
	for n := range 3 {
		for i := range groups {
			schedule(i, n)
			if v := viewOf(i); n > 0 && v != before[i] {
				t.Fatalf("the view of group %d was made again", i)
			}
			before[i] = viewOf(i)
		}
	}
	for i := groups; i < 2*groups; i++ { // nobody of the others waits any more
		w.limit(fmt.Sprintf("g-%d", i), 1, placement.Limits{MaxNodes: 1})
		w.arrive(instance(fmt.Sprintf("g-%d-0", i), fmt.Sprintf("g-%d", i), ""))
		schedule(i, 0)
	}
	for _, group := range []string{"unfinished", "absent"} {
		if len(w.plugin.index.views[slots.Group{Namespace: "ns", Policy: group}]) == 0 {
			t.Errorf("the group %s is evicted, and with it what keeps its room", group)
		}
	}
	if n := len(w.plugin.index.views); n > maxViews {
		t.Errorf("%d views are kept of groups of which nobody waits", n)
	}
}

// TestCompleteGroupsGoFirst: of the groups of which nobody waits, those that still need room keep their views, however old they are and in
// whatever order they are looked at.
func TestCompleteGroupsGoFirst(t *testing.T) {
	const unfinished, complete = 200, maxViews
	w := newWorld(t, config.DispersionArgs{})
	for i := range 10 {
		w.node(fmt.Sprintf("n-%d", i), 200, 200)
	}
	place := func(group string, replicas int) {
		t.Helper()
		w.limit(group, replicas, placement.Limits{MaxNodes: 2})
		pod := instance(group+"-0", group, "")
		w.arrive(pod)
		if node, refused := w.schedule(pod); node == "" {
			t.Fatalf("%s has no node: %v", pod.Name, refused)
		}
	}
	for i := range unfinished {
		place(fmt.Sprintf("unfinished-%d", i), 2)
	}
	for i := range complete {
		place(fmt.Sprintf("complete-%d", i), 1)
	}
	views := w.plugin.index.views
	for i := range unfinished {
		if group := fmt.Sprintf("unfinished-%d", i); len(views[slots.Group{Namespace: "ns", Policy: group}]) == 0 {
			t.Errorf("the group %s is evicted", group)
		}
	}
	if len(views) > maxViews {
		t.Errorf("%d views are kept", len(views))
	}
}

// TestWhereThePlanCannotGoFewestAreFirst: other plugins refuse the nodes that the plan wants. Of those that are left, the one that
// holds fewest is best.
func TestWhereThePlanCannotGoFewestAreFirst(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("p", 5, placement.Limits{MaxPerNode: 4, MaxNodes: 4})
	for _, name := range []string{"a", "b", "c", "d"} {
		w.node(name, 10, 20)
	}
	for i, node := range []string{"a", "a", "b"} {
		w.bind(instance(fmt.Sprintf("p-%d", i), "p", ""), node)
	}
	w.blocked["c"], w.blocked["d"] = true, true
	pod := instance("p-3", "p", "")
	w.arrive(pod, instance("p-4", "p", ""))
	if node, refused := w.schedule(pod); node != "b" {
		t.Errorf("p-3 is on %q: %v", node, refused)
	}
}

// TestScoresAreInTheirRange: what the plan wants comes first, by itself.
func TestScoresAreInTheirRange(t *testing.T) {
	for name, c := range map[string]struct{ scores, want []int64 }{
		"some are wanted": {[]int64{wantedMore + 67, wantedMore + 1, 99, 0}, []int64{67, 1, 0, 0}},
		"none is":         {[]int64{99, 0, 100}, []int64{99, 0, 100}},
	} {
		var list fwk.NodeScoreList
		for _, score := range c.scores {
			list = append(list, fwk.NodeScore{Score: score})
		}
		(&Plugin{}).NormalizeScore(t.Context(), nil, nil, list)
		for i, score := range list {
			if score.Score != c.want[i] {
				t.Errorf("%s: %v, want %v", name, list, c.want)
			}
		}
	}
}
