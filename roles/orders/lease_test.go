package orders

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// stored is the Lease as the API server has it; err fails each write.
type stored struct {
	record  *resourcelock.LeaderElectionRecord
	version int
	err     error
}

// lock is one process's view of it, with the version that it knows.
type lock struct {
	*stored
	who  string
	seen *int
}

var leases = schema.GroupResource{Resource: "leases"}

func (l lock) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	if l.record == nil {
		return nil, nil, apierrors.NewNotFound(leases, "shoal-manager")
	}
	r := *l.record
	*l.seen = l.version
	return &r, []byte(r.HolderIdentity + r.RenewTime.String()), nil
}

func (l lock) Create(_ context.Context, r resourcelock.LeaderElectionRecord) error {
	if l.record != nil {
		return apierrors.NewAlreadyExists(leases, "shoal-manager")
	}
	return l.write(r)
}

func (l lock) Update(_ context.Context, r resourcelock.LeaderElectionRecord) error {
	switch {
	case l.record == nil:
		return apierrors.NewNotFound(leases, "shoal-manager")
	case l.version != *l.seen:
		return apierrors.NewConflict(leases, "shoal-manager", errors.New("it has changed"))
	}
	return l.write(r)
}

func (l lock) write(r resourcelock.LeaderElectionRecord) error {
	if l.err == nil {
		l.record = &r
		l.version++
		*l.seen = l.version
	}
	return l.err
}

func (l lock) RecordEvent(string) {}
func (l lock) Identity() string   { return l.who }
func (l lock) Describe() string   { return l.who }

// lead runs real leader election on the lock until ctx ends.
func lead(ctx context.Context, t *testing.T, l *Lease) {
	t.Helper()
	e, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: l, LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second, ReleaseOnCancel: true, Name: "test",
		Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: func(context.Context) {}, OnStoppedLeading: func() {}},
	})
	if err != nil {
		t.Error(err)
		return
	}
	e.Run(ctx)
}

func (l *Lease) is(t *testing.T, want uint64, held bool) {
	t.Helper()
	synctest.Wait()
	if got, err := l.Count(); (err == nil) != held || held && got != want || err != nil && !errors.Is(err, ErrNoLease) {
		t.Errorf("%d, %v, want %d, held: %t", got, err, want, held)
	}
}

// Each process that gets the lock has a higher count than the one before, and none before and after.
func TestTheCountOfTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stored{}
		first, second := NewLease(lock{s, "a", new(int)}, 15*time.Second, time.Now), NewLease(lock{s, "b", new(int)}, 15*time.Second, time.Now)
		first.is(t, 0, false)
		firstCtx, stopFirst := context.WithCancel(t.Context())
		secondCtx, stopSecond := context.WithCancel(t.Context())
		done := make(chan struct{}, 2)
		go func() { lead(firstCtx, t, first); done <- struct{}{} }()
		first.is(t, 0, true)
		go func() { lead(secondCtx, t, second); done <- struct{}{} }()
		<-time.After(time.Minute)
		first.is(t, 0, true)
		second.is(t, 0, false)
		stopFirst()
		first.is(t, 0, false) // it gave the lock back
		<-time.After(20 * time.Second)
		second.is(t, 1, true)
		s.err = errors.New("no API server")
		<-time.After(16 * time.Second)
		second.is(t, 0, false)
		stopSecond()
		<-done
		<-done
	})
}

// A Lease that is deleted is taken at once, by whoever comes first, while the one before has yet to see that. Nobody has a count that
// somebody had, and the one before ends soon.
func TestALeaseThatIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stored{}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{}, 2)
		var both []*Lease
		for _, who := range []string{"a", "b"} {
			l := NewLease(lock{s, who, new(int)}, 15*time.Second, time.Now)
			both = append(both, l)
			go func() {
				for ctx.Err() == nil { // as a process that is started again
					lead(ctx, t, l)
				}
				done <- struct{}{}
			}()
		}
		had := map[uint64]*Lease{} // by count
		last := uint64(0)
		for round := range 40 {
			<-time.After(time.Duration(7+round) * 777 * time.Millisecond)
			s.record = nil
			for range 100 { // for ten seconds
				<-time.After(100 * time.Millisecond)
				synctest.Wait()
				for _, l := range both {
					n, err := l.Count()
					if err != nil {
						continue
					}
					if had[n] != nil && had[n] != l {
						t.Fatalf("round %d: two had the lock with count %d", round, n)
					}
					had[n], last = l, max(last, n)
				}
			}
			a, errA := both[0].Count()
			b, errB := both[1].Count()
			if (errA == nil) == (errB == nil) || s.record == nil || uint64(s.record.LeaderTransitions) != last || errA == nil && a != last || errB == nil && b != last {
				t.Errorf("round %d: %d, %v and %d, %v, of %d", round, a, errA, b, errB, last)
			}
		}
		if last < 40 {
			t.Errorf("it has changed hands %d times, and was deleted 40 times", last)
		}
		stop()
		<-done
		<-done
		if s.record == nil || s.record.HolderIdentity != "" || uint64(s.record.LeaderTransitions) != last {
			t.Errorf("given back: %+v", s.record)
		}
	})
}

// Leader election does not know what was counted on. Whoever gives the lock back leaves the highest count that it has seen.
func TestALeaseThatIsGivenBack(t *testing.T) {
	s := &stored{record: &resourcelock.LeaderElectionRecord{HolderIdentity: "b", LeaderTransitions: 7}}
	l := NewLease(lock{s, "a", new(int)}, 15*time.Second, time.Now)
	if _, _, err := l.Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.record = nil // somebody deletes it
	if err := l.Create(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: "a"}); err != nil {
		t.Fatal(err)
	}
	if n, err := l.Count(); err != nil || n != 8 {
		t.Errorf("it counts %d, %v", n, err)
	}
	if err := l.Update(t.Context(), resourcelock.LeaderElectionRecord{}); err != nil || s.record.LeaderTransitions != 8 {
		t.Errorf("%v, given back with count %d, want 8", err, s.record.LeaderTransitions)
	}
}

// A process that was suspended has the lock for nobody knows how long: it must not give orders before it has renewed it.
func TestALeaseThatRanOut(t *testing.T) {
	now := time.Unix(1000, 0)
	l := NewLease(lock{&stored{}, "a", new(int)}, 15*time.Second, func() time.Time { return now })
	if err := l.Create(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: "a", LeaderTransitions: 5}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(15*time.Second - 1)
	if n, err := l.Count(); n != 5 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	now = now.Add(1)
	if _, err := l.Count(); !errors.Is(err, ErrNoLease) {
		t.Errorf("%v", err)
	}
	if err := l.Update(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: "a", LeaderTransitions: 5}); err != nil {
		t.Fatal(err)
	}
	if n, err := l.Count(); n != 5 || err != nil {
		t.Errorf("after renewal: %d, %v", n, err)
	}
}
