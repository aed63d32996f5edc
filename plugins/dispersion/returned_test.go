package dispersion

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// claimAt is the claim of r-1 in a version. Its volume is on a.
func claimAt(version string, retired bool) *corev1.PersistentVolumeClaim {
	claim := stored("1", false)
	claim.ResourceVersion = version
	claim.Labels[v1alpha1.LabelInstanceSet], claim.Labels[v1alpha1.LabelOrdinal] = "r", "1"
	if retired {
		claim = labelled(claim, v1alpha1.LabelRetired)
	}
	return claim
}

// comeback is a world with room on a, b and c, of which two may be used: r-0 is on b, and the volume of r-1 on a.
type comeback struct {
	*world
	client      *fake.Clientset
	back, other *corev1.Pod // r-1 and r-2
}

func newComeback(t testing.TB, seen, stored *corev1.PersistentVolumeClaim) *comeback {
	t.Helper()
	w := &comeback{world: newWorld(t, config.DispersionArgs{}), client: fake.NewClientset(stored)}
	w.limit("r", 4, placement.Limits{MaxPerNode: 1, MaxNodes: 2})
	for _, node := range []string{"a", "b", "c"} {
		w.node(node, 4, 10)
	}
	w.handle().client = w.client
	w.add(w.plugin.claims, seen)
	w.bind(instance("r-0", "r", ""), "b")
	w.back, w.other = mountingClaim(instance("r-1", "r", ""), "data-r-1"), instance("r-2", "r", "")
	w.arrive(w.back, w.other)
	return w
}

// goes removes the pod of r-1 from a.
func (w *comeback) goes() {
	bound := w.back.DeepCopy()
	bound.Spec.NodeName = "a"
	w.remove(bound)
}

// ends has the pod of r-1 come to its end on a.
func (w *comeback) ends() {
	ended := w.back.DeepCopy()
	ended.Spec.NodeName, ended.Status.Phase = "a", corev1.PodFailed
	must(w.t, w.cache.RemovePod(klog.Background(), ended)) // the scheduler watches no pods that have ended
	w.add(w.plugin.pods, ended)
}

func (w *comeback) place() {
	w.t.Helper()
	if node, _ := w.schedule(w.back); node != "a" {
		w.t.Fatalf("r-1 is on %q, and its volume on a", node)
	}
}

func (w *comeback) thirdIsOpen() bool {
	w.t.Helper()
	_, allowed := w.cycle(w.other)
	return allowed("c")
}

// Whoever sees the pod and the retired claim together knows that the claim may get its slot back, however it came to that.
func TestAClaimIsKnownToComeBack(t *testing.T) {
	for name, comesAndGoes := range map[string]func(*comeback){
		"it was seen as retired when its pod was placed": func(w *comeback) { w.place(); w.thirdIsOpen(); w.goes() },
		"it was seen as retired after that": func(w *comeback) {
			w.add(w.plugin.claims, claimAt("4", false))
			w.place()
			w.add(w.plugin.claims, claimAt("5", true))
			w.thirdIsOpen()
			w.goes()
		},
		"another process placed the pod":                 func(w *comeback) { w.bind(w.back, "a"); w.thirdIsOpen(); w.goes() },
		"the pod ended, and is still there":              func(w *comeback) { w.place(); w.thirdIsOpen(); w.ends() },
		"all was forgotten and looked at anew meanwhile": func(w *comeback) { w.place(); w.thirdIsOpen(); w.plugin.index.reset(); w.goes() },
		"no cycle came before the pod went": func(w *comeback) {
			cs, _ := w.cycle(w.back)
			assumed := w.back.DeepCopy()
			assumed.Spec.NodeName = "a"
			must(t, w.cache.AssumePod(klog.Background(), assumed))
			w.plugin.Reserve(t.Context(), cs, assumed, "a")
			must(t, w.cache.RemoveAssumedPod(klog.Background(), assumed))
			must(t, w.plugin.pods.Delete(w.back))
		},
		"the answer to its Binding was lost": func(w *comeback) {
			w.plugin.Unreserve(t.Context(), withoutAnswer(), w.back, "a")
			w.thirdIsOpen()
			must(t, w.plugin.pods.Delete(w.back))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newComeback(t, claimAt("5", true), claimAt("6", false))
			comesAndGoes(w)
			if w.thirdIsOpen() {
				t.Error("a third node is open: the claim holds a")
			}
			w.add(w.plugin.claims, claimAt("6", false))
			if w.thirdIsOpen() || len(w.plugin.index.doubts.open) > 0 {
				t.Errorf("a third node is open, or there is still a doubt: %v", w.plugin.index.doubts.open)
			}
		})
	}
}

// What an informer shows after the index took in what had changed counts in the next cycle. It must not settle a doubt in this one.
func TestADoubtIsSettledByWhatIsCounted(t *testing.T) {
	for name, c := range map[string]struct {
		doubt func(*comeback)
		event func(*comeback)
	}{
		"a claim that has returned": {
			func(w *comeback) { w.place(); w.thirdIsOpen(); w.goes() },
			func(w *comeback) { w.add(w.plugin.claims, claimAt("6", false)) },
		},
		"a pod whose Binding was not answered": {
			func(w *comeback) { w.plugin.Unreserve(t.Context(), withoutAnswer(), w.back, "a") },
			func(w *comeback) {
				bound := w.back.DeepCopy()
				bound.Spec.NodeName = "a"
				w.add(w.plugin.pods, bound)
			},
		},
		"a claim that was promised": {
			func(w *comeback) {
				fresh := claimAt("5", false)
				fresh.Annotations, fresh.Spec.VolumeName = nil, ""
				w.add(w.plugin.claims, fresh)
				w.plugin.Reserve(t.Context(), framework.NewCycleState(), w.back, "a")
				w.plugin.Unreserve(t.Context(), framework.NewCycleState(), w.back, "a")
				w.remove(w.back)
			},
			func(w *comeback) {
				promised := claimAt("6", false)
				promised.Annotations, promised.Spec.VolumeName = map[string]string{slots.SelectedNode: "a"}, ""
				w.add(w.plugin.claims, promised)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newComeback(t, claimAt("5", true), claimAt("6", false))
			c.doubt(w)
			if w.thirdIsOpen() {
				t.Fatal("a third node is open before anything is seen")
			}
			nodes, err := w.snapshot.List()
			must(t, err)
			group, _ := slots.GroupOf("ns", w.other.Labels)
			rules, _ := w.plugin.rulesOf(group, w.other)
			w.plugin.index.update(nodes, false, false)
			c.event(w)
			w.plugin.Unreserve(t.Context(), framework.NewCycleState(), instance("any", "r", ""), "b") // beside the cycle
			s, status := w.plugin.stateFor(group, rules, w.other, 0)
			if !status.IsSuccess() {
				t.Fatal(status)
			}
			if s.refusal(w.plugin.index.names["c"], "c") == nil {
				t.Error("a third node is open")
			}
			if w.thirdIsOpen() {
				t.Error("a third node is open in the next cycle")
			}
		})
	}
}

// An instance whose claim is known to hold its slot is none of those that still need one.
func TestAReturnedSlotIsNotToComeAnyMore(t *testing.T) {
	w := newComeback(t, claimAt("5", true), claimAt("6", false))
	w.place()
	w.thirdIsOpen()
	w.goes()
	for _, seen := range []bool{false, true} {
		cs, _ := w.cycle(w.other)
		if s, _ := stateOf(cs); s.remaining != 2 || s.used() != 2 {
			t.Errorf("the claim is seen: %v: %d instances are to come, and %d nodes in use, want 2 and 2", seen, s.remaining, s.used())
		}
		w.add(w.plugin.claims, claimAt("6", false))
	}
}

// A backup mounts a retired claim: it is no instance, and its claim does not come back.
func TestAPodOfNoGroupBringsNothingBack(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{MaxInstancesPerNode: 1})
	w.limit("r", 4, placement.Limits{MaxPerNode: 1})
	w.node("a", 4, 10)
	w.handle().client = fake.NewClientset(claimAt("6", false))
	fresh := claimAt("3", false)
	fresh.Name, fresh.UID, fresh.Labels, fresh.Annotations, fresh.Spec.VolumeName = "scratch", "scratch", nil, nil, ""
	w.add(w.plugin.claims, claimAt("5", true))
	w.add(w.plugin.claims, fresh)
	backup, other := mountingClaim(instance("backup", "", ""), "data-r-1"), instance("r-2", "r", "")
	backup.Spec.Volumes = append(backup.Spec.Volumes, mountingClaim(instance("x", "", ""), "scratch").Spec.Volumes...)
	w.arrive(backup, other)
	free := func(when string) {
		t.Helper()
		if _, allowed := w.cycle(other); !allowed("a") {
			t.Errorf("%s: a is full with a pod of no group", when)
		}
	}
	w.plugin.Reserve(t.Context(), framework.NewCycleState(), backup, "a")
	w.bind(backup, "a")
	free("it runs")
	bound := backup.DeepCopy()
	bound.Spec.NodeName = "a"
	w.remove(bound)
	free("it is gone")
	w.arrive(backup)
	w.plugin.Unreserve(t.Context(), withoutAnswer(), backup, "a")
	free("its Binding was not answered")
}

// manyBack is a world of which n instances with retired claims have gone before their claims were seen to hold their slots.
func manyBack(t testing.TB, n int) (*world, *fake.Clientset, *corev1.Pod) {
	t.Helper()
	w := newWorld(t, config.DispersionArgs{})
	w.limit("r", 20000, placement.Limits{})
	client := fake.NewClientset()
	w.handle().client = client
	for i := range 200 {
		w.node(fmt.Sprintf("n-%03d", i), 100, 1000)
	}
	for i := range n {
		claim := claimAt("5", true)
		claim.Name, claim.UID = fmt.Sprintf("data-r-%d", i), types.UID(fmt.Sprint("claim-", i))
		claim.Annotations = map[string]string{slots.SelectedNode: fmt.Sprintf("n-%03d", i%200)}
		claim.Labels[v1alpha1.LabelOrdinal] = fmt.Sprint(i)
		w.add(w.plugin.claims, claim)
		pod := mountingClaim(instance(fmt.Sprintf("r-%d", i), "r", ""), claim.Name)
		w.plugin.Reserve(t.Context(), framework.NewCycleState(), pod, fmt.Sprintf("n-%03d", i%200))
		w.bind(pod, fmt.Sprintf("n-%03d", i%200))
	}
	other := instance("other", "r", "")
	w.arrive(other)
	w.cycle(other)
	return w, client, other
}

// Thousands of instances come back on retired claims: while their pods are there, nothing is remembered of them, and a cycle costs
// what it costs without them.
func TestPodsThatAreThereAreNotRemembered(t *testing.T) {
	w, client, _ := manyBack(t, 1000)
	if d := &w.plugin.index.doubts; len(d.open)+len(d.reserved) > 0 || len(client.Actions()) > 0 {
		t.Errorf("%d doubts, %d placements under way, asked %d times", len(d.open), len(d.reserved), len(client.Actions()))
	}
}

// BenchmarkReturned is PreFilter while so many claims are known to hold their slots and none of it is seen: what stays when a watch
// of claims is behind.
func BenchmarkReturned(b *testing.B) {
	for _, n := range []int{0, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w, _, other := manyBack(b, n)
			for i := range n {
				bound := mountingClaim(instance(fmt.Sprintf("r-%d", i), "r", ""), fmt.Sprintf("data-r-%d", i))
				bound.Spec.NodeName = fmt.Sprintf("n-%03d", i%200)
				w.remove(bound)
			}
			w.plugin.now = func() time.Time { return time.Time{} }
			w.plugin.index.doubts.askAfter = time.Unix(1, 0)
			w.cycle(other)
			if len(w.inDoubt(returning)) != n {
				b.Fatalf("%d slots count, want %d", len(w.inDoubt(returning)), n)
			}
			nodes, err := w.snapshot.List()
			must(b, err)
			for b.Loop() {
				w.plugin.PreFilter(b.Context(), framework.NewCycleState(), other, nodes)
			}
		})
	}
}

// An API server that is slow, or gone, does not keep all pods waiting for the sake of some claims.
func TestFewAreAskedAboutInACycle(t *testing.T) {
	w, client, other := manyBack(t, 20)
	clock := time.Unix(1000, 0)
	w.plugin.now = func() time.Time { return clock }
	var fail error
	client.PrependReactor("get", "persistentvolumeclaims", func(a clienttesting.Action) (bool, runtime.Object, error) {
		claim := claimAt("6", false)
		claim.Name = a.(clienttesting.GetAction).GetName()
		claim.UID = types.UID("claim-" + claim.Name[len("data-r-"):])
		return true, claim, fail
	})
	for i := range 20 {
		bound := mountingClaim(instance(fmt.Sprintf("r-%d", i), "r", ""), fmt.Sprintf("data-r-%d", i))
		bound.Spec.NodeName = fmt.Sprintf("n-%03d", i)
		w.remove(bound)
	}
	calls := func(pod *corev1.Pod) int {
		client.ClearActions()
		w.cycle(pod)
		return len(client.Actions())
	}
	stranger, careless := instance("s-0", "s", ""), instance("t-0", "t", "")
	w.limit("s", 1, placement.Limits{})
	w.limit("t", 1, placement.Limits{})
	lax := slots.Group{Namespace: "ns", Policy: "t"}
	rules := w.policies[lax]
	rules.mode = v1alpha1.PlacementBestEffort
	w.policies[lax] = rules
	w.arrive(stranger, careless)
	fail = errors.New("too late")
	for _, c := range []struct {
		why  string
		pod  *corev1.Pod
		fail error
		wait time.Duration
		want int
	}{
		{"of another group", stranger, nil, 0, 0},
		{"without limits", careless, nil, 0, 0},
		{"the first claim fails, after all were asked about together", other, fail, 0, 1 + 1},
		{"soon after a failure", other, nil, time.Second, 0},
		{"later", other, nil, askPause, askMost},
		{"and so on", other, nil, 0, askMost},
	} {
		clock, fail = clock.Add(c.wait), c.fail
		if n := calls(c.pod); n != c.want {
			t.Errorf("%s: asked %d times, want %d", c.why, n, c.want)
		}
	}
	if n := len(w.inDoubt(returning)); n != 20 {
		t.Errorf("%d slots count, want all 20", n)
	}
	w.plugin.args.MaxInstancesPerNode = 100
	if n := calls(stranger); n != askMost {
		t.Errorf("with a cap over all groups: asked %d times, want %d", n, askMost)
	}
}

// The call has no more than a second.
func TestAskingHasATimeLimit(t *testing.T) {
	w := newComeback(t, claimAt("5", true), claimAt("6", false))
	begin := time.Now()
	var limit time.Time
	w.handle().client = limited{Interface: w.client, until: &limit}
	w.place()
	w.thirdIsOpen()
	w.goes()
	if w.thirdIsOpen(); limit.Before(begin) || limit.After(time.Now().Add(askTimeout)) {
		t.Errorf("the call may last until %s, it began at %s", limit, begin)
	}
}

// The answer comes in the cycle of another pod than the one that waits for it: it is tried again.
func TestALateAnswerWakes(t *testing.T) {
	w := newComeback(t, claimAt("5", true), claimAt("5", true))
	clock := time.Unix(1000, 0)
	w.plugin.now = func() time.Time { return clock }
	fail := errors.New("too late")
	w.client.PrependReactor("get", "persistentvolumeclaims", func(clienttesting.Action) (bool, runtime.Object, error) { return fail != nil, nil, fail })
	w.place()
	w.thirdIsOpen()
	w.goes()
	if node, _ := w.schedule(w.other); node != "" {
		t.Fatalf("r-2 is on %s", node)
	}
	clock, fail = clock.Add(askPause), nil
	late := instance("r-3", "r", "")
	w.arrive(late)
	w.activated(nil)
	w.cycle(late)
	if !w.activated(w.other) || w.activated(late) {
		t.Errorf("r-2 is tried again: %v, and r-3, whose cycle it is: %v", w.activated(w.other), w.activated(late))
	}
}

// Nobody else may come by whose cycle asks: whoever waits for the answer is tried again when the API server may be asked again.
func TestWhoWaitsForAnAnswerIsTriedAgain(t *testing.T) {
	w := newComeback(t, claimAt("5", true), claimAt("5", true))
	clock := time.Unix(1000, 0)
	w.plugin.now = func() time.Time { return clock }
	fail := errors.New("too late")
	w.client.PrependReactor("get", "persistentvolumeclaims", func(clienttesting.Action) (bool, runtime.Object, error) { return fail != nil, nil, fail })
	w.place()
	w.thirdIsOpen()
	w.goes()
	if node, _ := w.schedule(w.other); node != "" {
		t.Fatalf("r-2 is on %s", node)
	}
	fail = nil
	for _, c := range []struct {
		after time.Duration
		tried bool
	}{{askPause - time.Second, false}, {time.Second, true}, {askPause, false}} {
		clock = clock.Add(c.after)
		w.activated(nil)
		w.plugin.tryDue(t.Context())
		if tried := w.activated(w.other); tried != c.tried {
			t.Errorf("%s later it is tried again: %v, want %v", c.after, tried, c.tried)
		}
	}
	if node, refused := w.schedule(w.other); node == "" {
		t.Errorf("r-2 has no node: %v", refused)
	}
}

// With a cap over all groups, claims of all of them count. A few are asked about in each cycle, and whoever waits has one until all are.
func TestAllAreAskedAboutInTheEnd(t *testing.T) {
	w, client, _ := manyBack(t, 20)
	w.plugin.args.MaxInstancesPerNode = 1
	for i := range 20 {
		bound := mountingClaim(instance(fmt.Sprintf("r-%d", i), "r", ""), fmt.Sprintf("data-r-%d", i))
		bound.Spec.NodeName = fmt.Sprintf("n-%03d", i)
		w.remove(bound)
	}
	client.PrependReactor("list", "persistentvolumeclaims", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, &corev1.PersistentVolumeClaimList{}, nil // the API server has given all of them their slots back, but for
	})
	client.PrependReactor("get", "persistentvolumeclaims", func(a clienttesting.Action) (bool, runtime.Object, error) {
		claim := claimAt("6", a.(clienttesting.GetAction).GetName() == "data-r-19") // this one
		claim.Name = a.(clienttesting.GetAction).GetName()
		claim.UID = types.UID("claim-" + claim.Name[len("data-r-"):])
		return true, claim, nil
	})
	w.limit("s", 1, placement.Limits{})
	pod := instance("s-0", "s", "")
	w.arrive(pod)
	for i := range 200 {
		w.blocked[fmt.Sprintf("n-%03d", i)] = i != 19
	}
	tries := 0
	for node := ""; node != "n-019"; tries++ {
		if tries > 0 {
			w.activated(nil)
			if w.plugin.tryDue(t.Context()); !w.activated(pod) {
				t.Fatalf("after %d tries it is not tried again, with %d claims to ask about", tries, len(w.inDoubt(returning)))
			}
		}
		node, _ = w.schedule(pod)
	}
	if most := (20 + askMost - 1) / askMost; tries > most {
		t.Errorf("it took %d tries, want %d at most", tries, most)
	}
}

// The cap over all groups binds mode BestEffort too. So slots in doubt count there, and are asked about as in any mode.
func TestWhatTheCapCountsIsAskedAboutInEveryMode(t *testing.T) {
	for _, mode := range []v1alpha1.PlacementMode{v1alpha1.PlacementGuarded, v1alpha1.PlacementBestEffort} {
		w := newComeback(t, claimAt("5", true), claimAt("5", true))
		w.plugin.args.MaxInstancesPerNode = 1
		w.place()
		w.goes()
		w.limit("q", 1, placement.Limits{})
		w.mode("q", mode)
		w.blocked["b"], w.blocked["c"] = true, true
		pod := instance("q-0", "q", "")
		w.arrive(pod)
		if node, refused := w.schedule(pod); node != "a" {
			t.Errorf("%s: q-0 is on %q: %v", mode, node, refused["a"])
		}
	}
}

// limited notes until when a claim may be read.
type limited struct {
	kubernetes.Interface
	corev1client.CoreV1Interface
	corev1client.PersistentVolumeClaimInterface
	until *time.Time
}

func (l limited) CoreV1() corev1client.CoreV1Interface { return l }
func (l limited) PersistentVolumeClaims(namespace string) corev1client.PersistentVolumeClaimInterface {
	l.PersistentVolumeClaimInterface = l.Interface.CoreV1().PersistentVolumeClaims(namespace)
	return l
}

func (l limited) Get(ctx context.Context, name string, o metav1.GetOptions) (*corev1.PersistentVolumeClaim, error) {
	*l.until, _ = ctx.Deadline()
	return l.PersistentVolumeClaimInterface.Get(ctx, name, o)
}
