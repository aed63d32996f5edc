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
// that number: an agent refuses them once it has heard of a higher one.
type Lease struct {
	resourcelock.Interface
	now  func() time.Time
	long time.Duration

	mu    sync.Mutex
	held  bool
	count uint64
	until time.Time
}

// NewLease watches what is written to the lock. long is after how much time without renewal others take it.
func NewLease(lock resourcelock.Interface, long time.Duration, now func() time.Time) *Lease {
	return &Lease{Interface: lock, now: now, long: long}
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

// Create is of leader election, as is Update.
func (l *Lease) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.write(r, func() error { return l.Interface.Create(ctx, r) })
}

// Update renews the lock, takes it or gives it back.
func (l *Lease) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.write(r, func() error { return l.Interface.Update(ctx, r) })
}

// write notes what was written. The time is that before the write: others count from when they see it, which is later.
func (l *Lease) write(r resourcelock.LeaderElectionRecord, write func() error) error {
	ours := r.HolderIdentity == l.Identity()
	if !ours {
		l.mu.Lock()
		l.held = false // before others can take it
		l.mu.Unlock()
	}
	begun := l.now()
	if err := write(); err != nil {
		return err
	}
	if ours {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.held, l.count, l.until = true, uint64(max(0, r.LeaderTransitions)), begun.Add(l.long)
	}
	return nil
}
