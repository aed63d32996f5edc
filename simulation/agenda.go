package simulation

import (
	"container/heap"
	"testing/synctest"
	"time"
)

// task is something that happens at a time.
type task struct {
	at   time.Time
	seq  int // tasks of one time happen in the order in which they were put down
	name string
	do   func()
}

type tasks []task

func (t tasks) Len() int      { return len(t) }
func (t tasks) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t tasks) Less(i, j int) bool {
	if !t[i].at.Equal(t[j].at) {
		return t[i].at.Before(t[j].at)
	}
	return t[i].seq < t[j].seq
}
func (t *tasks) Push(x any) { *t = append(*t, x.(task)) }
func (t *tasks) Pop() any {
	last := len(*t) - 1
	x := (*t)[last]
	*t = (*t)[:last]
	return x
}

// agenda is everything that is going to happen.
type agenda struct {
	tasks tasks
	seq   int
	// poke ends a wait early: a goroutine of the scheduler has written something.
	poke chan struct{}
}

func newAgenda() *agenda { return &agenda{poke: make(chan struct{}, 1)} }

// offset keeps tasks off the whole milliseconds, on which timers of the scheduler's goroutines fire: two that wake at the
// same time would run at the same time.
const offset = 7 * time.Microsecond

// after puts a task down.
func (a *agenda) after(wait time.Duration, name string, do func()) {
	at := time.Now().Add(max(wait, 0))
	if rounded := at.Truncate(time.Millisecond).Add(offset); rounded.Before(at) {
		at = rounded.Add(time.Millisecond)
	} else {
		at = rounded
	}
	a.exactly(at, name, do)
}

func (a *agenda) exactly(at time.Time, name string, do func()) {
	a.seq++
	heap.Push(&a.tasks, task{at, a.seq, name, do})
}

// next lets time pass until the next task, and returns it; false when there is none before the end, or when somebody has
// poked. On return nobody else runs.
func (a *agenda) next(end time.Time) (task, bool) {
	until := end
	if len(a.tasks) > 0 && a.tasks[0].at.Before(end) {
		until = a.tasks[0].at
	}
	if wait := time.Until(until); wait > 0 {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-a.poke:
			timer.Stop()
			synctest.Wait()
			return task{}, false
		}
		synctest.Wait()
	}
	if len(a.tasks) > 0 && !a.tasks[0].at.After(time.Now()) {
		return heap.Pop(&a.tasks).(task), true
	}
	return task{}, false
}

// poked says that something was written while the agenda waited.
func (a *agenda) poked() {
	select {
	case a.poke <- struct{}{}:
	default:
	}
}
