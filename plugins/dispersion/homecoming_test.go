package dispersion

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/reason"
)

// Two instances are on node a, and then only one is allowed there. The pod of one comes back to its volume: nobody is turned out.
// But when its claim was replaced meanwhile, which the scheduler has not seen yet, it is one more than allowed.
func TestAPodComesBackToASlotThatIsStillThere(t *testing.T) {
	for name, c := range map[string]struct {
		most   int
		stored *corev1.PersistentVolumeClaim // nil: the claim is gone
		asked  bool
		bound  bool
		mode   v1alpha1.PlacementMode
		total  int32 // the cap over all groups
	}{
		"the claim is the same":            {1, stored("1", false), true, true, v1alpha1.PlacementGuarded, 0},
		"the claim was replaced":           {1, stored("2", false), true, false, v1alpha1.PlacementGuarded, 0},
		"the claim is gone":                {1, nil, true, false, v1alpha1.PlacementGuarded, 0},
		"the claim is going":               {1, stored("1", true), true, false, v1alpha1.PlacementGuarded, 0},
		"the claim was declared lost":      {1, labelled(stored("1", false), v1alpha1.LabelLost), true, false, v1alpha1.PlacementGuarded, 0},
		"the claim was retired":            {1, labelled(stored("1", false), v1alpha1.LabelRetired), true, false, v1alpha1.PlacementGuarded, 0},
		"there is room in any case":        {2, stored("2", false), false, true, v1alpha1.PlacementGuarded, 0},
		"no limit was ever in the way":     {0, stored("2", false), false, true, v1alpha1.PlacementGuarded, 0},
		"the limit need not be kept":       {1, stored("2", false), false, true, v1alpha1.PlacementBestEffort, 0},
		"the cap must be, and it was lost": {1, stored("2", false), true, false, v1alpha1.PlacementBestEffort, 1},
		"the cap must be kept":             {1, stored("1", false), true, true, v1alpha1.PlacementBestEffort, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, config.DispersionArgs{MaxInstancesPerNode: c.total})
			w.limit("r", 2, placement.Limits{MaxPerNode: c.most})
			w.mode("r", c.mode)
			w.node("a", 4, 10)
			w.node("b", 4, 10)
			var objects []runtime.Object
			if c.stored != nil {
				objects = append(objects, c.stored)
			}
			w.handle().client = fake.NewClientset(objects...)
			w.add(w.plugin.claims, stored("1", false))
			w.bind(instance("r-0", "r", ""), "a")
			pod := mountingClaim(instance("r-1", "r", ""), "data-r-1")
			w.arrive(pod)
			cs, may := w.cycle(pod)
			if !may("a") {
				t.Fatal("the pod may not come back to its volume")
			}
			w.plugin.Reserve(t.Context(), cs, pod, "a")
			_, preflight := w.plugin.PreBindPreFlight(t.Context(), cs, pod, "a")
			if asked := !preflight.IsSkip(); asked != c.asked {
				t.Fatalf("PreBind is called: %v, wanted %v", asked, c.asked)
			}
			if !c.asked {
				return
			}
			status := w.plugin.PreBind(t.Context(), cs, pod, "a")
			if status.IsSuccess() != c.bound {
				t.Errorf("PreBind says %v, wanted bound: %v", status, c.bound)
			}
			if !c.bound && status.Message() != reason.ClaimReplaced.Message() {
				t.Errorf("PreBind says %q", status.Message())
			}
		})
	}
}

// TestANodeThatTheGroupHasLeftIsNotOpenedAgain: with more nodes in use than a limit that was lowered allows, a pod may go to one of
// them, as long as a sibling holds it by the word of the API server.
func TestANodeThatTheGroupHasLeftIsNotOpenedAgain(t *testing.T) {
	placed := func(uid, node string) *corev1.Pod {
		pod := instance("r-0", "r", "")
		pod.UID, pod.Spec.NodeName = types.UID(uid), node
		return pod
	}
	ended := placed("r-0", "a")
	ended.Status.Phase = corev1.PodFailed
	lost := placed("r-0", "a")
	lost.Labels[v1alpha1.LabelLost] = "node"
	for name, c := range map[string]struct {
		maxNodes int
		pod      *corev1.Pod                   // r-0 at the API server; the scheduler sees it on a
		claim    *corev1.PersistentVolumeClaim // that of r-1 there; the scheduler sees it on a, if it is not nil
		asked    bool
		free     bool
	}{
		"a pod is there":               {1, placed("r-0", "a"), nil, true, true},
		"the pod is gone":              {1, nil, nil, true, false},
		"the pod was replaced":         {1, placed("other", ""), nil, true, false},
		"the pod has ended":            {1, ended, nil, true, false},
		"the pod was declared lost":    {1, lost, nil, true, false},
		"the pod is gone, not a claim": {1, nil, stored("1", false), true, true},
		"the claim was retired, too":   {1, nil, labelled(stored("1", false), v1alpha1.LabelRetired), true, false},
		"the claim was replaced, too":  {1, nil, stored("2", false), true, false},
		"the limit is kept":            {2, nil, nil, false, true},
		"there is no limit":            {0, nil, nil, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, config.DispersionArgs{})
			w.limit("r", 4, placement.Limits{MaxNodes: c.maxNodes})
			w.node("a", 4, 10)
			w.node("b", 4, 10)
			var objects []runtime.Object
			if c.pod != nil {
				objects = append(objects, c.pod)
			}
			if c.claim != nil {
				objects = append(objects, c.claim)
				w.add(w.plugin.claims, stored("1", false))
			}
			client := fake.NewClientset(objects...)
			w.handle().client = client
			seen := instance("r-0", "r", "")
			seen.UID = "r-0"
			w.bind(seen, "a")
			w.bind(instance("r-3", "r", ""), "b")
			pod := instance("r-2", "r", "")
			w.arrive(pod)
			cs, may := w.cycle(pod)
			if !may("a") {
				t.Fatal("the pod may not go to a node of its group")
			}
			status := w.plugin.Reserve(t.Context(), cs, pod, "a")
			if status.IsSuccess() != c.free {
				t.Errorf("Reserve says %v, wanted that the pod may go there: %v", status, c.free)
			}
			if asked := len(client.Actions()) > 0; asked != c.asked {
				t.Errorf("the API server was asked: %v, wanted %v", asked, c.asked)
			}
			if c.free {
				return
			}
			if status.Message() != reason.NodeVacated.Message() {
				t.Errorf("Reserve says %q", status.Message())
			}
			late := map[string][]happening{"the pod went": one(podGoes(on(seen, "a")))} // what was not seen yet
			if c.claim != nil {
				late["the claim went"] = one(claimGoes(stored("1", false)))
				late["the claim gave its slot up"] = changes(stored("1", false), labelClaim(v1alpha1.LabelRetired, "n"))
			}
			for what, events := range late {
				if !w.wakes(pod, events...) {
					t.Errorf("the scheduler hears that %s: the pod that was refused is not tried again", what)
				}
			}
		})
	}
}

// stored is the claim of r-1, on node a.
func stored(uid string, going bool) *corev1.PersistentVolumeClaim {
	claim := claimOn("data-r-1", "r", "a")
	claim.UID, claim.Spec.VolumeName = types.UID(uid), "pv"
	if going {
		claim.DeletionTimestamp = ptr.To(metav1.Now())
		claim.Finalizers = []string{"kubernetes.io/pvc-protection"}
	}
	return claim
}

func labelled(claim *corev1.PersistentVolumeClaim, label string) *corev1.PersistentVolumeClaim {
	claim.Labels[label] = "n"
	return claim
}

// TestWhoeverHasAVolumeComesBackInModeBestEffort: siblings of a group that knows no limits come and go in any order, and whoever has a
// volume finds room where it is.
func TestWhoeverHasAVolumeComesBackInModeBestEffort(t *testing.T) {
	refused := 0
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t, config.DispersionArgs{})
		w.limit("p", 1, placement.Limits{MaxPerNode: 1, MaxNodes: 1})
		w.bestEffort("p")
		var pods []*corev1.Pod
		home := map[string]string{}
		for n := range r2(r, 1, 4, "nodes") {
			node, cpus := fmt.Sprintf("n-%d", n), r2(r, 1, 4, "CPUs")
			w.node(node, int64(cpus), 110)
			for range r2(r, 0, cpus, "volumes") {
				name := fmt.Sprintf("r-%d", len(pods))
				w.add(w.plugin.claims, claimOn("data-"+name, "p", node))
				home[name] = node
				pods = append(pods, mountingClaim(instance(name, "p", ""), "data-"+name))
			}
		}
		for range r2(r, 0, 8, "others") {
			pods = append(pods, instance(fmt.Sprintf("r-%d", len(pods)), "p", ""))
		}
		for _, pod := range rapid.Permutation(pods).Draw(r, "order") {
			w.arrive(pod)
			node, _ := w.schedule(pod)
			switch at, pinned := home[pod.Name]; {
			case pinned && node != at:
				r.Fatalf("%s is on %q, and its volume on %s", pod.Name, node, at)
			case node == "":
				refused++
			}
		}
	})
	if refused < 20 {
		t.Errorf("%d pods found no room, too few to prove anything", refused)
	}
}
