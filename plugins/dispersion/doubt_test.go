package dispersion

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// The binding of r-0 was stored, its answer was lost, and the scheduler has forgotten the pod: its node is not free.
func TestAPlacementInDoubtHoldsItsSlot(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("r", 2, placement.Limits{MaxPerNode: 1})
	w.node("a", 4, 10)
	first, second := instance("r-0", "r", ""), instance("r-1", "r", "")
	w.arrive(first, second)
	w.plugin.Unreserve(t.Context(), withoutAnswer(), first, "a")
	if node, _ := w.schedule(second); node != "" {
		t.Fatalf("r-1 was placed on %s, where r-0 may be", node)
	}
	if node, _ := w.schedule(first); node != "a" {
		t.Fatalf("r-0 was placed on %q: it is not in its own way", node)
	}
	if err := w.plugin.pods.Delete(first); err != nil {
		t.Fatal(err)
	}
	w.node("b", 4, 10)
	w.plugin.Unreserve(t.Context(), withoutAnswer(), second, "b")
	w.cycle(second)
	if len(w.inDoubt(unanswered)) != 1 {
		t.Errorf("a pod that is gone is still in doubt: %v", w.inDoubt(unanswered))
	}
}

// r-0 was bound to a, and a person deletes the Node before the watch has shown the pod there: the snapshot has neither, and the
// machine runs on.
func TestAPodOfADeletedNodeHoldsItsSlotBeforeItIsSeenThere(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("r", 2, placement.Limits{MaxPerNode: 2, MaxNodes: 1})
	w.node("a", 4, 10)
	first, second := instance("r-0", "r", ""), instance("r-1", "r", "")
	w.arrive(first, second)
	assumed := first.DeepCopy()
	assumed.Spec.NodeName = "a"
	if err := w.cache.AssumePod(klog.Background(), assumed); err != nil {
		t.Fatal(err)
	}
	w.limit("s", 1, placement.Limits{})
	other := instance("s-0", "s", "")
	w.arrive(other)
	if node, _ := w.schedule(other); node != "a" { // the plugin has seen r-0 there
		t.Fatalf("s-0 was placed on %q", node)
	}
	if err := w.cache.RemoveNode(klog.Background(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}}); err != nil {
		t.Fatal(err)
	}
	w.node("b", 4, 10)
	if node, _ := w.schedule(second); node != "" {
		t.Errorf("r-1 was placed on %s: with a, where r-0 is, that makes two nodes", node)
	}

	// The placement of r-0 fails before it was sent: r-0 is certainly nowhere, and may wait for long.
	w.plugin.Unreserve(t.Context(), framework.NewCycleState(), first, "a")
	if _, allowed := w.cycle(second); !allowed("b") {
		t.Error("r-1 may not be on b: r-0 is still taken to be on a")
	}
}

// The same, where the placement has failed already when the snapshot shows that the Node is gone: nobody will say so once more,
// but r-0 would not be tried again while it goes on.
func TestAPodOfADeletedNodeThatIsTriedAgainIsNotThere(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("r", 2, placement.Limits{MaxPerNode: 2, MaxNodes: 1})
	first, second := instance("r-0", "r", ""), instance("r-1", "r", "")
	w.arrive(first, second)
	w.cycle(second)
	w.plugin.index.orphaned("a", []*corev1.Pod{first})
	w.node("b", 1, 10)
	if _, allowed := w.cycle(second); allowed("b") {
		t.Error("r-1 may be on b, and r-0 be on a")
	}
	w.cycle(first)
	if _, allowed := w.cycle(second); !allowed("b") {
		t.Error("r-1 may not be on b: r-0 is still taken to be on a")
	}
}

// A Node may go before the plugin has looked at the pod that was just placed there: no cycle came in between.
func TestAPodOfADeletedNodeHoldsItsSlotBeforeItWasLookedAt(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("r", 2, placement.Limits{MaxPerNode: 2, MaxNodes: 1})
	w.node("a", 4, 10)
	first, second := instance("r-0", "r", ""), instance("r-1", "r", "")
	w.arrive(first, second)
	assumed := first.DeepCopy()
	assumed.Spec.NodeName = "a"
	cs, allowed := w.cycle(first)
	if err := w.cache.AssumePod(klog.Background(), assumed); err != nil || !allowed("a") {
		t.Fatal(err)
	}
	if status := w.plugin.Reserve(t.Context(), cs, assumed, "a"); !status.IsSuccess() {
		t.Fatal(status)
	}
	if err := w.cache.RemoveNode(klog.Background(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}}); err != nil {
		t.Fatal(err)
	}
	w.node("b", 4, 10)
	if node, _ := w.schedule(second); node != "" {
		t.Errorf("r-1 was placed on %s: with a, where r-0 is, that makes two nodes", node)
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
	other.Unreserve(t.Context(), withoutAnswer(), first, "a")
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
	w.plugin.Unreserve(t.Context(), withoutAnswer(), unsure, "c")
	if _, allowed := w.cycle(pod); allowed("c") || !allowed("a") {
		t.Errorf("a %v, c %v: want only a, which is in use for certain", allowed("a"), allowed("c"))
	}
}

// r-0 was deleted while it was being bound: its claim may be promised to a, and the watch of claims is behind. Nothing about
// the pod ends that doubt; only what is seen of the claim does.
func TestAPromiseInDoubtOutlivesItsPod(t *testing.T) {
	seen := func(version string, change func(*corev1.PersistentVolumeClaim)) func(*corev1.PersistentVolumeClaim) {
		return func(c *corev1.PersistentVolumeClaim) { c.ResourceVersion = version; change(c) }
	}
	for name, c := range map[string]struct {
		change  func(*corev1.PersistentVolumeClaim) // nil: the claim is gone
		free    bool
		settled bool
	}{
		"nothing is seen": {func(*corev1.PersistentVolumeClaim) {}, false, false},
		"the promise is seen": {seen("6", func(c *corev1.PersistentVolumeClaim) {
			c.Annotations = map[string]string{slots.SelectedNode: "a"}
		}), false, true},
		"another promise is seen": {seen("6", func(c *corev1.PersistentVolumeClaim) {
			c.Annotations = map[string]string{slots.SelectedNode: "b"}
		}), true, true},
		"a newer version without it":      {seen("6", func(*corev1.PersistentVolumeClaim) {}), true, true},
		"bound, to a volume not yet seen": {seen("6", func(c *corev1.PersistentVolumeClaim) { c.Spec.VolumeName = "pv" }), false, false},
		"another claim of that name":      {func(c *corev1.PersistentVolumeClaim) { c.UID = "another" }, true, true},
		"the claim is gone":               {nil, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			w, claim := worldInDoubt(t, answerLost)
			if c.change == nil {
				if err := w.plugin.claims.Delete(claim); err != nil {
					t.Fatal(err)
				}
			} else {
				now := claim.DeepCopy()
				c.change(now)
				w.add(w.plugin.claims, now)
			}
			other := instance("r-1", "r", "")
			w.arrive(other)
			if _, allowed := w.cycle(other); allowed("a") != c.free || !allowed("c") {
				t.Errorf("allowed on a %v, c %v, want %v, true", allowed("a"), allowed("c"), c.free)
			}
			if open := len(w.inDoubt(promising)); (open == 0) != c.settled {
				t.Errorf("%d claims are in doubt, want none: %v", open, c.settled)
			}
		})
	}
}

// inDoubt are the doubts of a kind.
func (w *world) inDoubt(k kind) []doubt {
	var all []doubt
	for id, d := range w.plugin.index.doubts.open {
		if id.kind == k {
			all = append(all, d)
		}
	}
	return all
}

// The ways in which a placement ends in doubt.
const (
	answerLost    = "the answer was lost, and the pod was deleted then"
	deleted       = "the pod was deleted while it was being bound"
	deletedAtOnce = "the pod was deleted before the next cycle"
)

// withoutAnswer is the cycle of a placement whose Binding was sent.
func withoutAnswer() fwk.CycleState {
	cs := framework.NewCycleState()
	cs.Write(sentKey, sent{})
	return cs
}

// The volume of r-2 cannot be made on one node after another: r-2 is on none of them, and keeps nobody from any.
func TestAPlacementThatWasNotSentIsInNoDoubt(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("r", 4, placement.Limits{MaxPerNode: 2, MaxNodes: 2})
	for _, node := range []string{"a", "b", "c"} {
		w.node(node, 4, 10)
	}
	w.bind(instance("r-0", "r", ""), "a")
	w.bind(instance("r-1", "r", ""), "a")
	claim := &corev1.PersistentVolumeClaim{}
	claim.Namespace, claim.Name, claim.UID = "ns", "data-r-2", "claim"
	w.add(w.plugin.claims, claim)
	unlucky, bare, pod := mounting("r-2", "data-r-2"), instance("r-4", "r", ""), instance("r-3", "r", "")
	w.arrive(unlucky, pod)
	fail := func(pod *corev1.Pod, node string, want fwk.Code) {
		cs := framework.NewCycleState()
		_, status := w.plugin.PreBindPreFlight(t.Context(), cs, pod, node)
		if status.Code() != want {
			t.Fatalf("a call of PreBind for %s: %s, want %s", pod.Name, status.Code(), want)
		}
		w.plugin.Unreserve(t.Context(), cs, pod, node)
	}
	fail(unlucky, "b", fwk.Success)
	fail(unlucky, "c", fwk.Success)
	if _, allowed := w.cycle(pod); !allowed("b") || !allowed("c") {
		t.Errorf("b %v, c %v: r-2 is on neither", allowed("b"), allowed("c"))
	}

	// Its claim is bound, and then the answer to its Binding is lost.
	cs := framework.NewCycleState()
	if _, status := w.plugin.PreBindPreFlight(t.Context(), cs, unlucky, "b"); !status.IsSuccess() {
		t.Fatal(status)
	}
	if status := w.plugin.PreBind(t.Context(), cs, unlucky, "b"); !status.IsSuccess() {
		t.Fatal(status)
	}
	w.plugin.Unreserve(t.Context(), cs, unlucky, "b")
	if _, allowed := w.cycle(pod); !allowed("b") || allowed("c") {
		t.Errorf("b %v, c %v: r-2 may be on b, and K is 2", allowed("b"), allowed("c"))
	}

	// A pod without claims is bound as soon as it is placed.
	w.arrive(bare)
	fail(bare, "c", fwk.Skip)
	w.cycle(pod)
	if len(w.inDoubt(unanswered)) != 2 {
		t.Errorf("in doubt: %v, want r-2 and r-4", w.inDoubt(unanswered))
	}
}

// worldInDoubt is one in which r-0 is gone, and its claim may be promised to a.
func worldInDoubt(t *testing.T, way string) (*world, *corev1.PersistentVolumeClaim) {
	t.Helper()
	w := newWorld(t, config.DispersionArgs{})
	w.limit("r", 3, placement.Limits{MaxPerNode: 1})
	for _, node := range []string{"a", "b", "c"} {
		w.node(node, 4, 10)
	}
	claim := &corev1.PersistentVolumeClaim{}
	claim.Namespace, claim.Name, claim.UID, claim.ResourceVersion = "ns", "data-r-0", "claim", "5"
	claim.Labels = map[string]string{v1alpha1.LabelPlacementPolicy: "r", v1alpha1.LabelInstanceSet: "r", v1alpha1.LabelOrdinal: "0"}
	w.add(w.plugin.claims, claim)
	first := mounting("r-0", "data-r-0")
	w.arrive(first)
	cs, _ := w.cycle(first)
	assumed := first.DeepCopy()
	assumed.Spec.NodeName = "a"
	must(t, w.cache.AssumePod(klog.Background(), assumed))
	if status := w.plugin.Reserve(t.Context(), cs, assumed, "a"); !status.IsSuccess() {
		t.Fatal(status)
	}
	if way != deletedAtOnce {
		w.cycle(instance("any", "r", ""))
	}
	if way == answerLost {
		w.plugin.Unreserve(t.Context(), cs, assumed, "a")
		must(t, w.cache.ForgetPod(klog.Background(), assumed))
	} else { // the binding has not failed yet
		must(t, w.cache.RemoveAssumedPod(klog.Background(), assumed))
	}
	must(t, w.plugin.pods.Delete(first))
	return w, claim
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWaysIntoDoubt(t *testing.T) {
	for _, way := range []string{answerLost, deleted, deletedAtOnce} {
		t.Run(way, func(t *testing.T) {
			w, claim := worldInDoubt(t, way)
			other := instance("r-1", "r", "")
			w.arrive(other)
			if _, allowed := w.cycle(other); allowed("a") || !allowed("b") {
				t.Errorf("allowed on a %v, b %v, want b alone", allowed("a"), allowed("b"))
			}
			seen := claim.DeepCopy()
			seen.ResourceVersion, seen.Annotations = "6", map[string]string{slots.SelectedNode: "a"}
			w.add(w.plugin.claims, seen)
			if _, allowed := w.cycle(other); allowed("a") {
				t.Error("the promise was seen, and its place was given away")
			}
			if d := &w.plugin.index.doubts; len(d.open)+len(d.reserved) > 0 {
				t.Errorf("still in doubt: %v, %v", d.open, d.reserved)
			}
		})
	}
}

// A placement that succeeds leaves nothing behind, and while it is under way its pod counts once.
func TestAPlacementUnderWayIsNoDoubt(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("r", 2, placement.Limits{MaxPerNode: 2})
	w.node("a", 4, 10)
	claim := &corev1.PersistentVolumeClaim{}
	claim.Namespace, claim.Name, claim.UID, claim.ResourceVersion = "ns", "data-r-0", "claim", "5"
	claim.Labels = map[string]string{v1alpha1.LabelPlacementPolicy: "r", v1alpha1.LabelInstanceSet: "r", v1alpha1.LabelOrdinal: "0"}
	w.add(w.plugin.claims, claim)
	first, other := mounting("r-0", "data-r-0"), instance("r-1", "r", "")
	w.arrive(first, other)
	cs, _ := w.cycle(first)
	assumed := first.DeepCopy()
	assumed.Spec.NodeName = "a"
	must(t, w.cache.AssumePod(klog.Background(), assumed))
	w.plugin.Reserve(t.Context(), cs, assumed, "a")
	if _, allowed := w.cycle(other); !allowed("a") || len(w.plugin.index.doubts.open) > 0 {
		t.Errorf("allowed %v, in doubt %v, want true and nothing", allowed("a"), w.plugin.index.doubts.open)
	}
	promised := claim.DeepCopy()
	promised.ResourceVersion, promised.Annotations = "6", map[string]string{slots.SelectedNode: "a"}
	w.add(w.plugin.claims, promised)
	must(t, w.cache.AddPod(klog.Background(), assumed))
	w.arrive(assumed)
	if _, allowed := w.cycle(other); !allowed("a") || len(w.plugin.index.doubts.reserved) > 0 {
		t.Errorf("allowed %v, under way %v, want true and nothing", allowed("a"), w.plugin.index.doubts.reserved)
	}
}

func mounting(name, claim string) *corev1.Pod {
	pod := instance(name, "r", "")
	source := &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}
	pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: source}}}
	return pod
}

// The instance that comes back is not in its own way, and where it is placed its claim goes along: a is free again.
func TestAPromiseInDoubtGoesAlongWithItsPod(t *testing.T) {
	w, _ := worldInDoubt(t, deleted)
	back, other := mounting("r-0", "data-r-0"), instance("r-1", "r", "")
	back.UID = "back"
	w.arrive(back, other)
	if _, allowed := w.cycle(back); !allowed("a") || !allowed("b") {
		t.Errorf("r-0 is in its own way: a %v, b %v", allowed("a"), allowed("b"))
	}
	if _, allowed := w.cycle(other); allowed("a") {
		t.Error("r-1 is allowed on a while r-0 waits")
	}
	w.bind(back, "b")
	if _, allowed := w.again(other); !allowed("a") || allowed("b") {
		t.Errorf("with r-0 on b: a %v, b %v, want a alone", allowed("a"), allowed("b"))
	}
}

// The instance whose promise is in doubt counts as placed, as it does when the promise is seen: no room is kept for it a
// second time. Of two instances one may be on a, which is one of the two nodes that K allows; the other needs one place, and
// takes it on a small node.
func TestAPromiseInDoubtNeedsNoOtherPlace(t *testing.T) {
	w, _ := worldInDoubt(t, deleted)
	w.limit("r", 3, placement.Limits{MaxPerNode: 2, MaxNodes: 2})
	w.node("small", 1, 10)
	w.bind(instance("r-1", "r", ""), "a")
	other := instance("r-2", "r", "")
	w.arrive(other)
	if _, allowed := w.cycle(other); allowed("a") || !allowed("small") {
		t.Errorf("allowed on a %v, small %v, want small", allowed("a"), allowed("small"))
	}
}

// TestANewerVersionOfAClaimWakes: that a claim was not promised after all is told by its next version alone, whatever else changed
// in it. Who was refused for the slot in doubt must not wait for the next flush of the queue.
func TestANewerVersionOfAClaimWakes(t *testing.T) {
	w, claim := worldInDoubt(t, deleted)
	for _, node := range []string{"b", "c"} {
		w.bind(instance("on-"+node, "r", ""), node)
	}
	other := instance("r-1", "r", "")
	w.arrive(other)
	if node, _ := w.schedule(other); node != "" {
		t.Fatalf("placed on %s, whose slot is in doubt", node)
	}
	newer := func(c *corev1.PersistentVolumeClaim) {
		c.ResourceVersion, c.Finalizers = "6", []string{"kubernetes.io/pvc-protection"}
	}
	if !w.wakes(other, changes(claim, newer)...) {
		t.Error("the claim has no promise, and nobody is told")
	}
}
