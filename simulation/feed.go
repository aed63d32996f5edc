package simulation

import (
	"reflect"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/simulation/apiserver"
)

// feed brings the events of one resource to one life of a process, in order, and as late as the simulation likes.
type feed struct {
	process *access
	kind    reflect.Type
	to      *informer
	last    time.Time // when the event before arrives
	broken  int       // how often the watch broke off; what was on its way then never arrives
}

// send puts the arrival of an event onto the agenda, not before that of the event before it.
func (w *World) send(f *feed, e apiserver.Event) {
	at := time.Now().Add(w.faults.lag(w, f))
	if at.Before(f.last) {
		at = f.last
	}
	f.last = at
	watch := f.broken
	w.after(time.Until(at), "watch", func() {
		if !f.process.crashed && f.broken == watch {
			w.living(f.process, func() { w.must(f.to.deliver(e)) })
		}
	})
}

// relist breaks the watches of a process off. It lists anew: it sees what is, and not what was in between. An object that
// was deleted and created again looks like one that has changed.
func (w *World) relist(process *access) {
	w.living(process, func() { w.listAnew(process) })
}

func (w *World) listAnew(process *access) {
	for _, f := range w.feeds {
		if f.process != process || process.crashed {
			continue
		}
		f.broken++
		f.last = time.Now()
		for _, o := range f.to.indexer.List() {
			if _, there, err := w.truth[f.kind].indexer.Get(o); err == nil && !there {
				w.must(f.to.deliver(apiserver.Event{Type: apiserver.Deleted, Object: o.(client.Object)}))
			}
		}
		for _, o := range w.truth[f.kind].indexer.List() {
			object := o.(client.Object)
			old, there, _ := f.to.indexer.Get(o)
			if !there || old.(client.Object).GetResourceVersion() != object.GetResourceVersion() {
				w.must(f.to.deliver(apiserver.Event{Type: apiserver.Modified, Object: object}))
			}
		}
	}
}
