package switchovers

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
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
	m.ended, err = register(registry, m.ended, err)
	m.running, err = register(registry, m.running, err)
	return m, err
}

// register returns the collector that is there already when a process sets the controller up a second time.
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
