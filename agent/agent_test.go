package agent

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/agent/mtls/mtlstest"
	"github.com/shoal-dev/shoal/agent/probe"
	"github.com/shoal-dev/shoal/api/agent"
)

func TestChangesAreReportedAtOnce(t *testing.T) {
	w := start(t, func(_ *world, o *Options) {
		o.Revision, o.Start = "r1", agent.Start{Kernel: strings.Repeat("c", 32), Since: 7}
	})
	first := w.next(t)
	if first.Role != agent.RoleMaster || first.Sequence != 1 || first.Revision != "r1" || first.Start.Since != 7 || first.Offset != 1 {
		t.Errorf("%+v", first)
	}
	w.engine.is(agent.Report{Role: agent.RoleMaster, Offset: 2}, nil)
	w.silent(t, 100*time.Millisecond) // an offset alone is no news
	for i, r := range []agent.Report{
		{Role: agent.RoleReplica, MasterAddr: "a:1"},
		{Role: agent.RoleReplica, MasterAddr: "a:1", LinkUp: true},
		{Role: agent.RoleReplica, MasterAddr: "b:1", LinkUp: true},
		{Role: agent.RoleReplica, MasterAddr: "b:1", LinkUp: true, ReplicationID: "h"},
		{Role: agent.RoleReplica, MasterAddr: "b:1", LinkUp: true, ReplicationID: "h", Loading: true},
		{Role: agent.RoleMaster, ReplicationID: "h"},
	} {
		w.engine.is(r, nil)
		got := w.next(t)
		if got.Sequence != uint64(i+2) || got.BootID != first.BootID {
			t.Errorf("report %d of boot %s, want %d of %s", got.Sequence, got.BootID, i+2, first.BootID)
		}
		r.Version, r.BootID, r.Start, r.Sequence, r.Revision = got.Version, got.BootID, first.Start, got.Sequence, got.Revision
		if got != r {
			t.Errorf("%+v, want %+v", got, r)
		}
	}
	w.counted(t, "shoal_agent_reports_total", "accepted")
	if w.count(t, "shoal_agent_certificate_expiry_timestamp_seconds") < float64(time.Now().Unix()) {
		t.Error("the end of the certificate is not told of")
	}
}

func TestHeartbeat(t *testing.T) {
	begun := time.Now()
	w := start(t, func(_ *world, o *Options) { o.Heartbeat = 100 * time.Millisecond })
	for n := range uint64(4) {
		if r := w.next(t); r.Sequence != n+1 {
			t.Errorf("report %d, want %d", r.Sequence, n+1)
		}
	}
	if took := time.Since(begun); took < 300*time.Millisecond { // of the sender; when they are read is the machine's business
		t.Errorf("three heartbeats in %s", took)
	}
	for range 1000 {
		if d := spread(time.Minute); d < time.Minute || d > 75*time.Second {
			t.Fatalf("a minute is spread to %s", d)
		}
	}
}

// An agent shows its certificate once, and again after a report that did not arrive: the server's refusal may be about the session.
func TestReportsResumeTheirSession(t *testing.T) {
	w := start(t, func(_ *world, o *Options) { o.Heartbeat = 50 * time.Millisecond })
	for n, want := range []bool{false, true, true} {
		w.next(t)
		if got := <-w.resumed; got != want {
			t.Errorf("report %d: resumed: %t", n, got)
		}
	}
	w.answers(http.StatusForbidden)
	for range 3 { // the second of them at the latest is one after a refusal
		w.next(t)
		if !<-w.resumed {
			return
		}
	}
	t.Error("it resumes a session that is refused")
}

// One look that fails is not an engine that is gone; some in a row are, and what was known is not repeated then.
func TestAnEngineThatFails(t *testing.T) {
	w := start(t, func(_ *world, o *Options) { o.Failures = 100 })
	w.next(t)
	failure := &probe.Failure{Reason: "timeout", Err: errors.New("read tcp 127.0.0.1:40001: two\nlines")}
	w.engine.is(agent.Report{}, failure)
	w.silent(t, 50*time.Millisecond)
	r := w.next(t)
	if r.Role != agent.RoleUnknown || r.Problem != "timeout: read tcp 127.0.0.1:40001: two lines" || r.Offset != 0 {
		t.Errorf("%+v", r)
	}
	w.engine.is(agent.Report{}, &probe.Failure{Reason: "timeout", Err: errors.New("read tcp 127.0.0.1:40002")})
	w.silent(t, 50*time.Millisecond) // the same reason in other words
	w.engine.is(agent.Report{}, &probe.Failure{Reason: "refused", Err: errors.New("WRONGPASS")})
	if r := w.next(t); r.Role != agent.RoleUnknown || r.Problem != "refused: WRONGPASS" {
		t.Errorf("%+v", r)
	}
	w.engine.is(agent.Report{Role: agent.RoleReplica}, nil)
	if r := w.next(t); r.Role != agent.RoleReplica || r.Problem != "" {
		t.Errorf("%+v", r)
	}
	if w.count(t, "shoal_agent_look_failures_total", "timeout") < 100 {
		t.Error("failures are not counted")
	}
	if err := w.agent.Healthy(); err != nil {
		t.Error(err)
	}
}

// An engine that answers nonsense is unknown: a manager would refuse such a report, and know nothing of this instance.
func TestNonsenseIsNotReported(t *testing.T) {
	for _, nonsense := range []agent.Report{
		{}, {Role: "leader"}, {Role: agent.RoleMaster, Offset: -1}, {Role: agent.RoleMaster, ReplicationID: strings.Repeat("x", 100)},
		{Role: agent.RoleReplica, MasterAddr: "no address"}, {Role: agent.RoleMaster, Engine: "a b\n"},
	} {
		w := start(t, func(w *world, _ *Options) { w.engine.is(nonsense, nil) })
		if r := w.next(t); r.Role != agent.RoleUnknown || !strings.HasPrefix(r.Problem, "answer: ") {
			t.Errorf("%+v is reported as %+v", nonsense, r)
		}
		w.counted(t, "shoal_agent_look_failures_total", "answer")
	}
}

func TestReportsGoToTheManagerAlone(t *testing.T) {
	for name, c := range map[string]struct {
		server func(*world) mtls.Own
		result string
	}{
		"another pod":    {func(w *world) mtls.Own { return w.ca.Own(t, podURI) }, "stranger"},
		"a forged one":   {func(*world) mtls.Own { return mtlstest.New(t).Own(t, agent.ManagerURI) }, "stranger"},
		"nobody at all":  {nil, "failed"},
		"no certificate": {func(w *world) mtls.Own { return w.ca.Own(t, agent.ManagerURI) }, "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			var m *manager
			w := start(t, func(w *world, o *Options) {
				o.Manager = "127.0.0.1:1"
				if c.server != nil {
					m = newManager(t, c.server(w))
					o.Manager = m.addr
				}
				if name == "no certificate" {
					o.Own = func() (mtls.Own, error) { return mtls.ReadFiles("/absent", "/absent") }
				}
			})
			w.counted(t, "shoal_agent_reports_total", c.result)
			if m != nil {
				m.silent(t, 50*time.Millisecond)
			}
			if w.count(t, "shoal_agent_reports_total", "accepted") != 0 {
				t.Error("a report was accepted")
			}
		})
	}
}

// What does not arrive is sent again, as it is then, with a number of its own.
func TestReportsAreRetried(t *testing.T) {
	for status, result := range map[int]string{
		http.StatusServiceUnavailable: "failed", http.StatusForbidden: "refused", http.StatusConflict: "refused",
		http.StatusFound: "refused", http.StatusOK: "refused",
	} {
		w := start(t, func(w *world, _ *Options) { w.answers(status) })
		w.next(t)
		w.engine.is(agent.Report{Role: agent.RoleMaster, Offset: 77}, nil)
		w.counted(t, "shoal_agent_reports_total", result)
		w.answers(http.StatusNoContent)
		if r := w.next(t); r.Sequence < 2 || r.Offset != 77 { // on a busy machine another try may have been before
			t.Errorf("after status %d: %+v", status, r)
		}
		w.counted(t, "shoal_agent_reports_total", "accepted")
		for len(w.reports) > 0 {
			<-w.reports
		}
		w.silent(t, 50*time.Millisecond)
	}
}

// A change does not wait for the next try.
func TestAChangeDoesNotWait(t *testing.T) {
	w := start(t, func(w *world, _ *Options) { w.answers(http.StatusServiceUnavailable) })
	for range 3 {
		w.next(t) // the tries after this are seconds apart
	}
	w.engine.is(agent.Report{Role: agent.RoleReplica}, nil)
	begun := time.Now()
	w.until(t, "the change", func(r agent.Report) bool { return r.Role == agent.RoleReplica })
	if took := time.Since(begun); took > 3*time.Second { // the next try would be after four
		t.Errorf("it took %s", took)
	}
}

// The epoch is that of the instance's own election, or of its master's, and not of somebody else's.
func TestEpochs(t *testing.T) {
	var mu sync.Mutex
	election, failure := probe.Election{Epoch: 3, Master: "other:1"}, error(nil)
	says := func(e probe.Election, err error) {
		mu.Lock()
		defer mu.Unlock()
		election, failure = e, err
	}
	w := start(t, func(_ *world, o *Options) {
		o.Self, o.Heartbeat = []string{"self:1"}, 200*time.Millisecond
		o.Elections = func(context.Context, bool) (probe.Election, error) {
			mu.Lock()
			defer mu.Unlock()
			return election, failure
		}
	})
	epoch := func(n int64) func(agent.Report) bool { return func(r agent.Report) bool { return r.Epoch == n } }
	if r := w.next(t); r.Epoch != 0 {
		t.Errorf("somebody else's epoch: %+v", r)
	}
	says(probe.Election{Epoch: 4, Master: "self:1"}, nil)
	w.until(t, "the epoch", epoch(4))
	says(probe.Election{Epoch: 5, Master: "other:1"}, nil)
	w.until(t, "that another was elected", epoch(0))
	w.engine.is(agent.Report{Role: agent.RoleReplica, MasterAddr: "other:1"}, nil)
	w.until(t, "the epoch of its master", epoch(5))
	says(probe.Election{}, errors.New("no Sentinel answers"))
	w.counted(t, "shoal_agent_election_failures_total")
	if r := w.next(t); r.Epoch != 5 {
		t.Errorf("without Sentinels: %+v", r)
	}
}

// Sentinels that start anew count from the beginning. An earlier election that most of them name is believed when they have named
// it for a heartbeat, and no sooner: they may have yet to hear of the last one.
func TestALostElection(t *testing.T) {
	a, err := New(Options{Heartbeat: time.Minute, Self: []string{"10.0.0.7", "orders-1.orders.shop.svc:6379"}, Registry: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	for address, self := range map[string]bool{
		"10.0.0.7:6379": true, "10.0.0.8:6379": false, "orders-1.orders.shop.svc:6379": true, "orders-1.orders:6379": true, "Orders-1.orders.shop.svc.cluster.local.:6379": true,
		"orders-1.orders.shop.svc:6380": false, "orders-10.orders:6379": false, "orders-1.other:6379": false, "nonsense": false, "": false,
	} {
		if a.isSelf(address) != self {
			t.Errorf("%q is this instance: %t", address, !self)
		}
	}
	a.o.Self = []string{"self:1"}
	a.known = agent.Report{Role: agent.RoleMaster}
	promote := func(epoch int64) agent.Refusal {
		refusal, _ := a.late(agent.Request{Action: agent.Promote, BootID: a.boot, Epoch: epoch})
		return refusal
	}
	now := time.Now()
	hear := func(after time.Duration, epoch int64, master string, want int64) {
		t.Helper()
		now = now.Add(after)
		if a.hear(probe.Election{Epoch: epoch, Master: master}, now); a.next().Epoch != want {
			t.Errorf("after election %d of %s the epoch is %d, want %d", epoch, master, a.next().Epoch, want)
		}
	}
	hear(0, 7, "self:1", 7)
	hear(time.Second, 1, "self:1", 7)
	hear(50*time.Second, 1, "self:1", 7)
	hear(time.Second, 2, "self:1", 7) // another one: it begins again
	hear(30*time.Second, 2, "self:1", 7)
	hear(time.Second, 7, "self:1", 7) // they had yet to hear of it
	hear(time.Second, 2, "self:1", 7)
	hear(59*time.Second, 2, "self:1", 7)
	if refusal := promote(2); refusal != agent.RefusedEpoch {
		t.Errorf("of an election before the last: %q", refusal)
	}
	if refusal := promote(9); refusal != "" {
		t.Errorf("of a later one: %q", refusal)
	}
	hear(time.Second, 2, "self:1", 2)
	if refusal := promote(2); refusal != "" {
		t.Errorf("of the last one, after those before were lost: %q", refusal)
	}
	if refusal := promote(1); refusal != agent.RefusedEpoch {
		t.Errorf("of one before: %q", refusal)
	}
	hear(time.Hour, 3, "other:1", 0)
}

// While nothing changes one member of the HA system is asked, and all when it says something else, or the role moves.
func TestOneIsAskedWhileNothingChanges(t *testing.T) {
	var mu sync.Mutex
	election, one, all := probe.Election{Epoch: 4, Master: "self:1"}, 0, 0
	w := start(t, func(_ *world, o *Options) {
		o.Self, o.Heartbeat = []string{"self:1"}, 20*time.Millisecond
		o.Elections = func(_ context.Context, any bool) (probe.Election, error) {
			mu.Lock()
			defer mu.Unlock()
			if any {
				one++
			} else {
				all++
			}
			return election, nil
		}
	})
	asked := func() (int, int) {
		mu.Lock()
		defer mu.Unlock()
		return one, all
	}
	w.until(t, "the epoch", func(r agent.Report) bool { return r.Epoch == 4 })
	before, before2 := asked()
	for now := before; now < before+10; now, _ = asked() {
		w.next(t)
	}
	if _, now := asked(); now > before2+1 { // it may have moved just now
		t.Errorf("all were asked %d times while nothing has changed", now-before2)
	}
	mu.Lock()
	election = probe.Election{Epoch: 5, Master: "self:1"}
	mu.Unlock()
	w.until(t, "another epoch", func(r agent.Report) bool { return r.Epoch == 5 })
	_, before2 = asked()
	w.engine.is(agent.Report{Role: agent.RoleReplica, MasterAddr: "self:1"}, nil)
	for _, now := asked(); now == before2; _, now = asked() {
		w.next(t)
	}
}
