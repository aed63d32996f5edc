package instanceset

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/instanceset/decide"
)

// observers are one for each set. A set is looked at by one worker at a time, so that nobody else uses its observer meanwhile.
type observers struct {
	mu     sync.Mutex
	bySets map[types.NamespacedName]*decide.Observer
}

func (o *observers) of(set types.NamespacedName) *decide.Observer {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bySets == nil {
		o.bySets = map[types.NamespacedName]*decide.Observer{}
	}
	if o.bySets[set] == nil {
		o.bySets[set] = &decide.Observer{}
	}
	return o.bySets[set]
}

func (o *observers) forget(set types.NamespacedName) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.bySets, set)
}
