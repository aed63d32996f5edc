//go:build integration

package integration

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/signer"
)

var (
	agentsWanted  = flag.Int("agents", 0, "how many agents TestManyAgents simulates, rounded up to 300; 0 skips it")
	agentsProfile = flag.String("agents-profile", "", "file for a profile of the API server's CPU while all shards change at once")
	agentsEvery   = flag.Duration("agents-heartbeat", 5*time.Minute, "how often each of them reports while nothing changes, as --heartbeat of the agent")
)

const perSet = 300 // instances of one set, of three to a shard

// TestManyAgents measures what agents cost the manager, as it is built for release, and how soon a label follows. Real are the API server,
// the manager's process, its signer's authority, and each report: over a connection of its own, with the certificate of its pod. Stood in
// are the kubelets (kwok makes pods ready, and the certificates are signed here with the authority's key, without requests), the agents
// (this process sends what they would) and Sentinels (the sets have none). Its figures are for docs/benchmarks.md.
func TestManyAgents(t *testing.T) {
	if *agentsWanted == 0 {
		t.Skip("-agents says how many: `make bench-agents`")
	}
	listen := freeAddress(t)
	sets := (*agentsWanted + perSet - 1) / perSet
	k := start(t, playground.Options{
		Nodes: []playground.Shape{{Count: max(3, sets*perSet/100), Pods: 200, CPU: "64", Memory: "256Gi"}}, Install: true, Managers: 1,
		Args: map[string][]string{"shoal-manager": {"--agent-image=localhost/shoal-agent:dev", "--agent-bind-address=" + listen, "--leader-elect-lease-duration=60s", "--leader-elect-renew-deadline=45s"}},
	})
	f := &fleet{k: k, t: t, ns: k.namespace(t, "fleet"), at: listen}
	f.make(sets)
	f.watch()
	pid := f.manager()
	letPass(t, 90*time.Second) // what came up has to be done with, and the new leader has asked all who were not heard
	without := cost(t, pid, 40*time.Second)
	t.Logf("%d instances in %d sets, no agents: %s", len(f.agents), sets, without)
	f.certify()
	f.begin()
	t.Logf("all masters have the label %s after the first report", f.until(10*time.Minute).Round(time.Millisecond))
	letPass(t, *agentsEvery*5/4)
	if now := f.manager(); now != pid {
		t.Fatal("the manager has started again: the machine is too slow for its lease")
	}
	with := cost(t, pid, *agentsEvery*5/4)
	t.Logf("with agents that say nothing new: %s; %d reports were taken, %d failed", with, f.taken.Swap(0), f.failed.Swap(0))
	t.Logf("agents cost %.2f %% of a core and %d MiB", with.cores*100-without.cores*100, (with.resident-without.resident)>>20)
	var took []time.Duration
	for range 50 {
		took = append(took, f.change([]int{mathrand.IntN(len(f.masters))}, time.Minute))
		letPass(t, 200*time.Millisecond)
	}
	slices.Sort(took)
	t.Logf("one shard's master changes: the label after p50 %s, p99 %s", took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	all := make([]int, len(f.masters))
	for n := range all {
		all[n] = n
	}
	profiled := f.profile()
	before := f.patches()
	after := f.change(all, 10*time.Minute)
	profiled()
	t.Logf("all %d shards change at once: all labels after %s, %s", len(all), after.Round(time.Millisecond), f.patches().since(before))
	if f.twice.Load() > 0 {
		t.Errorf("%d times two instances of a shard had the label master", f.twice.Load())
	}
	load, _ := os.ReadFile("/proc/loadavg")
	t.Logf("load of the machine: %s; %d reports failed", strings.TrimSpace(string(load)), f.failed.Load())
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func letPass(t *testing.T, d time.Duration) { pause(t.Context(), d) }

// fleet is the agents of all pods.
type fleet struct {
	k      kit
	t      *testing.T
	ns, at string
	agents []*simulated
	own    mtls.Own // of the roots alone

	mu      sync.Mutex
	masters []int                   // of each shard, the agent that says that it is master
	has     map[int]map[string]bool // of each shard, the pods that have the label
	news    chan struct{}

	taken, failed, twice atomic.Int64
}

// simulated is the agent of one pod.
type simulated struct {
	pod    *corev1.Pod
	shard  int
	from   net.IP
	own    mtls.Own
	dialer *net.Dialer

	sessions mtls.Sessions
	mu       sync.Mutex
	role     agent.Role
	sequence uint64
	boot     string
}

// manager is its process.
func (f *fleet) manager() (pid int) {
	f.t.Helper()
	status, err := f.k.Process("shoal-manager-0")
	if err != nil {
		f.t.Fatal(err)
	}
	return status.Process.PID
}

// make creates sets that leave their pods alone, and their pods.
func (f *fleet) make(sets int) {
	account := hurried(f.k, f.t)
	var nodes corev1.NodeList
	if err := f.k.client.List(f.t.Context(), &nodes); err != nil {
		f.t.Fatal(err)
	}
	began := time.Now()
	var work errgroup.Group
	work.SetLimit(32)
	for n := range sets {
		s := set(f.ns, fmt.Sprint("s", n), perSet, shards(3), func(s *v1alpha1.InstanceSet) {
			s.Spec.Paused = true
			s.Spec.Roles = []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster, Exclusive: true}, {Name: v1alpha1.RoleReplica}}
			s.Spec.RoleProvider = &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderStatic}
		})
		f.k.create(f.t, s)
		for i := range int32(perSet) {
			pod := podspec.Pod(s, podspec.Instance{Ordinal: i, Agent: podspec.Agent{Image: "localhost/shoal-agent:dev", Manager: "m:1"}})
			at := len(f.agents)
			pod.Spec.NodeName = nodes.Items[at%len(nodes.Items)].Name
			a := &simulated{pod: pod, shard: at / 3, from: net.IPv4(127, byte(10+at>>14), byte(at>>7&127), byte(at&127+1)), role: agent.RoleReplica, boot: strings.Repeat("a", 32)}
			if at%3 == 0 {
				a.role = agent.RoleMaster
				f.masters = append(f.masters, at)
			}
			f.agents = append(f.agents, a)
			work.Go(func() error {
				return tryAgain(f.t.Context(), func() error { return account.Create(f.t.Context(), pod) })
			})
		}
	}
	if err := work.Wait(); err != nil {
		f.t.Fatal(err)
	}
	f.k.eventually(f.t, 10*time.Minute, "the pods", func(ctx context.Context) error {
		var list corev1.PodList
		if err := f.k.client.List(ctx, &list, client.InNamespace(f.ns)); err != nil {
			return err
		}
		unready := 0
		for n := range list.Items {
			if ready, _ := podspec.EngineReady(&list.Items[n]); !ready {
				unready++
			}
		}
		if unready > 0 || len(list.Items) != len(f.agents) {
			return fmt.Errorf("%d of %d pods are there, %d of them not ready", len(list.Items), len(f.agents), unready)
		}
		return nil
	})
	f.t.Logf("%d pods were made in %s", len(f.agents), time.Since(began).Round(time.Second))
}

// hurried is a client of the manager's account that does not hold itself up.
func hurried(k kit, t *testing.T) client.Client {
	t.Helper()
	config := rest.CopyConfig(k.Config())
	config.QPS, config.Burst = 1000, 1000
	config.Impersonate.UserName = managerAccount
	c, err := client.New(config, client.Options{Scheme: k.client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tryAgain is for an API server that is being started, or is busy.
func tryAgain(ctx context.Context, try func() error) (err error) {
	for range 20 {
		if err = try(); err == nil || apierrors.IsAlreadyExists(err) {
			return nil
		}
		if !pause(ctx, 500*time.Millisecond) {
			return ctx.Err()
		}
	}
	return err
}

// watch follows the labels, in the order of the API server.
func (f *fleet) watch() {
	f.has, f.news = map[int]map[string]bool{}, make(chan struct{}, 1)
	shard := map[string]int{}
	for _, a := range f.agents {
		shard[a.pod.Name] = a.shard
	}
	watching, err := client.NewWithWatch(f.k.Config(), client.Options{Scheme: f.k.client.Scheme()})
	if err != nil {
		f.t.Fatal(err)
	}
	w, err := watching.Watch(f.t.Context(), &corev1.PodList{}, client.InNamespace(f.ns), &client.ListOptions{Raw: &metav1.ListOptions{}})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(w.Stop)
	go func() {
		for e := range w.ResultChan() {
			if pod, is := e.Object.(*corev1.Pod); is {
				f.see(shard[pod.Name], pod)
			}
		}
	}()
}

func (f *fleet) see(shard int, pod *corev1.Pod) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.has[shard] == nil {
		f.has[shard] = map[string]bool{}
	}
	if delete(f.has[shard], pod.Name); pod.Labels[v1alpha1.LabelRole] == string(v1alpha1.RoleMaster) {
		f.has[shard][pod.Name] = true
	}
	if len(f.has[shard]) > 1 {
		f.twice.Add(1)
	}
	select {
	case f.news <- struct{}{}:
	default:
	}
}

// until waits until each shard's master has the label, and no other.
func (f *fleet) until(patience time.Duration, of ...int) time.Duration {
	f.t.Helper()
	began := time.Now()
	deadline := time.After(patience)
	for {
		wrong := 0
		f.mu.Lock()
		if len(of) == 0 {
			for shard := range f.masters {
				of = append(of, shard)
			}
		}
		for _, shard := range of {
			if want := f.agents[f.masters[shard]].pod.Name; len(f.has[shard]) != 1 || !f.has[shard][want] {
				wrong++
			}
		}
		f.mu.Unlock()
		if wrong == 0 {
			return time.Since(began)
		}
		select {
		case <-f.news:
		case <-deadline:
			f.t.Fatalf("after %s the labels of %d shards are not right; %d reports failed", patience, wrong, f.failed.Load())
		}
	}
}

// certify signs the certificates of all pods, as the signer does, with its authority.
func (f *fleet) certify() {
	var secret corev1.Secret
	f.k.eventually(f.t, time.Minute, "the authority", func(ctx context.Context) error {
		return f.k.get(ctx, playground.Namespace, signer.SecretName, &secret)
	})
	authority, err := tls.X509KeyPair(secret.Data["current.crt"], secret.Data["current.key"])
	if err != nil {
		f.t.Fatal("the authority is no certificate with its key") // the error may repeat what it read
	}
	parent, err := x509.ParseCertificate(authority.Certificate[0])
	if err != nil {
		f.t.Fatal(err)
	}
	f.own.Roots = x509.NewCertPool()
	f.own.Roots.AddCert(parent)
	var work errgroup.Group
	work.SetLimit(4)
	for n, a := range f.agents {
		work.Go(func() error {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				return err
			}
			id := agent.Identity{Namespace: f.ns, Pod: a.pod.Name, UID: string(a.pod.UID)}
			uri, err := url.Parse(id.String())
			if err != nil {
				return err
			}
			template := &x509.Certificate{
				SerialNumber: big.NewInt(int64(n) + 1<<40), URIs: []*url.URL{uri}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(12 * time.Hour),
				BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
			}
			der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), authority.PrivateKey)
			if err != nil {
				return err
			}
			a.own = mtls.Own{Certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, Roots: f.own.Roots}
			a.dialer = &net.Dialer{LocalAddr: &net.TCPAddr{IP: a.from}}
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		f.t.Fatal(err)
	}
}

func isTheManager(c *x509.Certificate) error {
	if len(c.URIs) != 1 || c.URIs[0].String() != agent.ManagerURI {
		return errors.New("it is not the manager")
	}
	return nil
}

// begin has each agent report now and then, as agents do: the first time at any moment of a quarter of a heartbeat.
func (f *fleet) begin() {
	heartbeat := *agentsEvery
	for _, a := range f.agents {
		go func() {
			for wait := mathrand.N(heartbeat / 4); pause(f.t.Context(), wait); wait = heartbeat + mathrand.N(heartbeat/4) {
				f.report(a)
			}
		}()
	}
}

// report sends one, again after a second, two, four if it does not arrive.
func (f *fleet) report(a *simulated) {
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		err := f.send(a)
		if err == nil {
			f.taken.Add(1)
			return
		}
		f.failed.Add(1)
		if !pause(f.t.Context(), wait+mathrand.N(wait/4)) {
			return
		}
	}
}

func (f *fleet) send(a *simulated) error {
	a.mu.Lock()
	a.sequence++
	r := agent.Report{
		Version: agent.Version, Role: a.role, Engine: "redis/7.0.15", ReplicationID: strings.Repeat("b", 40), Offset: 1 << 40, BootID: a.boot, Sequence: a.sequence, Holds: agent.HoldsData,
	}
	a.mu.Unlock()
	if r.Role == agent.RoleReplica {
		r.MasterAddr, r.LinkUp = "10.0.0.1:6379", true
	}
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, "https://"+f.at+agent.ReportPath, bytes.NewReader(body))
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: a.sessions.Client(a.own, isTheManager), DisableKeepAlives: true, DialContext: a.dialer.DialContext,
	}}
	response, err := client.Do(request)
	if err != nil {
		a.sessions.Forget()
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}

// change makes another instance of each of these shards say that it is master, and the old one that it is not, and waits for the labels.
func (f *fleet) change(of []int, patience time.Duration) time.Duration {
	var both []*simulated
	f.mu.Lock()
	for _, shard := range of {
		old := f.masters[shard]
		next := shard*3 + (old-shard*3+1)%3
		f.masters[shard] = next
		both = append(both, f.agents[old], f.agents[next])
		f.agents[old].says(agent.RoleReplica)
		f.agents[next].says(agent.RoleMaster)
	}
	f.mu.Unlock()
	began := time.Now()
	for _, a := range both {
		go f.report(a)
	}
	f.until(patience, of...)
	return time.Since(began)
}

func (a *simulated) says(role agent.Role) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.role = role
}

// profile takes the API server's use of CPU for ten seconds from now on, if a file for it was named. What it returns waits for that.
func (f *fleet) profile() (done func()) {
	if *agentsProfile == "" {
		return func() {}
	}
	var work errgroup.Group
	work.Go(func() error {
		text, err := f.k.raw(f.t, "/debug/pprof/profile?seconds=10")
		if err != nil {
			return err
		}
		return os.WriteFile(*agentsProfile, text, 0o600)
	})
	return func() {
		if err := work.Wait(); err != nil {
			f.t.Error(err)
		}
	}
}

// patched is what the API server says of patches of pods.
type patched struct{ count, seconds, cpu float64 }

func (p patched) since(before patched) string {
	n := p.count - before.count
	return fmt.Sprintf("%.0f patches of pods, of %.1f ms each to the API server, which took %.1f s of CPU meanwhile", n, (p.seconds-before.seconds)/max(n, 1)*1e3, p.cpu-before.cpu)
}

func (f *fleet) patches() (p patched) {
	f.t.Helper()
	families := f.k.scraped(f.t)
	for _, m := range families["apiserver_request_duration_seconds"].GetMetric() {
		if labels := labelsOf(m); labels["verb"] == "PATCH" && labels["resource"] == "pods" && labels["subresource"] == "" {
			p.count += float64(m.GetHistogram().GetSampleCount())
			p.seconds += m.GetHistogram().GetSampleSum()
		}
	}
	for _, m := range families["process_cpu_seconds_total"].GetMetric() {
		p.cpu += m.GetCounter().GetValue()
	}
	return p
}

// used is what a process took.
type used struct {
	cores    float64
	resident int
}

func (u used) String() string {
	return fmt.Sprintf("%.2f %% of a core, %d MiB", u.cores*100, u.resident>>20)
}

// cost measures a process for a while: its time on cores, and its memory at the end.
func cost(t *testing.T, pid int, during time.Duration) used {
	t.Helper()
	before, _ := usedBy(t, pid)
	began := time.Now()
	letPass(t, during)
	after, resident := usedBy(t, pid)
	return used{cores: (after - before) / time.Since(began).Seconds(), resident: resident}
}
