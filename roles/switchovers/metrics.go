package switchovers

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/shoal-dev/shoal/collectors"
)

// metrics of the controller. Labels are results and codes of reasons, of which there are a few.
type metrics struct {
	ended   *prometheus.CounterVec
	running prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer) (metrics, error) {
	m := metrics{
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_switchovers_ended_total",
			Help: "Switchovers that have ended, by result (HandedOver, Refused, Undecided) and by the code of their reason.",
		}, []string{"result", "reason"}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "shoal_switchovers_running",
			Help: "Switchovers that have begun and not ended, of this process.",
		}),
	}
	var err error
	m.ended, err = collectors.Register(registry, m.ended, err)
	m.running, err = collectors.Register(registry, m.running, err)
	return m, err
}
