package snapshot

import (
	"sync/atomic"

	"k8s.io/client-go/tools/cache"
)

// bell is a store that rings when it has changed.
type bell struct {
	cache.Store
	filled  atomic.Bool // all that there is has been read once
	changed chan<- struct{}
}

func (b *bell) ring(err error) error {
	select {
	case b.changed <- struct{}{}:
	default: // it rings already
	}
	return err
}

// Add adds an object.
func (b *bell) Add(o any) error { return b.ring(b.Store.Add(o)) }

// Update replaces an object.
func (b *bell) Update(o any) error { return b.ring(b.Store.Update(o)) }

// Delete removes an object.
func (b *bell) Delete(o any) error { return b.ring(b.Store.Delete(o)) }

// Replace replaces all.
func (b *bell) Replace(all []any, version string) error {
	err := b.Store.Replace(all, version)
	b.filled.Store(true) // before it rings: whoever hears it looks
	return b.ring(err)
}
