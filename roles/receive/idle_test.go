package receive

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/agent/mtls/mtlstest"
	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/roles"
)

var (
	idleAgents  = flag.Int("idle-agents", 0, "how many agents TestIdleAgents simulates; 0 skips it")
	idleEvery   = flag.Duration("idle-heartbeat", 5*time.Minute, "how often each of them reports, as --heartbeat of the agent")
	idleProfile = flag.String("idle-profile", "", "file for a CPU profile of the endpoint, from when each agent has reported once")
	idleFolder  = flag.String("idle-folder", "", "with certificates: TestIdleEndpoint serves; set by TestIdleAgents")
)

// TestIdleAgents measures what agents cost whoever hears them while nothing changes. The endpoint, with its TLS and the ledger of reports, is a
// process of its own, and its pods are in a cache in memory; agents are in this one, which does not count. Each reports on a connection of its own
// from an address of its own, with the certificate of its pod, at its own time. Figures are for docs/benchmarks.md.
func TestIdleAgents(t *testing.T) {
	if *idleAgents == 0 {
		t.Skip("-idle-agents says how many: `make bench-reports`")
	}
	ca, folder := mtlstest.New(t), t.TempDir()
	ca.Write(t, folder, ca.Sign(t, agent.ManagerURI, nil))
	server, address, in := serveIn(t, folder)
	all := make([]*idle, *idleAgents)
	for n := range all {
		all[n] = &idle{own: ca.Own(t, identityOf(n).String()), from: net.IPv4(127, byte(10+n>>14), byte(n>>7&127), byte(n&127+1))}
	}
	pass(t, 5*time.Second)
	before := usage(t, server)
	var taken, failed atomic.Int64
	for _, a := range all {
		go func() {
			for wait := rand.N(*idleEvery + *idleEvery/4); ; wait = *idleEvery + rand.N(*idleEvery/4) {
				select {
				case <-t.Context().Done():
					return
				case <-time.After(wait):
				}
				for again := time.Second; a.report(t.Context(), address) != nil && t.Context().Err() == nil; again *= 2 { // as agents do
					failed.Add(1)
					<-time.After(again)
				}
				taken.Add(1)
			}
		}()
	}
	pass(t, *idleEvery+*idleEvery/4) // each has shown its certificate
	t.Logf("the first reports: %d were taken, %d failed; %s", taken.Swap(0), failed.Swap(0), usage(t, server).since(before))
	if _, err := in.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	first := usage(t, server)
	pass(t, *idleEvery+*idleEvery/4)
	after := usage(t, server)
	t.Logf("%d agents, each of them every %s: %d reports were taken, %d failed; %s, %d MiB more than without agents", len(all), *idleEvery, taken.Load(), failed.Load(),
		after.since(first), (after.resident-before.resident)>>20)
	load, _ := os.ReadFile("/proc/loadavg")
	t.Logf("load of the machine: %s", strings.TrimSpace(string(load)))
}

func pass(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	case <-time.After(d):
	}
}

// idle is an agent of a replica that nothing happens to.
type idle struct {
	own      mtls.Own
	from     net.IP
	sessions mtls.Sessions
	sequence uint64
}

func (a *idle) report(ctx context.Context, address string) error {
	a.sequence++
	text, err := json.Marshal(agent.Report{
		Version: agent.Version, Role: agent.RoleReplica, Engine: "redis/7.0.15", ReplicationID: strings.Repeat("b", 40), Offset: 1 << 40, MasterAddr: "10.0.0.1:6379",
		LinkUp: true, BootID: strings.Repeat("a", 32), Sequence: a.sequence, Holds: agent.HoldsData,
	})
	if err != nil {
		return err
	}
	isManager := func(c *x509.Certificate) error {
		if !agent.IsManager(c) {
			return errors.New("it is not the manager's")
		}
		return nil
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: a.from}}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: a.sessions.Client(a.own, isManager), DisableKeepAlives: true, DialContext: dialer.DialContext,
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+agent.ReportPath, bytes.NewReader(text))
	if err != nil {
		return err
	}
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

func identityOf(n int) agent.Identity {
	return agent.Identity{Namespace: "shop", Pod: podspec.Name("orders", int32(n)), UID: fmt.Sprintf("8d7f1c1e-2c5b-4a53-9d0e-%012x", n)}
}

// serveIn starts TestIdleEndpoint as a process.
func serveIn(t *testing.T, folder string) (pid int, address string, in io.Writer) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestIdleEndpoint$", "-test.v", "-idle-folder="+folder, "-idle-agents="+strconv.Itoa(*idleAgents), "-idle-profile="+*idleProfile)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := c.StdinPipe()
	if err != nil { // it ends when this process does
		t.Fatal(err)
	}
	c.Cancel, c.WaitDelay = pipe.Close, 5*time.Second
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Wait() }) // the test's context has ended it
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if at, is := strings.CutPrefix(lines.Text(), "serving at "); is {
			return c.Process.Pid, at, pipe
		}
	}
	t.Fatal("the endpoint does not come up")
	return 0, "", nil
}

// TestIdleEndpoint is the process of TestIdleAgents that is measured.
func TestIdleEndpoint(t *testing.T) {
	if *idleFolder == "" {
		t.Skip("it is started by TestIdleAgents")
	}
	c, err := roles.New(roles.Deps{
		Cache: newPods(*idleAgents), Writer: fake.NewClientBuilder().Build(), Events: events.NewFakeRecorder(1), Metrics: prometheus.NewRegistry(), Now: time.Now,
		News: func(roles.Shard) {}, Judged: func(types.NamespacedName) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Ledger.Listen()
	own := mtls.Recent(func() (mtls.Own, error) {
		return mtls.ReadFiles(*idleFolder+"/credentials.pem", *idleFolder+"/roots.pem")
	})
	s, err := New(Options{Own: own, Accept: c.Ledger.Accept, Tell: func(cause, text string) { t.Log(cause, text) }, Now: time.Now}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if _, err := os.Stdin.Read(make([]byte, 1)); err == nil && *idleProfile != "" { // the word that the first reports are there
			profile(*idleProfile)
		}
		_, _ = io.Copy(io.Discard, os.Stdin)
		pprof.StopCPUProfile()
		os.Exit(0)
	}()
	_, _ = fmt.Fprintln(os.Stdout, "serving at "+l.Addr().String())
	if err := s.serve(t.Context(), l); err != nil {
		t.Fatal(err)
	}
}

func profile(name string) {
	out, err := os.Create(name)
	if err == nil {
		err = pprof.StartCPUProfile(out)
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// pods are a cache of one set and its pods, as the manager's is: what is read is not copied.
type pods struct {
	client.Reader
	set v1alpha1.InstanceSet
	all map[string]*corev1.Pod
}

func newPods(n int) *pods {
	size, replicas := int32(3), int32(n)
	p := &pods{all: map[string]*corev1.Pod{}}
	p.set.Namespace, p.set.Name, p.set.UID = "shop", "orders", "7a1f1c1e-2c5b-4a53-9d0e-0a1b2c3d4e5f"
	p.set.Spec.Replicas, p.set.Spec.ShardSize, p.set.Spec.Roles = &replicas, &size, []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster}}
	for i := range replicas {
		pod := podspec.Pod(&p.set, podspec.Instance{Ordinal: i})
		pod.UID = types.UID(identityOf(int(i)).UID)
		p.all[pod.Name] = pod
	}
	return p
}

func (p *pods) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	switch into := into.(type) {
	case *v1alpha1.InstanceSet:
		*into = p.set
	case *corev1.Pod:
		pod := p.all[key.Name]
		if pod == nil {
			return apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, key.Name)
		}
		*into = *pod
	}
	return nil
}

// used is what a process took, in ticks of its time on cores and in bytes.
type used struct {
	at              time.Time
	ticks, resident int
}

func (u used) since(before used) string {
	const hertz = 100 // USER_HZ, on all that Linux runs on today
	return fmt.Sprintf("%.2f %% of a core", float64(u.ticks-before.ticks)/hertz/u.at.Sub(before.at).Seconds()*100)
}

func usage(t *testing.T, pid int) used {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+2:])) // from the third one on, see proc(5)
	memory, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	pages, err3 := strconv.Atoi(strings.Fields(string(memory))[1])
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return used{time.Now(), user + system, pages * os.Getpagesize()}
}
