package simulation

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/simulation/apiserver"
)

// informer is a replica of one resource, as one client sees it. It moves on event by event, when the simulation says so,
// and calls its handlers there and then.
type informer struct {
	indexer  orderedIndexer
	handlers []cache.ResourceEventHandler
	keep     func(client.Object) bool // others do not exist for this client; nil keeps all
	version  string
}

var (
	_ cache.SharedIndexInformer              = &informer{}
	_ cache.ResourceEventHandlerRegistration = &informer{}
)

func newInformer(keep func(client.Object) bool) *informer {
	return &informer{indexer: orderedIndexer{cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})}, keep: keep}
}

// deliver applies one event.
func (i *informer) deliver(e apiserver.Event) error {
	i.version = e.Object.GetResourceVersion()
	old, there, err := i.indexer.Get(e.Object)
	if err != nil {
		return err
	}
	gone := e.Type == apiserver.Deleted || i.keep != nil && !i.keep(e.Object)
	switch {
	case gone && there:
		if err := i.indexer.Delete(e.Object); err != nil {
			return err
		}
		for _, h := range i.handlers {
			h.OnDelete(e.Object)
		}
	case gone:
	case there:
		if err := i.indexer.Update(e.Object); err != nil {
			return err
		}
		for _, h := range i.handlers {
			h.OnUpdate(old, e.Object)
		}
	default:
		if err := i.indexer.Add(e.Object); err != nil {
			return err
		}
		for _, h := range i.handlers {
			h.OnAdd(e.Object, false)
		}
	}
	return nil
}

// missed applies the deletion of an object that nobody reported: a list does not have it any more. Its last state is not
// known, and handlers are told so.
func (i *informer) missed(o client.Object) error {
	if err := i.indexer.Delete(o); err != nil {
		return err
	}
	key, err := cache.MetaNamespaceKeyFunc(o)
	for _, h := range i.handlers {
		h.OnDelete(cache.DeletedFinalStateUnknown{Key: key, Obj: o})
	}
	return err
}

// AddEventHandler tells the handler of what is there already, and from then on of everything.
func (i *informer) AddEventHandler(h cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	i.handlers = append(i.handlers, h)
	for _, o := range i.indexer.List() {
		h.OnAdd(o, true)
	}
	return i, nil
}

// AddEventHandlerWithResyncPeriod never resyncs.
func (i *informer) AddEventHandlerWithResyncPeriod(h cache.ResourceEventHandler, _ time.Duration) (cache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandler(h)
}

// AddEventHandlerWithOptions takes no options.
func (i *informer) AddEventHandlerWithOptions(h cache.ResourceEventHandler, _ cache.HandlerOptions) (cache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandler(h)
}

// RemoveEventHandler is not offered: a client that ends takes its informers with it.
func (i *informer) RemoveEventHandler(cache.ResourceEventHandlerRegistration) error {
	return errors.New("handlers of the simulation stay")
}

// GetStore is the replica.
func (i *informer) GetStore() cache.Store { return i.indexer }

// GetIndexer is the replica.
func (i *informer) GetIndexer() cache.Indexer { return i.indexer }

// AddIndexers adds indexes.
func (i *informer) AddIndexers(indexers cache.Indexers) error { return i.indexer.AddIndexers(indexers) }

// GetController is nil: nothing runs.
func (i *informer) GetController() cache.Controller { return nil }

// Run does nothing: the simulation moves the informer on.
func (i *informer) Run(<-chan struct{}) {}

// RunWithContext does nothing: the simulation moves the informer on.
func (i *informer) RunWithContext(context.Context) {}

// HasSynced is true from the start.
func (i *informer) HasSynced() bool { return true }

// HasSyncedChecker is done from the start.
func (i *informer) HasSyncedChecker() cache.DoneChecker { return done{} }

// LastSyncResourceVersion is that of the last event.
func (i *informer) LastSyncResourceVersion() string { return i.version }

// SetWatchErrorHandler has no use: there is no watch that could fail.
func (i *informer) SetWatchErrorHandler(cache.WatchErrorHandler) error { return nil }

// SetWatchErrorHandlerWithContext has no use: there is no watch that could fail.
func (i *informer) SetWatchErrorHandlerWithContext(cache.WatchErrorHandlerWithContext) error {
	return nil
}

// SetTransform is ignored: transforms save memory.
func (i *informer) SetTransform(cache.TransformFunc) error { return nil }

// IsStopped is never true.
func (i *informer) IsStopped() bool { return false }

type done struct{}

// Name of what is done.
func (done) Name() string { return "informer of the simulation" }

// Done is closed.
func (done) Done() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// orderedIndexer gives lists in the order of names: client-go's come in the order of a map, another one each time.
type orderedIndexer struct{ cache.Indexer }

// List is all objects.
func (o orderedIndexer) List() []any { return ordered(o.Indexer.List()) }

// Index is all objects that share a key with one.
func (o orderedIndexer) Index(name string, obj any) ([]any, error) {
	found, err := o.Indexer.Index(name, obj)
	return ordered(found), err
}

// ByIndex is all objects with a key.
func (o orderedIndexer) ByIndex(name, key string) ([]any, error) {
	found, err := o.Indexer.ByIndex(name, key)
	return ordered(found), err
}

func ordered(objects []any) []any {
	slices.SortFunc(objects, func(a, b any) int {
		x, y := a.(client.Object), b.(client.Object)
		return cmp.Or(cmp.Compare(x.GetNamespace(), y.GetNamespace()), cmp.Compare(x.GetName(), y.GetName()))
	})
	return objects
}
