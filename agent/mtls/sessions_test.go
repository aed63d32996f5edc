package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/agent/mtls/mtlstest"
)

// many is a server that is met one connection after the other, so that nothing is under way while time passes.
type many struct {
	own     mtls.Own
	config  *tls.Config
	refused string // why the last client was, "" if it was not
	shown   *x509.Certificate
}

func newMany(own mtls.Own) *many {
	m := &many{own: own}
	m.config = mtls.ServerOfMany(func() (mtls.Own, error) { return m.own, nil }, only(pod), func(r *mtls.Refused) { m.refused = r.Reason })
	return m
}

// meet makes one connection, and says whether the server resumed a session.
func (m *many) meet(t *testing.T, client *tls.Config) (resumed bool, err error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m.refused, m.shown = "", nil
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		accepted, err := l.Accept()
		if err != nil {
			return
		}
		conn := tls.Server(accepted, m.config)
		defer conn.Close()
		if conn.HandshakeContext(t.Context()) == nil {
			state := conn.ConnectionState()
			resumed, m.shown = state.DidResume, state.PeerCertificates[0]
			_, _ = io.WriteString(conn, "hello")
		}
	}()
	client.ServerName = "the manager" // sessions are kept by it
	err = call(t, l.Addr().String(), client)
	<-ended
	return resumed, err
}

func TestSessions(t *testing.T) {
	ours, others := mtlstest.New(t), mtlstest.New(t)
	m := newMany(ours.Own(t, manager))
	own := ours.Own(t, pod)
	var s mtls.Sessions
	meet := func(what string, own mtls.Own, resumes bool) {
		t.Helper()
		if resumed, err := m.meet(t, s.Client(own, only(manager))); err != nil || resumed != resumes || !m.shown.Equal(own.Certificate.Leaf) {
			t.Errorf("%s: resumed: %t, %v, refused as %q", what, resumed, err, m.refused)
		}
	}
	meet("the first", own, false)
	meet("the second", own, true)
	meet("a third, of the session of a session", own, true)
	s.Forget()
	meet("after one that failed", own, false)
	own = ours.Own(t, pod)
	meet("with a new certificate", own, false)
	meet("with that again", own, true)
	m.config = mtls.ServerOfMany(func() (mtls.Own, error) { return m.own, nil }, only(pod), nil)
	meet("another process answers", own, false)
	own.Roots = others.Roots()
	var why *mtls.Refused
	if resumed, err := m.meet(t, s.Client(own, only(manager))); !errors.As(err, &why) || why.Reason != "forged" || resumed {
		t.Errorf("a client that trusts the server's root no more: resumed: %t, %v", resumed, err)
	}
	plain := newMany(m.own)
	plain.config = mtls.Server(func() (mtls.Own, error) { return m.own, nil }, only(pod), nil)
	own.Roots = ours.Roots()
	for range 2 {
		if resumed, err := plain.meet(t, s.Client(own, only(manager))); err != nil || resumed {
			t.Errorf("a server that resumes nothing: %t, %v", resumed, err)
		}
	}
}

// A session proves who began it, and nothing of what has become of the certificate since.
func TestASessionWhoseCertificateIsRefusedNow(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, m *many)
		reason string
	}{
		"expired":          {func(*testing.T, *many) { <-time.After(11 * time.Minute) }, "expired"},
		"rotated out":      {func(t *testing.T, m *many) { m.own.Roots = mtlstest.New(t).Roots() }, "forged"},
		"admitted no more": {func(t *testing.T, m *many) { m.config.GetConfigForClient = newStrict(m) }, "identity"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours := mtlstest.New(t)
				m := newMany(ours.Own(t, manager))
				own := mtls.Own{Roots: ours.Roots(), Certificate: ours.Sign(t, pod, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(10 * time.Minute) })}
				var s mtls.Sessions
				for n := range 2 {
					if resumed, err := m.meet(t, s.Client(own, only(manager))); err != nil || resumed != (n == 1) {
						t.Fatalf("connection %d: resumed: %t, %v", n, resumed, err)
					}
				}
				c.change(t, m)
				for range 2 {
					if _, err := m.meet(t, s.Client(own, only(manager))); err == nil || m.shown != nil || m.refused != c.reason {
						t.Errorf("%v, refused as %q, want %q", err, m.refused, c.reason)
					}
				}
			})
		})
	}
}

// newStrict admits nobody, with the keys of sessions of the server before.
func newStrict(m *many) func(*tls.ClientHelloInfo) (*tls.Config, error) {
	nobody := func(*x509.Certificate) error { return errors.New("the pod is gone") }
	return mtls.ServerOfMany(func() (mtls.Own, error) { return m.own, nil }, nobody, func(r *mtls.Refused) { m.refused = r.Reason }).GetConfigForClient
}

// The server's certificate is judged again, too, and shown again after an hour.
func TestTheServerOfASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours := mtlstest.New(t)
		m := newMany(ours.Own(t, manager))
		own := ours.Own(t, pod)
		var s mtls.Sessions
		for _, step := range []struct {
			after   time.Duration
			resumes bool
		}{{0, false}, {30 * time.Minute, true}, {29 * time.Minute, true}, {time.Minute, false}} {
			<-time.After(step.after)
			if resumed, err := m.meet(t, s.Client(own, only(manager))); err != nil || resumed != step.resumes {
				t.Errorf("after %s: resumed: %t, %v", step.after, resumed, err)
			}
		}
		var why *mtls.Refused // the session is resumed by somebody who asks for more
		if _, err := m.meet(t, s.Client(own, only(pod))); !errors.As(err, &why) || why.Reason != "identity" {
			t.Errorf("a server that is not admitted any more: %v", err)
		}
	})
}

// What is remembered of a chain ends with the first of its certificates.
func TestARootThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours := mtlstest.New(t) // for an hour
		long := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(24 * time.Hour) }
		m := newMany(mtls.Own{Roots: ours.Roots(), Certificate: ours.Sign(t, manager, long)})
		client := mtls.Client(mtls.Own{Roots: ours.Roots(), Certificate: ours.Sign(t, pod, long)}, func(*x509.Certificate) error { return nil })
		client.VerifyConnection = nil // only the server's judgement matters here
		if _, err := m.meet(t, client); err != nil {
			t.Fatal(err)
		}
		<-time.After(61 * time.Minute)
		if _, err := m.meet(t, client); err == nil || m.refused != "expired" {
			t.Errorf("%v, refused as %q", err, m.refused)
		}
	})
}
