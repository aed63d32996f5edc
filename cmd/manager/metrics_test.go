package main

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// The names of controllers are text in two places.
func TestControllersTellOfTheirObjects(t *testing.T) {
	told := 0
	for _, name := range controllerNames() {
		if metricsOf(name) != nil {
			told++
		}
	}
	if told < 2 {
		t.Errorf("%d of the controllers %v tell of their objects", told, controllerNames())
	}
}

// A standby that told of the objects in its cache would double every sum.
func TestOnlyTheLeaderTellsOfObjects(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	runnable := whileLeading(registry, func(context.Context) prometheus.Collector {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "objects", Help: "h"})
	})
	if r, says := runnable.(manager.LeaderElectionRunnable); says && !r.NeedLeaderElection() {
		t.Error("it runs in a standby, too")
	}
	served := func() int {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		return len(families)
	}
	if served() != 0 {
		t.Error("metrics are served before this process leads")
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- runnable.Start(ctx) }()
	for served() == 0 && t.Context().Err() == nil {
		select {
		case err := <-done:
			t.Fatalf("it ended: %v", err)
		default:
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if served() != 0 {
		t.Error("metrics are served after this process has led")
	}
}
