package signer

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/shoal-dev/shoal/collectors"
)

// metrics of the signer. Labels are codes of reasons and steps, of which there are a few.
type metrics struct {
	requests *prometheus.CounterVec
	steps    *prometheus.CounterVec
	failures prometheus.Counter
	expiry   prometheus.Gauge
	waits    *prometheus.CounterVec
	errors   prometheus.Counter
}

func newMetrics(registry prometheus.Registerer) (metrics, error) {
	m := metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_signer_requests_total",
			Help: "Requests for certificates of agents that were answered, by the code of the reason: SHOAL2501 are those that were signed, all others were refused.",
		}, []string{"reason"}),
		steps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_signer_rotation_steps_total",
			Help: "Changes of the authority of agents: began, prepared, settling, replaced, dropped, and inherited (the Secret was gone).",
		}, []string{"step"}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shoal_signer_keep_failures_total",
			Help: "Looks at the authority of agents that failed: its Secret or its ClusterTrustBundle could not be read or written.",
		}),
		expiry: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "shoal_signer_authority_expiry_timestamp_seconds",
			Help: "When the authority that signs ends. It is replaced 28 days before. 0 in a manager that does not lead.",
		}),
		waits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_signer_waits_total",
			Help: "Looks at requests for certificates that were left open, by the code of the reason: SHOAL2504 or SHOAL2505 if a Node or ServiceAccount may just be made anew, SHOAL2512 if there is no authority.",
		}, []string{"reason"}),
	}
	m.errors = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "shoal_signer_failures_total",
		Help: "Requests for certificates that could not be judged or answered: the API server refused to show or to write something. Each is tried again.",
	})
	var err error
	m.errors, err = collectors.Register(registry, m.errors, err)
	m.requests, err = collectors.Register(registry, m.requests, err)
	m.steps, err = collectors.Register(registry, m.steps, err)
	m.failures, err = collectors.Register(registry, m.failures, err)
	m.expiry, err = collectors.Register(registry, m.expiry, err)
	m.waits, err = collectors.Register(registry, m.waits, err)
	for _, rule := range rules { // a series that begins with 1 has not grown
		m.requests.WithLabelValues(rule.code.String())
	}
	return m, err
}
