//go:build redis

package realredis

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/switchover/decide"
)

// checked ends writers and witnesses: nothing acknowledged is lost, whoever acknowledged it, and the servers took writes in
// that order and no other: a second writable master would show as one that took writes between two of the other's.
func (s *shard) checked(writers *load, w *witnesses, master int, orders ...[]int) {
	s.t.Helper()
	all := writers.end()
	order, seen := w.end()
	if !slices.ContainsFunc(orders, func(o []int) bool { return slices.Equal(o, order) }) {
		s.t.Errorf("servers took writes in the order %v, and one of %v was expected", order, orders)
	}
	lost, err := s.lost(master, append(all, seen...))
	if err != nil || len(lost) > 0 {
		s.t.Errorf("%d acknowledged writes are lost, such as %v; %v", len(lost), lost[:min(5, len(lost))], err)
	}
}

// one waits for one master that takes writes.
func (s *shard) one() int {
	s.t.Helper()
	var masters []int
	if err := until(10*time.Second, func() bool { masters = s.masters(); return len(masters) == 1 }); err != nil {
		s.t.Fatalf("masters are %v", masters)
	}
	return masters[0]
}

// killedAt kills the process that hands over when it is about to do its step of that number, or in the middle of it, and
// lets the next one go on. It returns false when the switchover was over by then.
func (s *shard) killedAt(step int, within bool) bool {
	from := s.one()
	s.settled(from)
	s.named(from)
	writers, w := s.write(2), s.witness()
	p := s.process(s.wanted(from))
	at := p.next(s.t)
	for range step {
		if at.Do == decide.End {
			break
		}
		p.goOn(s.t)
		at = p.next(s.t)
	}
	if at.Do == decide.End {
		writers.end()
		w.end()
		kill(s.t, p.Cmd)
		return false
	}
	if within {
		p.goOn(s.t)
		pass(time.Duration(step%4) * 500 * time.Microsecond)
	}
	kill(s.t, p.Cmd)
	if !within { // the pause ends, and nobody comes for a while
		pass(1700 * time.Millisecond)
	}
	if masters := s.masters(); len(masters) > 1 {
		s.t.Errorf("after a crash before %s %s there are the masters %v", at.Do, at.Instance, masters)
	}
	end := s.handOver(s.wanted(from), nil)
	if end.Result == decide.Undecided {
		s.t.Errorf("after a crash before %s %s the next one ends with %+v", at.Do, at.Instance, end)
	}
	master := s.one()
	goesOn(s.t, writers)
	s.checked(writers, w, master, []int{from}, []int{from, master})
	s.t.Logf("killed before %s %s (within it: %t): %s", at.Do, at.Instance, within, end.Result)
	return true
}

// goesOn waits until writes go on.
func goesOn(t testing.TB, l *load) {
	t.Helper()
	have := l.acknowledged()
	if err := until(10*time.Second, func() bool { return l.acknowledged() > have+20 }); err != nil {
		t.Error("writes do not go on")
	}
}

// TestKilledBetweenSteps kills whoever hands over before each step in turn. Nobody comes for 1.7 s; then the next one does.
func TestKilledBetweenSteps(t *testing.T) {
	s := newShard(t, shape{servers: 3, sentinels: 3, downAfter: downAfter})
	step := 0
	for ; s.killedAt(step, false) && !t.Failed(); step++ {
	}
	if step < 10 {
		t.Errorf("a switchover has %d steps, and this test is about ten", step)
	}
}

// TestKilledWithinSteps kills it when the order is on its way, and the next one is there at once.
func TestKilledWithinSteps(t *testing.T) {
	s := newShard(t, shape{servers: 3, sentinels: 3, downAfter: downAfter})
	for step := 0; s.killedAt(step, true) && !t.Failed(); step++ {
	}
}

// before are the steps that come before the one that takes over takes writes.
var before = []decide.Action{decide.SetFence, decide.Pause, decide.Elect, decide.Demote, decide.Promote, decide.Tell}

// interrupted hands over to server 1, and has something happen to it just before a step. It is undone again afterwards.
func interrupted(t *testing.T, at decide.Action, happens, undone func(s *shard)) {
	s := newShard(t, shape{servers: 3, sentinels: 3, downAfter: downAfter})
	writers, w := s.write(2), s.witness()
	atLeast(t, writers, 50)
	request, happened := s.wanted(0), false
	request.To = name(1)
	end := s.handOver(request, func(step decide.Step) {
		if step.Do == at && !happened {
			happened = true
			happens(s)
		}
	})
	if !happened || end.Result != decide.Refused {
		t.Errorf("it ends with %+v", end)
	}
	goesOn(t, writers)
	if gap := writers.gap(); gap > 2*time.Second {
		t.Errorf("no write was acknowledged for %s", gap)
	} else {
		t.Logf("writes were back after %s: %s", gap, end.Code)
	}
	undone(s)
	pass(300 * time.Millisecond) // orders that wait are carried out
	again := s.handOver(request, nil)
	if again.Result == decide.Undecided {
		t.Errorf("the next one ends with %+v", again)
	}
	master := s.one()
	goesOn(t, writers)
	s.settled(master)
	s.named(master)
	s.checked(writers, w, master, []int{0}, []int{0, 1})
	if state, err := s.state(master); err != nil || state.MinReplicas != 0 {
		t.Errorf("the master still needs %d replicas to take writes; %v", state.MinReplicas, err)
	}
}

// TestTargetFrozen stops the process of the one that takes over, just before each step.
func TestTargetFrozen(t *testing.T) {
	for _, at := range before {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			interrupted(t, at, func(s *shard) { freeze(t, s.servers[1]) }, func(s *shard) { thaw(t, s.servers[1]) })
		})
	}
}

// TestAnswersLost: the one that takes over hears its orders and carries them out, and its answers are swallowed.
func TestAnswersLost(t *testing.T) {
	for _, at := range before {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			interrupted(t, at, func(s *shard) { s.fronts[1].set(executor, answer, fault{swallowed: true}) }, func(s *shard) {
				s.fronts[1].heal()
				s.fronts[1].reset(executor)
			})
		})
	}
}
