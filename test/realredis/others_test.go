//go:build redis

package realredis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/redis"
	"github.com/shoal-dev/shoal/switchover/decide"
)

// TestOthersFrozen stops somebody else than the one that takes over, just before a step, until the run has ended. Another run
// then finds everybody back.
func TestOthersFrozen(t *testing.T) {
	from := func(s *shard) *process { return &process{Cmd: s.servers[0]} }
	replica := func(s *shard) *process { return &process{Cmd: s.servers[2]} }
	sentinel := func(s *shard) *process { return &process{Cmd: s.monitors[0]} }
	for _, c := range []struct {
		who   string
		of    func(*shard) *process
		at    decide.Action
		needs bool // without it, it cannot be finished
	}{
		{"From", from, decide.Demote, true},
		{"From", from, decide.Promote, false}, // it was seen to follow nobody
		{"From", from, decide.Follow, false},
		{"replica", replica, decide.Demote, false},
		{"replica", replica, decide.Follow, false},
		{"Sentinel", sentinel, decide.Elect, false},
		{"Sentinel", sentinel, decide.Tell, false},
	} {
		t.Run(fmt.Sprintf("%s before %s", c.who, c.at), func(t *testing.T) {
			t.Parallel()
			s := newShard(t, shape{servers: 3, sentinels: 3, downAfter: downAfter})
			writers, w := s.write(2), s.witness()
			atLeast(t, writers, 50)
			request, stopped := s.wanted(0), false
			request.To, request.Timeout, s.io = name(1), 5*time.Second, time.Second
			end := s.handOver(request, func(step decide.Step) {
				if step.Do == c.at && !stopped {
					stopped = true
					freeze(t, c.of(s).Cmd)
				}
			})
			if end.Result != decide.HandedOver && !c.needs && !overloaded(end) || end.Result == decide.HandedOver && c.needs {
				t.Errorf("it ends with %+v", end)
			}
			if stopped {
				thaw(t, c.of(s).Cmd)
			}
			pass(300 * time.Millisecond) // orders that wait are carried out
			s.decides(request)
			master := s.one()
			goesOn(t, writers)
			s.settled(master)
			s.named(master)
			s.checked(writers, w, master, []int{0}, []int{0, 1})
			t.Logf("%s stopped before %s: %s %s", c.who, c.at, end.Result, end.Code)
		})
	}
}

// TestTwoAtOnce: two who hand over the same shard at the same time, to different replicas, as nobody who holds a lock does.
func TestTwoAtOnce(t *testing.T) { twoAtOnce(t, shape{servers: 3, sentinels: 3, downAfter: downAfter}) }

func twoAtOnce(t *testing.T, is shape) {
	t.Parallel()
	s := newShard(t, is)
	writers, w := s.write(2), s.witness()
	atLeast(t, writers, 50)
	var both sync.WaitGroup
	ends := make([]decide.Step, 2)
	for n := range ends {
		request := s.wanted(0)
		request.To, request.Timeout = name(n+1), 3*time.Second
		both.Go(func() {
			ends[n], _ = s.order(s.described(), request).run(context.Background(), func(decide.Step) error { return nil })
		})
	}
	both.Wait()
	for _, end := range ends {
		t.Logf("one ends with %s %s: %s", end.Result, end.Code, end.Text)
	}
	s.decides(s.wanted(0))
	master := s.one()
	goesOn(t, writers)
	s.settled(master)
	s.named(master)
	s.checked(writers, w, master, []int{0}, []int{0, 1}, []int{0, 2})
}

// TestAnOldLookIsNotActedOn: another replica stops, and a look waits for it. What the others have said by then may be so no more:
// somebody makes the old master one again meanwhile. Nobody else is promoted then, before it is demoted again.
func TestAnOldLookIsNotActedOn(t *testing.T) {
	t.Parallel()
	s := newShard(t, shape{servers: 3, sentinels: 3, downAfter: downAfter})
	request := s.wanted(0)
	request.To, s.io = name(1), time.Second
	var did []decide.Action
	var meanwhile sync.WaitGroup
	end := s.handOver(request, func(step decide.Step) {
		did = append(did, step.Do)
		if step.Do == decide.Demote && len(did) == slices.Index(did, decide.Demote)+1 {
			freeze(t, s.servers[2])
			meanwhile.Go(func() {
				if err := until(10*time.Second, func() bool { state, err := s.state(0); return err == nil && state.Kind == redis.Replica }); err != nil {
					t.Error("the old master is not demoted")
				}
				pass(200 * time.Millisecond)
				s.do(0, "REPLICAOF", "NO", "ONE")
			})
		}
	})
	meanwhile.Wait()
	if n := slices.Index(did, decide.Demote); n < 0 || did[n+1] == decide.Promote || end.Result == decide.Undecided {
		t.Errorf("it ends with %+v after %v", end, did)
	}
}

// TestLockLost: one who has lost the lock, and does not know, is in the middle when the next one begins. It ends, and nothing that
// it does keeps the other one from finishing.
func TestLockLost(t *testing.T) {
	lockLost(t, shape{servers: 4, sentinels: 3, downAfter: downAfter}, 0, 7, decide.Pause, decide.Demote, decide.Promote, decide.Tell, decide.Follow)
}

// lockLost is by one with the lock before, whom the one with the lock after meets in the middle.
func lockLost(t *testing.T, is shape, before, after uint64, all ...decide.Action) {
	for _, at := range all {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			t.Parallel()
			s := newShard(t, is)
			writers, w := s.write(2), s.witness()
			atLeast(t, writers, 50)
			type end struct {
				step decide.Step
				err  error
			}
			began, goOn, ended := make(chan decide.Action), make(chan bool), make(chan end, 1)
			s.lock = before
			old, request := s.described(), s.wanted(0)
			s.lock = after
			later := s.described()
			request.To = name(1)
			go func() {
				blocked := false
				step, err := s.order(old, request).run(t.Context(), func(step decide.Step) error {
					if !blocked && (step.Do == at || step.Do == decide.End) {
						blocked = true
						began <- step.Do
						<-goOn
					}
					return nil
				})
				if !blocked { // it has ended before that
					began <- decide.End
					<-goOn
				}
				ended <- end{step, err}
			}()
			tooEarly := <-began == decide.End // it was given up, as is right on a machine that does much else
			request.To = name(2)
			met := false
			won := s.handOverOf(later, request, func(decide.Step) {
				if met {
					return
				}
				met = true
				goOn <- true
				// It meets the later one as soon as it has a connection. Before that, its own time may be over on a machine that does
				// much else: then it says that nobody answers.
				lost := <-ended
				if silent := lost.err == nil && lost.step.Code == reason.MasterUnreachable; !errors.Is(lost.err, redis.ErrLater) && !tooEarly && !silent {
					t.Errorf("the one without the lock: %+v, %v", lost.step, lost.err)
				}
			})
			if !met || won.Result != decide.HandedOver && !overloaded(won) && !s.excused(won) {
				t.Errorf("the one with the lock ends with %+v", won)
			}
			s.decides(request)
			master := s.one()
			goesOn(t, writers)
			s.settled(master)
			s.checked(writers, w, master, []int{0}, []int{0, master})
			t.Logf("%s %s, and server %d is master", won.Result, won.Code, master)
		})
	}
}

// TestSentinelsChoiceStands: the master stops, and Sentinels promote a replica, which takes writes. It stops, and the one that
// was master goes on, and still says that it is. Whoever wants to hand over from that one takes nothing back.
func TestSentinelsChoiceStands(t *testing.T) {
	t.Parallel()
	s := newShard(t, shape{servers: 3, sentinels: 3, downAfter: downAfter})
	freeze(t, s.servers[0])
	chosen := s.chosenInsteadOf(0)
	third := 3 - chosen
	if err := s.heal(func() bool {
		state, err := s.state(third)
		return err == nil && state.LinkUp && state.Master == s.fronts[chosen].addr()
	}); err != nil {
		t.Fatal("the other replica does not follow")
	}
	var all []write
	c := s.dial(chosen)
	defer c.Close()
	for n := range 100 {
		all = append(all, put(c, chosen, fmt.Sprintf("chosen-%d", n), true))
	}
	freeze(t, s.servers[chosen])
	thaw(t, s.servers[0])
	var did []decide.Action
	end := s.handOver(s.wanted(0), func(step decide.Step) { did = append(did, step.Do) })
	t.Logf("it ends with %s %s after %v: %s", end.Result, end.Code, did, end.Text)
	if slices.Contains(did, decide.Elect) || slices.Contains(did, decide.Tell) || end.Result == decide.HandedOver && end.Code != 0 && len(did) > 1 {
		t.Errorf("it has done %v", did)
	}
	thaw(t, s.servers[chosen])
	if err := s.heal(func() bool { masters := s.masters(); return len(masters) == 1 && masters[0] != 0 }); err != nil {
		t.Fatalf("masters are %v", s.masters())
	}
	master := s.one()
	s.settled(master)
	s.named(master)
	if lost, err := s.lost(master, all); err != nil || len(lost) > 0 {
		t.Errorf("%d acknowledged writes are lost, such as %v; %v", len(lost), lost[:min(5, len(lost))], err)
	}
}

// chosenInsteadOf waits until all Sentinels name another one, which is master.
func (s *shard) chosenInsteadOf(master int) (chosen int) {
	s.t.Helper()
	if err := s.heal(func() bool {
		names := map[string]bool{}
		for _, addr := range s.sentinels {
			if v, err := s.view(addr); err == nil {
				names[v.Master] = true
			}
		}
		chosen = slices.IndexFunc(s.fronts, func(f *front) bool { return names[f.addr()] })
		if len(names) != 1 || chosen < 0 || chosen == master {
			return false
		}
		state, err := s.state(chosen)
		return err == nil && state.Kind == redis.Master
	}); err != nil {
		s.t.Fatal("Sentinels promote nobody")
	}
	return chosen
}

// TestOrderOfWrites: what the witnesses are judged by can tell two masters from one, and does not take a late reader for two.
func TestOrderOfWrites(t *testing.T) {
	at := func(server, sent, acked int) write {
		return write{at: server, ok: true, sent: time.UnixMilli(int64(sent)), acked: time.UnixMilli(int64(acked))}
	}
	for _, c := range []struct {
		name   string
		all    []write
		speaks bool
	}{
		{"one after the other", []write{at(0, 1, 2), at(1, 5, 6)}, false},
		{"read late", []write{at(0, 1, 9), at(1, 5, 6)}, false},
		{"both", []write{at(0, 1, 2), at(1, 5, 6), at(0, 7, 8)}, true},
		{"another", []write{at(0, 1, 2), at(2, 5, 6)}, true},
		{"refused", []write{at(0, 1, 2), {at: 2}}, false},
	} {
		if text := against([]int{0, 1}, c.all); (text != "") != c.speaks {
			t.Errorf("%s: %q", c.name, text)
		}
	}
}
