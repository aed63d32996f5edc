//go:build integration

// Package integration tests Shoal on a real control plane with simulated nodes. It needs the binaries of `make
// controlplane build`; `make integration` sees to that.
package integration

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/playground/process"
)

// up starts a cluster that ends with the test. When the test fails, the ends of the logs are in its output.
func up(t *testing.T, options playground.Options) *playground.Cluster {
	t.Helper()
	if options.Dir == "" {
		options.Dir = filepath.Join(t.TempDir(), "cluster")
	}
	options.Progress = t.Output()
	c, err := playground.Up(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			tellLogs(t, c)
		}
		if err := c.Down(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

func tellLogs(t *testing.T, c *playground.Cluster) {
	t.Helper()
	components, err := c.Components()
	if err != nil {
		t.Log(err)
	}
	for _, component := range components {
		t.Logf("the end of %s, %d restarts:", component.Log, component.Restarts)
		for _, line := range process.Tail(component.Log) {
			t.Log("  ", line)
		}
	}
}

func newClient(t *testing.T, c *playground.Cluster) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// eventually tries until it works. What does not work within the time is the test's failure.
func eventually(t *testing.T, within time.Duration, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, within, err)
		}
		<-ticker.C
	}
}

// always looks for as long as the time lasts. The first time that it does not hold is the test's failure.
func always(t *testing.T, during time.Duration, what string, holds func() error) {
	t.Helper()
	deadline := time.Now().Add(during)
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for time.Now().Before(deadline) {
		if err := holds(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		<-ticker.C
	}
}
