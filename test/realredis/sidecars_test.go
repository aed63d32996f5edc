//go:build redis

package realredis

import (
	"fmt"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/switchover/decide"
)

// throughQuick is through agents that give up on their server as soon as they do by default.
var throughQuick = shape{servers: 3, sentinels: 3, downAfter: downAfter, agents: 500 * time.Millisecond}

// TestTargetFrozenThroughAgents stops the server of the one that takes over, and not its agent, just before each step.
func TestTargetFrozenThroughAgents(t *testing.T) {
	for _, at := range before {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			interruptedOf(t, throughQuick, at, func(s *shard) { freeze(t, s.servers[1]) }, func(s *shard) { thaw(t, s.servers[1]) })
		})
	}
}

// TestAgentKilled kills the agent of the one that takes over just before each step, and it stays away: it is as good as a server that does not
// answer. Another boot of it knows nothing of what was asked of the one before.
func TestAgentKilled(t *testing.T) {
	for _, at := range before {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			interruptedOf(t, throughQuick, at, func(s *shard) { kill(t, s.agents[1].Cmd) }, func(s *shard) { s.startAgent(1); s.agentAnswers(1) })
		})
	}
}

// TestAgentOfTheMasterKilled kills the agent of the one that hands over just before a step, and it stays away. A pause that nobody ends
// ends by itself; once the master was seen to follow nobody, the others go on without it.
func TestAgentOfTheMasterKilled(t *testing.T) {
	t.Parallel()
	for _, at := range []decide.Action{decide.Pause, decide.Elect, decide.Demote, decide.Promote, decide.Tell, decide.Follow, decide.Unpause} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			inTime(t, func(t *testing.T) (time.Duration, bool) { return agentOfTheMasterKilled(t, at) })
		})
	}
}

func agentOfTheMasterKilled(t *testing.T, at decide.Action) (gap time.Duration, seen bool) {
	s := newShard(t, throughQuick)
	writers, w := s.write(2), s.witness()
	atLeast(t, writers, 50)
	request := s.wanted(0)
	request.To, request.CatchUp, s.io = name(1), 0, 0 // as it is by default
	end := s.handOver(request, func(step decide.Step) {
		if step.Do == at && !seen {
			seen = true
			kill(t, s.agents[0].Cmd)
		}
	})
	if seen && end.Result == decide.Refused { // it does not answer: nobody has seen that it is master
		t.Errorf("it ends with %+v", end)
	}
	goesOn(t, writers)
	gap = writers.gap()
	t.Logf("writes were back after %s: %s %s", gap, end.Result, end.Code)
	if seen {
		s.startAgent(0)
		s.agentAnswers(0)
	}
	s.decides(request)
	master := s.one()
	goesOn(t, writers)
	s.settled(master)
	s.named(master)
	s.checked(writers, w, master, []int{0}, []int{0, 1})
	return gap, seen
}

// TestAgentStartsAgain: the agents of From and of the one that takes over are killed just before each step in turn, whichever it is, and start
// again at once, as the kubelet has it. What was decided from a boot before is not done by the next one, and the run ends well.
func TestAgentStartsAgain(t *testing.T) {
	t.Parallel()
	agentsStartAgain(t, func(kills func()) { kills() })
}

// TestAgentStartsAgainWithinSteps: the same a moment later, when the order is on its way.
func TestAgentStartsAgainWithinSteps(t *testing.T) {
	t.Parallel()
	moment := time.Duration(0)
	agentsStartAgain(t, func(kills func()) {
		moment = (moment + 700*time.Microsecond) % (5 * time.Millisecond)
		time.AfterFunc(moment, kills)
	})
}

// agentsStartAgain kills at each step in turn. A machine that does much else makes one give up; that is no end of the steps.
func agentsStartAgain(t *testing.T, when func(kills func())) {
	s := newShard(t, through)
	step, refused := 0, 0
	for !t.Failed() {
		end, killed := s.agentsStartAgainAt(step, when)
		switch {
		case killed:
			step++
		case end.Result == decide.HandedOver:
			if step < 10 {
				t.Errorf("a switchover has %d steps, and this test is about ten", step)
			}
			return
		default:
			if refused++; refused > 5 {
				t.Fatalf("%d switchovers were given up: %+v", refused, end)
			}
		}
	}
}

// agentsStartAgainAt kills them at the step of that number, if it comes to that, and says whether it did.
func (s *shard) agentsStartAgainAt(number int, when func(kills func())) (end decide.Step, killed bool) {
	s.t.Helper()
	from := s.one()
	to := (from + 1) % len(s.servers)
	s.settled(from)
	s.named(from)
	writers, w := s.write(2), s.witness()
	request, count, done := s.wanted(from), 0, make(chan struct{})
	request.To = name(to)
	var at decide.Step
	end = s.handOver(request, func(step decide.Step) {
		if count++; count-1 != number {
			return
		}
		killed, at = true, step
		when(func() {
			defer close(done)
			for _, n := range []int{from, to} {
				kill(s.t, s.agents[n].Cmd)
				s.startAgent(n)
			}
		})
	})
	if !killed {
		writers.end()
		w.end()
		return end, false
	}
	<-done
	for _, n := range []int{from, to} {
		s.agentAnswers(n)
	}
	if end.Result == decide.Undecided && !s.excused(end) {
		s.t.Errorf("before %s %s: %+v", at.Do, at.Instance, end)
	}
	if end.Result != decide.HandedOver {
		s.decides(request)
	}
	master := s.one()
	goesOn(s.t, writers)
	gap := writers.gap()
	s.settled(master)
	s.named(master)
	s.checked(writers, w, master, []int{from}, []int{from, to})
	s.t.Logf("agents killed before %s %s: %s %s, writes were back after %s", at.Do, at.Instance, end.Result, end.Code, gap)
	return end, true
}
