package receive

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/agent/mtls/mtlstest"
	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/roles"
)

const pod = "shoal://shop/pod/orders-0/8d7f1c1e-2c5b-4a53-9d0e-0a1b2c3d4e5f"

// endpoint is a server under test, and what it was given and told.
type endpoint struct {
	*Server
	ca      *mtlstest.Authority
	own     mtls.Own // the manager's
	address string
	closed  chan struct{} // by the server, once for each connection

	mu       sync.Mutex
	accepted []agent.Identity
	told     []string
	answer   error
	now      time.Time
}

// telling says when the server has closed a connection: the client hears of the end before.
type telling struct {
	net.Listener
	closed chan<- struct{}
}

func (l telling) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return tellingConn{c, l.closed}, nil
}

type tellingConn struct {
	net.Conn
	closed chan<- struct{}
}

func (c tellingConn) Close() error {
	err := c.Conn.Close()
	select {
	case c.closed <- struct{}{}:
	default:
	}
	return err
}

func start(t testing.TB) *endpoint {
	t.Helper()
	e := &endpoint{ca: mtlstest.New(t), now: time.Unix(1000, 0)}
	e.own = e.ca.Own(t, agent.ManagerURI)
	s, err := New(Options{
		Own: func() (mtls.Own, error) { e.mu.Lock(); defer e.mu.Unlock(); return e.own, nil },
		Accept: func(_ context.Context, id agent.Identity, _ agent.Report) error {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.accepted = append(e.accepted, id)
			return e.answer
		},
		Tell: func(cause, text string) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.told = append(e.told, cause+": "+text)
		},
		Now: func() time.Time { e.mu.Lock(); defer e.mu.Unlock(); return e.now },
	}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e.Server, e.address, e.closed = s, l.Addr().String(), make(chan struct{}, 1000)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.serve(ctx, telling{l, e.closed}) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return e
}

func (e *endpoint) refusals(cause string) float64 {
	return testutil.ToFloat64(e.metrics.refusals.WithLabelValues(cause))
}

func (e *endpoint) events() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.told...)
}

func report(t *testing.T) []byte {
	t.Helper()
	text, err := json.Marshal(agent.Report{Version: agent.Version, Role: agent.RoleMaster, BootID: strings.Repeat("a", 32), Sequence: 1})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// send is one request; the status is 0 if the connection failed.
func (e *endpoint) send(t *testing.T, own mtls.Own, method, path string, body []byte) (int, string) {
	t.Helper()
	any := func(*x509.Certificate) error { return nil }
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: mtls.Client(own, any), DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(t.Context(), method, "https://"+e.address+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(text)
}

func TestReports(t *testing.T) {
	e := start(t)
	good := e.ca.Own(t, pod)
	long := append(report(t), bytes.Repeat([]byte(" "), agent.MaxReportBytes)...)
	for _, c := range []struct {
		name, method, path string
		body               []byte
		answer             error
		status             int
		cause              string
	}{
		{"a report", "POST", agent.ReportPath, report(t), nil, 204, ""},
		{"of a stranger", "POST", agent.ReportPath, report(t), roles.ErrStranger, 403, "stranger"},
		{"an old one", "POST", agent.ReportPath, report(t), roles.ErrOld, 409, "old"},
		{"while the cache cannot tell", "POST", agent.ReportPath, report(t), errors.New("no"), 503, "unavailable"},
		{"nonsense", "POST", agent.ReportPath, []byte("{}"), nil, 400, "report"},
		{"too long", "POST", agent.ReportPath, long, nil, 400, "report"},
		{"another path", "POST", "/v1/other", report(t), nil, 404, "path"},
		{"another method", "GET", agent.ReportPath, nil, nil, 404, "path"},
	} {
		e.mu.Lock()
		e.answer, e.accepted = c.answer, nil
		e.mu.Unlock()
		before := 0.0
		if c.cause != "" {
			before = e.refusals(c.cause)
		}
		if status, text := e.send(t, good, c.method, c.path, c.body); status != c.status {
			t.Errorf("%s: status %d %q, want %d", c.name, status, text, c.status)
		}
		if c.cause != "" && e.refusals(c.cause) != before+1 {
			t.Errorf("%s: it is not counted as %s", c.name, c.cause)
		}
		if n := len(e.accepted); (c.status == 204) != (n == 1 && e.answer == nil) {
			t.Errorf("%s: %d reports were handed on", c.name, n)
		}
	}
	if n := testutil.ToFloat64(e.metrics.accepted); n != 1 {
		t.Errorf("%v reports are counted", n)
	}
}

// Whoever connects is who the certificate says, and a report is of nobody else.
func TestTheIdentityIsThatOfTheCertificate(t *testing.T) {
	e := start(t)
	if status, text := e.send(t, e.ca.Own(t, pod), "POST", agent.ReportPath, report(t)); status != 204 {
		t.Fatalf("%d %s", status, text)
	}
	if len(e.accepted) != 1 || e.accepted[0].String() != pod {
		t.Errorf("%v", e.accepted)
	}
}

func TestStrangersAreRefused(t *testing.T) {
	e := start(t)
	other := mtlstest.New(t)
	own := func(c tls.Certificate) mtls.Own { return mtls.Own{Certificate: c, Roots: e.ca.Roots()} }
	for name, c := range map[string]struct {
		own   mtls.Own
		cause string
	}{
		"no certificate":     {mtls.Own{Roots: e.ca.Roots()}, "none"},
		"another authority":  {own(other.Sign(t, pod, nil)), "forged"},
		"expired":            {own(e.ca.Sign(t, pod, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) })), "expired"},
		"for servers alone":  {own(e.ca.Sign(t, pod, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })), "invalid"},
		"the manager itself": {own(e.ca.Sign(t, agent.ManagerURI, nil)), "identity"},
		"somebody else":      {own(e.ca.Sign(t, "spiffe://shop/pod", nil)), "identity"},
	} {
		if status, _ := e.send(t, c.own, "POST", agent.ReportPath, report(t)); status != 0 {
			t.Errorf("%s: status %d", name, status)
		}
		if e.refusals(c.cause) < 1 {
			t.Errorf("%s: it is not counted as %s", name, c.cause)
		}
	}
	if len(e.accepted) > 0 {
		t.Errorf("reports were handed on: %v", e.accepted)
	}
}

// One event of each cause, however often: whoever scans ports must not fill the event log.
func TestRefusalsAreToldOnce(t *testing.T) {
	e := start(t)
	for range 20 {
		e.send(t, mtls.Own{Roots: e.ca.Roots()}, "POST", agent.ReportPath, nil)
	}
	if told := e.events(); len(told) != 1 || e.refusals("none") != 20 {
		t.Errorf("%d events, %v refusals", len(told), e.refusals("none"))
	}
	e.mu.Lock()
	e.now = e.now.Add(tellEvery)
	e.mu.Unlock()
	e.send(t, mtls.Own{Roots: e.ca.Roots()}, "POST", agent.ReportPath, nil)
	if told := e.events(); len(told) != 2 {
		t.Errorf("%d events after an hour", len(told))
	}
}

// listening is a bounded listener, and what it accepts.
type listening struct {
	*bounded
	accepted chan net.Conn
	busy     chan struct{}
}

func listen(t *testing.T, all, perAddress int) *listening {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &listening{accepted: make(chan net.Conn, 10), busy: make(chan struct{}, 10)}
	b.bounded = bound(l, all, perAddress, func() { b.busy <- struct{}{} })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := b.Accept()
			if err != nil {
				return
			}
			b.accepted <- c
		}
	}()
	t.Cleanup(func() {
		_ = b.Close()
		<-ended
	})
	return b
}

func (b *listening) dial(t *testing.T, from string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(t.Context(), "tcp", b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ends reports whether the other side has closed the connection.
func ends(t *testing.T, c net.Conn) bool {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err := c.Read(make([]byte, 1))
	var slow net.Error
	return err != nil && (!errors.As(err, &slow) || !slow.Timeout())
}

// next is what comes, within 5 s.
func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case what := <-from:
		return what
	case <-time.After(5 * time.Second):
		t.Fatal("nothing comes for 5 s")
		panic("not reached")
	}
}

// One that holds connections open keeps nobody out, of its own address neither: the oldest that has not shown who it is makes room.
// All together have a bound.
func TestConnectionsAreBounded(t *testing.T) {
	b := listen(t, 3, 2)
	oldest := b.dial(t, "127.0.0.2")
	next(t, b.accepted)
	b.dial(t, "127.0.0.2")
	second := next(t, b.accepted)
	b.dial(t, "127.0.0.2")
	third := next(t, b.accepted)
	if next(t, b.busy); !ends(t, oldest) {
		t.Fatal("the oldest connection of an address stays")
	}
	b.dial(t, "127.0.0.3")
	next(t, b.accepted)
	b.dial(t, "127.0.0.4") // waits: three are open
	select {
	case <-b.accepted:
		t.Fatal("a fourth connection is served")
	case <-time.After(50 * time.Millisecond):
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	_ = second.Close() // twice counts once
	next(t, b.accepted)
	select {
	case <-b.accepted:
		t.Fatal("a connection that was closed twice has made room twice")
	case <-time.After(50 * time.Millisecond):
	}
	_ = third.Close()
}

// A session tells who began it. Whether that is still somebody is asked each time: of the roots, of the clock, and of who decides.
func TestASessionIsJudgedAgain(t *testing.T) {
	e := start(t)
	own := e.ca.Own(t, pod)
	var s mtls.Sessions
	send := func() (status int, resumed bool) {
		config := s.Client(own, func(*x509.Certificate) error { return nil })
		client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		response, err := client.Post("https://"+e.address+agent.ReportPath, "application/json", bytes.NewReader(report(t)))
		if err != nil {
			return 0, false
		}
		defer response.Body.Close()
		return response.StatusCode, response.TLS.DidResume
	}
	for n := range 3 {
		if status, resumed := send(); status != 204 || resumed != (n > 0) || len(e.accepted) != n+1 || e.accepted[n].String() != pod {
			t.Fatalf("report %d: status %d, resumed: %t, %v", n, status, resumed, e.accepted)
		}
	}
	e.mu.Lock()
	e.answer = roles.ErrStranger
	e.mu.Unlock()
	if status, resumed := send(); status != 403 || !resumed {
		t.Errorf("of a pod that is gone: status %d, resumed: %t", status, resumed)
	}
	e.mu.Lock()
	e.own.Roots = mtlstest.New(t).Roots()
	e.mu.Unlock()
	if status, _ := send(); status != 0 || e.refusals("forged") != 1 {
		t.Errorf("of a root that is trusted no more: status %d, %v refusals", status, e.refusals("forged"))
	}
}

// A session counts for its pod's bound as any other connection does.
func TestConnectionsOfASessionAreBounded(t *testing.T) {
	e := start(t)
	own := e.ca.Own(t, pod)
	var s mtls.Sessions
	admit := func(*x509.Certificate) error { return nil }
	var open []*tls.Conn
	for n := range maxPerIdentity + 2 {
		config := s.Client(own, admit)
		config.ServerName = "manager"
		c, err := tls.Dial("tcp", e.address, config)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if n == 0 { // the ticket comes with the first answer
			if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: m\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
			_, _ = io.ReadAll(c)
			_ = c.Close()
			next(t, e.closed)
			continue
		}
		if !c.ConnectionState().DidResume {
			t.Fatalf("connection %d is not resumed", n)
		}
		open = append(open, c)
	}
	ended := make(chan error, len(open)) // one of them, whichever the server looked at last
	for _, c := range open {
		if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		go func() {
			_, err := c.Read(make([]byte, 1))
			ended <- err
		}()
	}
	if err := <-ended; errors.Is(err, os.ErrDeadlineExceeded) || e.refusals("busy") != 1 {
		t.Errorf("a pod has as many as it likes, %v refusals: %v", e.refusals("busy"), err)
	}
}

// Connections that have shown who they are count for that, and no more for their address. A pod has a few of them.
func TestConnectionsOfAnIdentityAreBounded(t *testing.T) {
	b := listen(t, 20, 2)
	var of []*connection
	for n := range maxPerIdentity + 1 {
		b.dial(t, "127.0.0.2")
		c, ours := next(t, b.accepted).(*connection)
		if !ours || c.is("a") != (n < maxPerIdentity) {
			t.Fatalf("connection %d of a", n)
		}
		of = append(of, c)
	}
	b.dial(t, "127.0.0.2")
	if c := next(t, b.accepted).(*connection); !c.is("b") || c.is("b") {
		t.Error("b has had none, and this is one")
	}
	if len(b.busy) > 0 {
		t.Error("a connection was closed")
	}
	if err := of[0].Close(); err != nil || !of[maxPerIdentity].is("a") {
		t.Error("one of a has ended, and there is no room for another")
	}
	for _, c := range of {
		_ = c.Close()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known["a"] != 0 || len(b.unknown) != 0 || len(b.room) > 2 { // that of b, and the one that Accept waits with
		t.Errorf("left: %v, %v, %d", b.known, b.unknown, len(b.room))
	}
}

// A pod that holds connections open, after it has shown who it is, keeps nobody out who has the same address.
func TestAPodThatHoldsConnectionsOpen(t *testing.T) {
	e := start(t)
	greedy := mtls.Client(e.ca.Own(t, "shoal://shop/pod/greedy/8d7f1c1e-2c5b-4a53-9d0e-0a1b2c3d4e60"), func(*x509.Certificate) error { return nil })
	for range 3 * maxPerAddress {
		c, err := tls.Dial("tcp", e.address, greedy)
		if err == nil {
			defer c.Close()
		}
	}
	if status, text := e.send(t, e.ca.Own(t, pod), "POST", agent.ReportPath, report(t)); status != 204 {
		t.Errorf("%d %s", status, text)
	}
	if e.refusals("busy") == 0 {
		t.Error("it has as many as it likes")
	}
}

// until is a connection that goes silent once it has sent so many encrypted records.
type until struct {
	net.Conn
	records int
	reached chan struct{}
	ended   <-chan struct{}
}

func (u *until) Write(b []byte) (int, error) {
	const header, encrypted = 5, 23 // RFC 8446, 5.1
	for at := 0; at+header <= len(b); {
		end := at + header + int(b[at+3])<<8 + int(b[at+4])
		if b[at] == encrypted {
			if u.records--; u.records < 0 {
				close(u.reached)
				<-u.ended
				return at, net.ErrClosed
			}
		}
		if _, err := u.Conn.Write(b[at:end]); err != nil {
			return at, err
		}
		at = end
	}
	return len(b), nil
}

// Whoever shows the certificate of a pod, which is no secret, without its key is not counted as that pod.
func TestACertificateAloneProvesNothing(t *testing.T) {
	e := start(t)
	own := e.ca.Own(t, pod)
	for range maxPerIdentity {
		c, err := net.Dial("tcp", e.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		held := &until{c, 1, make(chan struct{}), t.Context().Done()} // its certificate, and not its signature
		go func() {
			_ = tls.Client(held, mtls.Client(own, func(*x509.Certificate) error { return nil })).HandshakeContext(t.Context())
		}()
		next(t, held.reached)
	}
	for range 10 { // the server looks at what it got before the first of them has ended, or at the last
		if status, text := e.send(t, own, "POST", agent.ReportPath, report(t)); status != 204 || e.refusals("busy") != 0 {
			t.Fatalf("%d %s, %v refusals", status, text, e.refusals("busy"))
		}
	}
}

// While there is no authority nobody is served, and nobody is let in.
func TestWithoutACertificateNobodyIsServed(t *testing.T) {
	e := start(t)
	e.o.Own = func() (mtls.Own, error) { return mtls.Own{}, errors.New("not there yet") }
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { _ = e.serve(ctx, l) }()
	e.address = l.Addr().String()
	if status, _ := e.send(t, e.ca.Own(t, pod), "POST", agent.ReportPath, report(t)); status != 0 {
		t.Errorf("status %d", status)
	}
}
