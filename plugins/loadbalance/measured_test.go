package loadbalance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/load"
)

const ingressMbps = corev1.ResourceName(v1alpha1.ResourceNetIngress)

// lab is a plugin whose load a test sets.
type lab struct {
	t testing.TB
	*Plugin
	readings map[string]load.Reading
	err      error
	names    []string // nodes of the cluster
	clock    time.Time
	events   []string
	actions  []string
	woken    map[string]*corev1.Pod
}

func (l *lab) Measures() []load.Dimension { return []load.Dimension{load.CPU, load.Memory} }
func (l *lab) Measure(context.Context) (map[string]load.Reading, error) {
	return l.readings, l.err
}

// handle records what the plugin does to the scheduler.
type handle struct {
	fwk.Handle
	lab *lab
}

func (h handle) EventRecorder() events.EventRecorderLogger           { return recorder{lab: h.lab} }
func (h handle) Activate(_ klog.Logger, pods map[string]*corev1.Pod) { h.lab.woken = pods }

type recorder struct {
	events.EventRecorderLogger
	lab *lab
}

func (r recorder) Eventf(about, _ runtime.Object, kind, why, action, format string, args ...any) {
	lease := about.(*corev1.ObjectReference)
	r.lab.actions = append(r.lab.actions, action)
	r.lab.events = append(r.lab.events, fmt.Sprintf("%s/%s %s %s "+format, append([]any{lease.Namespace, lease.Name, kind, why}, args...)...))
}

func newLab(t testing.TB, names ...string) *lab {
	t.Helper()
	args := &config.LoadBalanceArgs{
		WorstDimensionPercent: 70,
		Resources:             []config.ResourceWeight{{Name: "cpu", Weight: 1}, {Name: "memory", Weight: 1}, {Name: v1alpha1.ResourceNetIngress, Weight: 1}},
		Thresholds:            []config.ResourceThreshold{{Name: "cpu", Percent: 80}},
		Load:                  &config.LoadSource{Type: config.SourceMetricsAPI, IntervalSeconds: 30, TimeoutSeconds: 10, MaxAgeSeconds: 180},
	}
	p, err := newPlugin(args)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, Plugin: p, readings: map[string]load.Reading{}, names: names, clock: time.Now()}
	p.now, p.maxAge = func() time.Time { return l.clock }, 3*time.Minute
	tells := &teller{handle: handle{lab: l}, plugin: p, logger: klog.Background()}
	p.refresher = load.NewRefresher(l, load.RefreshOptions{Timeout: time.Minute, MaxAge: p.maxAge, Report: tells.report, Nodes: func() ([]*corev1.Node, error) {
		var nodes []*corev1.Node
		for _, name := range l.names {
			nodes = append(nodes, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
		}
		return nodes, nil
	}})
	return l
}

// reads is a reading of now, in which pods are that began at least a minute ago.
func (l *lab) reads(node string, cpu, memory int64) {
	at, covers := l.clock, l.clock.Add(-time.Minute)
	l.readings[node] = load.Reading{load.CPU: {Amount: cpu, At: at, Covers: covers}, load.Memory: {Amount: memory, At: at, Covers: covers}}
}

// only is what a measurement brings when the queries for the other dimensions fail.
func only(r load.Reading, d load.Dimension) (part load.Reading) {
	part[d] = r[d]
	return part
}

func (l *lab) refresh() { l.refresher.Refresh(l.t.Context()) }

// named is node with another name.
func named(name string, pods ...*corev1.Pod) *framework.NodeInfo {
	info := node(pods...).(*framework.NodeInfo)
	n := info.Node().DeepCopy()
	n.Name = name
	info.SetNode(n)
	return info
}

// scores are those of the nodes before they are compared.
func (l *lab) scores(p *corev1.Pod, nodes ...fwk.NodeInfo) []int64 {
	l.t.Helper()
	cs := framework.NewCycleState()
	if status := l.PreScore(l.t.Context(), cs, p, nodes); !status.IsSuccess() {
		l.t.Fatal(status)
	}
	var scores []int64
	for _, n := range nodes {
		s, status := l.Score(l.t.Context(), cs, p, n)
		if !status.IsSuccess() {
			l.t.Fatal(status)
		}
		scores = append(scores, s)
	}
	return scores
}

// filter is the message with which the node is refused.
func (l *lab) filter(p *corev1.Pod, n fwk.NodeInfo) string {
	l.t.Helper()
	cs := framework.NewCycleState()
	_, status := l.PreFilter(l.t.Context(), cs, p, []fwk.NodeInfo{n})
	if status.IsSkip() {
		return "skip"
	}
	if !status.IsSuccess() {
		l.t.Fatal(status)
	}
	return l.Filter(l.t.Context(), cs, p, n).Message()
}

func running(p *corev1.Pod, since time.Time) *corev1.Pod {
	p.Status.Phase, p.Status.StartTime = corev1.PodRunning, &metav1.Time{Time: since}
	return p
}

const gib = 1 << 30

// The table of the README.
func TestMeasuredLoadDecidesWhereItIsFresh(t *testing.T) {
	l := newLab(t, "a", "b")
	lands := pod([2]string{"1", "4Gi"})
	old := running(pod([2]string{"3", "12Gi"}), l.clock.Add(-time.Hour))
	a, b := named("a", old), named("b", old)
	// It requests 3 CPU and 12 GiB, and uses 1 and 4 on a, and 6 and 4 on b.
	l.reads("a", 1000, 4*gib)
	l.reads("b", 6000, 4*gib)
	l.refresh()
	// a: u = 2/8, 8/32: 100*(1-0.7*0.25); b: u = 7/8, 8/32: 100*(1-0.7*0.875-0.3*0.3125)
	if got := l.scores(lands, a, b); got[0] != 82500 || got[1] != 29375 {
		t.Errorf("measured: %v, want [82500 29375]", got)
	}
	// Three minutes later nothing new has come: requests decide, 4/8 and 16/32.
	l.clock = l.clock.Add(181 * time.Second)
	if got := l.scores(lands, a, b); got[0] != 65000 || got[1] != 65000 {
		t.Errorf("too old: %v, want requests", got)
	}
	// a alone is measured again, without its memory.
	l.reads("a", 1000, 0)
	l.readings = map[string]load.Reading{"a": only(l.readings["a"], load.CPU)}
	l.refresh()
	if got := l.scores(lands, a, b); got[0] != 61250 || got[1] != 65000 {
		t.Errorf("in part: %v, want [61250 65000]", got) // a: 2/8 measured, 16/32 requested
	}
}

func TestPodsThatAreNotYetMeasuredCount(t *testing.T) {
	restarted := func(p *corev1.Pod, restarts int32, at time.Time) *corev1.Pod {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{RestartCount: restarts, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Time{Time: at}}}}}
		return p
	}
	one := func() *corev1.Pod { return pod([2]string{"1", "1Gi"}) }
	l := newLab(t, "a")
	l.reads("a", 1000, gib)
	l.refresh()
	hourAgo, justNow := l.clock.Add(-time.Hour), l.clock.Add(-30*time.Second)
	for name, c := range map[string]struct {
		on   *corev1.Pod
		more int64 // thousandths of a CPU, beside 1000 measured and 1000 of the pod
	}{
		"assumed, not bound yet":                     {one(), 1000},
		"pending, pulls its image since an hour":     {func() *corev1.Pod { p := running(one(), hourAgo); p.Status.Phase = corev1.PodPending; return p }(), 1000},
		"runs, but began after what is covered":      {running(one(), justNow), 1000},
		"its image took long":                        {restarted(running(one(), hourAgo), 0, justNow), 1000},
		"runs since before":                          {running(one(), hourAgo), 0},
		"its container was restarted: measured once": {restarted(running(one(), hourAgo), 3, justNow), 0},
	} {
		n := named("a", c.on)
		n.SetNode(func() *corev1.Node { // memory shall not matter
			big := n.Node().DeepCopy()
			big.Status.Allocatable = amounts("100", "100Ti")
			return big
		}())
		got, again := l.scores(one(), n)[0], newLab(t, "a")
		want := score([]dimension{{2000 + c.more, 100000, 1}, {2*gib + c.more/1000*gib, 100 << 40, 1}}, 70)
		if got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
		// A scheduler that starts now comes to the same: it asks the pods, not its memory.
		again.readings = l.readings
		again.refresh()
		if after := again.scores(one(), n)[0]; after != got {
			t.Errorf("%s: %d after a restart, before it %d", name, after, got)
		}
	}
}

// A pod that was given a place and lost it again leaves nothing behind.
func TestAPodThatLeavesIsForgotten(t *testing.T) {
	l, lands, n := newLab(t, "a"), pod([2]string{"1", "4Gi"}), named("a")
	l.reads("a", 1000, gib)
	l.refresh()
	before := l.scores(lands, n)[0]
	stays := pod([2]string{"2", "1Gi"})
	stays.UID = "u"
	info, err := framework.NewPodInfo(stays)
	if err != nil {
		t.Fatal(err)
	}
	n.AddPodInfo(info)
	if during := l.scores(lands, n)[0]; during >= before {
		t.Errorf("it does not count: %d, before %d", during, before)
	}
	if err := n.RemovePod(klog.Background(), stays); err != nil {
		t.Fatal(err)
	}
	if after := l.scores(lands, n)[0]; after != before {
		t.Errorf("%d, before it came %d", after, before)
	}
}

func TestThresholds(t *testing.T) {
	l, lands := newLab(t, "a", "b", "c", "d"), pod([2]string{"1", "1Gi"})
	for _, name := range l.names {
		l.reads(name, 5400, gib)
	}
	l.refresh()
	if got := l.filter(lands, named("a")); got != "" { // 6400 of 8000 are 80 %
		t.Errorf("at the threshold: %q", got)
	}
	l.reads("a", 5401, gib)
	l.refresh()
	if got := l.filter(lands, named("a")); !strings.Contains(got, "SHOAL1115") {
		t.Errorf("above it: %q", got)
	}
	// The next measurement is the only thing that can tell that it helps to try again.
	if l.woken = nil; l.woken["ns/p"] != nil {
		t.Fatal()
	}
	l.refresh()
	if l.woken["ns/p"] == nil {
		t.Error("the pod waits for the queue's own time")
	}
	other := lands.DeepCopy()
	other.Labels = nil
	if got := l.filter(other, named("a")); got != "skip" {
		t.Errorf("a pod of no group: %q", got)
	}
	// Pods that are not measured yet count.
	l.reads("a", 4400, gib)
	l.refresh()
	if got := l.filter(lands, named("a", pod([2]string{"1001m", "1Gi"}))); !strings.Contains(got, "SHOAL1115") {
		t.Errorf("with a pod that is not measured yet: %q", got)
	}
	// One of four nodes has an old reading: it is not closed. With two of four, none is.
	l.reads("b", 8000, gib)
	b := l.readings["b"]
	b[load.CPU].At = l.clock.Add(-4 * time.Minute)
	l.readings["b"] = b
	l.reads("a", 8000, gib)
	l.refresh()
	if x, y := l.filter(lands, named("a")), l.filter(lands, named("b")); x == "" || y != "" {
		t.Errorf("a fresh node: %q, an old one: %q", x, y)
	}
	c := b
	l.readings["c"] = c
	l.refresh()
	if got := l.filter(lands, named("a")); got != "skip" {
		t.Errorf("with half of the nodes unknown: %q", got)
	}
}

func TestOneEventWhenLoadIsLostAndOneWhenItIsBack(t *testing.T) {
	l := newLab(t, "a", "b")
	l.err = errors.New("connection refused")
	l.refresh()
	if len(l.events) > 0 {
		t.Errorf("a scheduler that has scheduled nothing says %q: the one that leads would say it too", l.events)
	}
	l.scores(pod([2]string{"1", "1Gi"}), named("a"))
	for range 3 {
		l.refresh()
	}
	const lost = "shoal-system/shoal-scheduler Warning LoadUnknown cpu is known of 0 of 2 nodes, memory of 0, for the others requests decide: connection refused (SHOAL1301)"
	if len(l.events) != 1 || l.events[0] != lost {
		t.Errorf("got %q", l.events)
	}
	l.err = nil
	l.reads("a", 1, 1)
	l.reads("b", 1, 1)
	for range 3 {
		l.refresh()
	}
	if len(l.events) != 2 || l.events[1] != "shoal-system/shoal-scheduler Normal LoadKnown cpu is known of 2 of 2 nodes, memory of 2 (SHOAL1302)" {
		t.Errorf("got %q", l.events)
	}
	// A single failure is no loss: the readings are still young.
	l.err = errors.New("timeout")
	l.refresh()
	if len(l.events) != 2 {
		t.Errorf("got %q", l.events[2:])
	}
}

func TestScoreAllocatesNothing(t *testing.T) {
	l, lands, n := newLab(t, "a"), pod([2]string{"1", "4Gi"}), named("a", pod([2]string{"1", "1Gi"}))
	l.reads("a", 1000, gib)
	l.refresh()
	cs := framework.NewCycleState()
	for range 2 { // the second makes room for the node
		l.PreScore(t.Context(), cs, lands, []fwk.NodeInfo{n})
		l.Score(t.Context(), cs, lands, n)
	}
	if allocs := testing.AllocsPerRun(100, func() { l.Score(t.Context(), cs, lands, n) }); allocs > 0 {
		t.Errorf("%f allocations", allocs)
	}
}
