//go:build redis

package realredis

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/switchover/decide"
)

// checked ends writers and witnesses: nothing acknowledged is lost, whoever acknowledged it, and the servers took writes in
// that order and no other: a second writable master would show as one that took writes after another one did.
func (s *shard) checked(writers *load, w *witnesses, master int, orders ...[]int) {
	s.t.Helper()
	all := append(writers.end(), w.end()...)
	var texts []string
	for _, order := range orders {
		if text := against(order, all); text != "" {
			texts = append(texts, text)
		}
	}
	if len(texts) == len(orders) {
		s.t.Errorf("servers did not take writes in one of the orders %v: %v", orders, texts)
	}
	lost, err := s.lost(master, all)
	if err != nil || len(lost) > 0 {
		s.t.Errorf("%d acknowledged writes are lost, such as %v; %v", len(lost), lost[:min(5, len(lost))], err)
	}
}

// one waits for one master that takes writes.
func (s *shard) one() int {
	s.t.Helper()
	var masters []int
	if err := s.heal(func() bool { masters = s.masters(); return len(masters) == 1 }); err != nil {
		s.t.Fatalf("masters are %v", masters)
	}
	return masters[0]
}

// killedAt kills the process that hands over when it is about to do its step of that number, or in the middle of it, and
// lets the next one go on. It returns how the switchover ended if it was over by then.
func (s *shard) killedAt(step int, within bool) *decide.Step {
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
		return &at
	}
	if within {
		p.goOn(s.t)
		pass(time.Duration(step%4) * 500 * time.Microsecond)
	}
	kill(s.t, p.Cmd)
	if !within { // the pause ends, and nobody comes for a while
		pass(downAfter/2 + 200*time.Millisecond)
	}
	if masters := s.masters(); len(masters) > 1 {
		s.t.Errorf("after a crash before %s %s there are the masters %v", at.Do, at.Instance, masters)
	}
	end := s.decides(s.wanted(from))
	master := s.one()
	goesOn(s.t, writers)
	s.checked(writers, w, master, []int{from}, []int{from, master})
	s.t.Logf("killed before %s %s (within it: %t): %s", at.Do, at.Instance, within, end.Result)
	return nil
}

// killedEverywhere kills at each step in turn. A machine that does much else makes one give up; that is no end of the steps.
func killedEverywhere(t *testing.T, within bool) {
	killedEverywhereOf(t, within, shape{servers: 3, sentinels: 3, downAfter: downAfter})
}

func killedEverywhereOf(t *testing.T, within bool, is shape) {
	s := newShard(t, is)
	step, refused := 0, 0
	for !t.Failed() {
		end := s.killedAt(step, within)
		switch {
		case end == nil:
			step++
		case end.Result == decide.HandedOver:
			if step < 10 {
				t.Errorf("a switchover has %d steps, and this test is about ten", step)
			}
			return
		default:
			if refused++; refused > 5 {
				t.Fatalf("%d switchovers were given up: %+v", refused, *end)
			}
		}
	}
}

// goesOn waits until writes go on.
func goesOn(t testing.TB, l *load) {
	t.Helper()
	have := l.acknowledged()
	if err := l.s.heal(func() bool { return l.acknowledged() > have+20 }); err != nil {
		t.Error("writes do not go on")
	}
}

// TestKilledBetweenSteps kills whoever hands over before each step in turn. Nobody comes until the pause has ended; then the
// next one does.
func TestKilledBetweenSteps(t *testing.T) {
	t.Parallel()
	killedEverywhere(t, false)
}

// TestKilledWithinSteps kills it when the order is on its way, and the next one is there at once.
func TestKilledWithinSteps(t *testing.T) {
	t.Parallel()
	killedEverywhere(t, true)
}

// before are the steps that come before the one that takes over takes writes.
var before = []decide.Action{decide.SetFence, decide.Pause, decide.Elect, decide.Demote, decide.Promote, decide.Tell}

// back is within which writes go on when the one that takes over stops.
const back = 2 * time.Second

// interrupted hands over to server 1, and has something happen to it just before a step. It is undone again afterwards.
func interrupted(t *testing.T, at decide.Action, happens, undone func(s *shard)) {
	interruptedOf(t, shape{servers: 3, sentinels: 3, downAfter: downAfter}, at, happens, undone)
}

func interruptedOf(t *testing.T, is shape, at decide.Action, happens, undone func(s *shard)) {
	inTime(t, func(t *testing.T) (time.Duration, bool) { return interruptedOnce(t, is, at, happens, undone) })
}

// inTime tries something in which no write is acknowledged for some time, which is to be at most back. It may be once by chance
// that this is long, and not three times. Where the machine does much else, and wakes somebody late who wants nothing else, each
// of the answers that a switchover waits for may come that late, one after the other: there are a dozen of them. What was given
// up before it could be seen, as is right there, says nothing, and is tried again.
func inTime(t *testing.T, once func(t *testing.T) (gap time.Duration, seen bool)) {
	const answers = 12
	judged, done := 0, false
	for try := 1; try <= 12 && judged < 3 && !done && !t.Failed(); try++ {
		t.Run(fmt.Sprint("try ", try), func(t *testing.T) {
			stalled := stalls(t)
			gap, seen := once(t)
			late := stalled()
			if seen {
				judged, done = judged+1, gap <= back+answers*late
			}
			t.Logf("no write was acknowledged for %s, and the machine woke somebody %s late; it counts: %t", gap, late, seen)
		})
	}
	if !t.Failed() && !done {
		t.Errorf("of %d times that were seen, no write was acknowledged for more than %s each time", judged, back)
	}
}

// interruptedOnce is not seen if it was given up before that step, or left open because the master did not answer.
func interruptedOnce(t *testing.T, is shape, at decide.Action, happens, undone func(s *shard)) (gap time.Duration, seen bool) {
	s := newShard(t, is)
	writers, w := s.write(2), s.witness()
	atLeast(t, writers, 50)
	request, happened := s.wanted(0), false
	request.To, request.CatchUp, s.io = name(1), 0, 0 // as it is by default
	end := s.handOver(request, func(step decide.Step) {
		if step.Do == at && !happened {
			happened = true
			happens(s)
		}
	})
	seen = happened && end.Result == decide.Refused
	if !seen && !overloaded(end) {
		t.Errorf("it ends with %+v", end)
	}
	goesOn(t, writers)
	gap = writers.gap()
	t.Logf("writes were back after %s: %s", gap, end.Code)
	undone(s)
	pass(300 * time.Millisecond) // orders that wait are carried out
	s.decides(request)
	master := s.one()
	goesOn(t, writers)
	s.settled(master)
	s.named(master)
	s.checked(writers, w, master, []int{0}, []int{0, 1})
	if state, err := s.state(master); err != nil || state.MinReplicas != 0 {
		t.Errorf("the master still needs %d replicas to take writes; %v", state.MinReplicas, err)
	}
	return gap, seen
}

// overloaded: it was given up as is right when a machine does much else.
func overloaded(end decide.Step) bool {
	return end.Result == decide.Undecided && end.Code == reason.MasterUnreachable || end.Result == decide.Refused && slices.Contains([]reason.Code{
		reason.TargetBehind, reason.TargetLost, reason.NoSentinelMajority, reason.NoCandidate, reason.SwitchoverTooLong,
	}, end.Code)
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
