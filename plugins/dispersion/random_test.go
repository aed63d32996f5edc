package dispersion

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// TestWhateverHappensNoPodExceedsALimit lets a small cluster drift and schedules pods in between with the real plugin. Limits
// change, other schedulers bind pods wherever they like, volumes get lost, nodes flap, the scheduler starts anew: whenever the
// plugin lets a pod onto a node, the pod may not be what exceeds M, K, the shard rule or the cap over all groups.
func TestWhateverHappensNoPodExceedsALimit(t *testing.T) {
	scheduled, refused := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		c := newDrifting(t, r, config.DispersionArgs{MaxInstancesPerNode: int32(r2(r, 0, 5, "total"))})
		c.changeLimits()
		for _, name := range []string{"a", "b", "c"} {
			c.putNode(name)
		}
		for range r2(r, 3, 40, "steps") {
			if r2(r, 0, 2, "schedule") == 0 {
				switch placed, tried := c.scheduleOne(); {
				case placed:
					scheduled++
				case tried:
					refused++
				}
				continue
			}
			c.change()
		}
	})
	t.Logf("%d pods were placed, %d refused", scheduled, refused)
	if scheduled < 20 || refused < 20 {
		t.Error("too few to prove anything")
	}
}

func newDrifting(t testing.TB, r *rapid.T, args config.DispersionArgs) *drifting {
	c := &drifting{T: r, world: newWorld(t, args), nodes: map[string]*corev1.Node{}, placed: map[string]*corev1.Pod{}, assumed: map[string]*corev1.Pod{}}
	c.plugin.CutTo(r2(r, 1, 3, "cut"), 0) // as in a large cluster, so that cycles glance
	return c
}

// changeLimits raises or lowers the limits of both groups, and sets their modes.
func (c *drifting) changeLimits() string {
	text := ""
	for _, name := range []string{"p", "q"} {
		l := placement.Limits{MaxPerNode: r2(c.T, 0, 3, "M"), MaxNodes: r2(c.T, 0, 3, "K"), MaxPerShard: r2(c.T, 1, 2, "m")}
		c.limit(name, r2(c.T, 0, 5, "R"), l)
		mode := v1alpha1.PlacementMode(c.one("mode", string(v1alpha1.PlacementGuarded), string(v1alpha1.PlacementGuarded), string(v1alpha1.PlacementStrict), string(v1alpha1.PlacementBestEffort)))
		c.mode(name, mode)
		text += fmt.Sprintf(" %s %+v %s", name, l, mode)
	}
	return text
}

// restart begins with nothing but what can be seen, as a new process or a new leader does.
func (c *drifting) restart() string {
	c.plugin.index.reset()
	return ""
}

// foreign binds a pod of no group, as another scheduler does, or takes it away.
func (c *drifting) foreign() string {
	name := "foreign-" + c.one("which", "0", "1")
	if pod := c.placed[name]; pod != nil {
		c.must(c.cache.RemovePod(klog.Background(), pod))
		c.plugin.index.notes.stir(pod) // as the informer's cache has it
		delete(c.placed, name)
		return " " + name + " goes"
	}
	if len(c.nodes) == 0 {
		return ""
	}
	pod := instance(name, "", "")
	pod.Spec.NodeName = c.one("node", slices.Sorted(maps.Keys(c.nodes))...)
	c.must(c.cache.AddPod(klog.Background(), pod))
	c.plugin.index.notes.stir(pod)
	c.placed[name] = pod
	return " " + name + " on " + pod.Spec.NodeName
}

// gang does what the simulation of a PodGroup does: it assumes a pod in the snapshot alone, looks, and takes it back.
func (c *drifting) gang() string {
	pod := c.waiting()
	if pod == nil || len(c.nodes) == 0 {
		return ""
	}
	c.must(c.cache.UpdateSnapshot(klog.Background(), c.snapshot))
	list, err := c.snapshot.List()
	c.must(err)
	c.plugin.index.update(list, true, false)
	there := pod.DeepCopy()
	there.Spec.NodeName = c.one("node", slices.Sorted(maps.Keys(c.nodes))...)
	info, err := framework.NewPodInfo(there)
	c.must(err)
	c.must(c.snapshot.AssumePod(info))
	c.plugin.index.update(list, true, false)
	if got, want := c.plugin.index.ledger.Slots(), slots.Count(c.everything()); !slices.EqualFunc(got, want, countsAlike) {
		c.T.Fatalf("%s assumed on %s in a group's simulation:\ngot  %v\nwant %v", pod.Name, there.Spec.NodeName, got, want)
	}
	c.must(c.snapshot.ForgetPod(klog.Background(), there))
	return " " + pod.Name
}

// preempt does a dry run of preemption, which must change nothing, and then evicts the victim and nominates the pod.
func (c *drifting) preempt() string {
	pod := c.waiting()
	victims := slices.Sorted(maps.Keys(c.placed))
	if pod == nil || len(victims) == 0 {
		return ""
	}
	victim := c.placed[c.one("victim", victims...)]
	if c.nodes[victim.Spec.NodeName] == nil {
		return ""
	}
	urgent := pod.DeepCopy()
	urgent.Spec.Priority = ptr.To(int32(10))
	c.must(c.cache.UpdateSnapshot(klog.Background(), c.snapshot))
	list, err := c.snapshot.List()
	c.must(err)
	if _, status := c.plugin.PreFilter(c.t.Context(), framework.NewCycleState(), urgent, list); !status.IsSuccess() {
		return " refused" // its volume is lost
	}
	cs, allowed := c.cycle(urgent)
	before := map[string]bool{}
	for name := range c.nodes {
		before[name] = allowed(name)
	}
	dry := cs.Clone().(*framework.CycleState)
	c.world.change(dry, false, victim, victim.Spec.NodeName)
	c.world.change(cs, false, victim, victim.Spec.NodeName)
	c.world.change(cs, true, victim, victim.Spec.NodeName)
	for name, was := range before { // each is judged by itself
		if allowed(name) != was {
			c.T.Fatalf("%s was taken off %s and put back: %s is allowed: %v, before %v", victim.Name, victim.Spec.NodeName, name, !was, was)
		}
	}
	delete(c.placed, victim.Name)
	c.remove(victim)
	c.plugin.index.notes.stir(victim) // as the informer's cache has it
	urgent.Status.NominatedNodeName = victim.Spec.NodeName
	c.arrive(urgent)
	return fmt.Sprint(" ", victim.Name, " for ", pod.Name)
}

// waiting is a pod of a group without a node, nil when there is none.
func (c *drifting) waiting() *corev1.Pod {
	var waiting []string
	for _, o := range c.plugin.pods.List() {
		if pod := o.(*corev1.Pod); pod.Spec.NodeName == "" && grouped(pod.Labels) && c.assumed[pod.Name] == nil && c.placed[pod.Name] == nil {
			waiting = append(waiting, pod.Name)
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	slices.Sort(waiting)
	o, _, err := c.plugin.pods.GetByKey("ns/" + c.one("waiting", waiting...))
	c.must(err)
	return o.(*corev1.Pod)
}

// scheduleOne runs a cycle for a pod that waits, and judges the decision by recounts before and after it.
func (c *drifting) scheduleOne() (placed, tried bool) {
	pod := c.waiting()
	if pod == nil {
		return false, false
	}
	c.must(c.cache.UpdateSnapshot(klog.Background(), c.snapshot))
	before := slots.Count(c.everything())
	homes := c.homes(pod)
	node, _ := c.schedule(pod)
	if node == "" {
		return false, true
	}
	if len(homes) > 0 && !slices.Contains(homes, node) {
		c.T.Fatalf("%s is on %s, and its volume on %v", pod.Name, node, homes)
	}
	o, _, err := c.plugin.pods.GetByKey("ns/" + pod.Name)
	c.must(err)
	c.placed[pod.Name] = o.(*corev1.Pod)
	c.must(c.cache.UpdateSnapshot(klog.Background(), c.snapshot))
	c.judge(before, slots.Count(c.everything()), pod, node)
	return true, true
}

// homes are the nodes that the pod's volumes are on, or are promised to.
func (c *drifting) homes(pod *corev1.Pod) []string {
	list, err := c.snapshot.List()
	c.must(err)
	var nodes []*corev1.Node
	for _, info := range list {
		nodes = append(nodes, info.Node())
	}
	var homes []string
	for _, claim := range c.plugin.claimsOfPod(pod) {
		if node := slots.NodeOfClaim(claim, c.plugin.index.volume(claim.Spec.VolumeName), slots.NewNodeMap(nodes)); node != "" {
			homes = append(homes, node)
		}
	}
	return homes
}

// judge compares the slots before and after a pod was placed: no limit may be exceeded that it could have kept.
func (c *drifting) judge(before, after []slots.Slot, pod *corev1.Pod, node string) {
	c.T.Helper()
	group, _ := slots.GroupOf(pod.Namespace, pod.Labels)
	l := c.policies[group].limits(0)
	if c.policies[group].mode == v1alpha1.PlacementBestEffort {
		l = placement.Limits{} // it goes beyond those if need be, and never beyond the cap
	}
	of := func(held []slots.Slot, keep func(slots.Slot) bool) int {
		n := 0
		for _, s := range held {
			if keep(s) {
				n++
			}
		}
		return n
	}
	used := func(held []slots.Slot) int {
		return len(slots.PerNode(slices.DeleteFunc(slices.Clone(held), func(s slots.Slot) bool { return s.Group != group })))
	}
	for _, rule := range []struct {
		what          string
		limit         int
		before, after int
	}{
		{"M", l.MaxPerNode, of(before, func(s slots.Slot) bool { return s.Group == group && s.Node == node }), of(after, func(s slots.Slot) bool { return s.Group == group && s.Node == node })},
		{"K", l.MaxNodes, used(before), used(after)},
		{"cap", int(c.plugin.args.MaxInstancesPerNode), of(before, func(s slots.Slot) bool { return s.Node == node }), of(after, func(s slots.Slot) bool { return s.Node == node })},
		{"m", l.MaxPerShard, of(before, sameShard(group, pod, node)), of(after, sameShard(group, pod, node))},
	} {
		if rule.limit > 0 && rule.after > max(rule.limit, rule.before) {
			c.T.Fatalf("%s on %s: %s is %d, %d before and %d after\nbefore %v\nafter  %v", pod.Name, node, rule.what, rule.limit, rule.before, rule.after, before, after)
		}
	}
}

func sameShard(group slots.Group, pod *corev1.Pod, node string) func(slots.Slot) bool {
	shard := pod.Labels["shoal.dev/shard"]
	return func(s slots.Slot) bool { return shard != "" && s.Group == group && s.Node == node && s.Shard == shard }
}

// TestTheRestIsPlaced: whatever happened to a group of equal instances, when a flow says that the rest of them can be placed,
// the plugin places it, in any order.
func TestTheRestIsPlaced(t *testing.T) {
	complete, partly := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		c := newDrifting(t, r, config.DispersionArgs{})
		size := r2(r, 1, 3, "shard size")
		replicas := size * r2(r, 1, 4, "shards")
		l := placement.Limits{MaxPerNode: r2(r, 0, 4, "M"), MaxNodes: r2(r, 0, 4, "K"), MaxPerShard: r2(r, 1, 2, "m")}
		for i := range r2(r, 2, 5, "nodes") {
			name := fmt.Sprintf("n-%d", i)
			c.node(name, int64(r2(r, 1, 5, "cpu")), 20, func(n *corev1.Node) { n.Spec.Unschedulable = r2(r, 0, 7, "cordoned") == 0; c.nodes[name] = n })
		}
		c.history(replicas, size, l)
		c.limit("p", replicas, l)
		var rest []*corev1.Pod
		for i := range replicas {
			name := fmt.Sprintf("r-%d", i)
			if c.placed[name] == nil {
				pod := c.structured(i, size)
				c.arrive(pod)
				rest = append(rest, pod)
			}
		}
		want := len(rest) - c.plan(replicas, size, l, rest).Unplaceable
		got := 0
		if rapid.Bool().Draw(r, "any node") {
			c.choose = func(allowed []string) string { return rapid.SampledFrom(allowed).Draw(r, "chosen") }
		}
		for _, pod := range rapid.Permutation(rest).Draw(r, "order") {
			if node, _ := c.schedule(pod); node != "" {
				got++
			}
		}
		switch {
		case want == len(rest) && got < want:
			r.Fatalf("%d of %d placed, R %d, shards of %d, %+v, there: %v", got, want, replicas, size, l, c.perNode("p"))
		case want == len(rest) && want > 0:
			complete++
		default:
			partly++
		}
	})
	t.Logf("%d groups were completed; for %d others there was no room", complete, partly)
	if complete < 20 {
		t.Error("too few to prove anything")
	}
}

func (c *drifting) structured(i, size int) *corev1.Pod {
	pod := instance(fmt.Sprintf("r-%d", i), "p", fmt.Sprintf("s-%d", i/size))
	c.uid++
	pod.UID = types.UID(fmt.Sprint(c.uid))
	return pod
}

// history places and removes some of the group's pods, by the plugin and by others, under other limits than in the end.
func (c *drifting) history(replicas, size int, l placement.Limits) {
	for range r2(c.T, 0, 8, "past") {
		i := r2(c.T, 0, replicas-1, "instance")
		name := fmt.Sprintf("r-%d", i)
		switch pod := c.placed[name]; {
		case pod != nil:
			c.remove(pod)
			delete(c.placed, name)
		case r2(c.T, 0, 3, "foreign") == 0:
			c.foreign()
		case r2(c.T, 0, 5, "restart") == 0:
			c.restart()
		case r2(c.T, 0, 2, "bound") == 0: // by another scheduler, wherever it liked
			bound := c.structured(i, size)
			bound.Spec.NodeName = c.one("node", slices.Sorted(maps.Keys(c.nodes))...)
			c.bind(bound, bound.Spec.NodeName)
			c.placed[name] = bound
		default:
			past := l
			past.MaxNodes, past.MaxPerNode = r2(c.T, 0, 4, "past K"), r2(c.T, 0, 4, "past M")
			c.limit("p", replicas, past)
			fresh := c.structured(i, size)
			c.arrive(fresh)
			if node, _ := c.schedule(fresh); node == "" {
				c.remove(fresh)
				continue
			}
			o, _, err := c.plugin.pods.GetByKey("ns/" + name)
			c.must(err)
			c.placed[name] = o.(*corev1.Pod)
		}
	}
}

// plan asks a flow, which knows nothing of the plugin, what can be placed: it counts pods and room from the snapshot.
func (c *drifting) plan(replicas, size int, l placement.Limits, rest []*corev1.Pod) placement.Plan {
	c.must(c.cache.UpdateSnapshot(klog.Background(), c.snapshot))
	list, err := c.snapshot.List()
	c.must(err)
	g := placement.Group{Limits: l, Shards: replicas / size, Remaining: len(rest), Rows: make([]placement.Row, replicas/size)}
	for i := range g.Rows {
		g.Rows[i].Remaining = size
	}
	for number, info := range list {
		n := placement.Node{Free: roomOn(slots.RoomFor(rest0(rest)), info)}
		for _, pi := range info.GetPods() {
			var shard int
			if _, err := fmt.Sscanf(pi.GetPod().Labels["shoal.dev/shard"], "s-%d", &shard); err == nil {
				n.Held++
				g.Rows[shard].Remaining--
				g.Rows[shard].Held = append(g.Rows[shard].Held, number)
			}
		}
		g.Nodes = append(g.Nodes, n)
	}
	return placement.NewPlan(g)
}

func rest0(rest []*corev1.Pod) *corev1.Pod {
	if len(rest) == 0 {
		return instance("none", "p", "")
	}
	return rest[0]
}
