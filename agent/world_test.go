package agent

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/agent/mtls/mtlstest"
	"github.com/shoal-dev/shoal/api/agent"
)

const podURI = "shoal://shop/pod/orders-0/8d7f1c1e-2c5b-4a53-9d0e-0a1b2c3d4e5f"

// engine is what a test says that it is.
type engine struct {
	mu     sync.Mutex
	report agent.Report
	err    error
	acted  []agent.Action
	actErr error
}

func (e *engine) is(r agent.Report, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.report, e.err = r, err
}

func (e *engine) Look(context.Context) (agent.Report, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.report, e.err
}

func (e *engine) Close() error { return nil }

func (e *engine) Act(_ context.Context, r agent.Request) (agent.Answer, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.acted = append(e.acted, r.Action)
	return agent.Answer{Changed: e.actErr == nil}, e.actErr
}

// mute has no actions.
type mute struct{ *engine }

func (m mute) Act() {}

// manager hears reports.
type manager struct {
	addr    string
	reports chan agent.Report
	resumed chan bool // whether a report came on a session that was resumed
	mu      sync.Mutex
	status  int
}

func (m *manager) answers(status int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status = status
}

func newManager(t *testing.T, own mtls.Own) *manager {
	t.Helper()
	m := &manager{reports: make(chan agent.Report, 1000), resumed: make(chan bool, 1000), status: http.StatusNoContent}
	config := mtls.ServerOfMany(func() (mtls.Own, error) { return own, nil }, isPod, nil)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	m.addr = listener.Addr().String()
	server := &http.Server{Handler: m, ReadHeaderTimeout: patience, ErrorLog: log.New(io.Discard, "", 0)}
	t.Cleanup(func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
	return m
}

func (m *manager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	report, err := agent.DecodeReport(r.Body)
	if err != nil || r.Method != http.MethodPost || r.URL.Path != agent.ReportPath {
		http.Error(w, fmt.Sprint(err), http.StatusBadRequest)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.status == http.StatusFound {
		w.Header().Set("Location", "https://"+m.addr+agent.ReportPath+"/elsewhere")
	}
	w.WriteHeader(m.status)
	m.reports <- report
	m.resumed <- r.TLS.DidResume
}

const patience = 20 * time.Second

func (m *manager) next(t *testing.T) agent.Report {
	t.Helper()
	return m.until(t, "anything", func(agent.Report) bool { return true })
}

// until is the first report that is as wanted.
func (m *manager) until(t *testing.T, what string, wanted func(agent.Report) bool) agent.Report {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case r := <-m.reports:
			if wanted(r) {
				return r
			}
		case <-deadline:
			t.Fatalf("%s was not reported", what)
			return agent.Report{}
		}
	}
}

// silent fails if anything is reported in that time.
func (m *manager) silent(t *testing.T, long time.Duration) {
	t.Helper()
	select {
	case r := <-m.reports:
		t.Errorf("%+v was reported", r)
	case <-time.After(long):
	}
}

type world struct {
	*manager
	ca       *mtlstest.Authority
	engine   *engine
	agent    *Agent
	actions  string
	registry *prometheus.Registry
}

// start runs an agent with the engine as a master. change changes its options.
func start(t *testing.T, change func(*world, *Options)) *world {
	t.Helper()
	w := &world{ca: mtlstest.New(t), engine: &engine{report: agent.Report{Role: agent.RoleMaster, Offset: 1}}, registry: prometheus.NewRegistry()}
	w.manager = newManager(t, w.ca.Own(t, agent.ManagerURI))
	own := w.ca.Own(t, podURI)
	o := Options{
		Engine: w.engine, Manager: w.addr, Own: func() (mtls.Own, error) { return own, nil },
		Poll: 5 * time.Millisecond, Heartbeat: time.Hour, Failures: 3, Registry: w.registry,
	}
	if change != nil {
		change(w, &o)
	}
	var err error
	if w.agent, err = New(o); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.actions = listener.Addr().String()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var all sync.WaitGroup
	all.Go(func() { w.agent.Run(ctx) })
	all.Go(func() {
		if err := w.agent.Serve(ctx, listener); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); all.Wait() })
	return w
}

// count is of a counter or gauge with these values of its labels.
func (w *world) count(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			if f.GetName() == name && strings.Join(values, " ") == strings.Join(labels, " ") {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return 0
}

func (w *world) counted(t *testing.T, name string, labels ...string) {
	t.Helper()
	for deadline := time.Now().Add(patience); w.count(t, name, labels...) == 0; {
		if time.Now().After(deadline) {
			t.Fatalf("%s %v was not counted", name, labels)
		}
		<-time.After(5 * time.Millisecond)
	}
}
