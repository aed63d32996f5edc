package dispersion

import (
	"sync"
	"time"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"

	"github.com/shoal-dev/shoal/reason"
)

// meters are what kube-scheduler serves with its own metrics. All profiles of a process add to the same ones. A scheduler that
// does not lead has no cycles, so that its own stay where they were.
type meters struct {
	divergences *metrics.Counter
	refusals    *metrics.CounterVec
	plans       *metrics.HistogramVec
	held        *metrics.Gauge
}

// How a plan was made: by numbers alone, with a row of nodes for each shard, or by packing instances of different sizes.
const (
	planEven   = "even"
	planShards = "shards"
	planSizes  = "sizes"
)

var measured = sync.OnceValue(func() *meters {
	m := &meters{
		divergences: metrics.NewCounter(&metrics.CounterOpts{
			Name:           "shoal_scheduler_index_divergence_total",
			Help:           "Groups of which the scheduler's index held other slots than a recount of everything. Must stay 0; the index is rebuilt then.",
			StabilityLevel: metrics.ALPHA,
		}),
		refusals: metrics.NewCounterVec(&metrics.CounterOpts{
			Name:           "shoal_scheduler_refusals_total",
			Help:           "Tries that ended without a node for a pod of a group, by the codes of the rules of Dispersion that stood in the way. A try with several codes counts once for each.",
			StabilityLevel: metrics.ALPHA,
		}, []string{"reason"}),
		plans: metrics.NewHistogramVec(&metrics.HistogramOpts{
			Name:           "shoal_scheduler_plan_duration_seconds",
			Help:           "Time that it took to make a plan for a group; its count is the number of plans made. By kind: even (numbers alone), shards (a row of nodes for each shard) or sizes (instances of different sizes are packed).",
			Buckets:        metrics.ExponentialBuckets(0.00001, 4, 9), // 10 µs to 0.7 s
			StabilityLevel: metrics.ALPHA,
		}, []string{"kind"}),
		held: metrics.NewGauge(&metrics.GaugeOpts{
			Name:           "shoal_scheduler_held_pods",
			Help:           "Pods that are not tried because another one of their group, for which there is no node, stands for them (SHOAL1114).",
			StabilityLevel: metrics.ALPHA,
		}),
	}
	legacyregistry.MustRegister(m.divergences, m.refusals, m.plans, m.held)
	return m
})

// refused counts a try that ended without a node.
func refused(codes ...reason.Code) {
	for _, code := range codes {
		measured().refusals.WithLabelValues(code.String()).Inc()
	}
}

// planned notes that a plan was made, since when it has taken.
func planned(kind string, since time.Time) {
	measured().plans.WithLabelValues(kind).Observe(time.Since(since).Seconds())
}
