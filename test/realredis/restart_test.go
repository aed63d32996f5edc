//go:build redis

package realredis

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/switchover"
	"github.com/shoal-dev/shoal/switchover/decide"
)

// remembers waits until the volume of a server started by shoal-redis says what it is: master, replica.
func (s *shard) remembers(n int, what string) {
	s.t.Helper()
	if err := until(20*time.Second, func() bool {
		text, _ := os.ReadFile(filepath.Join(s.folder(n), "shoal-role"))
		return strings.HasPrefix(string(text), what+" ")
	}); err != nil {
		s.t.Fatalf("server %d does not remember that it is %s", n, what)
	}
}

// agree waits until all servers have written down the same term: one that is promoted before it has heard of the last one counts
// from the one before.
func (s *shard) agree() {
	s.t.Helper()
	if err := until(30*time.Second, func() bool {
		terms := map[string]bool{}
		for n := range s.servers {
			text, _ := os.ReadFile(filepath.Join(s.folder(n), "shoal-role"))
			_, term, _ := strings.Cut(strings.TrimSpace(string(text)), " ") // of a history
			terms[term] = true
		}
		return len(terms) == 1
	}); err != nil {
		s.t.Fatal("servers do not agree in which term they are")
	}
}

// restartable is a shard whose servers have written down what they are.
func restartable(t testing.TB) *shard {
	t.Helper()
	s := newShard(t, shape{servers: 3, sentinels: 3, downAfter: downAfter, entrypoint: true})
	s.remembers(0, "master")
	s.remembers(1, "replica")
	s.remembers(2, "replica")
	return s
}

var errCrash = errors.New("as if it were killed")

// crashes runs a request until just before a step, and ends there as a crash would.
func (s *shard) crashes(request decide.Request, at decide.Action) {
	s.t.Helper()
	var step decide.Step
	var err error
	for range 5 {
		step, err = switchover.Run(s.t.Context(), s.described(), request, switchover.Options{Before: func(_ context.Context, step decide.Step) error {
			if step.Do == at {
				return errCrash
			}
			return nil
		}})
		if !overloaded(step) {
			break
		}
	}
	if !errors.Is(err, errCrash) {
		s.t.Fatalf("it does not come to %s: %+v, %v", at, step, err)
	}
}

// TestTargetRestartsUntold: the one that takes over was promoted, and whoever handed over is gone. It starts again just when
// the next run gives the writes back to the other one, as the fence that it had is gone.
func TestTargetRestartsUntold(t *testing.T) {
	t.Parallel()
	s := restartable(t)
	writers, w := s.write(2), s.witness()
	atLeast(t, writers, 50)
	request := s.wanted(0)
	request.To = name(1)
	s.crashes(request, decide.Tell)
	pass(3 * time.Second) // it looks every second, and writes down what it is
	kill(t, s.servers[1])
	started := false
	end := s.handOver(request, func(step decide.Step) {
		if step.Do == decide.Return && !started {
			started = true
			s.startServer(1)
			pass(2 * time.Second) // it has decided, and runs if that is what it decided
		}
	})
	if !started || end.Result != decide.Refused {
		t.Errorf("it ends with %+v, started %t", end, started)
	}
	goesOn(t, writers)
	s.answers(1)
	if err := until(20*time.Second, func() bool { state, err := s.state(1); return err == nil && state.LinkUp }); err != nil {
		t.Error("it does not follow")
	}
	s.checked(writers, w, s.one(), []int{0})
}

// TestReplicasByName: shoal-redis has started the replicas again, and they call the master by another name than Sentinels do.
func TestReplicasByName(t *testing.T) {
	t.Parallel()
	s := restartable(t)
	for _, n := range []int{1, 2} {
		kill(t, s.servers[n])
		s.startServer(n)
		s.answers(n)
	}
	if err := until(20*time.Second, func() bool {
		one, err := s.state(1)
		two, failed := s.state(2)
		return err == nil && failed == nil && one.LinkUp && two.LinkUp
	}); err != nil {
		t.Fatal("they do not follow")
	}
	if state, err := s.state(1); err != nil || state.Master == s.fronts[0].addr() {
		t.Errorf("it follows %s as Sentinels call it; %v", state.Master, err)
	}
	writers, w := s.write(2), s.witness()
	atLeast(t, writers, 50)
	s.handsOver(s.wanted(0))
	master := s.one()
	goesOn(t, writers)
	s.settled(master)
	s.checked(writers, w, master, []int{0, master})
}

// TestMasterDies kills the one that hands over, for good, when nobody takes writes any more. The others go on without it, long
// before Sentinels would promote somebody, which those that voted do not for 40 s here.
func TestMasterDies(t *testing.T) {
	for _, at := range []decide.Action{decide.Promote, decide.Tell, decide.Follow} {
		for _, servers := range []int{3, 2} {
			t.Run(fmt.Sprintf("before %s, of %d", at, servers), func(t *testing.T) {
				inTime(t, func(t *testing.T) (time.Duration, bool) { return masterDies(t, at, servers) })
			})
		}
	}
}

func masterDies(t *testing.T, at decide.Action, servers int) (gap time.Duration, seen bool) {
	s := newShard(t, shape{servers: servers, sentinels: 3, downAfter: downAfter})
	writers, w := s.write(2), s.witness()
	atLeast(t, writers, 50)
	request, died := s.wanted(0), false
	request.To, s.io = name(1), 0
	end := s.handOver(request, func(step decide.Step) {
		if step.Do == at && !died {
			died = true
			kill(t, s.servers[0])
		}
	})
	if !died && overloaded(end) {
		writers.end()
		w.end()
		return 0, false
	}
	if end.Result != decide.HandedOver || end.Code != reason.HandedOverInPart || !end.MayGoOn(decide.Strict) {
		t.Errorf("it ends with %+v", end)
	}
	goesOn(t, writers)
	gap = writers.gap()
	s.named(1)
	s.checked(writers, w, 1, []int{0, 1})
	t.Logf("writes were back after %s: %s", gap, end.Code)
	return gap, true
}

// TestOpenedUnheard: From does not answer for a moment when Sentinels were told of To, so To is to take writes without it. It hears
// that, and from then on it is To that does not answer, while From does. Nobody has seen To without its fence; yet it takes writes, and
// From is not made master again beside it.
func TestOpenedUnheard(t *testing.T) {
	t.Parallel()
	done := false
	for try := 1; try <= 5 && !done && !t.Failed(); try++ {
		t.Run(fmt.Sprint("try ", try), func(t *testing.T) { done = openedUnheard(t) })
	}
	if !done && !t.Failed() {
		t.Error("each was given up before the fence was taken off")
	}
}

// openedUnheard is false if it was given up before that, as is right on a machine that does much else.
func openedUnheard(t *testing.T) bool {
	s := newShard(t, shape{servers: 2, sentinels: 3, downAfter: downAfter})
	writers, w := s.write(2), s.witness()
	atLeast(t, writers, 50)
	request, silent, opened := s.wanted(0), false, false
	request.To, s.io = name(1), 500*time.Millisecond
	end := s.handOver(request, func(step decide.Step) {
		switch {
		case step.Do == decide.Tell && !silent:
			silent = true
			s.fronts[0].set(executor, answer, fault{frozen: true})
		case step.Opens && !opened:
			opened = true
			s.fronts[0].heal()
			s.fronts[1].set(executor, answer, fault{frozen: true})
		case step.Do == decide.Return:
			t.Errorf("the way goes back: %+v", step)
		}
	})
	if !opened {
		s.fronts[0].heal()
		writers.end()
		w.end()
		return false
	}
	if end.Result != decide.Undecided {
		t.Errorf("it ends with %+v", end)
	}
	s.fronts[1].heal()
	s.handsOver(request)
	s.settled(1)
	s.named(1)
	goesOn(t, writers)
	s.checked(writers, w, 1, []int{0, 1})
	return true
}

// TestRestarted kills the one that hands over, the one that takes over or another, just before a step, and starts it again soon
// after, as a kubelet does. Whoever hands over lives, and knows nothing of it.
func TestRestarted(t *testing.T) {
	t.Parallel()
	s := restartable(t)
	for _, c := range []struct {
		who string
		of  int // how many after the master
		at  []decide.Action
	}{
		{"From", 0, []decide.Action{decide.Pause, decide.Demote, decide.Promote, decide.Tell, decide.Follow, decide.Unpause}},
		{"To", 1, []decide.Action{decide.Pause, decide.Demote, decide.Promote, decide.Tell, decide.Follow, decide.Unpause}},
		{"the other", 2, []decide.Action{decide.Demote, decide.Follow}},
	} {
		for _, at := range c.at {
			if !t.Run(fmt.Sprintf("%s before %s", c.who, at), func(t *testing.T) { s.restarted(t, c.of, at) }) {
				return
			}
		}
	}
}

func (s *shard) restarted(t *testing.T, of int, at decide.Action) {
	from := s.one()
	to, third, who := (from+1)%3, (from+2)%3, (from+of)%3
	s.settled(from)
	s.named(from)
	s.remembers(from, "master")
	s.remembers(to, "replica")
	s.remembers(third, "replica")
	s.agree()
	writers, w := s.write(2), s.witness()
	atLeast(t, writers, 50)
	request, started := s.wanted(from), make(chan bool)
	request.To = name(to)
	killed := false
	end := s.handOver(request, func(step decide.Step) {
		if killed || step.Do != at && step.Do != decide.End {
			return
		}
		killed = true
		kill(t, s.servers[who])
		go func() {
			pass(300 * time.Millisecond)
			s.startServer(who)
			close(started)
		}()
	})
	<-started
	s.answers(who)
	s.decides(request)
	goesOn(t, writers)
	master := s.one()
	s.checked(writers, w, master, []int{from}, []int{from, to}, []int{from, third})
	t.Logf("writes were back after %s: %s %s, and %d of %d, %d, %d is master", writers.gap(), end.Result, end.Code, master, from, to, third)
}
