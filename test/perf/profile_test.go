//go:build bench

package perf

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
)

// cpu is what the CPU profile of a run says, in seconds. API server, test and scheduler share a process; but whose work a
// sample is, its stack says. The kernel's clock of each thread counts, so that time in which others had the processor
// does not. Not counted are the background work of the garbage collector, which has no owner, and the transport of
// requests, which goroutines of its own do.
type cpu struct {
	scheduler float64 // all below the scheduler's functions: queue, cycles, binding, its handlers of events
	algorithm float64 // choosing nodes: Filter and Score in all their goroutines, and what comes before them
	plugins   float64 // Dispersion and LoadBalance, wherever they are called
	total     float64 // the whole process
}

// Functions by which stacks are told apart. Filter and Score run in goroutines of their own; of the scheduler, only the
// search for a node starts such.
const (
	inScheduler = "k8s.io/kubernetes/pkg/scheduler"
	inPlugins   = "github.com/shoal-dev/shoal/plugins/"
	inTest      = "k8s.io/kubernetes/test/integration/scheduler_perf"
	inCycle     = "k8s.io/kubernetes/pkg/scheduler.(*Scheduler).schedulePod"
	inWorkers   = "k8s.io/client-go/util/workqueue.ParallelizeUntil"
)

func readProfile(path string) (cpu, error) {
	file, err := os.Open(path)
	if err != nil {
		return cpu{}, err
	}
	defer func() { _ = file.Close() }()
	p, err := profile.Parse(file)
	if err != nil {
		return cpu{}, fmt.Errorf("reading %s: %w", path, err)
	}
	value := slices.IndexFunc(p.SampleType, func(t *profile.ValueType) bool { return t.Unit == "nanoseconds" })
	if value < 0 {
		return cpu{}, fmt.Errorf("reading %s: it has no nanoseconds", path)
	}
	var sum cpu
	for _, sample := range p.Sample {
		sum.add(namesOf(sample), float64(sample.Value[value])/1e9)
	}
	return sum, nil
}

func namesOf(sample *profile.Sample) []string {
	var names []string
	for _, location := range sample.Location {
		for _, line := range location.Line {
			if line.Function != nil {
				names = append(names, line.Function.Name)
			}
		}
	}
	return names
}

func (c *cpu) add(stack []string, seconds float64) {
	below := func(prefix string) bool {
		return slices.ContainsFunc(stack, func(name string) bool { return strings.HasPrefix(name, prefix) })
	}
	c.total += seconds
	if below(inTest) {
		return
	}
	if below(inScheduler) || below(inPlugins) {
		c.scheduler += seconds
		if below(inCycle) || below(inWorkers) {
			c.algorithm += seconds
		}
	}
	if below(inPlugins) {
		c.plugins += seconds
	}
}
