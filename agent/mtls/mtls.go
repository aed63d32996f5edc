// Package mtls makes the connections between agents and the manager: TLS 1.3 with a certificate on both sides.
//
// Whom a certificate speaks of is its URI (api/agent), and not a name of DNS: an agent is called by the address of its pod.
// Material is read anew for each connection that is made, of which there is one in minutes, and once a second at the most for
// those that are accepted: so there is nothing to watch, and a certificate that was rotated is used at once, as are roots.
//
// A client that comes again and again may resume its session (Sessions, ServerOfMany): what it knows of the first connection proves who it
// is, and neither side signs anything. The certificates of the first connection are judged again on each side, by the roots and the time
// that it is then: one that has ended, or whose root is trusted no more, is refused on a resumed connection as on any other.
package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Own is what one side shows, and whom it trusts.
type Own struct {
	Certificate tls.Certificate
	Roots       *x509.CertPool
}

// maxFile bounds what is read of a file, in bytes.
const maxFile = 1 << 20

// ReadFiles reads a key with its chain of certificates from one file of PEM blocks, as the kubelet writes it for a
// podCertificate volume (credentialBundlePath), and the roots from another, as it does for a clusterTrustBundle.
func ReadFiles(bundle, roots string) (Own, error) {
	own := Own{Roots: x509.NewCertPool()}
	text, err := readFile(bundle)
	if err != nil {
		return Own{}, fmt.Errorf("reading the certificate: %w", err)
	}
	if own.Certificate, err = tls.X509KeyPair(text, text); err != nil {
		return Own{}, fmt.Errorf("reading the certificate from %s: %w", bundle, err)
	}
	if text, err = readFile(roots); err != nil {
		return Own{}, fmt.Errorf("reading the roots: %w", err)
	}
	if !own.Roots.AppendCertsFromPEM(text) {
		return Own{}, fmt.Errorf("reading the roots from %s: there is no certificate in it", roots)
	}
	return own, nil
}

// Recent is read, whose answer counts for a second: whoever connects makes a server read and parse its files before anything is
// known of them.
func Recent(read func() (Own, error)) func() (Own, error) {
	const fresh = time.Second
	var mu sync.Mutex
	var at time.Time
	var own Own
	var err error
	return func() (Own, error) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); at.IsZero() || now.Sub(at) >= fresh {
			own, err = read()
			at = now
		}
		return own, err
	}
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s has more than %d bytes", name, maxFile)
	}
	return text, err
}

// Client is for one connection to a server that admit accepts. Its errors are Refused where the server's certificate is why.
func Client(own Own, admit func(*x509.Certificate) error) *tls.Config {
	c := own.config(x509.ExtKeyUsageServerAuth, admit, nil)
	// The name in the certificate is not one of DNS: VerifyConnection verifies the chain and asks admit, for each connection.
	c.InsecureSkipVerify = true
	c.CurvePreferences = exchanges
	return c
}

// exchanges are what a client proposes to agree on a key by: as safe against quantum computers as Go's first choice, and on the side of the
// server a third cheaper, since Go has P-256 in assembler, and X25519 not. A server takes others as well.
var exchanges = []tls.CurveID{tls.SecP256r1MLKEM768, tls.CurveP256}

// Server is for connections from whom admit accepts. Material is read for each of them; refused, if it is not nil, is told of
// each that the peer's certificate is the reason to end.
func Server(read func() (Own, error), admit func(*x509.Certificate) error, refused func(*Refused)) *tls.Config {
	return server(read, admit, refused, nil)
}

// ServerOfMany is Server for thousands of clients that come again and again: they may resume their sessions, and whose certificate the roots
// have been found to vouch for is remembered. The keys that sessions are sealed with are in memory alone, and new ones each day.
func ServerOfMany(read func() (Own, error), admit func(*x509.Certificate) error, refused func(*Refused)) *tls.Config {
	return server(read, admit, refused, &vouched{})
}

func server(read func() (Own, error), admit func(*x509.Certificate) error, refused func(*Refused), known *vouched) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		SessionTicketsDisabled: known == nil,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			own, err := read()
			if err != nil {
				return nil, err
			}
			c := own.config(x509.ExtKeyUsageClientAuth, admit, known)
			c.SessionTicketsDisabled = known == nil
			c.ClientAuth = tls.RequestClientCert // one that shows none is refused, and told of, by VerifyConnection
			verify := c.VerifyConnection
			c.VerifyConnection = func(state tls.ConnectionState) error {
				err := verify(state)
				if why := (*Refused)(nil); errors.As(err, &why) && refused != nil {
					refused(why)
				}
				return err
			}
			return c, nil
		},
	}
}

// config has known, if it is not nil, remember whom the roots vouch for.
func (own Own) config(use x509.ExtKeyUsage, admit func(*x509.Certificate) error, known *vouched) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{own.Certificate},
		NextProtos:             []string{"http/1.1"},
		SessionTicketsDisabled: true,
		VerifyConnection:       func(state tls.ConnectionState) error { return own.verify(state, use, admit, known) },
	}
}

// Refused is the error about the certificate of a peer.
type Refused struct {
	// Reason is none, expired (or not valid yet), forged (of no root), invalid, or identity (it is somebody else's).
	Reason string
	Err    error
}

func (r *Refused) Error() string { return "refusing the certificate: " + r.Err.Error() }

// Unwrap returns Err.
func (r *Refused) Unwrap() error { return r.Err }

// verify is asked for each connection, whether it is resumed or not.
func (own Own) verify(state tls.ConnectionState, use x509.ExtKeyUsage, admit func(*x509.Certificate) error, known *vouched) error {
	if len(state.PeerCertificates) == 0 {
		return &Refused{"none", errors.New("there is none")}
	}
	leaf, now := state.PeerCertificates[0], time.Now()
	if !known.by(own.Roots, leaf, now) {
		between := x509.NewCertPool()
		for _, c := range state.PeerCertificates[1:] {
			between.AddCert(c)
		}
		chains, err := leaf.Verify(x509.VerifyOptions{Roots: own.Roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{use}, CurrentTime: now})
		if err != nil {
			return &Refused{reason(err), err}
		}
		known.add(own.Roots, chains[0])
	}
	if err := admit(leaf); err != nil {
		return &Refused{"identity", err}
	}
	return nil
}

func reason(err error) string {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "expired"
	case errors.As(err, &unknown):
		return "forged"
	}
	return "invalid"
}
