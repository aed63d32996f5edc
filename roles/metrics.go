package roles

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/shoal-dev/shoal/collectors"
)

// metrics of the controllers. Labels are kinds of steps and codes of reasons, of which there are a few.
type metrics struct {
	writes     *prometheus.CounterVec
	failures   *prometheus.CounterVec
	reports    *prometheus.CounterVec
	staleCache prometheus.Counter
	distrusted *prometheus.CounterVec
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
		distrusted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_roles_distrusted_engines_total",
			Help: "Reports that an engine and its agent do not trust each other, by cause: refused (the password, or that there is none) or tls.",
		}, []string{"cause"}),
	}
	var err error
	m.writes, err = collectors.Register(registry, m.writes, err)
	m.failures, err = collectors.Register(registry, m.failures, err)
	m.reports, err = collectors.Register(registry, m.reports, err)
	m.staleCache, err = collectors.Register(registry, m.staleCache, err)
	m.distrusted, err = collectors.Register(registry, m.distrusted, err)
	return m, err
}
