//go:build bench

// Package perf measures whole scheduler profiles with Kubernetes' own scheduler_perf: a real API server and the real
// scheduler in one process, etcd beside it, and nodes and pods that are only objects. `make bench-scheduler` runs it.
package perf

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	perf "k8s.io/kubernetes/test/integration/scheduler_perf"
	"k8s.io/kubernetes/test/utils/client-go/ktesting"
	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/api/config/scheme"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/plugins/dispersion"
	"github.com/shoal-dev/shoal/plugins/loadbalance"
)

var (
	nodes  = flag.Int("nodes", 5000, "number of nodes")
	pods   = flag.Int("pods", 10000, "number of pods that are measured")
	repeat = flag.Int("repeat", 3, "how often each case runs; the cases take turns")
	only   = flag.String("cases", "", "names of cases, with commas between them; all if empty")
	out    = flag.String("out", "", "an existing directory for the measurements and the CPU profiles; a temporary one if empty")
)

const topic = "shoal"

func TestMain(m *testing.M) {
	if err := setUp(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func setUp() error {
	if err := scheme.Register(); err != nil {
		return err
	}
	return perf.InitTests()
}

// BenchmarkPerfScheduling has the name that scheduler_perf knows how to shorten.
func BenchmarkPerfScheduling(b *testing.B) {
	dir := *out
	if dir == "" {
		dir = b.TempDir()
	}
	size := size{nodes: *nodes, pods: *pods}
	chosen, err := chooseCases(*only)
	if err != nil {
		b.Fatal(err)
	}
	file, err := writeConfiguration(dir, size, rounds(chosen, *repeat))
	if err != nil {
		b.Fatal(err)
	}
	for name, value := range map[string]string{
		"data-items-dir": dir, "perf-cpuprofile": "true", "with-data-items-unique-id": "false", "perf-scheduling-label-filter": topic,
	} {
		if err := flag.Set(name, value); err != nil {
			b.Fatal(err)
		}
	}
	var clock clock
	perf.RunBenchmarkPerfScheduling(b, file, topic, frameworkruntime.Registry{
		dispersion.Name: dispersion.Shared(), loadbalance.Name: loadbalance.New,
	}, perf.WithPodsSchedulingTimeout(patience), perf.WithPrepareFn(installCRD), perf.WithNodeUpdateFn(clock.begin))
	if b.Failed() {
		return
	}
	walls, err := clock.end()
	if err != nil {
		b.Fatal(err)
	}
	results, err := readResults(dir, size, chosen, walls)
	if err != nil {
		b.Fatal(err)
	}
	text := report(size, chosen, results)
	b.Logf("\n%s", text)
	if err := os.WriteFile(filepath.Join(dir, "report.txt"), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}

// installCRD returns when the API server serves PlacementPolicies. The scheduler runs already, and finds them later.
func installCRD(ctx ktesting.TContext) error {
	text, err := os.ReadFile("../../manifests/crds/shoal.dev_placementpolicies.yaml")
	if err != nil {
		return err
	}
	crd := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(text, &crd.Object); err != nil {
		return err
	}
	crds := ctx.Dynamic().Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	if _, err := crds.Create(ctx, crd, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("creating the CRD: %w", err)
	}
	return wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		list, err := ctx.Client().Discovery().ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
		return err == nil && len(list.APIResources) > 0, nil
	})
}
