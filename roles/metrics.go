package roles

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the controllers. Labels are kinds of steps and codes of reasons, of which there are a few.
type metrics struct {
	writes     *prometheus.CounterVec
	failures   *prometheus.CounterVec
	reports    *prometheus.CounterVec
	staleCache prometheus.Counter
}

func newMetrics(registry prometheus.Registerer) (metrics, error) {
	m := metrics{
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_roles_writes_total",
			Help: "Steps of moving role labels that were carried out, by kind and by the code of their reason.",
		}, []string{"kind", "reason"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_roles_write_failures_total",
			Help: "Steps of moving role labels that the API server refused, by kind. Those that came too late do not count.",
		}, []string{"kind"}),
		reports: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_roles_reports_total",
			Help: "Reports of agents, by what became of them: news, known, old, stranger, standby or error.",
		}, []string{"outcome"}),
		staleCache: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shoal_roles_stale_cache_total",
			Help: "Decisions that were put off because the cache did not show the controller's own writes yet.",
		}),
	}
	var err error
	m.writes, err = register(registry, m.writes, err)
	m.failures, err = register(registry, m.failures, err)
	m.reports, err = register(registry, m.reports, err)
	m.staleCache, err = register(registry, m.staleCache, err)
	return m, err
}

// register returns the collector that is there already when a process sets the controllers up a second time.
func register[C prometheus.Collector](registry prometheus.Registerer, c C, before error) (C, error) {
	err := registry.Register(c)
	var there prometheus.AlreadyRegisteredError
	if errors.As(err, &there) {
		if old, same := there.ExistingCollector.(C); same {
			return old, before
		}
	}
	return c, errors.Join(before, err)
}
