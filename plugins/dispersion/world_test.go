package dispersion

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand"
	"sort"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// world drives the real plugin over the scheduler's real cache and snapshot, one pod after the other.
type world struct {
	t        testing.TB
	plugin   *Plugin
	cache    internalcache.Cache
	snapshot *internalcache.Snapshot
	factory  informers.SharedInformerFactory
	policies map[slots.Group]policy
	// unguarded switches the guard off, to show that it is needed.
	unguarded bool
	// unplanned leaves the guard alone, without the plan.
	unplanned bool
	// blocked are nodes that another plugin refuses for a reason that we do not see.
	blocked map[string]bool
	// choose, if set, picks one of the allowed nodes instead of the score, as other plugins' scores may do.
	choose func(allowed []string) string
	// any, if set, picks one of the nodes with the best score, as upstream does; without it the first by name is taken.
	any *rand.Rand
	// result is what PreFilter named in the last cycle that was run by cycle.
	result *fwk.PreFilterResult
	// said is what PostFilter added to the event of the last pod that found no node.
	said string
}

// handle is the part of the framework's handle that the plugin uses.
type handle struct {
	fwk.Handle
	snapshot  *internalcache.Snapshot
	factory   informers.SharedInformerFactory
	activated map[string]*corev1.Pod
	woken     map[string]*corev1.Pod // since the test has taken them
	client    kubernetes.Interface
	events    *events.FakeRecorder
}

func (h *handle) ProfileName() string                                    { return v1alpha1.SchedulerName }
func (h *handle) ClientSet() kubernetes.Interface                        { return h.client }
func (h *handle) SnapshotSharedLister() fwk.SharedLister                 { return h.snapshot }
func (h *handle) SharedInformerFactory() informers.SharedInformerFactory { return h.factory }
func (h *handle) EventRecorder() events.EventRecorderLogger              { return h.events }
func (h *handle) Activate(_ klog.Logger, pods map[string]*corev1.Pod) {
	if h.activated == nil {
		h.activated = map[string]*corev1.Pod{}
	}
	maps.Copy(h.activated, pods)
	if h.woken == nil {
		h.woken = map[string]*corev1.Pod{}
	}
	maps.Copy(h.woken, pods)
}

func (w *world) policyOf(g slots.Group) (policy, bool) {
	p, ok := w.policies[g]
	return p, ok
}

func newWorld(t testing.TB, args config.DispersionArgs) *world {
	t.Helper()
	return newWorldOn(t, args, informers.NewSharedInformerFactory(fake.NewClientset(), 0))
}

func newWorldOn(t testing.TB, args config.DispersionArgs, factory informers.SharedInformerFactory) *world {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	w := &world{
		t: t, cache: internalcache.New(ctx, nil, false, false), snapshot: internalcache.NewEmptySnapshot(),
		factory: factory, policies: map[slots.Group]policy{}, blocked: map[string]bool{},
	}
	plugin, err := newPlugin(&args, &handle{snapshot: w.snapshot, factory: w.factory, events: &events.FakeRecorder{}, client: w.server()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	plugin.policies = w
	w.plugin = plugin
	return w
}

// server is an API server that has what the informers have, for tests in which these are never behind.
func (w *world) server() kubernetes.Interface {
	c := &fake.Clientset{}
	c.AddReactor("get", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		get := a.(clienttesting.GetAction)
		from := map[string]cache.Indexer{"pods": w.plugin.pods, "persistentvolumeclaims": w.plugin.claims}[a.GetResource().Resource]
		o, there, err := from.GetByKey(get.GetNamespace() + "/" + get.GetName())
		if err != nil || !there {
			return true, nil, errors.Join(err, apierrors.NewNotFound(a.GetResource().GroupResource(), get.GetName()))
		}
		return true, o.(runtime.Object).DeepCopyObject(), nil
	})
	return c
}

func (w *world) limit(name string, replicas int, l placement.Limits) {
	w.policies[slots.Group{Namespace: "ns", Policy: name}] = policy{version: "1", counted: true, replicas: replicas, limits: fixed(l)}
}

// bestEffort has a policy be kept as far as that goes.
func (w *world) bestEffort(name string) { w.mode(name, v1alpha1.PlacementBestEffort) }

func (w *world) mode(name string, mode v1alpha1.PlacementMode) {
	g := slots.Group{Namespace: "ns", Policy: name}
	rules := w.policies[g]
	rules.mode = mode
	w.policies[g] = rules
}

func (w *world) node(name string, cpu, pods int64, change ...func(*corev1.Node)) {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}}}
	n.Status.Allocatable = corev1.ResourceList{
		corev1.ResourceCPU:  *resource.NewQuantity(cpu, resource.DecimalSI),
		corev1.ResourcePods: *resource.NewQuantity(pods, resource.DecimalSI),
	}
	for _, f := range change {
		f(n)
	}
	w.cache.AddNode(klog.Background(), n)
}

// instance is a pod of group p that wants one CPU.
func instance(name, group, shard string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID(name), Labels: map[string]string{}}}
	if group != "" {
		p.Labels[v1alpha1.LabelPlacementPolicy] = group
	}
	if shard != "" {
		p.Labels[v1alpha1.LabelShard] = shard
	}
	p.Spec.Containers = []corev1.Container{{Name: "redis", Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")},
	}}}
	return p
}

func (w *world) add(indexer cache.Indexer, o any) {
	w.t.Helper()
	if err := indexer.Add(o); err != nil {
		w.t.Fatal(err)
	}
}

// arrive makes a pod known, as its creation would.
func (w *world) arrive(pods ...*corev1.Pod) {
	for _, p := range pods {
		w.add(w.plugin.pods, p)
	}
}

// schedule runs one cycle and assumes the pod on the best node; the refusals are per node.
func (w *world) schedule(pod *corev1.Pod) (string, map[string]*fwk.Status) {
	w.t.Helper()
	if held := w.plugin.PreEnqueue(w.t.Context(), pod); !held.IsSuccess() {
		return "", map[string]*fwk.Status{"": held}
	}
	if err := w.cache.UpdateSnapshot(klog.Background(), w.snapshot); err != nil {
		w.t.Fatal(err)
	}
	nodes, err := w.snapshot.List()
	if err != nil {
		w.t.Fatal(err)
	}
	cs := framework.NewCycleState()
	result, status := w.plugin.PreFilter(w.t.Context(), cs, pod, nodes)
	if status != nil && !status.IsSuccess() && !status.IsSkip() {
		w.plugin.PostFilter(w.t.Context(), cs, pod, framework.NewDefaultNodeToStatus())
		return "", map[string]*fwk.Status{"": status}
	}
	if s, failed := stateOf(cs); failed.IsSuccess() {
		ranked(w.t, s.view)
		followed(w.t, s)
	}
	if s, failed := stateOf(cs); w.unplanned && failed.IsSuccess() {
		s.plan, s.fixed, s.level = nil, false, s.limits.MaxPerNode
	} else if w.unguarded && failed.IsSuccess() {
		s.guard, s.plan, s.fixed, s.level = placement.Guard{Openable: len(nodes)}, nil, false, s.limits.MaxPerNode
	} else {
		nodes = w.candidates(result)
	}
	var allowed []string
	best, score, ties, refused := "", int64(-1), 0, map[string]*fwk.Status{}
	for _, info := range nodes {
		name := info.Node().Name
		if !status.IsSkip() {
			if st := w.plugin.Filter(w.t.Context(), cs, pod, info); !st.IsSuccess() {
				refused[name] = st
				continue
			}
		}
		if roomOn(slots.RoomFor(pod), info) == 0 { // stands for upstream's plugins
			refused[name] = fwk.NewStatus(fwk.Unschedulable, "no room")
			continue
		}
		if w.blocked[name] {
			refused[name] = fwk.NewStatus(fwk.Unschedulable, "another plugin refuses")
			continue
		}
		points := int64(0)
		if !status.IsSkip() {
			points, _ = w.plugin.Score(w.t.Context(), cs, pod, info)
		}
		allowed = append(allowed, name)
		switch {
		case points > score:
			best, score, ties = name, points, 1
		case points < score:
		case w.any != nil:
			if ties++; w.any.Intn(ties) == 0 {
				best = name
			}
		case name < best:
			best = name
		}
	}
	if best != "" {
		if status := w.plugin.Reserve(w.t.Context(), cs, pod, best); !status.IsSuccess() {
			w.plugin.Unreserve(w.t.Context(), cs, pod, best)
			return "", map[string]*fwk.Status{best: status}
		}
		if w.choose != nil {
			best = w.choose(allowed)
		}
		w.bind(pod, best)
		return best, refused
	}
	if status.IsSkip() {
		return best, refused
	}
	w.activated(nil)
	_, after := w.plugin.PostFilter(w.t.Context(), cs, pod, framework.NewNodeToStatus(refused, fwk.NewStatus(fwk.UnschedulableAndUnresolvable)))
	if w.activated(pod) {
		return w.schedule(pod)
	}
	told(pod)
	w.said = after.Message()
	return best, refused
}

// told is what the scheduler writes into the status of a pod that found no node.
func told(pods ...*corev1.Pod) {
	for _, pod := range pods {
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
	}
}

// activated reports whether the plugin wants the pod to be tried again; without one it forgets what was wanted.
func (w *world) activated(pod *corev1.Pod) bool {
	h := w.handle()
	if pod == nil {
		h.activated = nil
		return false
	}
	return h.activated["ns/"+pod.Name] != nil
}

func (w *world) handle() *handle {
	h, ok := w.plugin.handle.(*handle)
	if !ok {
		w.t.Fatal("not the test's handle")
	}
	return h
}

func (w *world) bind(pod *corev1.Pod, node string) {
	w.t.Helper()
	bound := pod.DeepCopy()
	bound.Spec.NodeName = node
	if err := w.cache.AddPod(klog.Background(), bound); err != nil {
		w.t.Fatal(err)
	}
	w.add(w.plugin.pods, bound)
}

// remove deletes a pod, and tells the plugin as its informers would.
func (w *world) remove(pod *corev1.Pod) {
	w.t.Helper()
	if pod.Spec.NodeName != "" {
		if err := w.cache.RemovePod(klog.Background(), pod); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := w.plugin.pods.Delete(pod); err != nil {
		w.t.Fatal(err)
	}
	w.plugin.podGone(w.t.Context(), pod)
	w.plugin.releasing(w.t.Context()).OnDelete(pod)
}

// perNode counts the pods of a group with the dumbest possible loop.
func (w *world) perNode(group string) map[string]int {
	n := map[string]int{}
	for _, o := range w.plugin.pods.List() {
		if p := o.(*corev1.Pod); p.Labels[v1alpha1.LabelPlacementPolicy] == group && p.Spec.NodeName != "" {
			n[p.Spec.NodeName]++
		}
	}
	return n
}

// mixed makes n nodes of three sizes, with a background pod that leaves each a free room of 1 to m.
func (w *world) mixed(n, m int, seed int64) []int {
	random := rand.New(rand.NewSource(seed))
	free := make([]int, n)
	for i := range free {
		size := []int{m + 4, 2*m + 4, 4*m + 4}[random.Intn(3)]
		free[i] = 1 + random.Intn(m)
		name := fmt.Sprintf("node-%03d", i)
		w.node(name, int64(size), 200)
		other := instance(fmt.Sprintf("background-%d", i), "", "")
		other.Spec.NodeName = name
		other.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = *resource.NewQuantity(int64(size-free[i]), resource.DecimalSI)
		if err := w.cache.AddPod(klog.Background(), other); err != nil {
			w.t.Fatal(err)
		}
	}
	return free
}

// fewest is the smallest number of nodes that can hold the replicas.
func fewest(free []int, m, replicas int) int {
	sorted := append([]int(nil), free...)
	sort.Sort(sort.Reverse(sort.IntSlice(sorted)))
	total := 0
	for i, f := range sorted {
		if total += min(f, m); total >= replicas {
			return i + 1
		}
	}
	return 0
}

// ranked fails unless the ranks of a view and of its plan are those of its seats.
func ranked(t interface {
	Helper()
	Fatalf(string, ...any)
}, v *view) {
	t.Helper()
	for number := range v.seats {
		if want := v.seats[number].rank(); v.ranks[number] != want {
			t.Fatalf("node %d has rank %d, and its seat %d", number, v.ranks[number], want)
		}
	}
	if v.plan == nil || v.plan.ranks == nil {
		return
	}
	for i, number := range v.plan.opened {
		want := noRank
		if v.plan.more(number, v.seats[number]) > 0 {
			want = v.seats[number].rank()
		}
		if v.plan.ranks[i] != want {
			t.Fatalf("node %d has rank %d in the plan, and its seat %d", number, v.plan.ranks[i], want)
		}
	}
}
