package collectors

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Register registers a collector, and returns the one that counts: the given one, or that which is there already when a process sets
// a controller up a second time. The error is the one before it, joined with its own, so that several can be registered in a row.
func Register[C prometheus.Collector](registry prometheus.Registerer, c C, before error) (C, error) {
	err := registry.Register(c)
	var there prometheus.AlreadyRegisteredError
	if errors.As(err, &there) {
		if old, same := there.ExistingCollector.(C); same {
			return old, before
		}
	}
	return c, errors.Join(before, err)
}
