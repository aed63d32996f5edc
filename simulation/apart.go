package simulation

import (
	"context"
	"time"
)

// A reconcile mostly takes no time: the goroutine of the agenda does it. To hand over a master takes some, and other things happen
// meanwhile. Such a reconcile has a goroutine of its own, and one more that writes down its steps. Nobody else may run while one of
// them touches the world, and the same seed must be the same run: so each of them does so at moments of its own, which lie between
// those of the agenda and of everybody else. Whole milliseconds after such a moment are such a moment too, so that the timers of
// the code under test need no care.

// turn is one reconcile apart.
type turn struct {
	of   *operator
	slot time.Duration // of its first goroutine, in a millisecond
}

// slots of a millisecond begin with firstSlot, far from where the agenda's tasks are, and are so far apart.
const (
	firstSlot = 100 * time.Microsecond
	nextSlot  = time.Microsecond
	mostSlots = 800
)

type turnKey struct{}

func turnOf(ctx context.Context) *turn {
	t, _ := ctx.Value(turnKey{}).(*turn)
	return t
}

// take waits for the next moment of this goroutine. It is an error if the world has ended or the process has crashed; one that
// sleeps waits until it wakes.
func (t *turn) take() error { return t.wait(0, t.slot) }

// takeForCall is take for calls to the API server, which the other goroutine makes too. They are never both about to call.
func (t *turn) takeForCall(ctx context.Context) error {
	if err := t.wait(0, t.slot+nextSlot); err != nil {
		return err
	}
	return ctx.Err()
}

// sleep is take after a while.
func (t *turn) sleep(long time.Duration) error { return t.wait(long, t.slot) }

func (t *turn) wait(long, slot time.Duration) error {
	at := time.Now().Add(long)
	for {
		if t.of.asleep() && t.of.sleepsUntil.After(at) {
			at = t.of.sleepsUntil
		}
		next := at.Truncate(time.Millisecond).Add(slot)
		if !next.After(at) {
			next = next.Add(time.Millisecond)
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-timer.C:
		case <-t.of.w.ctx.Done():
			timer.Stop()
			return errCrashed
		}
		switch {
		case t.of.crashed || t.of.w.ctx.Err() != nil:
			return errCrashed
		case !t.of.asleep():
			return nil
		}
	}
}

// apart is what a queue has whose reconciles take time.
type apart[R comparable] struct {
	busy  map[R]bool
	again map[R]bool // asked for meanwhile
}

func newApart[R comparable]() *apart[R] { return &apart[R]{map[R]bool{}, map[R]bool{}} }

// workApart begins a reconcile. Of one object there is one at a time, as with the library's queue.
func (q *queue[R]) workApart(r R) {
	if q.apart.busy[r] {
		q.apart.again[r] = true
		return
	}
	q.apart.busy[r] = true
	w := q.owner.w
	t := &turn{q.owner, firstSlot + time.Duration(w.turns%(mostSlots/2))*2*nextSlot}
	w.turns++
	ctx := context.WithValue(q.owner.ctx, turnKey{}, t)
	go func() {
		if t.take() != nil {
			return
		}
		result, err := q.reconciler.Reconcile(ctx, r)
		if t.take() != nil {
			return
		}
		delete(q.apart.busy, r)
		q.worked(r, result, err)
		if q.apart.again[r] {
			delete(q.apart.again, r)
			q.Add(r)
		}
		w.agenda.poked()
	}()
}
