package dispersion

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// cycle runs PreFilter for a pod and returns what Filter says of a node after pods were taken off and put on.
func (w *world) cycle(pod *corev1.Pod) (*framework.CycleState, func(string) bool) {
	w.t.Helper()
	if err := w.cache.UpdateSnapshot(klog.Background(), w.snapshot); err != nil {
		w.t.Fatal(err)
	}
	return w.again(pod)
}

// again does it on the snapshot as it is.
func (w *world) again(pod *corev1.Pod) (*framework.CycleState, func(string) bool) {
	w.t.Helper()
	nodes, err := w.snapshot.List()
	if err != nil {
		w.t.Fatal(err)
	}
	cs := framework.NewCycleState()
	result, status := w.plugin.PreFilter(w.t.Context(), cs, pod, nodes)
	if !status.IsSuccess() {
		w.t.Fatal(status)
	}
	w.result = result
	return cs, func(node string) bool {
		info, err := w.snapshot.Get(node)
		if err != nil {
			w.t.Fatal(err)
		}
		return w.plugin.Filter(w.t.Context(), cs, pod, info).IsSuccess()
	}
}

func (w *world) change(cs *framework.CycleState, add bool, pod *corev1.Pod, node string) {
	w.t.Helper()
	info, err := w.snapshot.Get(node)
	if err != nil {
		w.t.Fatal(err)
	}
	pi, err := framework.NewPodInfo(pod)
	if err != nil {
		w.t.Fatal(err)
	}
	f := w.plugin.RemovePod
	if add {
		f = w.plugin.AddPod
	}
	if status := f(w.t.Context(), cs, nil, pi, info); !status.IsSuccess() {
		w.t.Fatal(status)
	}
}

// TestPreemptionIsExact takes pods off and puts pods on, as dry runs of preemption and nominated pods do.
func TestPreemptionIsExact(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("p", 3, placement.Limits{MaxPerNode: 1, MaxNodes: 2, MaxPerShard: 1})
	for _, name := range []string{"a", "b", "c"} {
		w.node(name, 8, 110)
	}
	sitting, other := instance("r-0", "p", ""), instance("r-1", "p", "")
	w.bind(sitting, "a")
	w.bind(other, "b")
	pod := instance("r-2", "p", "")
	w.arrive(pod)

	cs, allowed := w.cycle(pod)
	check := func(what string, a, b, c bool) {
		t.Helper()
		if allowed("a") != a || allowed("b") != b || allowed("c") != c {
			t.Errorf("%s: allowed on a, b, c: %v %v %v, want %v %v %v", what, allowed("a"), allowed("b"), allowed("c"), a, b, c)
		}
	}
	check("M and K are used up", false, false, false)
	dryRun := cs.Clone().(*framework.CycleState)
	w.change(cs, false, sitting, "a")
	check("without r-0", true, false, true)
	w.change(cs, false, sitting, "a")
	check("r-0 was taken off once already", true, false, true)
	w.change(cs, true, sitting, "a")
	check("r-0 is back", false, false, false)
	w.change(cs, true, sitting, "a")
	w.change(cs, false, sitting, "a")
	check("a pod that counts is not counted twice", true, false, true)

	before, status := stateOf(dryRun)
	if !status.IsSuccess() || before.heldOn("a") != 1 {
		t.Errorf("a clone saw the changes of its original")
	}
}

// TestPreemptionKeepsVolumes: a victim would go, but a local volume of its instance keeps the slot, also when another pod has
// the instance's name at the time. A volume on another node keeps nothing here.
func TestPreemptionKeepsVolumes(t *testing.T) {
	for name, c := range map[string]struct {
		mounts, promised string
		freed            bool
	}{
		"its own volume":              {"data-r-0", "a", false},
		"a volume that it lacks":      {"other", "a", false},
		"the volume is on other node": {"data-r-0", "b", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, config.DispersionArgs{})
			w.limit("p", 2, placement.Limits{MaxPerNode: 1})
			w.node("a", 8, 110)
			claim := &corev1.PersistentVolumeClaim{}
			claim.Namespace, claim.Name = "ns", "data-r-0"
			claim.Labels = map[string]string{v1alpha1.LabelPlacementPolicy: "p", v1alpha1.LabelInstanceSet: "r", v1alpha1.LabelOrdinal: "0"}
			claim.Annotations = map[string]string{slots.SelectedNode: c.promised}
			w.add(w.plugin.claims, claim)
			sitting := instance("r-0", "p", "")
			source := &corev1.PersistentVolumeClaimVolumeSource{ClaimName: c.mounts}
			sitting.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: source}}}
			w.bind(sitting, "a")
			pod := instance("r-1", "p", "")
			w.arrive(pod)
			cs, allowed := w.cycle(pod)
			w.change(cs, false, sitting, "a")
			if allowed("a") != c.freed {
				t.Errorf("the place is free: %v, want %v", allowed("a"), c.freed)
			}
		})
	}
}

// TestNominatedPodsCountOnce: the framework adds every pod that is nominated to a node before it asks Filter about it.
// PreFilter has counted it already, or not, when its nomination is only in the scheduler's memory so far.
func TestNominatedPodsCountOnce(t *testing.T) {
	for _, group := range []string{"p", "q"} {
		t.Run("of group "+group, func(t *testing.T) {
			w := newWorld(t, config.DispersionArgs{MaxInstancesPerNode: 2})
			w.limit("p", 3, placement.Limits{})
			w.node("a", 8, 110)
			w.node("b", 8, 110)
			known, fresh := instance("known", group, ""), instance("fresh", group, "")
			known.Status.NominatedNodeName = "a"
			pod := instance("r-0", "p", "")
			w.arrive(known, fresh, pod)
			cs, allowed := w.cycle(pod)
			w.change(cs, true, known, "a")
			if !allowed("a") {
				t.Error("a nominated pod was counted twice")
			}
			w.change(cs, true, fresh, "a")
			if allowed("a") {
				t.Error("a nominated pod that PreFilter did not know was not counted")
			}
			w.change(cs, false, fresh, "a")
			if !allowed("a") {
				t.Error("a pod that was taken off is still counted")
			}
			w.change(cs, true, known, "b")
			w.change(cs, true, fresh, "b")
			if allowed("b") {
				t.Error("a pod that was nominated anew was not counted on its new node")
			}
		})
	}
}

// TestWake: a policy that comes, changes, goes or is replaced wakes all pods that wait; a status that changed wakes only those that wait for it.
func TestWake(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	h, ok := w.plugin.handle.(*handle)
	if !ok {
		t.Fatal("not the test's handle")
	}
	old, young, bound := instance("old", "p", ""), instance("young", "p", ""), instance("bound", "p", "")
	young.Annotations = map[string]string{v1alpha1.AnnotationPolicyVersion: "12"}
	bound.Spec.NodeName = "a"
	w.arrive(old, young, bound, instance("other", "q", ""))
	at := func(version string, generation int64, replicas int32) *v1alpha1.PlacementPolicy {
		p := &v1alpha1.PlacementPolicy{}
		p.Namespace, p.Name, p.ResourceVersion, p.Generation, p.Status.Replicas = "ns", "p", version, generation, replicas
		return p
	}
	replaced := at("11", 1, 3)
	replaced.UID = "another"
	for name, c := range map[string]struct {
		before, after *v1alpha1.PlacementPolicy
		want          int
	}{
		"went":                 {at("10", 1, 3), nil, 2},
		"replaced":             {at("10", 1, 3), replaced, 2},
		"came":                 {nil, at("10", 1, 3), 2},
		"limits changed":       {at("10", 1, 3), at("11", 2, 3), 2},
		"sum changed":          {at("10", 1, 3), at("11", 1, 4), 2},
		"status changed":       {at("10", 1, 3), at("12", 1, 3), 1},
		"status changed later": {at("12", 1, 3), at("13", 1, 3), 0},
	} {
		h.activated = nil
		w.plugin.wake(context.Background(), c.before, c.after)
		if len(h.activated) != c.want {
			t.Errorf("%s: %d pods were woken, want %d", name, len(h.activated), c.want)
		}
	}
}

// TestFullNodesAreJudgedByTheGuard: a node that is full now is not worth a preemption while only nodes with room for three
// may be opened.
func TestFullNodesAreJudgedByTheGuard(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("p", 6, placement.Limits{MaxPerNode: 3, MaxNodes: 2, MaxPerShard: 1})
	for _, name := range []string{"open", "full", "free"} {
		w.node(name, 3, 110)
	}
	for _, name := range []string{"r-0", "r-1", "r-2"} {
		w.bind(instance(name, "p", ""), "open")
		w.bind(instance("other-"+name, "", ""), "full")
	}
	pod := instance("r-3", "p", "")
	w.arrive(pod)
	if _, allowed := w.cycle(pod); allowed("full") || !allowed("free") {
		t.Errorf("full: %v, free: %v, want only free", allowed("full"), allowed("free"))
	}
}

// A dry run goes on where another one left off: what was changed before may say nothing of the pod's shard. The scheduler would end
// with a panic if the copy had no place for that.
func TestACopyTakesEveryKindOfChange(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("p", 3, placement.Limits{MaxPerShard: 1})
	w.node("a", 8, 110)
	other, sibling, pod := instance("r-0", "p", ""), instance("r-1", "p", "s"), instance("r-2", "p", "s")
	w.bind(other, "a")
	w.bind(sibling, "a")
	w.arrive(pod)
	cs, _ := w.cycle(pod)
	w.change(cs, false, other, "a")
	dry := cs.Clone().(*framework.CycleState)
	w.change(dry, false, sibling, "a")
	info, err := w.snapshot.Get("a")
	if err != nil {
		t.Fatal(err)
	}
	if status := w.plugin.Filter(t.Context(), dry, pod, info); !status.IsSuccess() {
		t.Errorf("without the sibling: %v", status)
	}
}
