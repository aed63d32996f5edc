package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2/textlogger"

	"github.com/shoal-dev/shoal/agent"
	"github.com/shoal-dev/shoal/agent/configuration"
	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/agent/probe"
	"github.com/shoal-dev/shoal/redis"
)

// run runs the agent until ctx ends.
func run(ctx context.Context, o *options) error {
	if err := o.validate(); err != nil {
		return err
	}
	ctx = logr.NewContext(ctx, textlogger.NewLogger(textlogger.NewConfig(textlogger.Verbosity(o.verbosity))))
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	engine := o.engine()
	options := agent.Options{
		Engine: engine, Manager: o.manager, Self: o.self,
		Own:  func() (mtls.Own, error) { return mtls.ReadFiles(o.bundle, o.roots) },
		Poll: o.poll, Heartbeat: o.heartbeat, Failures: o.failures, Revision: o.revision, Start: start(), Registry: registry,
	}
	if r, is := engine.(*probe.Redis); is && o.configuration != "" {
		options.Configuration = configuration.New(configuration.Folder{In: o.configuration, Out: o.configurationOut}, r, o.configurationDeadline)
	}
	if s := o.haSystem(); s != nil {
		options.Elections = func(ctx context.Context, one bool) (probe.Election, error) {
			if one {
				return s.One(ctx)
			}
			return s.Most(ctx)
		}
		defer s.Close()
	}
	a, err := agent.New(options)
	if err != nil {
		return err
	}
	actions, err := net.Listen("tcp", o.actionsAddress)
	if err != nil {
		return fmt.Errorf("listening for actions: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.Serve(ctx, actions) })
	if o.metricsAddress != "0" {
		metrics, err := net.Listen("tcp", o.metricsAddress)
		if err != nil {
			return errors.Join(fmt.Errorf("listening for metrics: %w", err), actions.Close())
		}
		group.Go(func() error { return serveMetrics(ctx, metrics, registry, a.Healthy) })
	}
	group.Go(func() error { a.Run(ctx); return nil })
	return group.Wait()
}

func (o *options) engine() agent.Engine {
	switch o.probe {
	case "tcp":
		return probe.TCP{Address: o.address, Timeout: o.timeout}
	case "http":
		return probe.NewHTTP(o.url, o.timeout)
	case "exec":
		return probe.Exec{Command: o.program, Timeout: o.timeout}
	}
	return probe.NewRedis(o.address, func() (redis.Access, error) { return o.redis.access(o.timeout) })
}

// haSystem is nil if there is none.
func (o *options) haSystem() *probe.Sentinels {
	if len(o.sentinels) == 0 {
		return nil
	}
	return probe.NewSentinels(o.sentinels, o.shard, func() (redis.Access, error) {
		return o.sentinel.access(o.timeout)
	})
}

func serveMetrics(ctx context.Context, listener net.Listener, registry *prometheus.Registry, healthy func() error) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 2}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if err := healthy(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 2 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 8 << 10,
	}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(netutil.LimitListener(listener, agent.MaxConnections)); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving metrics: %w", err)
	}
	return nil
}
