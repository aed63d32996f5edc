package signer

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"
)

const (
	// authorityLife is how long an authority is valid.
	authorityLife = 90 * 24 * time.Hour
	// skew is by how much clocks of nodes may differ: certificates are valid that much earlier. The API server accepts five
	// minutes at most for those of pods.
	skew = 2 * time.Minute
)

// authority is a certificate that signs others, and its key. It is never printed.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// String keeps the key out of whatever prints it.
func (a authority) String() string { return "authority " + a.name() }

// GoString is String.
func (a authority) GoString() string { return a.String() }

func (a authority) name() string {
	if a.certificate == nil {
		return "none"
	}
	return a.certificate.Subject.CommonName
}

// mint makes a new authority.
func mint(random io.Reader, now time.Time) (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return authority{}, fmt.Errorf("making the key of an authority: %w", err)
	}
	serial, err := newSerial(random)
	if err != nil {
		return authority{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "shoal agents " + hex.EncodeToString(serial.Bytes()[:4])},
		NotBefore: now.Add(-skew), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(random, template, template, key.Public(), key)
	if err != nil {
		return authority{}, fmt.Errorf("signing an authority: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return authority{}, fmt.Errorf("reading a new authority: %w", err)
	}
	return authority{certificate: certificate, key: key}, nil
}

// newSerial is a random number of 127 bits that has its first byte: nobody guesses it, and none is given twice.
func newSerial(random io.Reader) (*big.Int, error) {
	bytes := make([]byte, 16)
	if _, err := io.ReadFull(random, bytes); err != nil {
		return nil, fmt.Errorf("making a serial number: %w", err)
	}
	bytes[0] = bytes[0]&0x7f | 0x40
	return new(big.Int).SetBytes(bytes), nil
}

// encode writes the certificate and the key as PEM.
func (a authority) encode() (certificate, key []byte, err error) {
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return nil, nil, errors.New("writing the key of an authority: it cannot be written")
	}
	return encodeCertificate(a.certificate), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func encodeCertificate(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// decodeAuthority reads what encode wrote. No error repeats anything of the key.
func decodeAuthority(certificate, key []byte) (authority, error) {
	c, err := decodeCertificate(certificate)
	if err != nil {
		return authority{}, err
	}
	block, rest := pem.Decode(key)
	if block == nil || block.Type != "PRIVATE KEY" || len(bytes.TrimSpace(rest)) > 0 {
		return authority{}, errors.New("the key is not one PEM block PRIVATE KEY")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return authority{}, errors.New("the key cannot be read")
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !private.PublicKey.Equal(c.PublicKey) {
		return authority{}, errors.New("the key is not that of the certificate")
	}
	return authority{certificate: c, key: private}, nil
}

// decodeCertificates reads one or more of them.
func decodeCertificates(text []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for rest := text; len(bytes.TrimSpace(rest)) > 0; {
		block, after := pem.Decode(rest)
		if block == nil {
			return nil, errors.New("what follows the certificates is none")
		}
		c, err := decodeCertificate(pem.EncodeToMemory(block))
		if err != nil {
			return nil, err
		}
		all, rest = append(all, c), after
	}
	return all, nil
}

func decodeCertificate(text []byte) (*x509.Certificate, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("the certificate is not one PEM block CERTIFICATE")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the certificate: %w", err)
	}
	if !c.IsCA {
		return nil, errors.New("the certificate is not one of an authority")
	}
	return c, nil
}
