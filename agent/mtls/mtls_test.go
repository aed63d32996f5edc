package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/agent/mtls/mtlstest"
)

const pod, manager = "shoal://shop/pod/orders-0/8d7f1c1e-2c5b-4a53-9d0e-0a1b2c3d4e5f", "shoal://manager"

func only(uri string) func(*x509.Certificate) error {
	return func(c *x509.Certificate) error {
		if len(c.URIs) != 1 || c.URIs[0].String() != uri {
			return errors.New("it is somebody else's")
		}
		return nil
	}
}

// serve says "hello" to whom it admits; reasons are of those whom it does not.
type server struct {
	addr    string
	mu      sync.Mutex
	reasons []string
}

func (s *server) refused() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.reasons, " ")
}

func serve(t *testing.T, read func() (mtls.Own, error), admit func(*x509.Certificate) error) *server {
	t.Helper()
	s := &server{}
	config := mtls.Server(read, admit, func(r *mtls.Refused) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.reasons = append(s.reasons, r.Reason)
	})
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	s.addr = listener.Addr().String()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.WriteString(conn, "hello")
			}()
		}
	}()
	return s
}

func call(t *testing.T, addr string, config *tls.Config) error {
	t.Helper()
	conn, err := (&tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: config}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	text, err := io.ReadAll(conn) // with TLS 1.3 the client hears of the server's refusal when it reads
	if err == nil && string(text) != "hello" {
		err = errors.New("it said " + string(text))
	}
	return err
}

func always(own mtls.Own) func() (mtls.Own, error) {
	return func() (mtls.Own, error) { return own, nil }
}

func TestWhoIsRefusedByAServer(t *testing.T) {
	ours, others := mtlstest.New(t), mtlstest.New(t)
	trusting := func(c tls.Certificate) mtls.Own { return mtls.Own{Certificate: c, Roots: ours.Roots()} }
	for name, c := range map[string]struct {
		client mtls.Own
		reason string
	}{
		"the manager":         {ours.Own(t, manager), ""},
		"another pod":         {ours.Own(t, pod), "identity"},
		"forged":              {trusting(others.Sign(t, manager, nil)), "forged"},
		"expired":             {trusting(ours.Sign(t, manager, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) })), "expired"},
		"of tomorrow":         {trusting(ours.Sign(t, manager, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(30 * time.Minute) })), "expired"},
		"a server's alone":    {trusting(ours.Sign(t, manager, func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[1:] })), "invalid"},
		"without certificate": {trusting(tls.Certificate{}), "none"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, always(ours.Own(t, pod)), only(manager))
			config := mtls.Client(c.client, only(pod))
			if len(c.client.Certificate.Certificate) == 0 {
				config.Certificates = nil
			}
			if err := call(t, s.addr, config); (err == nil) != (c.reason == "") || s.refused() != c.reason {
				t.Errorf("%v, refused as %q, want %q", err, s.refused(), c.reason)
			}
		})
	}
}

func TestWhoIsRefusedByAClient(t *testing.T) {
	ours, others := mtlstest.New(t), mtlstest.New(t)
	for name, c := range map[string]struct {
		server mtls.Own
		reason string
	}{
		"the manager": {ours.Own(t, manager), ""},
		"a pod":       {ours.Own(t, pod), "identity"},
		"forged":      {mtls.Own{Certificate: others.Sign(t, manager, nil), Roots: ours.Roots()}, "forged"},
		"expired": {mtls.Own{Roots: ours.Roots(), Certificate: ours.Sign(t, manager, func(c *x509.Certificate) {
			c.NotAfter = time.Now().Add(-time.Second)
		})}, "expired"},
		"a client's alone": {mtls.Own{Roots: ours.Roots(), Certificate: ours.Sign(t, manager, func(c *x509.Certificate) {
			c.ExtKeyUsage = c.ExtKeyUsage[:1]
		})}, "invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, always(c.server), only(pod))
			err := call(t, s.addr, mtls.Client(ours.Own(t, pod), only(manager)))
			var why *mtls.Refused
			switch {
			case c.reason == "" && err != nil:
				t.Error(err)
			case c.reason != "" && (!errors.As(err, &why) || why.Reason != c.reason):
				t.Errorf("%v, want %s", err, c.reason)
			}
		})
	}
}

// A certificate that was rotated, and new roots, hold from the next connection on; the old ones do not any more.
func TestFilesRotate(t *testing.T) {
	old, young := mtlstest.New(t), mtlstest.New(t)
	folder := t.TempDir()
	bundle, roots := old.Write(t, folder, old.Sign(t, pod, nil))
	s := serve(t, func() (mtls.Own, error) { return mtls.ReadFiles(bundle, roots) }, only(manager))
	if err := call(t, s.addr, mtls.Client(old.Own(t, manager), only(pod))); err != nil {
		t.Fatal(err)
	}
	young.Write(t, folder, young.Sign(t, pod, nil))
	if err := call(t, s.addr, mtls.Client(young.Own(t, manager), only(pod))); err != nil {
		t.Error(err)
	}
	stale := mtls.Own{Certificate: old.Sign(t, manager, nil), Roots: young.Roots()}
	if err := call(t, s.addr, mtls.Client(stale, only(pod))); err == nil || s.refused() != "forged" {
		t.Errorf("a certificate of the old root: %v, %s", err, s.refused())
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	ca := mtlstest.New(t)
	folder := t.TempDir()
	bundle, roots := ca.Write(t, folder, ca.Sign(t, pod, nil))
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	text, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string][2]string{
		"no bundle":             {filepath.Join(folder, "absent"), roots},
		"no roots":              {bundle, filepath.Join(folder, "absent")},
		"a bundle without key":  {roots, roots},
		"half a bundle":         {file(string(text[:len(text)/2])), roots},
		"a key of somebody":     {file(string(text[:strings.Index(string(text), "-----BEGIN CERT")]) + readAll(t, roots)), roots},
		"roots that are none":   {bundle, file("hello")},
		"roots without an end":  {bundle, "/dev/zero"},
		"bundle without an end": {"/dev/zero", roots},
	} {
		if _, err := mtls.ReadFiles(files[0], files[1]); err == nil {
			t.Errorf("%s: it is read", name)
		} else if strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func readAll(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Nobody who speaks something else ends the server.
func TestGarbageEndsNothing(t *testing.T) {
	ca := mtlstest.New(t)
	s := serve(t, always(ca.Own(t, pod)), only(manager))
	for _, text := range []string{"", "GET / HTTP/1.1\r\n\r\n", strings.Repeat("\x16\x03\x01\xff\xff", 1000)} {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, text)
		_ = conn.Close()
	}
	if err := call(t, s.addr, mtls.Client(ca.Own(t, manager), only(pod))); err != nil {
		t.Error(err)
	}
}

// However many connect, files are read once a second; a certificate that was rotated is used within one.
func TestRecent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads, failing := 0, errors.New("no file")
		recent := mtls.Recent(func() (mtls.Own, error) { reads++; return mtls.Own{Roots: x509.NewCertPool()}, failing })
		for range 100 {
			if _, err := recent(); !errors.Is(err, failing) {
				t.Error(err)
			}
		}
		failing = nil
		<-time.After(time.Second)
		for range 100 {
			if own, err := recent(); err != nil || own.Roots == nil {
				t.Error(err)
			}
		}
		if reads != 2 {
			t.Errorf("files were read %d times", reads)
		}
	})
}
