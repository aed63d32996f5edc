package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
)

// options are the flags.
type options struct {
	manager, bundle, roots string

	probe, address, url string
	program             []string
	poll, timeout       time.Duration
	failures            int

	username, passwordFile         string
	tls                            bool
	caFile, serverName             string
	certFile, keyFile              string
	sentinels                      []string
	shard, self                    string
	sentinelUser, sentinelPassword string

	heartbeat                      time.Duration
	revision                       string
	actionsAddress, metricsAddress string
	verbosity                      int
}

const folder = "/var/run/shoal/agent/"

func defaults() *options {
	return &options{
		bundle: folder + "credentials.pem", roots: folder + "roots.pem",
		probe: "redis", address: "127.0.0.1:6379", poll: time.Second, timeout: 500 * time.Millisecond, failures: 3,
		heartbeat: time.Minute, actionsAddress: ":9720", metricsAddress: ":9721",
	}
}

func (o *options) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.manager, "manager", o.manager, "host:port of the manager's endpoint for agents")
	f.StringVar(&o.bundle, "credential-bundle-file", o.bundle, "PEM file with the key and certificates of this pod; read for each connection, so that it may rotate")
	f.StringVar(&o.roots, "trust-bundle-file", o.roots, "PEM file with the roots of the manager's certificate; read for each connection")
	f.StringVar(&o.probe, "probe", o.probe, "how to ask the engine: redis, tcp (a connection), http (GET, the body is the role), exec (a program's output is the role)")
	f.StringVar(&o.address, "address", o.address, "host:port of the engine, for redis and tcp")
	f.StringVar(&o.url, "url", o.url, "URL of the engine, for http")
	f.DurationVar(&o.poll, "poll-interval", o.poll, "time between two looks at the engine")
	f.DurationVar(&o.timeout, "timeout", o.timeout, "bound for connecting to the engine, and for each answer")
	f.IntVar(&o.failures, "failure-threshold", o.failures, "looks in a row that must fail for the role to be unknown")
	f.StringVar(&o.username, "username", o.username, "user of Redis; without it the default user")
	f.StringVar(&o.passwordFile, "password-file", o.passwordFile, "file with the password of Redis; read for each connection")
	f.BoolVar(&o.tls, "tls", o.tls, "speak TLS to Redis and to the Sentinels")
	f.StringVar(&o.caFile, "tls-ca-file", o.caFile, "PEM file with the roots of their certificates; without it the system's")
	f.StringVar(&o.serverName, "tls-server-name", o.serverName, "name in Redis' certificate; without it the host of the address")
	f.StringVar(&o.certFile, "tls-cert-file", o.certFile, "PEM file with the certificate to show to them")
	f.StringVar(&o.keyFile, "tls-key-file", o.keyFile, "PEM file with the key of that certificate")
	f.StringSliceVar(&o.sentinels, "sentinels", o.sentinels, "host:port of the Sentinels, who are asked for the epoch of the last election")
	f.StringVar(&o.shard, "sentinel-shard", o.shard, "name by which the Sentinels know the shard")
	f.StringVar(&o.self, "announced-address", o.self, "host:port by which the Sentinels know this instance")
	f.StringVar(&o.sentinelUser, "sentinel-username", o.sentinelUser, "user of the Sentinels; without it the default user")
	f.StringVar(&o.sentinelPassword, "sentinel-password-file", o.sentinelPassword, "file with the password of the Sentinels")
	f.DurationVar(&o.heartbeat, "heartbeat", o.heartbeat, "time between two reports while nothing changes, plus up to a quarter at random; at least 1m")
	f.StringVar(&o.revision, "revision", o.revision, "revision of the configuration, which is reported as it is")
	f.StringVar(&o.actionsAddress, "actions-bind-address", o.actionsAddress, "address for actions, which the manager alone may ask for")
	f.StringVar(&o.metricsAddress, "metrics-bind-address", o.metricsAddress, "address for /metrics and /healthz; 0 switches it off")
	f.IntVarP(&o.verbosity, "v", "v", o.verbosity, "log level: 0 changes and actions, 2 refused connections too")
}

// bounds of durations: shorter polls cost the engine, shorter heartbeats the manager.
const (
	leastPoll      = 100 * time.Millisecond
	leastTimeout   = 10 * time.Millisecond
	mostTimeout    = 2 * time.Second
	leastHeartbeat = time.Minute
)

func (o *options) validate() error {
	if o.manager == "" {
		return errors.New("--manager: give host:port of the manager's endpoint for agents")
	}
	for flag, address := range map[string]string{"manager": o.manager, "address": o.address, "announced-address": o.self} {
		if err := hostPort(flag, address); err != nil {
			return err
		}
	}
	for _, address := range o.sentinels {
		if err := hostPort("sentinels", address); err != nil {
			return err
		}
	}
	for _, d := range []struct {
		flag               string
		given, least, most time.Duration
	}{
		{"poll-interval", o.poll, leastPoll, time.Minute}, {"timeout", o.timeout, leastTimeout, mostTimeout},
		{"heartbeat", o.heartbeat, leastHeartbeat, time.Hour},
	} {
		if d.given < d.least || d.given > d.most {
			return fmt.Errorf("--%s: %s is not between %s and %s", d.flag, d.given, d.least, d.most)
		}
	}
	if o.failures < 1 {
		return fmt.Errorf("--failure-threshold: %d: must be at least 1", o.failures)
	}
	if len(o.sentinels) > 0 && (o.shard == "" || o.self == "") {
		return errors.New("--sentinels: give --sentinel-shard and --announced-address too")
	}
	if (o.certFile == "") != (o.keyFile == "") {
		return errors.New("--tls-cert-file and --tls-key-file: give both, or none")
	}
	// Every report with it would be refused.
	example := agent.Report{Version: agent.Version, Role: agent.RoleNone, BootID: strings.Repeat("0", 32), Sequence: 1, Revision: o.revision}
	if err := example.Validate(); err != nil {
		return fmt.Errorf("--revision: %w", err)
	}
	return o.validateProbe()
}

func (o *options) validateProbe() error {
	if !slices.Contains([]string{"redis", "tcp", "http", "exec"}, o.probe) {
		return fmt.Errorf("--probe: %q is none of redis, tcp, http, exec", o.probe)
	}
	if (o.probe == "exec") != (len(o.program) > 0) {
		return errors.New("--probe=exec, and no other, takes a program with its arguments after --")
	}
	if u, err := url.Parse(o.url); o.probe == "http" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return errors.New("--url: want one that begins with http:// or https://") // it is not repeated: it may have a secret in it
	}
	return nil
}

func hostPort(flag, address string) error {
	if address == "" {
		return nil
	}
	if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" {
		return fmt.Errorf("--%s: %q is not host:port", flag, address)
	}
	return nil
}

// access reads the files anew: a password and certificates may change.
func (o *options) access(username, passwordFile string) (redis.Access, error) {
	a := redis.Access{Username: username, Dial: o.timeout, IO: o.timeout}
	var err error
	if a.Password, err = password(passwordFile); err != nil {
		return a, err
	}
	if !o.tls {
		return a, nil
	}
	a.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: o.serverName}
	if o.caFile != "" {
		text, err := os.ReadFile(o.caFile)
		if err != nil {
			return a, fmt.Errorf("reading the roots of Redis: %w", err)
		}
		a.TLS.RootCAs = x509.NewCertPool()
		if !a.TLS.RootCAs.AppendCertsFromPEM(text) {
			return a, fmt.Errorf("reading the roots of Redis: there is no certificate in %s", o.caFile)
		}
	}
	if o.certFile != "" {
		own, err := tls.LoadX509KeyPair(o.certFile, o.keyFile)
		if err != nil {
			return a, fmt.Errorf("reading the certificate for Redis: %w", err)
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
