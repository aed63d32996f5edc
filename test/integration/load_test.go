//go:build integration

package integration

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/reason"
)

// Nodes of the stories. Each story has its own, and a scheduler of its own.
const (
	burstNodes = 20
	burstPods  = 500
)

func loadedNodes() []playground.Shape {
	shapes := []playground.Shape{{Prefix: "burst-", Count: burstNodes, CPU: "64", Memory: "256Gi", Labels: map[string]string{story: "burst"}}}
	for name, count := range map[string]int{"nan": 2, "text": 2, "slow": 2, "million": 2, "giant": 2, "four": 2, "killed": 2, "moves": 3} {
		shapes = append(shapes, playground.Shape{Prefix: name + "-", Count: count, Labels: map[string]string{story: name}})
	}
	return shapes
}

// TestMeasuredLoad has running schedulers whose load comes from Prometheus: one that moves, one in the middle of a burst, and
// those with which something is wrong. The stories run beside each other.
func TestMeasuredLoad(t *testing.T) {
	k := start(t, playground.Options{Nodes: loadedNodes(), Install: true})
	ns := k.namespace(t, "loaded")
	t.Run("stories", func(t *testing.T) {
		for name, answers := range map[string]func(http.ResponseWriter, *http.Request){"nan": noNumber, "text": someText, "slow": trickle, "million": aMillion, "giant": aged(aGiant), "four": aged(aMillion)} {
			t.Run(name, func(t *testing.T) { t.Parallel(); k.losePrometheus(t, ns, name, answers) })
		}
		t.Run("killed", func(t *testing.T) { t.Parallel(); k.killPrometheus(t, ns) })
		t.Run("moves", func(t *testing.T) { t.Parallel(); k.moveLoad(t, ns) })
		t.Run("burst", func(t *testing.T) { t.Parallel(); k.burst(t, ns) })
	})
}

// loaded is a scheduler that measures load, and the nodes of its story.
type loaded struct {
	kit
	*running
	ns, name, metrics string
	pods              int
	nodes             []string
}

// measuring starts a scheduler for the pods of a story.
func (k kit) measuring(t *testing.T, ns, name string, source map[string]any) *loaded {
	t.Helper()
	l := &loaded{kit: k, ns: ns, name: name, metrics: freeAddress(t), nodes: named(name)}
	kubeconfig := k.schedulerAccess(t, k.Config().Host, k.authority(t))
	_, port, err := net.SplitHostPort(l.metrics)
	if err != nil {
		t.Fatal(err)
	}
	l.running = k.startScheduler(t, kubeconfig, func(config map[string]any) {
		config["leaderElection"] = map[string]any{"leaderElect": false}
		profile := config["profiles"].([]any)[0].(map[string]any)
		profile["schedulerName"] = name
		for _, c := range profile["pluginConfig"].([]any) {
			if c := c.(map[string]any); c["name"] == "LoadBalance" {
				c["args"].(map[string]any)["load"] = source
			}
		}
	}, "--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig, "--authorization-always-allow-paths=/metrics",
		"--bind-address=127.0.0.1", "--secure-port="+port, "--cert-dir="+t.TempDir())
	return l
}

// named are the names of all nodes, or of those of one story.
func named(of string) []string {
	var names []string
	for _, shape := range loadedNodes() {
		for i := range shape.Count {
			if of == "" || shape.Prefix == of+"-" {
				names = append(names, fmt.Sprintf("%s%03d", shape.Prefix, i))
			}
		}
	}
	slices.Sort(names)
	return names
}

// metric is a value that the scheduler serves.
func (l *loaded) metric(ctx context.Context, name string) (float64, error) {
	insecure := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true} // it has made its certificate itself
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+l.metrics+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	response, err := (&http.Client{Transport: insecure}).Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, errors.Join(err, fmt.Errorf("%s: there is no %s", response.Status, name))
}

const (
	freshCPU = `shoal_load_fresh_nodes{dimension="cpu"}`
	failures = "shoal_load_failures_total"
)

// knows waits until the load of so many nodes is known.
func (l *loaded) knows(t *testing.T, want int) {
	t.Helper()
	l.eventually(t, 2*time.Minute, fmt.Sprintf("%s to know the load of %d nodes", l.name, want), func(ctx context.Context) error {
		n, err := l.metric(ctx, freshCPU)
		if err == nil && int(n) != want {
			err = fmt.Errorf("it knows that of %v", n)
		}
		return err
	})
}

// place has one more pod placed, a group of its own, and says where and how long it took.
func (l *loaded) place(t *testing.T) (*corev1.Pod, time.Duration) {
	t.Helper()
	l.pods++
	pod := podWith(l.ns, fmt.Sprintf("%s-%d", l.name, l.pods), "")
	pod.Labels = map[string]string{v1alpha1.LabelCluster: pod.Name}
	pod.Spec.SchedulerName, pod.Spec.NodeSelector, pod.Spec.Containers = l.name, map[string]string{story: l.name}, container("100m")
	l.create(t, pod)
	began := time.Now()
	l.eventually(t, time.Minute, pod.Name+" to be placed", func(ctx context.Context) error {
		err := l.placed(l.ns, pod.Name)(ctx)
		return errors.Join(err, l.get(ctx, l.ns, pod.Name, pod))
	})
	return pod, time.Since(began)
}

// steady is how many pods have to go to the same node after the first one that went there: of two nodes, each is right by chance half of the time.
const steady = 5

// follow has pods placed until one goes where it should, and then that others do, too; each leaves again.
func (l *loaded) follow(t *testing.T, node, why string) {
	t.Helper()
	one := func(ctx context.Context) error {
		pod, _ := l.place(t)
		if err := l.client.Delete(ctx, pod, client.GracePeriodSeconds(0)); err != nil {
			return err
		}
		if pod.Spec.NodeName != node {
			return fmt.Errorf("a pod went to %s, wanted %s", pod.Spec.NodeName, node)
		}
		return nil
	}
	l.eventually(t, 90*time.Second, why, one)
	for range steady {
		if err := one(t.Context()); err != nil {
			t.Fatalf("%s: after one that went to %s, %v", why, node, err)
		}
	}
}

// fill gives the second node of the story pods of half its size: by requests the first node is the emptier one.
func (l *loaded) fill(t *testing.T) (byRequests, byLoad string) {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: l.ns, Name: "fills-" + l.nodes[1]}}
	pod.Spec.NodeName, pod.Spec.Containers = l.nodes[1], container("4")
	l.create(t, pod)
	return l.nodes[0], l.nodes[1]
}

// told waits until this scheduler's events of a kind have named each resource that any of them is about so often, and fails when one is
// named more often. Resources that are lost, or come back, at the same time share an event; those of a rate come back later
// than others, as a rate needs two samples.
func (l *loaded) told(t *testing.T, code reason.Code, want int) {
	t.Helper()
	l.eventually(t, time.Minute, fmt.Sprintf("each resource to be named by %d events %s", want, code), func(ctx context.Context) error {
		var list eventsv1.EventList
		if err := l.client.List(ctx, &list, client.InNamespace(playground.Namespace)); err != nil {
			return err
		}
		named := map[string]int{"cpu": 0}
		for _, e := range list.Items {
			about, ok := strings.CutPrefix(e.Action, "Measuring:")
			if e.ReportingController != l.name || !ok {
				continue
			}
			times := 0 // 0: another kind names the resources, so that this one has to as well
			if e.Reason == code.Name() {
				if times = 1; e.Series != nil {
					times += int(e.Series.Count)
				}
				if !strings.Contains(e.Note, code.String()) {
					t.Errorf("the event says %q", e.Note)
				}
			}
			for of := range strings.SplitSeq(about, ",") {
				named[of] += times
			}
		}
		for of, n := range named {
			if n > want {
				t.Fatalf("%d events %s name %s, wanted %d", n, code, of, want)
			}
			if n < want {
				return fmt.Errorf("%s is named by %d", of, n)
			}
		}
		return nil
	})
}

// losePrometheus: what comes in place of an answer costs the scheduler neither memory nor time. Pods go by load, then by
// requests, then by load again, and two events say so.
func (k kit) losePrometheus(t *testing.T, ns, name string, answers func(http.ResponseWriter, *http.Request)) {
	all := named("")
	m := newMonitor(t, all, nil)
	l := k.measuring(t, ns, name, m.source(5, 15))
	byRequests, byLoad := l.fill(t)
	cores := map[string][]float64{byRequests: {7}, byLoad: {0.5}}
	m.set(cores, nil)
	l.knows(t, len(all))
	l.follow(t, byLoad, "load to decide")
	before := l.memory(t, "VmRSS")
	failed, err := l.metric(t.Context(), failures)
	if err != nil {
		t.Fatal(err)
	}

	m.set(cores, answers)
	l.fallBack(t, byRequests)
	grown := l.memory(t, "VmHWM") - before
	m.mu.Lock()
	t.Logf("%s: %d requests, %d at once, the largest answer %d MiB; memory grew by at most %d MiB from %d", name, m.asked, m.most, m.largest>>20, grown>>20, before>>20)
	if m.most > 4 { // one measurement asks for the four resources at once
		t.Errorf("%d requests at the same time: slow ones pile up", m.most)
	}
	if m.largest > 24<<20 { // 16 MiB of one answer are read, and what is on its way comes on top
		t.Errorf("%d MiB were read", m.largest>>20)
	}
	m.mu.Unlock()
	if grown > 100<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
	if now, err := l.metric(t.Context(), failures); err != nil || now <= failed {
		t.Errorf("%v failures before and %v after, %v", failed, now, err)
	}

	m.set(cores, nil)
	l.recover(t, byLoad)
}

// fallBack has pods placed without a pause until the load is not known any more, and then by requests.
func (l *loaded) fallBack(t *testing.T, byRequests string) {
	t.Helper()
	var times []time.Duration
	for lost := false; !lost || len(times) < 20; {
		pod, took := l.place(t)
		if times = append(times, took); len(times) > 2000 {
			t.Fatal("the load is known for ever")
		}
		if err := l.client.Delete(t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
			t.Fatal(err)
		}
		n, err := l.metric(t.Context(), freshCPU)
		if err != nil {
			t.Fatal(err)
		}
		lost = n == 0
	}
	slices.Sort(times)
	median, longest := times[len(times)/2], times[len(times)-1]
	t.Logf("%s: %d pods were placed meanwhile, in %d ms (median), %d ms at most", l.name, len(times), median.Milliseconds(), longest.Milliseconds())
	if median > 4*time.Second { // a measurement takes up to 5 s
		t.Errorf("pods wait for measurements: half of them took longer than %s", median)
	}
	l.follow(t, byRequests, "requests to decide")
	l.told(t, reason.LoadUnknown, 1)
	failed, err := l.metric(t.Context(), failures)
	if err != nil {
		t.Fatal(err)
	}
	l.eventually(t, 2*time.Minute, "two more measurements to fail, of which no event says anything", func(ctx context.Context) error {
		n, err := l.metric(ctx, failures)
		if err == nil && n < failed+2 {
			err = fmt.Errorf("%v have", n-failed)
		}
		return err
	})
	l.told(t, reason.LoadUnknown, 1)
	l.told(t, reason.LoadKnown, 0)
}

// recover waits until load decides again.
func (l *loaded) recover(t *testing.T, byLoad string) {
	t.Helper()
	l.knows(t, len(named("")))
	l.follow(t, byLoad, "load to decide again")
	l.told(t, reason.LoadKnown, 1)
	l.told(t, reason.LoadUnknown, 1)
}

// memory is a line of the process' status, in bytes.
func (l *loaded) memory(t *testing.T, line string) int64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(l.running.Process.Pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	for of := range strings.Lines(string(text)) {
		if fields := strings.Fields(of); len(fields) == 3 && fields[0] == line+":" {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatalf("there is no %s in %s", line, text)
	return 0
}

// killPrometheus: Debian's Prometheus scrapes nodes whose load moves. It is killed, and comes back with what it has stored.
func (k kit) killPrometheus(t *testing.T, ns string) {
	m := newMachines(t, named(""))
	p := newPrometheus(t, m)
	l := k.measuring(t, ns, "killed", p.source(10))
	byRequests, byLoad := l.fill(t)
	m.uses(byLoad, 7.5)
	l.knows(t, len(m.of))
	l.follow(t, byRequests, "load and requests to agree")
	m.uses(byRequests, 7.5)
	m.uses(byLoad, 0.5)
	l.follow(t, byLoad, "pods to follow the load")

	p.kill()
	l.fallBack(t, byRequests)
	p.start()
	l.recover(t, byLoad)
}

// moveLoad: whichever node has become the idle one gets the new pods, all of them. A node that is named twice is as busy as
// the higher of the two values says.
func (k kit) moveLoad(t *testing.T, ns string) {
	m := newMonitor(t, named(""), nil)
	l := k.measuring(t, ns, "moves", m.source(5, 60))
	busy := func(idle int) map[string][]float64 {
		cores := map[string][]float64{}
		for i, node := range l.nodes {
			if cores[node] = []float64{7}; i == idle {
				cores[node] = []float64{0.5}
			}
		}
		return cores
	}
	for _, idle := range []int{2, 0, 1} {
		m.set(busy(idle), nil)
		l.knows(t, len(m.nodes))
		l.follow(t, l.nodes[idle], fmt.Sprintf("pods to follow the load to %s", l.nodes[idle]))
		for range 5 {
			if pod, _ := l.place(t); pod.Spec.NodeName != l.nodes[idle] {
				t.Errorf("%s went to %s, and %s is idle", pod.Name, pod.Spec.NodeName, l.nodes[idle])
			}
		}
	}
	m.set(map[string][]float64{l.nodes[0]: {0.1, 7, 0.2}, l.nodes[1]: {7}, l.nodes[2]: {4}}, nil)
	l.follow(t, l.nodes[2], "the higher of several values to count")
	if n, err := l.metric(t.Context(), failures); err != nil || n != 0 {
		t.Errorf("%v measurements failed, %v", n, err)
	}
	l.told(t, reason.LoadUnknown, 0)
}

// burst: 500 pods of 250 small clusters, a master and a replica each, come after one measurement and before the next. Nodes
// are loaded differently before. Afterwards no node is above the mean by more than one pod.
func (k kit) burst(t *testing.T, ns string) {
	random, cores := rand.New(rand.NewSource(1)), map[string][]float64{}
	for _, node := range named("burst") {
		cores[node] = []float64{float64(3200+random.Intn(5000)) / 1000}
	}
	m := newMonitor(t, named(""), cores)
	l := k.measuring(t, ns, "burst", m.source(3600, 3600))
	l.knows(t, len(m.nodes))
	creating, ctx := errgroup.WithContext(t.Context())
	creating.SetLimit(16)
	for i := range burstPods {
		creating.Go(func() error {
			pod := podWith(ns, fmt.Sprintf("burst-%d", i), "")
			pod.Labels = map[string]string{v1alpha1.LabelCluster: fmt.Sprintf("burst-%d", i/2), story: "burst"}
			pod.Spec.SchedulerName, pod.Spec.NodeSelector, pod.Spec.Containers = l.name, map[string]string{story: l.name}, container("1")
			return k.client.Create(ctx, pod)
		})
	}
	if err := creating.Wait(); err != nil {
		t.Fatal(err)
	}
	perNode := map[string]int{}
	l.eventually(t, 4*time.Minute, "the burst to be placed", func(ctx context.Context) error {
		var list corev1.PodList
		if err := k.client.List(ctx, &list, client.InNamespace(ns), client.MatchingLabels{story: "burst"}); err != nil {
			return err
		}
		clear(perNode)
		placed := 0
		for i := range list.Items {
			if node := list.Items[i].Spec.NodeName; node != "" {
				perNode[node], placed = perNode[node]+1, placed+1
			}
		}
		if placed != burstPods {
			return fmt.Errorf("%d are", placed)
		}
		return nil
	})
	var sum, most float64
	for _, node := range l.nodes {
		used := cores[node][0] + float64(perNode[node])
		sum, most = sum+used, max(most, used)
	}
	over := most - sum/burstNodes
	t.Logf("%d to %d pods on a node; the fullest node is %.3f CPUs above the mean", slices.Min(values(perNode)), slices.Max(values(perNode)), over)
	if over > 1 {
		t.Errorf("the fullest node is %.3f CPUs above the mean, more than one pod", over)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.asked != 5 {
		t.Errorf("%d queries: it was not one measurement", m.asked)
	}
}

func values(of map[string]int) []int {
	var list []int
	for _, n := range of {
		list = append(list, n)
	}
	return list
}
