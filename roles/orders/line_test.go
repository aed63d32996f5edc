package orders

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/agent/mtls"
	api "github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
)

// All that is said over a line goes over one connection to the agent, names the boot and the line, and is what was meant.
func TestALine(t *testing.T) {
	w := start(t)
	dials := &atomic.Int64{}
	c := w.client(t, api.ManagerURI, func(o *Options) {
		own := o.Own
		o.Own = func() (mtls.Own, error) { dials.Add(1); return own() }
	})
	l, err := c.Open(t.Context(), w.target)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := l.State(t.Context())
	if err != nil || s.Kind != redis.Replica || s.Master != "10.0.0.1:6379" || s.RunID != "run" || s.History != "h" || s.Offset != 7 {
		t.Errorf("%+v, %v", s, err)
	}
	l.Epoch = 9
	ctx := t.Context()
	for _, err := range []error{
		l.SetMinReplicas(ctx, 1, 10*time.Second), l.Pause(ctx, 1500*time.Microsecond), l.Unpause(ctx), l.Follow(ctx, redis.Nobody),
		l.Follow(ctx, "10.0.0.2:6379"), l.Promote(ctx),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	want := []api.Request{
		{Action: api.ConfigSet}, {Action: api.Pause, Milliseconds: 2}, {Action: api.Unpause}, {Action: api.Demote},
		{Action: api.Follow, Master: "10.0.0.2:6379"}, {Action: api.Promote},
	}
	done := w.engine.requests()[2:]
	for n, r := range done {
		if r.Action != want[n].Action || r.Milliseconds != want[n].Milliseconds || r.Master != want[n].Master ||
			r.Line != 1 || r.Epoch != 9 || r.Lock != 3 || len(r.BootID) != 32 {
			t.Errorf("%+v, want %s over line 1", r, want[n].Action)
		}
	}
	if p := done[0].Parameters; len(p) != 2 || p[0] != (api.Parameter{Name: "min-replicas-max-lag", Value: "10"}) || p[1] != (api.Parameter{Name: "min-replicas-to-write", Value: "1"}) {
		t.Errorf("%v", p)
	}
	if n := dials.Load(); n != 1 {
		t.Errorf("%d connections were made", n)
	}
}

// An agent ends what is idle: the next order makes another connection, and is of the same line.
func TestALineOutlivesItsConnection(t *testing.T) {
	w := start(t)
	c := w.client(t, api.ManagerURI, nil)
	l, err := c.Open(t.Context(), w.target)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.road.CloseIdleConnections()
	if _, err := l.State(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestALineToNobody(t *testing.T) {
	w := start(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	if _, err := w.client(t, api.ManagerURI, nil).Open(t.Context(), Target{pod, listener.Addr().String()}); OutcomeOf(err) != NotSent {
		t.Error(err)
	}
	w.engine.does(func(context.Context, api.Request) (api.Answer, error) { return api.Answer{}, redis.ErrLater })
	if _, err := w.client(t, api.ManagerURI, nil).Open(t.Context(), w.target); OutcomeOf(err) != Refused {
		t.Error(err)
	}
}
