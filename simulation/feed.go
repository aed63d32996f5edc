package simulation

import (
	"maps"
	"reflect"
	"slices"
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
	waiting []apiserver.Event
}

// send puts the arrival of an event onto the agenda, not before that of the event before it.
func (w *World) send(f *feed, e apiserver.Event) {
	at := time.Now().Add(w.lag(f))
	if at.Before(f.last) {
		at = f.last
	}
	f.last = at
	times := 1
	if w.faults.doubled > 0 && e.Type == apiserver.Modified && w.choice.of("doubled").chance(w.faults.doubled) {
		times = 2
	}
	watch := f.broken
	w.after(time.Until(at), "watch", func() {
		if f.broken != watch {
			return
		}
		f.waiting = append(f.waiting, e)
		for range times - 1 {
			f.waiting = append(f.waiting, e)
		}
		w.arrive(f)
	})
}

// arrive hands over what has arrived at a process, unless it sleeps: then it waits until the process wakes.
func (w *World) arrive(f *feed) {
	if f.process.asleep() {
		w.after(time.Until(f.process.sleepsUntil)+w.lag(f), "wake", func() { w.arrive(f) })
		return
	}
	for len(f.waiting) > 0 && !f.process.crashed {
		e := f.waiting[0]
		f.waiting = f.waiting[1:]
		w.living(f.process, func() { w.must(f.to.deliver(e)) })
	}
}

// moment is an event and when it happened.
type moment struct {
	at    time.Time
	event apiserver.Event
}

// listAsOf gives a process what there was of a kind at a time, and what has happened since as events.
func (w *World) listAsOf(f *feed, then time.Time) error {
	past := w.past[f.kind]
	since := len(past)
	for since > 0 && past[since-1].at.After(then) {
		since--
	}
	there := map[string]client.Object{}
	for _, m := range past[:since] {
		if name := m.event.Object.GetName(); m.event.Type == apiserver.Deleted {
			delete(there, name)
		} else {
			there[name] = m.event.Object
		}
	}
	for _, name := range slices.Sorted(maps.Keys(there)) {
		if err := f.to.deliver(apiserver.Event{Type: apiserver.Added, Object: there[name]}); err != nil {
			return err
		}
	}
	if since < len(past) {
		w.tell("fault", "%s lists a state of %s as of %s ago", f.process.process, f.kind.Elem().Name(), time.Since(then).Round(time.Millisecond))
	}
	for _, m := range past[since:] {
		w.send(f, m.event)
	}
	return nil
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
		f.last, f.waiting = time.Now(), nil
		for _, o := range f.to.GetIndexer().List() {
			if _, there, err := w.truth[f.kind].GetIndexer().Get(o); err == nil && !there {
				w.must(f.to.Missed(o.(client.Object)))
			}
		}
		for _, o := range w.truth[f.kind].GetIndexer().List() {
			object := o.(client.Object)
			old, there, _ := f.to.GetIndexer().Get(o)
			if !there || old.(client.Object).GetResourceVersion() != object.GetResourceVersion() {
				w.must(f.to.deliver(apiserver.Event{Type: apiserver.Modified, Object: object}))
			}
		}
	}
}
