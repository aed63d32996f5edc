package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/shoal-dev/shoal/api/agent"
)

// options are the flags.
type options struct {
	manager, bundle, roots string

	probe, address, url string
	program             []string
	poll, timeout       time.Duration
	failures            int

	redis, sentinel login
	sentinels, self []string
	shard           string

	configuration, configurationOut string
	configurationDeadline           time.Duration

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
		configurationDeadline: 2 * time.Minute, heartbeat: 5 * time.Minute, actionsAddress: ":9720", metricsAddress: ":9721",
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
	o.redis.addFlags(f, "", "Redis")
	f.StringSliceVar(&o.sentinels, "sentinels", o.sentinels, "host:port of the Sentinels, who are asked for the epoch of the last election")
	f.StringVar(&o.shard, "sentinel-shard", o.shard, "name by which the Sentinels know the shard")
	f.StringSliceVar(&o.self, "announced-address", o.self, "host:port, or host, by which the Sentinels may know this instance; of a name, its beginning will do")
	o.sentinel.addFlags(f, "sentinel-", "the Sentinels")
	f.DurationVar(&o.heartbeat, "heartbeat", o.heartbeat, "time between two reports while nothing changes, plus up to a quarter at random; at least 1m")
	f.StringVar(&o.revision, "revision", o.revision, "revision that is reported as it is; with --configuration its revision is reported instead")
	f.StringVar(&o.configuration, "configuration", o.configuration, "folder with the files configuration and restart-master, which say what Redis is to run with; without it nobody configures Redis")
	f.StringVar(&o.configurationOut, "configuration-out", o.configurationOut, "folder that gets redis.conf, and where the agent remembers what has run; it lives as long as the pod")
	f.DurationVar(&o.configurationDeadline, "configuration-deadline", o.configurationDeadline, "a Redis that is not back within this time after a restart for a configuration has refused it")
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
	for _, address := range o.self {
		if address == "" || strings.Contains(address, "$(") {
			return fmt.Errorf("--announced-address: %q is neither host:port nor host", address)
		}
	}
	for flag, address := range map[string]string{"manager": o.manager, "address": o.address} {
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
		{"heartbeat", o.heartbeat, leastHeartbeat, time.Hour}, {"configuration-deadline", o.configurationDeadline, time.Second, time.Hour},
	} {
		if d.given < d.least || d.given > d.most {
			return fmt.Errorf("--%s: %s is not between %s and %s", d.flag, d.given, d.least, d.most)
		}
	}
	if o.failures < 1 {
		return fmt.Errorf("--failure-threshold: %d: must be at least 1", o.failures)
	}
	if len(o.sentinels) > 0 && (o.shard == "" || len(o.self) == 0) {
		return errors.New("--sentinels: give --sentinel-shard and --announced-address too")
	}
	if err := errors.Join(o.redis.validate(""), o.sentinel.validate("sentinel-")); err != nil {
		return err
	}
	// Every report with it would be refused.
	example := agent.Report{Version: agent.Version, Role: agent.RoleNone, BootID: strings.Repeat("0", 32), Sequence: 1, Revision: o.revision}
	if err := example.Validate(); err != nil {
		return fmt.Errorf("--revision: %w", err)
	}
	return errors.Join(o.validateProbe(), o.validateConfiguration())
}

func (o *options) validateConfiguration() error {
	if (o.configuration == "") != (o.configurationOut == "") || o.configuration != "" && o.probe != "redis" {
		return errors.New("--configuration and --configuration-out: give both, with --probe=redis, or none")
	}
	return nil
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
