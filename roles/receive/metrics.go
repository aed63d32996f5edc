package receive

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/shoal-dev/shoal/collectors"
)

// metrics of the endpoint. Causes are a few.
type metrics struct {
	accepted     prometheus.Counter
	refusals     *prometheus.CounterVec
	leadFailures prometheus.Counter
}

func newMetrics(registry prometheus.Registerer) (metrics, error) {
	m := metrics{
		accepted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shoal_receive_reports_total",
			Help: "Reports of agents that were taken.",
		}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_receive_refusals_total",
			Help: "Connections and reports of agents that were refused, by cause: none, expired, forged, invalid or identity (the certificate), busy, path, report, stranger, old or unavailable.",
		}, []string{"cause"}),
		leadFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shoal_receive_lead_failures_total",
			Help: "Tries to have the Service shoal-manager select the leader that failed. Until it does, agents do not find it.",
		}),
	}
	var err error
	m.accepted, err = collectors.Register(registry, m.accepted, err)
	m.refusals, err = collectors.Register(registry, m.refusals, err)
	m.leadFailures, err = collectors.Register(registry, m.leadFailures, err)
	return m, err
}
