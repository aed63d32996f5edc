package orders

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shoal-dev/shoal/agent"
	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/agent/mtls/mtlstest"
	"github.com/shoal-dev/shoal/agent/probe"
	api "github.com/shoal-dev/shoal/api/agent"
)

var pod = api.Identity{Namespace: "shop", Pod: "orders-0", UID: "8d7f1c1e-2c5b-4a53-9d0e-0a1b2c3d4e5f"}

// engine is a replica that does what it is asked for; act, if it is not nil, instead.
type engine struct {
	mu    sync.Mutex
	acted []api.Request
	act   func(context.Context, api.Request) (api.Answer, error)
}

func (e *engine) Look(context.Context) (api.Report, error) {
	return api.Report{Role: api.RoleReplica, MasterAddr: "10.0.0.1:6379", Offset: 7}, nil
}

func (e *engine) Close() error { return nil }

func (e *engine) Act(ctx context.Context, r api.Request) (api.Answer, error) {
	e.mu.Lock()
	e.acted = append(e.acted, r)
	act := e.act
	e.mu.Unlock()
	if act != nil {
		return act(ctx, r)
	}
	if r.Action == api.Look {
		return api.Answer{Line: max(1, r.Line), State: &api.State{RunID: "run", Role: api.RoleReplica, History: "h", Master: "10.0.0.1:6379", Offset: 7}}, nil
	}
	return api.Answer{Changed: true}, nil
}

func (e *engine) requests() []api.Request {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]api.Request(nil), e.acted...)
}

func (e *engine) does(act func(context.Context, api.Request) (api.Answer, error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.act = act
}

// world is a real agent over real TLS, with an engine that the test plays.
type world struct {
	ca     *mtlstest.Authority
	engine *engine
	target Target
	lock   uint64
	noLock error
	heard  []api.Report
}

func start(t *testing.T) *world {
	t.Helper()
	w := &world{ca: mtlstest.New(t), engine: &engine{}, lock: 3}
	own := w.ca.Own(t, pod.String())
	a, err := agent.New(agent.Options{
		Engine: w.engine, Manager: "127.0.0.1:1", Own: func() (mtls.Own, error) { return own, nil },
		Poll: 5 * time.Millisecond, Heartbeat: time.Hour, Failures: 3, Registry: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.target = Target{pod, listener.Addr().String()}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error)
	go func() { served <- a.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return w
}

// client shows the certificate of who; change changes its options.
func (w *world) client(t *testing.T, who string, change func(*Options)) *Client {
	t.Helper()
	own := w.ca.Own(t, who)
	o := Options{
		Own:      func() (mtls.Own, error) { return own, nil },
		Lock:     func() (uint64, error) { return w.lock, w.noLock },
		Heard:    func(_ context.Context, id api.Identity, r api.Report) { w.heard = append(w.heard, r) },
		Registry: prometheus.NewRegistry(),
	}
	if change != nil {
		change(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func failing(reason string) error {
	return &probe.Failure{Reason: reason, Err: context.DeadlineExceeded}
}
