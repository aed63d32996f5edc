//go:build redis

package realredis

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/agent/mtls/mtlstest"
	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
	"github.com/shoal-dev/shoal/switchover"
)

// agentVariable is the path of the program that `make test-redis` has built: compiling it is no part of any test's time.
const agentVariable = "SHOAL_AGENT"

// agentFile is not in memory: programs may not be run from there.
func agentFile() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("shoal-agent-%d", os.Getpid()))
}

// agentProgram is built here, once, where the tests are run without make.
var agentProgram = sync.OnceValues(func() (string, error) {
	if name := os.Getenv(agentVariable); name != "" {
		return name, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute) // for all that it is made of, on a busy machine
	defer cancel()
	name := agentFile()
	out, err := exec.CommandContext(ctx, "go", "build", "-o", name, "../../cmd/agent").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return name, err
})

// reported is a report, and when it came.
type reported struct {
	agent.Report
	at time.Time
}

// sidecar is an agent as a process of its own, with a manager of its own.
type sidecar struct {
	*exec.Cmd
	t                testing.TB
	ca               *mtlstest.Authority
	identity         string
	folder           string
	actions, metrics string
	log              *printed
	reports          chan reported
	boot             atomic.Value // of the last report
}

// newSidecar starts an agent for the Redis at host:port, and waits for nothing.
func newSidecar(t testing.TB, addr string, flags ...string) *sidecar {
	t.Helper()
	own := network(t) // on 127.0.0.1, a port that is free now may be taken by anybody who connects meanwhile
	actions := fmt.Sprintf("127.%d.5.1", own)
	metrics := fmt.Sprintf("127.%d.5.2", own)
	s := &sidecar{
		ca: mtlstest.New(t), identity: agent.Identity{Namespace: "shop", Pod: "orders-0", UID: "8d7f1c1e-2c5b-4a53-9d0e-0a1b2c3d4e5f"}.String(),
		actions: net.JoinHostPort(actions, freePort(t, actions)), metrics: net.JoinHostPort(metrics, freePort(t, metrics)),
	}
	s.run(t, addr, append([]string{"--timeout", "2s", "-v", "9"}, flags...)...)
	return s
}

// run starts the agent that has these addresses, this identity and this authority.
func (s *sidecar) run(t testing.TB, addr string, flags ...string) {
	t.Helper()
	program, err := agentProgram()
	if err != nil {
		t.Fatal(err)
	}
	s.t, s.folder, s.log, s.reports = t, scratch(t), &printed{}, make(chan reported, 1000)
	bundle, roots := s.ca.Write(t, s.folder, s.ca.Sign(t, s.identity, nil))
	s.Cmd = exec.Command(program, append([]string{"--manager", s.manager(), "--address", addr, "--credential-bundle-file", bundle, "--trust-bundle-file", roots,
		"--actions-bind-address", s.actions, "--metrics-bind-address", s.metrics}, flags...)...)
	s.Stdout, s.Stderr = s.log, s.log
	s.Env = []string{} // it needs nothing
	enter := limited(t)
	start(t, s.Cmd)
	enter(s.Process.Pid)
	t.Cleanup(func() {
		if t.Failed() {
			lines := strings.Split(s.log.String(), "\n")
			t.Logf("the agent said:\n%s", strings.Join(lines[max(0, len(lines)-40):], "\n"))
		}
	})
}

// manager takes reports, and returns its address.
func (s *sidecar) manager() string {
	own := s.ca.Own(s.t, agent.ManagerURI)
	listener, err := tls.Listen("tcp", net.JoinHostPort(executor, "0"), mtls.Server(func() (mtls.Own, error) { return own, nil }, isThis(s.identity), nil))
	if err != nil {
		s.t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		report, err := agent.DecodeReport(r.Body)
		if err != nil {
			s.t.Error(err)
			return
		}
		s.boot.Store(report.BootID)
		s.reports <- reported{report, time.Now()}
		w.WriteHeader(http.StatusNoContent)
	})}
	s.t.Cleanup(func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
	return listener.Addr().String()
}

func (s *sidecar) until(what string, wanted func(agent.Report) bool) reported {
	s.t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		select {
		case r := <-s.reports:
			if wanted(r.Report) {
				return r
			}
		case <-deadline:
			s.t.Fatalf("not reported: %s", what)
			return reported{}
		}
	}
}

func isMaster(r agent.Report) bool { return r.Role == agent.RoleMaster }
func inSync(r agent.Report) bool   { return r.Role == agent.RoleReplica && r.LinkUp }

func failing(reason string) func(agent.Report) bool {
	return func(r agent.Report) bool {
		return r.Role == agent.RoleUnknown && strings.HasPrefix(r.Problem, reason+": ")
	}
}

// ask asks for an action as the manager.
func (s *sidecar) ask(r agent.Request) agent.Answer {
	s.t.Helper()
	r.Version = agent.Version
	if r.Action != agent.ConfigGet {
		r.BootID, _ = s.boot.Load().(string)
	}
	body, err := json.Marshal(r)
	if err != nil {
		s.t.Fatal(err)
	}
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: mtls.Client(s.ca.Own(s.t, agent.ManagerURI), isThis(s.identity)), DisableKeepAlives: true}}
	response, err := client.Post("https://"+s.actions+agent.ActionPath, "application/json", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := agent.DecodeAnswer(response.Body)
	if err != nil {
		s.t.Fatalf("status %d: %v", response.StatusCode, err)
	}
	return answer
}

func (s *sidecar) get(path string) string {
	s.t.Helper()
	response, err := http.Get("http://" + s.metrics + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// A change of role is known to the manager within the second of a poll, and what it costs the report.
func TestAgentNoticesWithinASecond(t *testing.T) {
	s := newShard(t, shape{servers: 2})
	a := newSidecar(t, s.direct[1].Options().Addr)
	a.until("a replica in sync", inSync)
	var longest, sum time.Duration
	took := func(d time.Duration) { longest, sum = max(longest, d), sum+d }
	const rounds = 5
	for range rounds {
		begun := time.Now()
		s.do(1, "REPLICAOF", "NO", "ONE")
		took(a.until("the promotion", isMaster).at.Sub(begun))
		begun = time.Now()
		s.do(1, "REPLICAOF", s.hostPort(0)...)
		r := a.until("that it is a replica", func(r agent.Report) bool { return r.Role == agent.RoleReplica })
		took(r.at.Sub(begun))
		if master := s.fronts[0].addr(); r.MasterAddr != master {
			t.Errorf("its master is %s, want %s", r.MasterAddr, master)
		}
		if !r.LinkUp {
			a.until("a replica in sync", inSync)
		}
	}
	mean := sum / (2 * rounds)
	t.Logf("a change took %s from the order to the report on average, the longest of ten %s", mean, longest)
	// Each change is made right after a look, and so waits for nearly a whole second; the rest is the machine.
	if mean > 1500*time.Millisecond || longest > 3*time.Second {
		t.Error("that is too long")
	}
}

// When Sentinels promote a replica, its agent reports that, and the epoch of the election as soon as Sentinels tell. They may
// have told by the time of the next look, or not: one report has both, or one follows the other. Who waits for the promotion,
// and then for a report of the epoch, waits for a heartbeat in the first case.
func TestAgentSeesAFailover(t *testing.T) {
	t.Parallel()
	s := newShard(t, shape{servers: 2, sentinels: 3, downAfter: 2 * time.Second, failoverTimeout: shortly})
	a := newSidecar(t, s.direct[1].Options().Addr, "--sentinels", strings.Join(s.sentinels, ","), "--sentinel-shard", monitor, "--announced-address", s.fronts[1].addr())
	a.until("a replica in sync", inSync)
	kill(t, s.servers[0])
	var r agent.Report
	if err := s.heal(func() bool {
		select {
		case next := <-a.reports:
			r = next.Report
		default:
		}
		return isMaster(r) && r.Epoch > 0
	}); err != nil {
		t.Fatalf("the promotion, with its epoch, is not reported: %+v", r)
	}
	if view, err := s.view(s.sentinels[0]); err != nil || view.Master != s.fronts[1].addr() || int64(view.Epoch) != r.Epoch {
		t.Errorf("the Sentinel says %+v, %v; the agent says epoch %d", view, err, r.Epoch)
	}
}

// A Redis that is frozen or dead is unknown, and known again when it is back.
func TestAgentOfARedisThatFails(t *testing.T) {
	t.Parallel()
	s := newShard(t, shape{servers: 1})
	a := newSidecar(t, s.direct[0].Options().Addr)
	first := a.until("a master", isMaster)
	freeze(t, s.servers[0])
	a.until("that it is silent", failing("timeout"))
	thaw(t, s.servers[0])
	a.until("a master again", isMaster)
	kill(t, s.servers[0])
	last := a.until("that it is gone", failing("unreachable"))
	if last.BootID != first.BootID || last.Sequence <= first.Sequence {
		t.Errorf("%+v after %+v", last, first)
	}
	if text := a.get("/healthz"); text != "ok\n" {
		t.Errorf("the agent says of itself: %s", text)
	}
}

// With a wrong password, or TLS on one side only, an agent reports why it knows nothing, and no password is anywhere.
func TestAgentIsRefusedByRedis(t *testing.T) {
	t.Parallel()
	const password, wrong = "correct-horse-battery", "staple-of-the-battery"
	file := filepath.Join(scratch(t), "password")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(wrong)
	locked := newShard(t, shape{servers: 1})
	locked.do(0, "CONFIG", "SET", "requirepass", password)
	open := newShard(t, shape{servers: 1})
	addr := func(s *shard) string { return s.direct[0].Options().Addr }

	none := newSidecar(t, addr(locked))
	none.until("no password", failing("refused"))
	needless := newSidecar(t, addr(open), "--password-file", file)
	needless.until("a Redis that takes any password", failing("refused"))
	if answer := needless.ask(agent.Request{Action: agent.Pause, Milliseconds: 1}); answer.Refused == "" {
		t.Errorf("a Redis that takes any password is given orders: %+v", answer)
	}
	encrypted := newSidecar(t, addr(open), "--tls")
	encrypted.until("TLS to one who speaks none", func(r agent.Report) bool { return r.Role == agent.RoleUnknown })
	absent := newSidecar(t, addr(locked), "--password-file", file+".absent")
	absent.until("no file", failing("refused"))
	other := newSidecar(t, addr(locked), "--password-file", file)
	other.until("another password", failing("refused"))
	write(password) // it was changed
	other.until("the right password", isMaster)
	if answer := other.ask(agent.Request{Action: agent.Pause, Milliseconds: 1}); answer.Refused != "" {
		t.Errorf("%+v", answer)
	}
	for _, a := range []*sidecar{none, needless, encrypted, absent, other} {
		text := a.log.String() + a.get("/metrics")
		for drained := false; !drained; {
			select {
			case r := <-a.reports:
				text += fmt.Sprintf("%+v", r)
			default:
				drained = true
			}
		}
		if strings.Contains(text, password[:9]) || strings.Contains(text, wrong[:6]) {
			t.Errorf("a password is in %s", text)
		}
	}
	if text := none.get("/metrics"); !strings.Contains(text, `shoal_agent_look_failures_total{cause="refused"}`) {
		t.Errorf("it is not counted: %s", text)
	}
}

// The actions that change a master keep its data; what would lose it is refused.
func TestAgentActs(t *testing.T) {
	t.Parallel()
	s := newShard(t, shape{servers: 2})
	s.do(0, "SET", "key", "value")
	if err := until(60*time.Second, func() bool { return s.do(1, "EXISTS", "key") == int64(1) }); err != nil {
		t.Fatal("the replica does not get it")
	}
	a, master := newSidecar(t, s.direct[1].Options().Addr), s.fronts[0].addr()
	a.until("a replica in sync", inSync)
	var last agent.Report
	for _, c := range []struct {
		request agent.Request
		refused agent.Refusal
		changed bool
	}{
		{agent.Request{Action: agent.Pause, Milliseconds: 100}, agent.RefusedState, false},
		{agent.Request{Action: agent.Demote}, agent.RefusedState, false},
		{agent.Request{Action: agent.Join, Master: master}, "", false},
		{agent.Request{Action: agent.Join, Master: "127.0.0.1:2"}, agent.RefusedState, false},
		{agent.Request{Action: agent.Protect}, "", true},
		{agent.Request{Action: agent.Protect}, "", false},
		{agent.Request{Action: agent.Demote}, "", false},
		{agent.Request{Action: agent.Join, Master: master}, "", true},
		{agent.Request{Action: agent.Leave}, "", true},
		{agent.Request{Action: agent.Promote, Epoch: 5}, "", true},
		{agent.Request{Action: agent.Promote, Epoch: 4}, agent.RefusedEpoch, false},
		{agent.Request{Action: agent.Leave}, agent.RefusedState, false},
		{agent.Request{Action: agent.Join, Master: master}, agent.RefusedState, false},
		{agent.Request{Action: agent.Follow, Master: master}, agent.RefusedState, false},
		{agent.Request{Action: agent.Pause, Milliseconds: 60_000}, "", true},
		{agent.Request{Action: agent.Unpause}, "", true},
		{agent.Request{Action: agent.ConfigSet, Parameters: []agent.Parameter{{Name: "maxmemory", Value: "much"}}}, agent.Failed, false},
		{agent.Request{Action: agent.Demote}, "", true},
		{agent.Request{Action: agent.Follow, Master: master}, "", true},
	} {
		answer := a.ask(c.request)
		last = answer.Report
		if answer.Refused != c.refused || answer.Changed != c.changed {
			t.Errorf("%+v: %+v", c.request, answer)
		}
		if c.request.Action == agent.Promote && c.refused == "" && (answer.Report.Role != agent.RoleMaster || answer.Report.Epoch != 5) {
			t.Errorf("%+v", answer.Report)
		}
		if c.request.Action == agent.Protect && !answer.Report.Protected {
			t.Errorf("%+v", answer.Report)
		}
		if value := s.do(1, "GET", "key"); value != "value" {
			t.Fatalf("after %+v the key is %v", c.request, value)
		}
	}
	if !inSync(last) { // a report of before tells nothing of the last order
		a.until("a replica in sync", func(r agent.Report) bool { return r.Sequence > last.Sequence && inSync(r) })
	}
	answer := a.ask(agent.Request{Action: agent.ConfigSet, Parameters: []agent.Parameter{{Name: "maxmemory", Value: "100mb"}, {Name: "hz", Value: "11"}}})
	want := []agent.Parameter{{Name: "maxmemory", Value: "104857600"}, {Name: "hz", Value: "11"}}
	if fmt.Sprint(answer.Parameters) != fmt.Sprint(want) || !answer.Changed {
		t.Errorf("%+v", answer)
	}
	if answer := a.ask(agent.Request{Action: agent.ConfigGet, Parameters: []agent.Parameter{{Name: "hz"}, {Name: "maxmemory-clients"}}}); len(answer.Parameters) != 2 || answer.Changed {
		t.Errorf("%+v", answer)
	}
}

// Who has lost the lock of a shard changes nothing through the agent while somebody with a later one is at work, and who has got it
// ends what came before.
func TestAgentActsUnderTheLock(t *testing.T) {
	t.Parallel()
	s := newShard(t, shape{servers: 1})
	addr := s.direct[0].Options().Addr
	a := newSidecar(t, addr)
	a.until("a master", isMaster)
	other, err := redis.Connect(t.Context(), addr, redis.Access{Name: switchover.ConnectionName, Generation: 7})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() }) // the agent has ended it
	if answer := a.ask(agent.Request{Action: agent.Demote, Lock: 6}); answer.Refused != agent.RefusedLock || answer.Changed || answer.Report.Role != agent.RoleMaster {
		t.Errorf("with the lock of before: %+v", answer)
	}
	setting := []agent.Parameter{{Name: "min-replicas-to-write", Value: "0"}}
	if answer := a.ask(agent.Request{Action: agent.ConfigSet, Lock: 6, Parameters: setting}); answer.Refused != agent.RefusedLock {
		t.Errorf("a fence, with the lock of before: %+v", answer)
	}
	if answer := a.ask(agent.Request{Action: agent.ConfigSet, Lock: 7, Parameters: setting}); answer.Refused != "" {
		t.Errorf("a fence, with the lock: %+v", answer)
	}
	if _, err := other.State(t.Context()); err != nil {
		t.Errorf("the later one was disturbed: %v", err)
	}
	if answer := a.ask(agent.Request{Action: agent.Demote, Lock: 8}); answer.Refused != "" || !answer.Changed {
		t.Errorf("with the lock of after: %+v", answer)
	}
	if _, err := other.State(t.Context()); err == nil {
		t.Error("the earlier one can go on")
	}
	if answer := a.ask(agent.Request{Action: agent.Promote, Lock: 7}); answer.Refused != agent.RefusedLock || answer.Report.Role != agent.RoleReplica {
		t.Errorf("when the later one is gone: %+v", answer)
	}
}

// A certificate and roots that were rotated hold within a second.
func TestAgentRotates(t *testing.T) {
	t.Parallel()
	s := newShard(t, shape{servers: 1})
	a := newSidecar(t, s.direct[0].Options().Addr)
	a.until("a master", isMaster)
	if answer := a.ask(agent.Request{Action: agent.Unpause}); answer.Refused != "" {
		t.Errorf("%+v", answer)
	}
	a.ca = mtlstest.New(t)
	a.ca.Write(t, a.folder, a.ca.Sign(t, a.identity, nil))
	pass(1100 * time.Millisecond) // files are read once a second at the most
	if answer := a.ask(agent.Request{Action: agent.Unpause}); answer.Refused != "" {
		t.Errorf("%+v", answer)
	}
}

// An agent that has nothing to tell costs next to nothing, and its Redis too.
func TestAgentIsIdle(t *testing.T) {
	s := newShard(t, shape{servers: 1})
	server := s.servers[0].Process.Pid
	const long = 10 * time.Second // as many looks
	before := spent(t, server, long)
	a := newSidecar(t, s.direct[0].Options().Addr)
	a.until("a master", isMaster)
	began := cpu(t, a.Process.Pid)
	with := spent(t, server, long)
	own := (cpu(t, a.Process.Pid) - began).Seconds() / long.Seconds()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var resident, anonymous int
	for line := range strings.Lines(string(status)) {
		_, _ = fmt.Sscanf(line, "VmRSS: %d kB", &resident)
		_, _ = fmt.Sscanf(line, "RssAnon: %d kB", &anonymous)
	}
	t.Logf("the agent takes %.3f %% of a core and %.1f MB, %.1f of them its own alone; Redis takes %.3f %% instead of %.3f", 100*own,
		float64(resident)/1e3, float64(anonymous)/1e3, 100*with, 100*before)
	if own > 0.01 || with-before > 0.01 || resident > 40_000 {
		t.Error("that is too much")
	}
}

// spent is the share of a core that a process takes in a time.
func spent(t testing.TB, pid int, long time.Duration) float64 {
	t.Helper()
	began := cpu(t, pid)
	<-time.After(long)
	return (cpu(t, pid) - began).Seconds() / long.Seconds()
}

// cpu is the time that all threads of a process have had on a core.
func cpu(t testing.TB, pid int) (total time.Duration) {
	t.Helper()
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, name := range threads {
		text, err := os.ReadFile(name)
		var ns int64
		if _, scanErr := fmt.Sscan(string(text), &ns); err != nil || scanErr != nil {
			continue // a thread that has just ended
		}
		total += time.Duration(ns)
	}
	return total
}

// isThis admits the one identity.
func isThis(uri string) func(*x509.Certificate) error {
	return func(c *x509.Certificate) error {
		if id, err := agent.IdentityOf(c); err != nil || id.String() != uri {
			return fmt.Errorf("it is not %s: %w", uri, err)
		}
		return nil
	}
}
