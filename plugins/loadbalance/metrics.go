package loadbalance

import (
	"sync"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"

	"github.com/shoal-dev/shoal/load"
)

// gauges about measured load, which kube-scheduler serves with its own metrics.
type gauges struct {
	fresh    *metrics.GaugeVec
	nodes    *metrics.Gauge
	oldest   *metrics.GaugeVec
	failures *metrics.Counter
}

var measurements = sync.OnceValue(func() *gauges {
	g := &gauges{
		fresh: metrics.NewGaugeVec(&metrics.GaugeOpts{
			Name: "shoal_load_fresh_nodes", Help: "Nodes whose load is known and young enough, per dimension.", StabilityLevel: metrics.ALPHA,
		}, []string{"dimension"}),
		nodes: metrics.NewGauge(&metrics.GaugeOpts{
			Name: "shoal_load_nodes", Help: "Nodes of the cluster when load was measured last.", StabilityLevel: metrics.ALPHA,
		}),
		oldest: metrics.NewGaugeVec(&metrics.GaugeOpts{
			Name: "shoal_load_oldest_seconds", Help: "Age of the oldest reading of a node, per dimension.", StabilityLevel: metrics.ALPHA,
		}, []string{"dimension"}),
		failures: metrics.NewCounter(&metrics.CounterOpts{
			Name: "shoal_load_failures_total", Help: "Measurements that failed in whole or in part.", StabilityLevel: metrics.ALPHA,
		}),
	}
	legacyregistry.MustRegister(g.fresh, g.nodes, g.oldest, g.failures)
	return g
})

func record(r load.Report) {
	g := measurements()
	for _, d := range r.Measures {
		g.fresh.WithLabelValues(d.String()).Set(float64(r.Fresh[d]))
		g.oldest.WithLabelValues(d.String()).Set(r.Oldest[d].Seconds())
	}
	g.nodes.Set(float64(r.Nodes))
	if r.Err != nil {
		g.failures.Inc()
	}
}
