package orders

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/agent/mtls/mtlstest"
	"github.com/shoal-dev/shoal/agent/probe"
	api "github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
)

func counted(c *Client, action api.Action, result string) float64 {
	return testutil.ToFloat64(c.given.WithLabelValues(string(action), result))
}

// boot is that of the agent: any Look tells.
func (w *world) boot(t *testing.T, c *Client) string {
	t.Helper()
	a, err := c.Do(t.Context(), w.target, api.Request{Action: api.Look})
	if err != nil {
		t.Fatal(err)
	}
	return a.Report.BootID
}

func TestAnOrder(t *testing.T) {
	w := start(t)
	c := w.client(t, api.ManagerURI, nil)
	a, err := c.Do(t.Context(), w.target, api.Request{Action: api.Join, Master: "10.0.0.1:6379", BootID: w.boot(t, c), Epoch: 4})
	if err != nil || !a.Changed {
		t.Fatalf("%+v, %v", a, err)
	}
	done := w.engine.requests()
	if last := done[len(done)-1]; last.Lock != 3 || last.Epoch != 4 || last.Version != api.Version || last.Master != "10.0.0.1:6379" {
		t.Errorf("%+v", last)
	}
	if len(w.heard) != 2 || w.heard[1].Sequence <= w.heard[0].Sequence || w.heard[1].Role != api.RoleReplica {
		t.Errorf("heard %+v", w.heard)
	}
	if counted(c, api.Join, "done") != 1 || counted(c, api.Look, "done") != 1 {
		t.Error("it is not counted")
	}
}

func TestOrdersThatAreNotDone(t *testing.T) {
	w := start(t)
	c := w.client(t, api.ManagerURI, nil)
	boot := w.boot(t, c)
	other := strings.Repeat("0", 32)
	answers := func(a api.Answer, err error) func(context.Context, api.Request) (api.Answer, error) {
		return func(context.Context, api.Request) (api.Answer, error) { return a, err }
	}
	for _, s := range []struct {
		name    string
		request api.Request
		act     func(context.Context, api.Request) (api.Answer, error)
		lock    uint64
		outcome Outcome
		refusal api.Refusal
		later   bool
	}{
		{"another boot", api.Request{Action: api.Promote, BootID: other}, nil, 3, Refused, api.RefusedBoot, false},
		{"another state", api.Request{Action: api.Promote, BootID: boot}, answers(api.Answer{}, &probe.Refusal{Text: "no"}), 3, Refused, api.RefusedState, false},
		{"a lost line", api.Request{Action: api.Promote, BootID: boot, Line: 7}, answers(api.Answer{}, probe.ErrLine), 3, Refused, api.RefusedLine, false},
		{"an engine that fails", api.Request{Action: api.Promote, BootID: boot}, answers(api.Answer{}, failing("timeout")), 3, Unknown, api.Failed, false},
		{"somebody later is there", api.Request{Action: api.Promote, BootID: boot}, answers(api.Answer{}, redis.ErrLater), 3, Refused, api.RefusedLock, true},
		{"no such request", api.Request{Action: api.Promote}, nil, 3, NotSent, "", false},
		{"a look without a state", api.Request{Action: api.Look}, answers(api.Answer{}, nil), 3, Unknown, "", false},
		{"a lock of before", api.Request{Action: api.Promote, BootID: boot}, nil, 2, Refused, api.RefusedLock, true},
	} {
		w.engine.does(s.act)
		w.lock = s.lock
		before := counted(c, s.request.Action, result(&Error{Outcome: s.outcome, Refusal: s.refusal}))
		_, err := c.Do(t.Context(), w.target, s.request)
		var e *Error
		if !errors.As(err, &e) || e.Outcome != s.outcome || e.Refusal != s.refusal || errors.Is(err, redis.ErrLater) != s.later || OutcomeOf(err) != s.outcome {
			t.Errorf("%s: %v", s.name, err)
		}
		if counted(c, s.request.Action, result(err)) != before+1 {
			t.Errorf("%s: %s is not counted", s.name, result(err))
		}
	}
}

// Whoever is not exactly that pod gets nothing to read, though its certificate is good.
func TestTheAgentIsOfThatPod(t *testing.T) {
	w := start(t)
	c := w.client(t, api.ManagerURI, nil)
	boot := w.boot(t, c)
	for name, id := range map[string]api.Identity{
		"the pod before it": {Namespace: "shop", Pod: "orders-0", UID: "00000000-2c5b-4a53-9d0e-0a1b2c3d4e5f"},
		"its neighbour":     {Namespace: "shop", Pod: "orders-1", UID: pod.UID},
		"another namespace": {Namespace: "other", Pod: "orders-0", UID: pod.UID},
	} {
		_, err := c.Do(t.Context(), Target{id, w.target.Address}, api.Request{Action: api.Promote, BootID: boot})
		if OutcomeOf(err) != NotSent || result(err) != "stranger" {
			t.Errorf("%s: %v", name, err)
		}
	}
	forged := w.client(t, api.ManagerURI, func(o *Options) {
		o.Own = func() (mtls.Own, error) { return mtlstest.New(t).Own(t, api.ManagerURI), nil }
	})
	if _, err := forged.Do(t.Context(), w.target, api.Request{Action: api.Promote, BootID: boot}); result(err) != "stranger" {
		t.Errorf("an agent of no root of ours: %v", err)
	}
	if n := len(w.engine.requests()); n != 1 { // the look
		t.Errorf("%d requests have reached the engine", n)
	}
}

// An agent that does not take the caller for the manager does nothing; the caller knows only that there was no answer.
func TestTheAgentKnowsTheManager(t *testing.T) {
	w := start(t)
	c := w.client(t, pod.String(), nil)
	if _, err := c.Do(t.Context(), w.target, api.Request{Action: api.Look}); OutcomeOf(err) != Unknown || len(w.engine.requests()) > 0 {
		t.Errorf("%v, %v", err, w.engine.requests())
	}
}

func TestNothingIsSent(t *testing.T) {
	w := start(t)
	look := api.Request{Action: api.Look}
	lost := w.client(t, api.ManagerURI, func(o *Options) { o.Lock = func() (uint64, error) { return 0, ErrNoLease } })
	if _, err := lost.Do(t.Context(), w.target, look); OutcomeOf(err) != NotSent || !errors.Is(err, ErrNoLease) {
		t.Errorf("without the lock: %v", err)
	}
	bare := w.client(t, api.ManagerURI, func(o *Options) { o.Own = func() (mtls.Own, error) { return mtls.Own{}, errors.New("not yet") } })
	if _, err := bare.Do(t.Context(), w.target, look); OutcomeOf(err) != NotSent {
		t.Errorf("without a certificate: %v", err)
	}
	c := w.client(t, api.ManagerURI, nil)
	if _, err := c.Do(t.Context(), Target{pod, "127.0.0.1:1"}, look); OutcomeOf(err) != NotSent || counted(c, api.Look, "not-sent") != 1 {
		t.Errorf("to nobody: %v", err)
	}
	gone, stop := context.WithCancel(t.Context())
	stop()
	if _, err := c.Do(gone, w.target, look); OutcomeOf(err) != NotSent {
		t.Errorf("by one who has given up: %v", err)
	}
	if n := len(w.engine.requests()); n > 0 {
		t.Errorf("%d requests have reached the engine", n)
	}
}

// serve answers as the agent of the pod, with what the handler writes.
func (w *world) serve(t *testing.T, handler http.HandlerFunc) Target {
	t.Helper()
	own := w.ca.Own(t, pod.String())
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own.Certificate}})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	t.Cleanup(func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
	return Target{pod, listener.Addr().String()}
}

// Whatever answers: it takes no more than its time and memory, and what was sent is not taken for what was not.
func TestAnswersThatAreNone(t *testing.T) {
	w := start(t)
	requests := 0
	var answer http.HandlerFunc
	to := w.serve(t, func(out http.ResponseWriter, r *http.Request) { requests++; answer(out, r) })
	c := w.client(t, api.ManagerURI, func(o *Options) { o.Timeout = 300 * time.Millisecond })
	for _, s := range []struct {
		name    string
		answer  http.HandlerFunc
		outcome Outcome
		result  string
	}{
		{"nonsense", func(out http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(out, "{}") }, Unknown, "unknown"},
		{"without end", func(out http.ResponseWriter, _ *http.Request) {
			for text := []byte(strings.Repeat(" ", 1<<16)); ; {
				if _, err := out.Write(text); err != nil {
					return
				}
			}
		}, Unknown, "unknown"},
		{"nothing", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, Unknown, "unknown"},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, Unknown, "unknown"},
		{"not understood", func(out http.ResponseWriter, _ *http.Request) { http.Error(out, "no", http.StatusBadRequest) }, Refused, "invalid"},
		{"broken", func(out http.ResponseWriter, _ *http.Request) { http.Error(out, "no", http.StatusBadGateway) }, Unknown, "unknown"},
		{"elsewhere", func(out http.ResponseWriter, r *http.Request) {
			http.Redirect(out, r, "/other", http.StatusTemporaryRedirect)
		}, Unknown, "unknown"},
	} {
		answer, requests = s.answer, 0
		begun := time.Now()
		_, err := c.Do(t.Context(), to, api.Request{Action: api.Look})
		if OutcomeOf(err) != s.outcome || result(err) != s.result {
			t.Errorf("%s: %v", s.name, err)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("%s took %s", s.name, took)
		}
		if requests != 1 {
			t.Errorf("%s: it was sent %d times", s.name, requests)
		}
	}
}

// The TLS handshake of one who is silent is bounded too.
func TestSomebodySilent(t *testing.T) {
	w := start(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	c := w.client(t, api.ManagerURI, func(o *Options) { o.Timeout = 200 * time.Millisecond })
	if _, err := c.Do(t.Context(), Target{pod, listener.Addr().String()}, api.Request{Action: api.Look}); OutcomeOf(err) != NotSent {
		t.Error(err)
	}
}

func TestTheAgentOfAPod(t *testing.T) {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Pod, UID: "8d7f1c1e-2c5b-4a53-9d0e-0a1b2c3d4e5f"}}
	if _, err := Of(p); err == nil {
		t.Error("a pod without an address has an agent")
	}
	p.Status.PodIP = "fd00::7"
	if got, err := Of(p); err != nil || got != (Target{pod, "[fd00::7]:9720"}) {
		t.Errorf("%v, %v", got, err)
	}
	p.UID = "x"
	if _, err := Of(p); err == nil {
		t.Error("a pod without a UID has an agent")
	}
}
