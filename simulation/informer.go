package simulation

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/replica"
	"github.com/shoal-dev/shoal/simulation/apiserver"
)

// informer is a replica of one resource, as one client sees it. It moves on event by event, when the simulation says so.
type informer struct{ *replica.Informer }

func newInformer(keep func(client.Object) bool) *informer { return &informer{replica.New(keep)} }

// deliver applies one event.
func (i *informer) deliver(e apiserver.Event) error {
	if e.Type == apiserver.Deleted {
		return i.Remove(e.Object)
	}
	return i.Put(e.Object)
}
