package collectors

import (
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func counter(help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: "shoal_steps_total", Help: help})
}

func TestRegisterTwice(t *testing.T) {
	registry := prometheus.NewRegistry()
	first, err := Register(registry, counter("Steps."), nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Register(registry, counter("Steps."), nil)
	if err != nil || second != first {
		t.Errorf("the second counter is not the first one: %v", err)
	}
}

func TestRegisterKeepsErrors(t *testing.T) {
	registry, before := prometheus.NewRegistry(), errors.New("before")
	_, err := Register(registry, counter("Steps."), before)
	if !errors.Is(err, before) {
		t.Errorf("the error before it is lost: %v", err)
	}
	if _, err = Register(registry, counter("Something else."), before); !errors.Is(err, before) || err.Error() == before.Error() {
		t.Errorf("a name with another help is no error: %v", err)
	}
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "shoal_steps_total", Help: "Steps."})
	if _, err = Register(registry, gauge, nil); err == nil {
		t.Error("a gauge of the name of a counter is no error")
	}
}
