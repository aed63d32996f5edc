//go:build bench

package perf

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-base/metrics/legacyregistry"
	kubescheduler "k8s.io/kubernetes/pkg/scheduler"
	perf "k8s.io/kubernetes/test/integration/scheduler_perf"
	"k8s.io/kubernetes/test/utils/client-go/ktesting"
)

// clock reads the scheduler's histogram of the time that choosing a node took. The histogram is never reset, so a run is the
// difference between two readings: before its pods, and before those of the next one.
type clock struct{ readings []reading }

type reading struct {
	seconds float64
	pods    uint64
}

// begin is called when the nodes of a run are there.
func (c *clock) begin(ktesting.TContext, *kubescheduler.Scheduler, *perf.Workload, *corev1.NodeList) error {
	return c.read()
}

func (c *clock) read() error {
	families, err := legacyregistry.DefaultGatherer.Gather()
	if err != nil {
		return fmt.Errorf("reading the metrics of the scheduler: %w", err)
	}
	var now reading
	for _, family := range families {
		if family.GetName() != algorithmMetric {
			continue
		}
		for _, metric := range family.GetMetric() {
			now.seconds += metric.GetHistogram().GetSampleSum()
			now.pods += metric.GetHistogram().GetSampleCount()
		}
	}
	c.readings = append(c.readings, now)
	return nil
}

// end returns the seconds for one pod in each run.
func (c *clock) end() ([]float64, error) {
	if err := c.read(); err != nil {
		return nil, err
	}
	var walls []float64
	for i := range c.readings[1:] {
		before, after := c.readings[i], c.readings[i+1]
		if after.pods <= before.pods {
			return nil, fmt.Errorf("run %d: %s has nothing new", i, algorithmMetric)
		}
		walls = append(walls, (after.seconds-before.seconds)/float64(after.pods-before.pods))
	}
	return walls, nil
}
