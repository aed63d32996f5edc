package dispersion

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/plugins/loadbalance"
)

// Compare two versions with
//
//	go test ./plugins/dispersion -run '^$' -bench . -benchtime 300x -count 6 > old.txt    (and new.txt)
//	benchstat old.txt new.txt
//
// What counts is ns/pod of BenchmarkPod: the whole of the work of Dispersion and LoadBalance for one pod. Its ns/op also has
// the scheduler's own snapshot in it.

// benchNodes are the sizes of the cluster. Each node has 30 pods.
var benchNodes = []int{100, 1000, 5000}

// crowd is a cluster in which the group p places its pods: 20 on each of a tenth of the nodes, half of them there already,
// beside 200 other groups.
type crowd struct {
	*world
	nodes []fwk.NodeInfo
	load  *loadbalance.Plugin
	next  int
	sent  []*corev1.Pod // since the group was half full
	left  int           // how many more it can take
}

func newCrowd(b testing.TB, n int) *crowd {
	b.Helper()
	c := &crowd{world: newWorld(b, config.DispersionArgs{})}
	args := &config.LoadBalanceArgs{WorstDimensionPercent: 70, Resources: []config.ResourceWeight{{Name: "cpu", Weight: 1}, {Name: "memory", Weight: 1}}}
	load, err := loadbalance.New(b.Context(), args, nil)
	if err != nil {
		b.Fatal(err)
	}
	c.load = load.(*loadbalance.Plugin)
	k := n / 10
	c.limit("p", 20*k, placement.Limits{MaxPerNode: 21, MaxNodes: k, MaxPerShard: 1})
	for i := range n {
		name := fmt.Sprintf("node-%04d", i)
		c.node(name, 64, 110)
		for j := range 30 {
			group := fmt.Sprintf("g-%d", (30*i+j)%200)
			if i < k && j < 10 {
				group = "p"
			}
			pod := instance(fmt.Sprintf("%s-%d-%d", group, i, j), group, "")
			c.bind(pod, name)
		}
	}
	c.left = 10 * k
	return c
}

// pod makes the next pod of the group known. When the group is complete, its younger half goes again.
func (c *crowd) pod() *corev1.Pod {
	if len(c.sent) == c.left {
		for _, p := range c.sent {
			c.leave(p)
		}
		c.sent = nil
		pod := instance("x", "p", "")
		c.arrive(pod)
		c.snap()
		c.cycle(pod) // what left is not the work of the next pod
		c.forget(pod)
	}
	c.next++
	pod := instance(fmt.Sprintf("p-%d", c.next), "p", "")
	c.arrive(pod)
	return pod
}

func (c *crowd) snap() {
	if err := c.cache.UpdateSnapshot(klog.Background(), c.snapshot); err != nil {
		c.t.Fatal(err)
	}
	nodes, err := c.snapshot.List()
	if err != nil {
		c.t.Fatal(err)
	}
	c.nodes = nodes
}

// cycle is the work of Dispersion and LoadBalance for one pod, and the node that it leads to.
func (c *crowd) cycle(pod *corev1.Pod) string {
	ctx := c.t.Context()
	cs := framework.NewCycleState()
	result, status := c.plugin.PreFilter(ctx, cs, pod, c.nodes)
	if !status.IsSuccess() {
		c.t.Fatal(status)
	}
	c.load.PreScore(ctx, cs, pod, nil)
	best, score := "", int64(-1)
	for _, info := range c.candidates(result) {
		if !c.plugin.Filter(ctx, cs, pod, info).IsSuccess() {
			continue
		}
		points, _ := c.plugin.Score(ctx, cs, pod, info)
		load, _ := c.load.Score(ctx, cs, pod, info)
		if total := 2000*points + 3*load; total > score {
			best, score = info.Node().Name, total
		}
	}
	return best
}

func (w *world) candidates(result *fwk.PreFilterResult) []fwk.NodeInfo {
	nodes, err := w.snapshot.List()
	if err != nil {
		w.t.Fatal(err)
	}
	if result.AllNodes() {
		return nodes
	}
	nodes = make([]fwk.NodeInfo, 0, len(result.NodeNames))
	for name := range result.NodeNames {
		if info, err := w.snapshot.Get(name); err == nil {
			nodes = append(nodes, info)
		}
	}
	return nodes
}

// BenchmarkPod schedules pod after pod; each is bound before the next one comes.
func BenchmarkPod(b *testing.B) {
	benchmark(b, func(b *testing.B, c *crowd) {
		c.cycle(c.prepare()) // the first one also fills what is kept
		var spent time.Duration
		pods := 0
		for b.Loop() {
			pod := c.prepare()
			start := time.Now()
			node := c.cycle(pod)
			spent += time.Since(start)
			if node == "" {
				b.Fatalf("no node for pod %d", pods)
			}
			c.bind(pod, node)
			c.sent = append(c.sent, pod)
			pods++
		}
		b.ReportMetric(float64(spent.Nanoseconds())/float64(pods), "ns/pod")
	})
}

// BenchmarkMixture schedules pod after pod of a group whose instances ask for one, two or four CPUs, while so many of them wait, on 1,000
// nodes. The first packing is not in ns/pod.
func BenchmarkMixture(b *testing.B) {
	for _, waiting := range []int{100, 1000, 10000} {
		for _, sharded := range []bool{false, true} {
			b.Run(fmt.Sprintf("waiting=%d/sharded=%v", waiting, sharded), func(b *testing.B) { benchmarkMixture(b, waiting, sharded) })
		}
	}
}

func benchmarkMixture(b *testing.B, waiting int, sharded bool) {
	c := &crowd{world: newWorld(b, config.DispersionArgs{})}
	for i := range 1000 {
		c.node(fmt.Sprintf("node-%04d", i), 64, 110)
	}
	c.limit("p", waiting, placement.Limits{MaxPerNode: 24, MaxNodes: waiting/20 + 1, MaxPerShard: 1})
	pods := make([]*corev1.Pod, waiting)
	for i := range pods {
		shard := ""
		if sharded {
			shard = fmt.Sprintf("s-%04d", i/3)
		}
		pods[i] = sized(fmt.Sprintf("p-%05d", i), shard, []string{"1", "2", "4"}[i%3])
	}
	c.arrive(pods...)
	schedule := func(pod *corev1.Pod) time.Duration {
		c.snap()
		start := time.Now()
		node := c.first(pod)
		spent := time.Since(start)
		if node == "" {
			b.Fatalf("no node for %s", pod.Name)
		}
		c.bind(pod, node)
		return spent
	}
	var spent time.Duration
	next := 0
	for b.Loop() {
		if next == waiting/2 { // half of them wait at least, however many are tried
			for _, pod := range pods[:next] {
				c.leave(pod)
				c.arrive(pod)
			}
			next = 0
		}
		if next == 0 {
			schedule(pods[0])
			next = 1
		}
		spent += schedule(pods[next])
		next++
	}
	b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N), "ns/pod")
}

// BenchmarkArrivals schedules the pods of a group without a policy, of which K is given by the arguments, one by one: each arrives when
// one before it has its node, so that nobody knows how many are still to come. Those of different sizes wait three at a time.
func BenchmarkArrivals(b *testing.B) {
	for _, n := range []int{1000, 5000} {
		for _, kind := range []string{"equal", "sharded", "mixed"} {
			b.Run(fmt.Sprintf("nodes=%d/%s", n, kind), func(b *testing.B) {
				a := newArrivals(b, n, kind)
				a.next() // the first one also fills what is kept
				a.spent = 0
				for b.Loop() {
					a.next()
				}
				b.ReportMetric(float64(a.spent.Nanoseconds())/float64(b.N), "ns/pod")
			})
		}
	}
}

// arrivals is a cluster for a group without a policy, which may use a tenth of the nodes.
type arrivals struct {
	*crowd
	kind    string
	waiting []*corev1.Pod
	come    int
	spent   time.Duration
}

func newArrivals(t testing.TB, n int, kind string) *arrivals {
	t.Helper()
	limits := config.GroupLimits{MaxNodes: ptr.To(int32(n / 10)), MaxPerShard: ptr.To[int32](1)}
	a := &arrivals{crowd: &crowd{world: newWorld(t, config.DispersionArgs{Defaults: limits})}, kind: kind}
	for i := range n {
		a.node(fmt.Sprintf("node-%04d", i), 64, 110)
	}
	if kind == "mixed" {
		a.arrives()
		a.arrives()
	}
	return a
}

// arrives is one more pod.
func (a *arrivals) arrives() {
	size, shard := "1", ""
	switch a.kind {
	case "mixed":
		size = []string{"1", "2", "4"}[a.come%3]
	case "sharded":
		shard = fmt.Sprintf("s-%d", a.come/3)
	}
	pod := sized(fmt.Sprintf("p-%d", a.come), shard, size)
	delete(pod.Labels, v1alpha1.LabelPlacementPolicy)
	pod.Labels[v1alpha1.LabelCluster] = "c"
	a.come++
	a.arrive(pod)
	a.waiting = append(a.waiting, pod)
}

// next schedules the one that has waited for longest, after another one has come.
func (a *arrivals) next() {
	a.arrives()
	a.snap()
	pod := a.waiting[0]
	a.waiting = a.waiting[1:]
	start := time.Now()
	node := a.first(pod)
	a.spent += time.Since(start)
	if node == "" {
		a.t.Fatalf("no node for %s", pod.Name)
	}
	a.bind(pod, node)
}

// first is the first node that is named and allowed.
func (c *crowd) first(pod *corev1.Pod) string {
	cs := framework.NewCycleState()
	result, status := c.plugin.PreFilter(c.t.Context(), cs, pod, c.nodes)
	if !status.IsSuccess() {
		c.t.Fatal(status)
	}
	for _, info := range c.candidates(result) {
		if c.plugin.Filter(c.t.Context(), cs, pod, info).IsSuccess() {
			return info.Node().Name
		}
	}
	return ""
}

// prepare is what happens before a pod's cycle.
func (c *crowd) prepare() *corev1.Pod {
	pod := c.pod()
	c.snap()
	return pod
}

// BenchmarkPreFilter is PreFilter alone, when nothing has changed since the pod before.
func BenchmarkPreFilter(b *testing.B) {
	benchmark(b, func(b *testing.B, c *crowd) {
		pod := c.prepare()
		c.cycle(pod) // the first one also fills what is kept
		b.ReportAllocs()
		for b.Loop() {
			if _, status := c.plugin.PreFilter(b.Context(), framework.NewCycleState(), pod, c.nodes); !status.IsSuccess() {
				b.Fatal(status)
			}
		}
	})
}

// BenchmarkFilter is Filter for one node.
func BenchmarkFilter(b *testing.B) {
	benchmark(b, func(b *testing.B, c *crowd) {
		eachNode(b, c, func(cs fwk.CycleState, pod *corev1.Pod, info fwk.NodeInfo) {
			c.plugin.Filter(b.Context(), cs, pod, info)
		})
	})
}

// BenchmarkScore is Score for one node.
func BenchmarkScore(b *testing.B) {
	benchmark(b, func(b *testing.B, c *crowd) {
		eachNode(b, c, func(cs fwk.CycleState, pod *corev1.Pod, info fwk.NodeInfo) {
			c.plugin.Score(b.Context(), cs, pod, info)
		})
	})
}

// TestAllowedNodesCostNoMemory: a cycle asks hundreds of nodes, and what each of them allocates slows all down.
func TestAllowedNodesCostNoMemory(t *testing.T) {
	c := newCrowd(t, 100)
	pod, cs := c.prepare(), framework.NewCycleState()
	result, status := c.plugin.PreFilter(t.Context(), cs, pod, c.nodes)
	if !status.IsSuccess() {
		t.Fatal(status)
	}
	asked := 0
	for _, info := range c.candidates(result) {
		if !c.plugin.Filter(t.Context(), cs, pod, info).IsSuccess() {
			continue // a refusal allocates the status that says why
		}
		asked++
		if n := testing.AllocsPerRun(10, func() { c.plugin.Filter(t.Context(), cs, pod, info) }); n > 0 {
			t.Errorf("Filter allocates %v times on %s", n, info.Node().Name)
		}
		if n := testing.AllocsPerRun(10, func() { c.plugin.Score(t.Context(), cs, pod, info) }); n > 0 {
			t.Errorf("Score allocates %v times on %s", n, info.Node().Name)
		}
	}
	if asked == 0 {
		t.Error("no node is allowed")
	}
}

func eachNode(b *testing.B, c *crowd, do func(fwk.CycleState, *corev1.Pod, fwk.NodeInfo)) {
	pod := c.prepare()
	cs := framework.NewCycleState()
	result, status := c.plugin.PreFilter(b.Context(), cs, pod, c.nodes)
	if !status.IsSuccess() {
		b.Fatal(status)
	}
	var nodes []fwk.NodeInfo // a refusal allocates its status; what counts are the others
	for _, info := range c.candidates(result) {
		if c.plugin.Filter(b.Context(), cs, pod, info).IsSuccess() {
			nodes = append(nodes, info)
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		do(cs, pod, nodes[i%len(nodes)])
	}
}

func benchmark(b *testing.B, run func(*testing.B, *crowd)) {
	for _, n := range benchNodes {
		b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) { run(b, newCrowd(b, n)) })
	}
}

// forget takes a waiting pod away.
func (w *world) forget(pod *corev1.Pod) {
	if err := w.plugin.pods.Delete(pod); err != nil {
		w.t.Fatal(err)
	}
}

// leave takes a bound pod away.
func (w *world) leave(pod *corev1.Pod) {
	w.t.Helper()
	o, _, err := w.plugin.pods.GetByKey(pod.Namespace + "/" + pod.Name)
	if err != nil {
		w.t.Fatal(err)
	}
	bound := o.(*corev1.Pod)
	if err := w.cache.RemovePod(klog.Background(), bound); err != nil {
		w.t.Fatal(err)
	}
	w.forget(bound)
}

// TestACycleCostsTheSameOnMoreNodes holds the cost of a pod against itself within one run: with ten times the nodes it may be three
// times as much. Counting anew for each pod, as it was once, costs twenty times as much.
func TestACycleCostsTheSameOnMoreNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs a second of the processor")
	}
	type cost struct {
		fastest     time.Duration
		allocations float64
	}
	of := func(nodes int) cost {
		c := newCrowd(t, nodes)
		all := cost{fastest: time.Hour}
		one := func() {
			pod := c.prepare()
			began := time.Now()
			node := c.cycle(pod)
			all.fastest = min(all.fastest, time.Since(began)) // whatever else runs makes none of them faster
			c.bind(pod, node)
			c.sent = append(c.sent, pod)
		}
		for range 30 { // the first look at everything
			one()
		}
		all.fastest = time.Hour
		for range 60 {
			one()
		}
		pod := c.prepare()
		all.allocations = testing.AllocsPerRun(20, func() { c.cycle(pod) })
		return all
	}
	few, many := of(100), of(1000)
	t.Logf("100 nodes: %s and %.0f allocations; 1,000: %s and %.0f", few.fastest, few.allocations, many.fastest, many.allocations)
	if many.fastest > 3*few.fastest {
		t.Errorf("a cycle takes %s with 1,000 nodes and %s with 100", many.fastest, few.fastest)
	}
	if many.allocations > 30 { // it was 17; with 100 nodes all are looked at, and each refusal allocates
		t.Errorf("a cycle allocates %.0f times with 1,000 nodes, want no more than 30", many.allocations)
	}
}
