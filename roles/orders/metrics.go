package orders

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/shoal-dev/shoal/collectors"
)

func newCounter(registry prometheus.Registerer) (*prometheus.CounterVec, error) {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "shoal_orders_given_total",
		Help: "Orders to agents, by action and result: done; boot, epoch, lock, line, state or engine if the agent refused it for that; failed (the engine did not answer), invalid (the agent did not understand it), stranger (who answered is not the agent of that pod), not-sent, unknown.",
	}, []string{"action", "result"})
	return collectors.Register(registry, c, nil)
}
