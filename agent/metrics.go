package agent

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of an agent. All labels are words of ours.
type metrics struct {
	reports, changes, failures, actions, strangers, configurations *prometheus.CounterVec
	elections                                                      prometheus.Counter
	expiry                                                         prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer) (metrics, error) {
	m := metrics{
		reports: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_agent_reports_total",
			Help: "Reports, by result: accepted, refused (by the manager), failed (they did not arrive), stranger (who answered is not the manager).",
		}, []string{"result"}),
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_agent_changes_total",
			Help: "Changes of the engine that were worth a report, by its role afterwards.",
		}, []string{"role"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_agent_look_failures_total",
			Help: "Looks at the engine that failed, by cause: unreachable, timeout, refused (password or rights), tls, answer.",
		}, []string{"cause"}),
		actions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_agent_actions_total",
			Help: "Requests of the manager, by action and result: done, failed, invalid (not understood), or why it was refused: boot, epoch, lock, line (lost), state, engine.",
		}, []string{"action", "result"}),
		strangers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_agent_refused_connections_total",
			Help: "Connections to the agent that were refused, by cause: none (no certificate), expired, forged, invalid, identity (not the manager's), handshake (not TLS 1.3, or broken off).",
		}, []string{"cause"}),
		configurations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_agent_configurations_total",
			Help: "Configurations that came to an end, by result: applied (the engine was read back to run with it), refused (what ran before stays, or comes back).",
		}, []string{"result"}),
		elections: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shoal_agent_election_failures_total",
			Help: "Times that most Sentinels did not name the same master by the same election.",
		}),
		expiry: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "shoal_agent_certificate_expiry_timestamp_seconds",
			Help: "When the agent's certificate ends, in seconds since 1970, as of the last connection.",
		}),
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.reports, m.changes, m.failures, m.actions, m.strangers, m.configurations, m.elections, m.expiry} {
		errs = append(errs, registry.Register(c))
	}
	return m, errors.Join(errs...)
}
