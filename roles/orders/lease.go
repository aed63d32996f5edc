package orders

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Lease is the lock of leader election that remembers how many times it had changed hands when this process got it. Orders carry
// that number: an agent refuses them once it has heard of a higher one. A Lease that somebody deletes counts from 0 again; whoever takes it
// then counts on from the highest number that it has seen of it, which each manager does that has stood by.
type Lease struct {
	resourcelock.Interface
	now  func() time.Time
	long time.Duration

	mu    sync.Mutex
	held  bool
	count uint64
	until time.Time
	// highest is the highest count that was seen, of whoever holds the lock; -1 for none.
	highest int
}

// NewLease watches what is written to the lock. long is after how much time without renewal others take it.
func NewLease(lock resourcelock.Interface, long time.Duration, now func() time.Time) *Lease {
	return &Lease{Interface: lock, now: now, long: long, highest: -1}
}

// ErrNoLease says that this process does not lead, or cannot be sure of it.
var ErrNoLease = errors.New("this manager does not lead")

// Count is how many times the lock had changed hands when this process got it. It is ErrNoLease if it did not, or has not renewed it
// for as long as it takes others to take it: a process that was suspended sends nothing when it goes on.
func (l *Lease) Count() (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.held:
		return 0, ErrNoLease
	case !l.now().Before(l.until):
		return 0, fmt.Errorf("%w for sure: its lease ended at %s", ErrNoLease, l.until.UTC().Format(time.TimeOnly))
	}
	return l.count, nil
}

// Get is of leader election, as are Create and Update. Who sees that another one has the lock has lost it: nobody takes one that is
// renewed, but one that was deleted is taken at once.
func (l *Lease) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	r, raw, err := l.Interface.Get(ctx)
	if err != nil {
		return r, raw, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.highest = max(l.highest, r.LeaderTransitions)
	if r.HolderIdentity != l.Identity() {
		l.held = false
	}
	return r, raw, nil
}

// Create see Get. Who makes the Lease takes it: where it was deleted, somebody else may have had it meanwhile.
func (l *Lease) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	l.mu.Lock()
	l.held = false
	l.mu.Unlock()
	return l.write(ctx, r, l.Interface.Create)
}

// Update renews the lock, takes it or gives it back.
func (l *Lease) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, r, l.Interface.Update)
}

// write notes what was written. The time is that before the write: others count from when they see it, which is later.
func (l *Lease) write(ctx context.Context, r resourcelock.LeaderElectionRecord, write func(context.Context, resourcelock.LeaderElectionRecord) error) error {
	ours, begun := r.HolderIdentity == l.Identity(), l.now()
	r.LeaderTransitions = l.transitions(r.LeaderTransitions, ours)
	if err := write(ctx, r); err != nil {
		return err
	}
	if ours {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.held, l.count, l.until = true, uint64(max(0, r.LeaderTransitions)), begun.Add(l.long)
		l.highest = max(l.highest, r.LeaderTransitions)
	}
	return nil
}

// transitions is what to write where leader election would write n, as the Lease that it knows has it: never less than was seen, and more
// for one who takes the lock. One who gives it back has lost it before others can take it.
func (l *Lease) transitions(n int, ours bool) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !ours:
		l.held = false
		return max(n, l.highest)
	case l.held:
		return max(n, int(l.count)) // a count is an int32 in the Lease
	}
	return max(n, l.highest+1)
}
