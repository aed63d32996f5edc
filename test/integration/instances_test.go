//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/podspec"
)

var (
	instancesBenched = flag.Int("bench-instances", 0, "how many instances TestManyInstances makes; 0 skips it")
	roundsBenched    = flag.Int("bench-rounds", 1, "how many times each of its creations is measured, in turn")
)

// quick has nobody hold himself up: what is measured is what the API server and the programs can do.
var quick = map[string][]string{
	"shoal-manager":           {"--kube-api-qps=2000", "--kube-api-burst=4000", "--leader-elect-lease-duration=60s", "--leader-elect-renew-deadline=45s"},
	"kube-controller-manager": {"--kube-api-qps=2000", "--kube-api-burst=4000"},
}

// TestManyInstances measures what a set of many instances costs. First who makes pods with a claim each, until all are there: Shoal, a
// StatefulSet (Parallel) of kube-controller-manager, and a plain client with as many workers as Shoal has, which is what the API server
// allows. Nobody places those pods. Then the life of one InstanceSet whose pods run on simulated nodes. Its figures are for docs/benchmarks.md.
func TestManyInstances(t *testing.T) {
	n := *instancesBenched
	if n == 0 {
		t.Skip("-bench-instances says how many: `make bench-instances`")
	}
	makers := []maker{{"client", "", byClient}, {"StatefulSet", "kube-controller-manager", byStatefulSet}, {"Shoal", "shoal-manager-0", byShoal}}
	took := map[string][]time.Duration{}
	for round := range *roundsBenched {
		turn := slices.Clone(makers)
		if round%2 == 1 {
			slices.Reverse(turn)
		}
		for _, m := range turn {
			t.Run(fmt.Sprintf("created by %s %d", m.name, round), func(t *testing.T) {
				took[m.name] = append(took[m.name], created(t, m, n))
			})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(took)) {
		all := slices.Sorted(slices.Values(took[name]))
		t.Logf("%d pods with a claim each, created by %s: median %s of %s", n, name, all[len(all)/2].Round(10*time.Millisecond), all)
	}
	t.Run("life", func(t *testing.T) { life(t, n) })
}

// maker makes n pods with a claim each. The process is whose work it is.
type maker struct {
	name, process string
	begin         func(k kit, t *testing.T, ns string, n int)
}

// unplaced is a set whose pods nobody places.
func unplaced(ns string, n int) *v1alpha1.InstanceSet {
	return set(ns, "many", int32(n), volumes, func(s *v1alpha1.InstanceSet) { s.Spec.Template.Spec.SchedulerName = "nobody" })
}

func byShoal(k kit, t *testing.T, ns string, n int) { k.create(t, unplaced(ns, n)) }

func byStatefulSet(k kit, t *testing.T, ns string, n int) {
	like := unplaced(ns, n)
	labels := map[string]string{"app": "many"}
	s := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "many"}}
	s.Spec.Replicas, s.Spec.ServiceName, s.Spec.PodManagementPolicy = ptr.To(int32(n)), "many", appsv1.ParallelPodManagement
	s.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	s.Spec.Template = like.Spec.Template
	s.Spec.Template.Labels = labels
	volume := like.Spec.VolumeClaimTemplates[0]
	s.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: volume.Metadata.Name}, Spec: volume.Spec}}
	k.create(t, s)
}

func byClient(k kit, t *testing.T, ns string, n int) {
	account, s := hurried(k, t), unplaced(ns, n)
	s.UID = "8c1f4c5e-0000-4000-8000-000000000000" // of nobody: what is written is as large as what Shoal writes
	var work errgroup.Group
	work.SetLimit(32) // as instanceset.Options.WriteWorkers
	for i := range n {
		instance := podspec.Instance{Ordinal: int32(i)}
		work.Go(func() error {
			claim := podspec.Claim(s, &s.Spec.VolumeClaimTemplates[0], instance)
			claim.OwnerReferences = nil
			if err := account.Create(t.Context(), claim); err != nil {
				return err
			}
			pod := podspec.Pod(s, instance)
			pod.OwnerReferences = nil
			return account.Create(t.Context(), pod)
		})
	}
	if err := work.Wait(); err != nil {
		t.Fatal(err)
	}
}

// created measures one creation in a cluster of its own.
func created(t *testing.T, m maker, n int) time.Duration {
	k := start(t, playground.Options{Nodes: []playground.Shape{{Count: 3}}, Install: true, Managers: 1, Args: quick})
	ns := k.namespace(t, "many")
	pods, claims := k.counted(t, ns, "pods"), k.counted(t, ns, "persistentvolumeclaims")
	before := k.meter(t)
	began := time.Now()
	m.begin(k, t, ns, n)
	k.eventually(t, time.Duration(n)*100*time.Millisecond+time.Minute, "the pods and claims", func(context.Context) error {
		if p, c := pods.n.Load(), claims.n.Load(); p < int64(n) || c < int64(n) {
			return fmt.Errorf("there are %d pods and %d claims", p, c)
		}
		return nil
	})
	last := pods.last.Load()
	took := time.Unix(0, max(last, claims.last.Load())).Sub(began)
	t.Logf("%d pods with a claim each, by %s: %s; %s", n, m.name, took.Round(10*time.Millisecond), k.meter(t).since(before, n))
	return took
}

// life is that of one set: it comes up, is changed, hears of roles, gets smaller, and its manager is killed.
func life(t *testing.T, n int) {
	const perNode = 100
	k := start(t, playground.Options{
		Nodes:   []playground.Shape{{Count: n/perNode*5/4 + 3, Pods: 200, CPU: "64", Memory: "256Gi"}},
		Install: true, Managers: 1, Schedulers: 1, Args: quick,
	})
	ns := k.namespace(t, "many")
	s := set(ns, "many", int32(n), limits(perNode, int32(n/perNode*21/20+1)))
	var before metered
	phase := func(name string, patience time.Duration, begin func(), done func(context.Context) error) {
		t.Helper()
		before = k.meter(t)
		began := time.Now()
		begin()
		k.eventually(t, patience, name, done)
		took := time.Since(began)
		var now v1alpha1.InstanceSet
		if err := k.get(t.Context(), ns, "many", &now); err != nil {
			t.Fatal(err)
		}
		status, err := json.Marshal(now.Status)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %s; status of %d bytes; %s", name, took.Round(10*time.Millisecond), len(status), k.meter(t).since(before, n))
	}
	change := func(f func(*v1alpha1.InstanceSet)) func() {
		return func() {
			k.eventually(t, time.Minute, "the change", func(ctx context.Context) error {
				var now v1alpha1.InstanceSet
				if err := k.get(ctx, ns, "many", &now); err != nil {
					return err
				}
				f(&now)
				return k.client.Update(ctx, &now)
			})
		}
	}
	phase("it comes up", 30*time.Minute, func() { k.create(t, s) }, k.ready(ns, "many"))
	phase("a minute in which nothing happens", 2*time.Minute, func() { letPass(t, time.Minute) }, k.ready(ns, "many"))
	phase("an annotation for all", 20*time.Minute, change(func(s *v1alpha1.InstanceSet) {
		s.Spec.Template.Annotations = map[string]string{"example.com/season": "winter"}
	}), func(ctx context.Context) error {
		var now v1alpha1.InstanceSet
		if err := k.get(ctx, ns, "many", &now); err != nil {
			return err
		}
		if now.Status.ObservedGeneration != now.Generation || int(now.Status.UpdatedReplicas) != n {
			return fmt.Errorf("%d of %d are updated", now.Status.UpdatedReplicas, n)
		}
		return nil
	})
	phase("a third of all get a role, and lose it", 10*time.Minute, func() { k.roleStorm(t, ns, n/3) }, k.ready(ns, "many"))
	phase("half of it goes", 20*time.Minute, change(func(s *v1alpha1.InstanceSet) { s.Spec.Replicas = ptr.To(int32(n / 2)) }), func(ctx context.Context) error {
		var now v1alpha1.InstanceSet
		if err := k.get(ctx, ns, "many", &now); err != nil {
			return err
		}
		if now.Status.ObservedGeneration != now.Generation || int(now.Status.Replicas) != n/2 {
			return fmt.Errorf("%d are left of %d", now.Status.Replicas, n/2)
		}
		return k.ready(ns, "many")(ctx)
	})
	k.restartedManager(t, ns)
}

// roleStorm gives a role to that many pods and takes it again, as the controller of roles would: the labels alone, which is what the
// controller of InstanceSets sees of it.
func (k kit) roleStorm(t *testing.T, ns string, pods int) {
	t.Helper()
	account := hurried(k, t)
	for _, role := range []any{string(v1alpha1.RoleMaster), nil} {
		text, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": map[string]any{v1alpha1.LabelRole: role}}})
		if err != nil {
			t.Fatal(err)
		}
		var work errgroup.Group
		work.SetLimit(16)
		for i := range pods {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: fmt.Sprint("many-", i)}}
			work.Go(func() error { return account.Patch(t.Context(), pod, client.RawPatch(types.MergePatchType, text)) })
		}
		if err := work.Wait(); err != nil {
			t.Fatal(err)
		}
	}
}

// restartedManager kills the manager, deletes an instance, and measures from when the next manager's process runs to the new pod.
func (k kit) restartedManager(t *testing.T, ns string) {
	t.Helper()
	status, err := k.Process("shoal-manager-0")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(status.Process.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var was corev1.Pod
	if err := k.get(t.Context(), ns, "many-0", &was); err != nil {
		t.Fatal(err)
	}
	if err := hurried(k, t).Delete(t.Context(), &was, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	up := time.Time{}
	k.eventually(t, 5*time.Minute, "the instance", func(ctx context.Context) error {
		if now, err := k.Process("shoal-manager-0"); err == nil && up.IsZero() && now.Process.PID != status.Process.PID {
			up = time.Now()
		}
		var now corev1.Pod
		if err := k.get(ctx, ns, "many-0", &now); err != nil {
			return err
		}
		if now.UID == was.UID {
			return fmt.Errorf("it is still the pod from before")
		}
		return nil
	})
	t.Logf("the manager is killed: the instance that was deleted is made %s after that, %s after the next process was seen (a new leader waits until the old one's lease is over)",
		time.Since(began).Round(10*time.Millisecond), time.Since(up).Round(10*time.Millisecond))
}

// count counts objects of a namespace that were added, by an informer of their metadata.
type count struct{ n, last atomic.Int64 }

func (k kit) counted(t *testing.T, ns, resource string) *count {
	t.Helper()
	watching, err := metadata.NewForConfig(k.Config())
	if err != nil {
		t.Fatal(err)
	}
	c := &count{}
	informer := metadatainformer.NewFilteredMetadataInformer(watching, corev1.SchemeGroupVersion.WithResource(resource), ns, 0, nil, nil).Informer()
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: func(any) {
		c.n.Add(1)
		c.last.Store(time.Now().UnixNano())
	}}); err != nil {
		t.Fatal(err)
	}
	go informer.RunWithContext(t.Context())
	if !cache.WaitForCacheSync(t.Context().Done(), informer.HasSynced) {
		t.Fatalf("the informer of %s has not synced", resource)
	}
	return c
}

// metered is what the API server has answered so far, and what processes have used.
type metered struct {
	requests map[string]float64 // by verb and resource
	cpu      map[string]float64 // seconds
	resident map[string]int     // bytes
}

func (k kit) meter(t *testing.T) metered {
	t.Helper()
	m := metered{map[string]float64{}, map[string]float64{}, map[string]int{}}
	for _, sample := range k.scraped(t)["apiserver_request_total"].GetMetric() {
		labels := labelsOf(sample)
		what := labels["verb"] + " " + labels["resource"]
		if labels["subresource"] != "" {
			what += "/" + labels["subresource"]
		}
		if labels["resource"] != "" && labels["resource"] != "leases" && labels["verb"] != "WATCH" {
			m.requests[what] += sample.GetCounter().GetValue()
		}
	}
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "shoal-manager-0", "shoal-scheduler-0"} {
		if status, err := k.Process(name); err == nil {
			m.cpu[name], m.resident[name] = usedBy(t, status.Process.PID)
		}
	}
	return m
}

// since says what has happened, the 12 most frequent requests alone.
func (m metered) since(before metered, n int) string {
	type line struct {
		what string
		n    float64
	}
	var lines []line
	for what, now := range m.requests {
		if d := now - before.requests[what]; d > 0 {
			lines = append(lines, line{what, d})
		}
	}
	slices.SortFunc(lines, func(a, b line) int { return int(b.n - a.n) })
	var text []string
	for _, l := range lines[:min(len(lines), 12)] {
		text = append(text, fmt.Sprintf("%s %.0f (%.2f)", l.what, l.n, l.n/float64(n)))
	}
	for _, name := range slices.Sorted(maps.Keys(m.cpu)) {
		text = append(text, fmt.Sprintf("%s %.2f s of CPU, %d MiB", name, m.cpu[name]-before.cpu[name], m.resident[name]>>20))
	}
	return strings.Join(text, "; ")
}

// raw asks the API server for something that is no object.
func (k kit) raw(t *testing.T, path string) ([]byte, error) {
	clientset, err := kubernetes.NewForConfig(k.Config())
	if err != nil {
		return nil, err
	}
	return clientset.RESTClient().Get().RequestURI(path).DoRaw(t.Context())
}

// scraped are the metrics of the API server.
func (k kit) scraped(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	text, err := k.raw(t, "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return families
}

func labelsOf(m *dto.Metric) map[string]string {
	labels := map[string]string{}
	for _, l := range m.GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	return labels
}

// usedBy is what a process has used of the cores, in seconds, and its memory now, in bytes.
func usedBy(t *testing.T, pid int) (cpu float64, resident int) {
	t.Helper()
	read := func(file string) []string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // of stat from the third field on, see proc(5)
	}
	number := func(text string) int {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	const hertz = 100 // USER_HZ, on all that Linux runs on today
	stat := read("stat")
	return float64(number(stat[11])+number(stat[12])) / hertz, number(read("statm")[1]) * os.Getpagesize()
}
