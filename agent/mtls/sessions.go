package mtls

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"slices"
	"sync"
	"time"
)

// sessionLife is after how long a client shows its certificate, and is shown the server's, again. A session rests on what was shown when it
// began: whoever has stolen one has it for no longer.
const sessionLife = time.Hour

// Sessions are those of a client with one server. The zero value has none.
type Sessions struct {
	mu    sync.Mutex
	cache tls.ClientSessionCache
	own   Own
	since time.Time
}

// Client is Client for a connection that resumes the session of the one before: for an hour, and as long as the client's certificate and the
// roots are the same.
func (s *Sessions) Client(own Own, admit func(*x509.Certificate) error) *tls.Config {
	c := Client(own, admit)
	c.SessionTicketsDisabled = false
	c.ClientSessionCache = s.of(own, time.Now())
	return c
}

func (s *Sessions) of(own Own, now time.Time) tls.ClientSessionCache {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cache == nil || now.Sub(s.since) >= sessionLife || !own.same(s.own) {
		s.cache, s.own, s.since = tls.NewLRUClientSessionCache(1), own, now
	}
	return s.cache
}

// Forget has the next connection begin anew. It is for after one that failed: in TLS 1.3 a client does not learn in its handshake that the
// server refuses it.
func (s *Sessions) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cache = nil
}

// same: the same certificates are shown, and the same roots trusted.
func (own Own) same(other Own) bool {
	return slices.EqualFunc(own.Certificate.Certificate, other.Certificate.Certificate, bytes.Equal) && own.Roots.Equal(other.Roots)
}

// maxVouched bounds how many certificates are remembered: some 100 bytes for each. If there are more, all are forgotten.
const maxVouched = 32 << 10

// vouched remembers which certificates some roots vouch for, and from when to when: the signature on a certificate does not change, and to
// verify it is most of what a connection that is resumed costs. With other roots all are forgotten. Nil remembers nothing.
type vouched struct {
	mu    sync.Mutex
	roots *x509.CertPool
	valid map[[sha256.Size]byte]span
}

// span is the time in which all certificates of a chain are valid.
type span struct{ from, to time.Time }

func (v *vouched) by(roots *x509.CertPool, leaf *x509.Certificate, now time.Time) bool {
	if v == nil {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.roots != roots && !roots.Equal(v.roots) {
		return false
	}
	valid, is := v.valid[sha256.Sum256(leaf.Raw)]
	return is && !now.Before(valid.from) && !now.After(valid.to)
}

// add is for a chain that was verified, from the leaf to its root.
func (v *vouched) add(roots *x509.CertPool, chain []*x509.Certificate) {
	if v == nil {
		return
	}
	valid := span{chain[0].NotBefore, chain[0].NotAfter}
	for _, c := range chain[1:] {
		if c.NotBefore.After(valid.from) {
			valid.from = c.NotBefore
		}
		if c.NotAfter.Before(valid.to) {
			valid.to = c.NotAfter
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.valid == nil || len(v.valid) >= maxVouched || v.roots != roots && !roots.Equal(v.roots) {
		v.valid = map[[sha256.Size]byte]span{}
	}
	v.roots = roots
	v.valid[sha256.Sum256(chain[0].Raw)] = valid
}
