// Package probe asks an engine what it is, and for Redis does what an agent is asked to do.
//
// What an engine answers becomes the fields of a report that are about it; whoever reports adds the rest. An engine that does
// not answer, or not so that it is understood, is a Failure and never a role. Nothing here starts a shell, and no Failure has
// a password in it. Probes are not for concurrent use.
package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strings"

	"github.com/shoal-dev/shoal/api/agent"
)

// Failure is an engine that could not be asked.
type Failure struct {
	// Reason is one of Reasons.
	Reason string
	Err    error
}

// Reasons are those of failures: what a person looks at next.
func Reasons() []string { return []string{unreachable, timeout, refused, security, answer} }

const (
	unreachable = "unreachable"        // nobody listens
	timeout     = "timeout"            // somebody listens and does not answer in time
	refused     = agent.ProblemRefused // the password or the rights of the user are wrong, or there is no password where one is expected
	security    = agent.ProblemTLS     // one side speaks TLS and the other does not, or a certificate is not trusted
	answer      = "answer"             // the answer is an error, or makes no sense
)

func (f *Failure) Error() string { return f.Reason + ": " + f.Err.Error() }

// Unwrap returns Err.
func (f *Failure) Unwrap() error { return f.Err }

// fail finds the reason of an error.
func fail(err error) *Failure {
	var known *Failure
	if errors.As(err, &known) {
		return known
	}
	return &Failure{reasonOf(err), err}
}

func reasonOf(err error) string {
	var record tls.RecordHeaderError
	var untrusted *tls.CertificateVerificationError
	var alert tls.AlertError
	var system x509.SystemRootsError
	var slow net.Error
	var network *net.OpError
	text := err.Error()
	switch {
	case contains(text, "NOAUTH", "WRONGPASS", "NOPERM", "ERR AUTH", "without any password configured", "no password is set", "invalid password"):
		return refused
	case errors.As(err, &record), errors.As(err, &untrusted), errors.As(err, &alert), errors.As(err, &system),
		contains(text, "tls: ", "x509: ", "remote error: "):
		return security
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		return timeout
	case errors.As(err, &network), contains(text, "the connection is lost", "EOF", "connection refused", "broken pipe"):
		return unreachable
	}
	return answer
}

func contains(text string, parts ...string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}
