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
	record *resourcelock.LeaderElectionRecord
	err    error
}

// lock is one process's view of it.
type lock struct {
	*stored
	who string
}

func (l lock) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	if l.record == nil {
		return nil, nil, apierrors.NewNotFound(schema.GroupResource{Resource: "leases"}, "shoal-manager")
	}
	r := *l.record
	return &r, []byte(r.HolderIdentity + r.RenewTime.String()), nil
}

func (l lock) Create(_ context.Context, r resourcelock.LeaderElectionRecord) error { return l.write(r) }
func (l lock) Update(_ context.Context, r resourcelock.LeaderElectionRecord) error { return l.write(r) }

func (l lock) write(r resourcelock.LeaderElectionRecord) error {
	if l.err == nil {
		l.record = &r
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
		first, second := NewLease(lock{s, "a"}, 15*time.Second, time.Now), NewLease(lock{s, "b"}, 15*time.Second, time.Now)
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

// A process that was suspended has the lock for nobody knows how long: it must not give orders before it has renewed it.
func TestALeaseThatRanOut(t *testing.T) {
	now := time.Unix(1000, 0)
	l := NewLease(lock{&stored{}, "a"}, 15*time.Second, func() time.Time { return now })
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
