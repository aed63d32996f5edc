package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/shoal-dev/shoal/redis"
)

// login is how the agent logs in to one sort of server: to Redis, or to the Sentinels.
type login struct {
	username, passwordFile string
	tls                    bool
	caFile, serverName     string
	certFile, keyFile      string
}

func (l *login) addFlags(f *pflag.FlagSet, prefix, who string) {
	f.StringVar(&l.username, prefix+"username", "", "user of "+who+"; without it the default user")
	f.StringVar(&l.passwordFile, prefix+"password-file", "", "file with the password of "+who+"; read for each connection")
	f.BoolVar(&l.tls, prefix+"tls", false, "speak TLS to "+who)
	f.StringVar(&l.caFile, prefix+"tls-ca-file", "", "PEM file with the roots of certificates of "+who+"; without it the system's")
	f.StringVar(&l.serverName, prefix+"tls-server-name", "", "name in certificates of "+who+"; without it the host of the address")
	f.StringVar(&l.certFile, prefix+"tls-cert-file", "", "PEM file with the certificate to show to "+who)
	f.StringVar(&l.keyFile, prefix+"tls-key-file", "", "PEM file with the key of that certificate")
}

func (l *login) validate(prefix string) error {
	if (l.certFile == "") != (l.keyFile == "") {
		return fmt.Errorf("--%[1]stls-cert-file and --%[1]stls-key-file: give both, or none", prefix)
	}
	return nil
}

// access reads the files anew: a password and certificates may change.
func (l *login) access(timeout time.Duration) (redis.Access, error) {
	a := redis.Access{Username: l.username, Dial: timeout, IO: timeout}
	var err error
	if a.Password, err = password(l.passwordFile); err != nil {
		return a, err
	}
	if !l.tls {
		return a, nil
	}
	a.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: l.serverName}
	if l.caFile != "" {
		text, err := os.ReadFile(l.caFile)
		if err != nil {
			return a, fmt.Errorf("reading the roots of TLS: %w", err)
		}
		a.TLS.RootCAs = x509.NewCertPool()
		if !a.TLS.RootCAs.AppendCertsFromPEM(text) {
			return a, fmt.Errorf("reading the roots of TLS: there is no certificate in %s", l.caFile)
		}
	}
	if l.certFile != "" {
		own, err := tls.LoadX509KeyPair(l.certFile, l.keyFile)
		if err != nil {
			return a, fmt.Errorf("reading the certificate for TLS: %w", err)
		}
		a.TLS.Certificates = []tls.Certificate{own}
	}
	return a, nil
}

// maxPassword bounds a password, in bytes.
const maxPassword = 4 << 10

// password reads a file without the end of its line; no file is no password, and an empty one is an error.
func password(name string) (redis.Secret, error) {
	if name == "" {
		return "", nil
	}
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPassword+1))
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	text = bytes.TrimRight(text, "\r\n")
	if len(text) == 0 || len(text) > maxPassword {
		return "", fmt.Errorf("reading the password: %s has %d bytes, want 1 to %d", name, len(text), maxPassword)
	}
	return redis.Secret(text), nil
}
