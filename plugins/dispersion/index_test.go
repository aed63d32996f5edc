package dispersion

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-base/metrics/testutil"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// TestIndexFollowsTheCluster changes a small cluster at random. After a few changes each time, the index must hold the slots
// that are counted from everything, and its views must be those of an index that is made anew, also when it only glanced at nodes
// that were noted.
func TestIndexFollowsTheCluster(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := newDrifting(t, r, config.DispersionArgs{})
		c.changeLimits()
		for range r2(r, 1, 15, "rounds") {
			var done []string
			for range r2(r, 1, 4, "changes") {
				done = append(done, c.change())
			}
			c.compare(fmt.Sprint(done))
		}
	})
}

// TestEqualNodesAreTakenZoneByZone: the nodes of one zone all come first by name, and a group has both its instances in it.
func TestEqualNodesAreTakenZoneByZone(t *testing.T) {
	for _, order := range [][]string{{"a1", "a2", "b1", "b2"}, {"b2", "a2", "a1", "b1"}} {
		w := newWorld(t, config.DispersionArgs{})
		for _, name := range order {
			w.node(name, 4, 10, func(n *corev1.Node) { n.Labels[corev1.LabelTopologyZone] = name[:1] })
		}
		w.limit("p", 2, placement.Limits{MaxPerNode: 1, MaxNodes: 2})
		for _, name := range []string{"p-0", "p-1"} {
			pod := instance(name, "p", "")
			w.arrive(pod)
			w.schedule(pod)
		}
		if got := w.perNode("p"); got["a1"] != 1 || got["b1"] != 1 {
			t.Errorf("nodes arrived as %v, and the plan took %v", order, got)
		}
	}
}

// TestEqualNodesAreTakenByName has nodes arrive in another order each time, as they do after a restart: the plan is the same.
func TestEqualNodesAreTakenByName(t *testing.T) {
	for _, order := range []string{"abcd", "dcba", "cadb"} {
		w := newWorld(t, config.DispersionArgs{})
		for _, name := range order {
			w.node(string(name), 4, 10)
		}
		w.limit("p", 2, placement.Limits{MaxPerNode: 1, MaxNodes: 2})
		for _, name := range []string{"p-0", "p-1"} {
			pod := instance(name, "p", "")
			w.arrive(pod)
			w.schedule(pod)
		}
		if got := w.perNode("p"); got["a"] != 1 || got["b"] != 1 {
			t.Errorf("nodes arrived as %s, and the plan took %v", order, got)
		}
	}
}

// TestACycleKnowsItsPod has a pod come back to its volume on a node that is full, without any handler of an event having run:
// the scheduler's own may queue a pod before ours hear of it. The claim names no instance, so that only the pod says whose
// slot it holds.
func TestACycleKnowsItsPod(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("p", 2, placement.Limits{MaxPerNode: 1, MaxNodes: 2})
	w.node("a", 8, 10)
	w.node("b", 8, 10)
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: "data", Labels: map[string]string{v1alpha1.LabelPlacementPolicy: "p"}, Annotations: map[string]string{slots.SelectedNode: "a"},
	}}
	w.add(w.plugin.claims, claim)
	if on, refused := w.schedule(instance("p-1", "p", "")); on != "b" {
		t.Fatalf("the slot on a is promised: want p-1 on b, got %q, refused %v", on, refused)
	}
	pod := instance("p-0", "p", "")
	pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
	}}}
	w.arrive(pod)
	if on, refused := w.schedule(pod); on != "a" {
		t.Fatalf("p-0 must come back to its volume on a, got %q, refused %v", on, refused)
	}
}

func r2(t *rapid.T, low, high int, what string) int { return rapid.IntRange(low, high).Draw(t, what) }

// drifting is a cluster that changes.
type drifting struct {
	*rapid.T
	*world
	nodes           map[string]*corev1.Node
	placed, assumed map[string]*corev1.Pod // in the scheduler's cache, by name
	uid             int
}

func (c *drifting) one(what string, of ...string) string {
	return rapid.SampledFrom(of).Draw(c.T, what)
}

func (c *drifting) change() string {
	switch what := c.one("change", "node", "node", "gone", "pod", "pod", "assume", "assume", "forget", "confirm", "delete", "claim", "noclaim", "volume", "limits", "restart", "foreign", "gang", "preempt"); what {
	case "node":
		return what + c.putNode(c.one("node", "a", "b", "c"))
	case "gone":
		name := c.one("node", "a", "b", "c")
		if n := c.nodes[name]; n != nil {
			delete(c.nodes, name)
			c.must(c.cache.RemoveNode(klog.Background(), n))
		}
		return what + " " + name
	case "limits":
		return what + c.changeLimits()
	case "restart":
		return what + c.restart()
	case "foreign":
		return what + c.foreign()
	case "gang":
		return what + c.gang()
	case "preempt":
		return what + c.preempt()
	case "claim", "noclaim", "volume":
		return what + c.changeClaim(what)
	default:
		return what + c.changePod(what)
	}
}

func (c *drifting) must(err error) {
	if err != nil {
		c.T.Fatal(err)
	}
}

func (c *drifting) putNode(name string) string {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: c.one("host", name, "h-"+name)}}}
	n.Status.Allocatable = instance("", "", "").Spec.Containers[0].Resources.Requests.DeepCopy()
	n.Status.Allocatable[corev1.ResourceCPU] = *ptr.To(n.Status.Allocatable[corev1.ResourceCPU])
	cpu := n.Status.Allocatable[corev1.ResourceCPU]
	cpu.Set(int64(r2(c.T, 1, 5, "cpu")))
	n.Status.Allocatable[corev1.ResourceCPU] = cpu
	cpu.Set(10)
	n.Status.Allocatable[corev1.ResourcePods] = cpu
	n.Spec.Unschedulable = rapid.Bool().Draw(c.T, "cordoned")
	if r2(c.T, 0, 3, "off") == 0 {
		n.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeOutOfService, Effect: corev1.TaintEffectNoExecute}}
	}
	if old := c.nodes[name]; old != nil {
		c.cache.UpdateNode(klog.Background(), old, n)
	} else {
		c.cache.AddNode(klog.Background(), n)
	}
	c.nodes[name] = n
	c.plugin.index.notes.stir(n) // as the informer's cache has it
	return fmt.Sprint(" ", name, n.Labels, n.Spec)
}

// changePod keeps to what the scheduler does: a pod is assumed, then confirmed or forgotten.
func (c *drifting) changePod(what string) string {
	name := c.one("pod", "r-0", "r-1", "r-2", "r-3", "r-4")
	o, known, err := c.plugin.pods.GetByKey("ns/" + name)
	c.must(err)
	switch {
	case what == "pod" && !known:
		c.uid++
		pod := instance(name, c.one("group", "p", "q"), c.one("shard", "", "s", "t"))
		pod.UID = types.UID(fmt.Sprint(c.uid))
		pod.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = *resource.NewQuantity(int64(r2(c.T, 1, 2, "size")), resource.DecimalSI)
		if rapid.Bool().Draw(c.T, "mounts") {
			pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-" + c.one("of", name, "r-0", "r-1")}}}}
		}
		c.arrive(pod)
	case what == "pod": // a change of labels, or a nomination
		pod := o.(*corev1.Pod).DeepCopy()
		if pod.Spec.NodeName == "" {
			pod.Status.NominatedNodeName = c.one("nominated", "", "a")
		} else if r2(c.T, 0, 1, "lost") == 0 {
			pod.Labels[v1alpha1.LabelLost] = "x"
			if old := c.placed[name]; old != nil {
				c.must(c.cache.UpdatePod(klog.Background(), old, pod))
				c.placed[name] = pod
			}
		}
		c.arrive(pod)
	case what == "assume" && known && len(c.nodes) > 0 && c.placed[name] == nil && c.assumed[name] == nil && o.(*corev1.Pod).Spec.NodeName == "":
		pod := o.(*corev1.Pod).DeepCopy()
		pod.Spec.NodeName = c.one("node", slices.Sorted(maps.Keys(c.nodes))...)
		c.must(c.cache.AssumePod(klog.Background(), pod))
		c.assumed[name] = pod
		c.plugin.index.notes.stirNode(pod.Spec.NodeName) // Reserve
	case what == "forget" && c.assumed[name] != nil:
		c.must(c.cache.ForgetPod(klog.Background(), c.assumed[name]))
		c.plugin.index.notes.stirNode(c.assumed[name].Spec.NodeName) // Unreserve
		delete(c.assumed, name)
	case what == "confirm" && c.assumed[name] != nil && known:
		pod := c.assumed[name].DeepCopy()
		pod.Labels[corev1.LabelTopologyZone] = "z" // the API server writes it to each pod that is bound
		c.must(c.cache.AddPod(klog.Background(), pod))
		c.arrive(pod)
		c.placed[name] = pod
		delete(c.assumed, name)
	case what == "delete" && known && c.assumed[name] == nil:
		if pod := c.placed[name]; pod != nil {
			c.must(c.cache.RemovePod(klog.Background(), pod))
			delete(c.placed, name)
		}
		c.must(c.plugin.pods.Delete(o))
	}
	return " " + name
}

func (c *drifting) changeClaim(what string) string {
	name := "data-" + c.one("claim", "r-0", "r-1")
	volumes := c.factory.Core().V1().PersistentVolumes().Informer().GetIndexer()
	switch what {
	case "volume":
		v := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv-" + name}}
		v.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{c.one("host", "a", "h-a", "b")}}},
		}}}}
		c.add(volumes, v)
	case "noclaim":
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}}
		c.must(c.plugin.claims.Delete(claim))
	default:
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, Labels: map[string]string{}}}
		for _, label := range []string{v1alpha1.LabelLost, v1alpha1.LabelRetired} {
			if r2(c.T, 0, 4, label) == 0 {
				claim.Labels[label] = "x"
			}
		}
		if rapid.Bool().Draw(c.T, "labelled") {
			claim.Labels[v1alpha1.LabelPlacementPolicy] = "p"
		}
		if rapid.Bool().Draw(c.T, "of a set") {
			claim.Labels[v1alpha1.LabelInstanceSet], claim.Labels[v1alpha1.LabelOrdinal] = "r", c.one("ordinal", "0", "1", "2")
		}
		if rapid.Bool().Draw(c.T, "bound") {
			claim.Spec.VolumeName = "pv-" + name
		} else {
			claim.Annotations = map[string]string{slots.SelectedNode: c.one("selected", "a", "b")}
		}
		c.add(c.plugin.claims, claim)
	}
	return " " + name
}

func (c *drifting) compare(done string) {
	c.T.Helper()
	c.must(c.cache.UpdateSnapshot(klog.Background(), c.snapshot))
	list, err := c.snapshot.List()
	c.must(err)
	x := c.plugin.index
	for _, views := range x.views { // plans that a cycle made: a new index has none
		for _, v := range views {
			v.plan = nil
			x.withdraw(v)
		}
	}
	x.update(list, false, rapid.Bool().Draw(c.T, "glances"))
	counted := slots.Count(c.everything())
	if got := x.ledger.Slots(); !slices.EqualFunc(got, counted, countsAlike) {
		c.T.Fatalf("after %s:\ngot  %v\nwant %v", done, got, counted)
	}
	for _, n := range x.nodes {
		if want := slots.PerNode(counted)[n.name]; n.all != want {
			c.T.Fatalf("after %s: %s holds %d slots of all groups, want %d", done, n.name, n.all, want)
		}
	}
	fresh := newIndex(c.plugin.pods, c.plugin.claims, x.volumes)
	fresh.update(list, false, false)
	l := placement.Limits{MaxPerNode: r2(c.T, 1, 3, "M"), MaxNodes: r2(c.T, 1, 3, "K"), MaxPerShard: 1}
	for _, name := range []string{"p", "q"} { // a promise is taken to be as large as the pods of the group's first view
		g := slots.Group{Namespace: "ns", Policy: name}
		for _, known := range x.views[g] {
			v := fresh.newView(g, instance("x", name, ""), known.limits, known.shards, known.total)
			v.room = known.room
			fresh.fill(v)
		}
	}
	for _, name := range []string{"p", "q", "p", "q"} { // once before, so that both know what the other group asks for
		for _, index := range []*index{x, fresh} {
			index.viewOf(slots.Group{Namespace: "ns", Policy: name}, instance("x", name, ""), l, 0, 4)
		}
	}
	for _, name := range []string{"p", "q"} {
		g := slots.Group{Namespace: "ns", Policy: name}
		if got, want := x.slotsOf(g), c.plugin.recount(g, list); !reflect.DeepEqual(got, want) {
			c.T.Fatalf("after %s an audit of %s would find fault: has %v, counts %v", done, name, got, want)
		}
		got, want := x.viewOf(g, instance("x", name, ""), l, 0, 4), fresh.viewOf(g, instance("x", name, ""), l, 0, 4)
		if got.used != want.used || got.left != want.left || got.closed.Guard(l.MaxNodes, got.used, got.left, 9) != want.closed.Guard(l.MaxNodes, want.used, want.left, 9) {
			c.T.Fatalf("after %s the sums of %s differ: got %+v, want %+v", done, name, got.sums, want.sums)
		}
		ranked(c.T, got)
		for node, number := range x.names {
			s, other := got.seats[number], seat{lowest: math.MaxInt32}
			if n, there := fresh.names[node]; there {
				other = want.seats[n]
			}
			if s != other {
				c.T.Fatalf("after %s %s of %s differs: got %+v, want %+v", done, node, name, s, other)
			}
		}
		x.known(g).memo, fresh.known(g).memo = memo{}, memo{}
		if got, want := x.known(g), fresh.known(g); !reflect.DeepEqual(got, want) {
			c.T.Fatalf("after %s %s differs: got %+v, want %+v", done, name, got, want)
		}
	}
	if !reflect.DeepEqual(x.nominated, fresh.nominated) {
		c.T.Fatalf("after %s: nominated: got %v, want %v", done, x.nominated, fresh.nominated)
	}
}

// countsAlike reports whether two slots are the same. The ledger may hold a version of the pod from before: one that counts alike.
func countsAlike(a, b slots.Slot) bool {
	p, q := a.Pod, b.Pod
	a.Pod, b.Pod = nil, nil
	if p == nil || q == nil {
		return a == b && p == q
	}
	return a == b && p.UID == q.UID && slots.Interchangeable(p, q)
}

// everything is what there is, put together without anything kept.
func (c *drifting) everything() slots.World {
	w := slots.World{Volume: c.plugin.index.volume}
	inSnapshot := map[types.UID]bool{}
	var nodes []*corev1.Node
	list, err := c.snapshot.List()
	c.must(err)
	for _, info := range list {
		nodes = append(nodes, info.Node())
		for _, pi := range info.GetPods() {
			w.Pods = append(w.Pods, pi.GetPod())
			inSnapshot[pi.GetPod().UID] = true
		}
	}
	w.Nodes = slots.NewNodeMap(nodes)
	for _, o := range c.plugin.pods.List() {
		if pod := o.(*corev1.Pod); !inSnapshot[pod.UID] {
			w.Pods = append(w.Pods, pod)
		}
	}
	for _, o := range c.plugin.claims.List() {
		w.Claims = append(w.Claims, o.(*corev1.PersistentVolumeClaim))
	}
	return w
}

// TestAuditHeals breaks the index: the next audit must see it, count it, and make the index anew.
func TestAuditHeals(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("p", 2, placement.Limits{MaxPerNode: 1, MaxNodes: 2})
	w.node("a", 4, 10)
	first, second := instance("r-0", "p", ""), instance("r-1", "p", "")
	w.bind(first, "a")
	w.arrive(second)
	if _, allowed := w.cycle(second); allowed("a") {
		t.Fatal("a is full")
	}
	w.plugin.index.ledger.DropPod(first)
	before := counted(t)
	w.plugin.index.audited = -auditEvery - 100
	if _, allowed := w.cycle(second); allowed("a") {
		t.Error("the index is still wrong after an audit")
	}
	if got := counted(t) - before; got != 1 {
		t.Errorf("%v divergences were counted, want 1", got)
	}
	w.plugin.index.audited = -auditEvery - 100
	w.cycle(second)
	if got := counted(t) - before; got != 1 {
		t.Errorf("a divergence was counted where there was none: %v", got)
	}
}

// TestAuditTakesInWhatCameMeanwhile: a claim that is written between the look at what has changed and the recount is no fault of the
// index, which knows of it before it is judged.
func TestAuditTakesInWhatCameMeanwhile(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("p", 2, placement.Limits{MaxPerNode: 1, MaxNodes: 2})
	w.node("a", 4, 10)
	pod := instance("r-1", "p", "")
	w.arrive(pod)
	w.cycle(pod)
	before, x := counted(t), w.plugin.index
	w.add(w.plugin.claims, claimOn("data-r-0", "p", "a"))
	list, err := w.snapshot.List()
	must(t, err)
	x.audited = -auditEvery - 100
	group := slots.Group{Namespace: "ns", Policy: "p"}
	w.plugin.audit(t.Context(), group, list)
	if got := counted(t) - before; got != 0 {
		t.Errorf("%v divergences were counted, want none", got)
	}
	if got := x.slotsOf(group); len(got) != 1 {
		t.Errorf("the index holds %v, want the slot of the claim", got)
	}
}

func counted(t *testing.T) float64 {
	t.Helper()
	n, err := testutil.GetCounterMetricValue(measured().divergences)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestPodGroupsAreSeen: the cycles of a PodGroup assume pods in the snapshot alone, and take them back, without a new
// generation of the node.
func TestPodGroupsAreSeen(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("p", 4, placement.Limits{MaxPerNode: 1})
	w.node("a", 4, 10)
	w.node("b", 4, 10)
	name := "gang"
	pods := make([]*corev1.Pod, 3)
	for i := range pods {
		pods[i] = instance(fmt.Sprintf("r-%d", i), "p", "")
		pods[i].Spec.SchedulingGroup = &corev1.PodSchedulingGroup{PodGroupName: &name}
		w.arrive(pods[i])
	}
	see := func(pod *corev1.Pod, a bool) {
		t.Helper()
		if _, allowed := w.again(pod); allowed("a") != a || !allowed("b") {
			t.Errorf("%s: allowed on a %v, want %v", pod.Name, allowed("a"), a)
		}
	}
	w.cycle(pods[0])
	assume := func(pod *corev1.Pod) *framework.PodInfo {
		there := pod.DeepCopy()
		there.Spec.NodeName = "a"
		info, err := framework.NewPodInfo(there)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.snapshot.AssumePod(info); err != nil {
			t.Fatal(err)
		}
		return info
	}
	info := assume(pods[0])
	see(pods[1], false)
	if err := w.snapshot.ForgetPod(klog.Background(), info.Pod); err != nil {
		t.Fatal(err)
	}
	info = assume(pods[1])
	see(pods[0], false)
	if err := w.snapshot.ForgetPod(klog.Background(), info.Pod); err != nil {
		t.Fatal(err)
	}
	alone := instance("r-3", "p", "")
	w.arrive(alone)
	see(alone, true)
}
