package dispersion

import (
	"sync"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

// divergences counts how often the index did not hold what is there. It must stay 0. kube-scheduler serves it with its own
// metrics.
var divergences = sync.OnceValue(func() *metrics.Counter {
	c := metrics.NewCounter(&metrics.CounterOpts{
		Name:           "shoal_scheduler_index_divergence_total",
		Help:           "Groups of which the scheduler's index held other slots than a recount of everything. Must stay 0; the index is rebuilt then.",
		StabilityLevel: metrics.ALPHA,
	})
	legacyregistry.MustRegister(c)
	return c
})
