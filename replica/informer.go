package replica

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Informer is a replica of one resource. It moves on object by object, when its owner says so, and calls its handlers there
// and then, in the caller's goroutine. It must not be moved on from several goroutines.
type Informer struct {
	indexer  orderedIndexer
	handlers []cache.ResourceEventHandler
	keep     func(client.Object) bool
	version  string
}

var (
	_ cache.SharedIndexInformer              = &Informer{}
	_ cache.ResourceEventHandlerRegistration = &Informer{}
)

// New makes an empty replica of the objects that keep says yes to; the others do not exist for it. Nil keeps all.
func New(keep func(client.Object) bool) *Informer {
	return &Informer{indexer: orderedIndexer{cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})}, keep: keep}
}

// Put adds an object, or replaces it. It fails only where an index does.
func (i *Informer) Put(o client.Object) error {
	if i.keep != nil && !i.keep(o) {
		return i.Remove(o)
	}
	i.version = o.GetResourceVersion()
	old, there, err := i.indexer.Get(o)
	if err != nil {
		return err
	}
	if there {
		if err := i.indexer.Update(o); err != nil {
			return err
		}
		for _, h := range i.handlers {
			h.OnUpdate(old, o)
		}
		return nil
	}
	if err := i.indexer.Add(o); err != nil {
		return err
	}
	for _, h := range i.handlers {
		h.OnAdd(o, false)
	}
	return nil
}

// Remove takes an object away if it is there; handlers are told its last state, which is the given one.
func (i *Informer) Remove(o client.Object) error {
	i.version = o.GetResourceVersion()
	_, there, err := i.indexer.Get(o)
	if err != nil || !there {
		return err
	}
	if err := i.indexer.Delete(o); err != nil {
		return err
	}
	for _, h := range i.handlers {
		h.OnDelete(o)
	}
	return nil
}

// Missed takes an object away whose deletion nobody reported: a list does not have it any more. Its last state is not
// known, and handlers are told so. As in client-go, the whole replica is replaced: indexes are not asked for what is gone.
func (i *Informer) Missed(o client.Object) error {
	key, err := cache.MetaNamespaceKeyFunc(o)
	if err != nil {
		return err
	}
	rest := slices.DeleteFunc(i.indexer.List(), func(other any) bool {
		of, err := cache.MetaNamespaceKeyFunc(other)
		return err == nil && of == key
	})
	if err := i.indexer.Replace(rest, i.version); err != nil {
		return err
	}
	for _, h := range i.handlers {
		h.OnDelete(cache.DeletedFinalStateUnknown{Key: key, Obj: o})
	}
	return nil
}

// AddEventHandler tells the handler of what is there already, and from then on of everything.
func (i *Informer) AddEventHandler(h cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	i.handlers = append(i.handlers, h)
	for _, o := range i.indexer.List() {
		h.OnAdd(o, true)
	}
	return i, nil
}

// AddEventHandlerWithResyncPeriod never resyncs.
func (i *Informer) AddEventHandlerWithResyncPeriod(h cache.ResourceEventHandler, _ time.Duration) (cache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandler(h)
}

// AddEventHandlerWithOptions takes no options.
func (i *Informer) AddEventHandlerWithOptions(h cache.ResourceEventHandler, _ cache.HandlerOptions) (cache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandler(h)
}

// RemoveEventHandler is not offered: a client that ends takes its informers with it.
func (i *Informer) RemoveEventHandler(cache.ResourceEventHandlerRegistration) error {
	return errors.New("handlers of a replica stay")
}

// GetStore is the replica.
func (i *Informer) GetStore() cache.Store { return i.indexer }

// GetIndexer is the replica.
func (i *Informer) GetIndexer() cache.Indexer { return i.indexer }

// AddIndexers adds indexes.
func (i *Informer) AddIndexers(indexers cache.Indexers) error { return i.indexer.AddIndexers(indexers) }

// GetController is nil: nothing runs.
func (i *Informer) GetController() cache.Controller { return nil }

// Run does nothing: its owner moves it on.
func (i *Informer) Run(<-chan struct{}) {}

// RunWithContext does nothing: its owner moves it on.
func (i *Informer) RunWithContext(context.Context) {}

// HasSynced is true from the start.
func (i *Informer) HasSynced() bool { return true }

// HasSyncedChecker is done from the start.
func (i *Informer) HasSyncedChecker() cache.DoneChecker { return done{} }

// LastSyncResourceVersion is that of the last event.
func (i *Informer) LastSyncResourceVersion() string { return i.version }

// SetWatchErrorHandler has no use: there is no watch that could fail.
func (i *Informer) SetWatchErrorHandler(cache.WatchErrorHandler) error { return nil }

// SetWatchErrorHandlerWithContext has no use: there is no watch that could fail.
func (i *Informer) SetWatchErrorHandlerWithContext(cache.WatchErrorHandlerWithContext) error {
	return nil
}

// SetTransform is ignored: transforms save memory.
func (i *Informer) SetTransform(cache.TransformFunc) error { return nil }

// IsStopped is never true.
func (i *Informer) IsStopped() bool { return false }

type done struct{}

// Name of what is done.
func (done) Name() string { return "replica" }

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
