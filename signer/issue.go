package signer

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/api/agent"
)

// supports reports whether certificates are signed for this sort of key: the small and fast ones.
func supports(public any) bool {
	switch key := public.(type) {
	case ed25519.PublicKey:
		return true
	case *ecdsa.PublicKey:
		return key.Curve == elliptic.P256() || key.Curve == elliptic.P384()
	}
	return false
}

// issue signs a certificate for one URI, for both directions of a connection, and for no longer than life. Nothing of what
// was asked for but the public key is in it.
func (a authority) issue(random io.Reader, uri *url.URL, public any, now time.Time, life time.Duration) (*x509.Certificate, error) {
	serial, err := newSerial(random)
	if err != nil {
		return nil, err
	}
	notBefore := now.Add(-skew).Truncate(time.Second)
	template := &x509.Certificate{
		SerialNumber: serial, URIs: []*url.URL{uri}, NotBefore: notBefore, NotAfter: notBefore.Add(min(life, leafLife)),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(random, template, a.certificate, public, a.key)
	if err != nil {
		return nil, fmt.Errorf("signing a certificate: %w", err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading a new certificate: %w", err)
	}
	return c, nil
}

// own is a certificate of the manager, with a key that is nowhere but in memory.
func (s state) own(now time.Time) (mtls.Own, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return mtls.Own{}, fmt.Errorf("making the key of the manager: %w", err)
	}
	uri, err := url.Parse(agent.ManagerURI)
	if err != nil {
		return mtls.Own{}, fmt.Errorf("reading the identity of the manager: %w", err)
	}
	c, err := s.current.issue(rand.Reader, uri, key.Public(), now, leafLife)
	if err != nil {
		return mtls.Own{}, err
	}
	return mtls.Own{Certificate: tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key, Leaf: c}, Roots: s.pool()}, nil
}

// pool is whom both sides trust.
func (s state) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, root := range s.roots() {
		pool.AddCert(root)
	}
	return pool
}

// signerOf is whom of the roots a certificate is by, nil for none.
func (s state) signerOf(leaf *x509.Certificate) *x509.Certificate {
	if leaf == nil {
		return nil
	}
	for _, root := range s.roots() {
		if leaf.CheckSignatureFrom(root) == nil {
			return root
		}
	}
	return nil
}
