package main

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/shoal-dev/shoal/instanceset"
	"github.com/shoal-dev/shoal/policy"
)

// metricsOf is what a controller tells of all objects of its kind together; nil for one that tells nothing.
func metricsOf(controller string) func(context.Context, client.Reader, func() time.Time) prometheus.Collector {
	switch controller {
	case "instanceset":
		return instanceset.Metrics
	case "policy":
		return policy.Metrics
	}
	return nil
}

// whileLeading serves metrics as long as this process leads. A standby has the same objects in its cache: if it told of them too,
// every sum would be twice what it is. The manager runs what says nothing of leaders only in the one that leads.
func whileLeading(registry prometheus.Registerer, metrics func(context.Context) prometheus.Collector) manager.Runnable {
	return manager.RunnableFunc(func(ctx context.Context) error {
		m := metrics(ctx)
		if err := registry.Register(m); err != nil {
			return fmt.Errorf("registering metrics: %w", err)
		}
		<-ctx.Done()
		registry.Unregister(m)
		return nil
	})
}
