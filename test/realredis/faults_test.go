//go:build redis

package realredis

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/redis"
	"github.com/shoal-dev/shoal/switchover"
	"github.com/shoal-dev/shoal/switchover/decide"
)

// TestReplicationLink hands over while something is wrong with the link over which the one that takes over is fed.
func TestReplicationLink(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(f *front, from string)
		// heals: the link comes back by itself, so that either end is right.
		want, or decide.Result
	}{
		"slow":        {func(f *front, from string) { f.set(from, answer, fault{delay: 100 * time.Millisecond}) }, decide.HandedOver, decide.HandedOver},
		"frozen":      {func(f *front, from string) { f.set(from, answer, fault{frozen: true}) }, decide.Refused, decide.Refused},
		"swallowed":   {func(f *front, from string) { f.blackHole(from) }, decide.Refused, decide.Refused},
		"half closed": {func(f *front, from string) { f.halfClose(from) }, decide.Refused, decide.Refused},
		"reset":       {func(f *front, from string) { f.reset(from) }, decide.HandedOver, decide.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) (time.Duration, bool) {
				s := newShard(t, shape{servers: 3, sentinels: 3, downAfter: downAfter})
				writers, w := s.write(2), s.witness()
				atLeast(t, writers, 50)
				c.fault(s.fronts[0], s.server(1))
				have := writers.acknowledged()
				atLeast(t, writers, have+20)
				request := s.wanted(0)
				request.To, request.CatchUp, s.io = "r-1", 0, 0 // as it is by default
				end := s.handOver(request, func(step decide.Step) {
					if step.Do == decide.Demote {
						writesWait(t, writers)
					}
				})
				seen := end.Result == c.want || end.Result == c.or
				if !seen && !overloaded(end) {
					t.Errorf("it ends with %+v", end)
				}
				goesOn(t, writers)
				gap := writers.gap()
				s.fronts[0].heal()
				s.fronts[0].reset(s.server(1))
				master := s.one()
				s.checked(writers, w, master, []int{0}, []int{0, 1})
				t.Logf("%s: %s %s, write gap %s", name, end.Result, end.Code, gap)
				return gap, seen
			})
		})
	}
}

// writesWait: nothing is acknowledged any more, but what was under way. Where a replica had caught up by chance, and nobody held the writes,
// they would be refused from here on, if not lost.
func writesWait(t *testing.T, l *load) {
	t.Helper()
	have := l.acknowledged() + 2*len(l.done)
	if err := until(300*time.Millisecond, func() bool { return l.acknowledged() > have }); err == nil {
		t.Error("writes go on when the master is about to be demoted")
	}
}

// TestClientLink hands over while something is wrong with the links of clients, to the one that hands over and to the one that takes over:
// who waits for an answer is not told that it is there, and what was acknowledged is not lost.
func TestClientLink(t *testing.T) {
	for name, wrong := range map[string]func(f *front, from string){
		"slow": func(f *front, from string) {
			f.set(from, request, fault{delay: 30 * time.Millisecond})
			f.set(from, answer, fault{delay: 30 * time.Millisecond})
		},
		"frozen": func(f *front, from string) {
			f.set(from, request, fault{frozen: true})
			f.set(from, answer, fault{frozen: true})
		},
		"unanswered":  func(f *front, from string) { f.set(from, answer, fault{swallowed: true}) },
		"swallowed":   func(f *front, from string) { f.blackHole(from) },
		"half closed": func(f *front, from string) { f.halfClose(from) },
		"reset":       func(f *front, from string) { f.reset(from) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShard(t, shape{servers: 3, sentinels: 3, downAfter: downAfter})
			writers, w := s.write(3), s.witness()
			atLeast(t, writers, 50)
			request, happened := s.wanted(0), false
			request.To = "r-1"
			for try := 1; !happened || s.one() == 0; try++ {
				end := s.handOver(request, func(step decide.Step) {
					if step.Do == decide.Pause || step.Do == decide.Tell { // among what was sent are writes that wait, and those that are refused
						happened = true
						wrong(s.fronts[0], s.writer())
						wrong(s.fronts[1], s.writer())
					}
				})
				if end.Result != decide.HandedOver && (!overloaded(end) || try == 5) {
					t.Fatalf("it ends with %+v", end)
				}
			}
			pass(200 * time.Millisecond) // orders and answers that are stuck stay so for a while
			if s.fronts[0].hits(s.writer()) == 0 {
				t.Error("nothing that clients sent, and no answer, has met the fault")
			}
			for _, f := range s.fronts[:2] {
				f.heal()
				f.reset(s.writer()) // who waits for ever, as a client would that has a timeout of its own
			}
			goesOn(t, writers)
			master := s.one()
			s.settled(master)
			s.checked(writers, w, master, []int{0, 1})
		})
	}
}

// TestSentinelsMissing: with one of three away it works, and asking again holds no vote; with two away nothing is begun.
func TestSentinelsMissing(t *testing.T) {
	t.Parallel()
	s := newShard(t, shape{servers: 3, sentinels: 3, downAfter: downAfter})
	kill(t, s.monitors[2])
	writers, w := s.write(2), s.witness()
	atLeast(t, writers, 50)
	s.handsOver(s.wanted(0))
	again := s.handOver(s.wanted(0), func(step decide.Step) {
		if step.Do == decide.Elect || step.Do == decide.Tell {
			t.Errorf("what is done is asked for again: %+v", step)
		}
	})
	if again.Result != decide.HandedOver {
		t.Errorf("what is done is asked for again, and ends with %+v", again)
	}
	kill(t, s.monitors[1])
	master := s.one()
	paused := false
	end := s.handOver(s.wanted(master), func(step decide.Step) { paused = paused || step.Do == decide.Pause })
	if end.Result != decide.Refused || end.Code != reason.NoSentinelMajority || paused {
		t.Errorf("with one of three Sentinels: %+v, paused %t", end, paused)
	}
	s.checked(writers, w, master, []int{0, master})
}

// TestSentinelsGo: two of three Sentinels stop when nobody takes writes any more. The new master takes them all the same, and
// the next run tells the Sentinels, when they are back.
func TestSentinelsGo(t *testing.T) {
	t.Parallel()
	done := false
	for try := 1; try <= 5 && !done && !t.Failed(); try++ {
		t.Run(fmt.Sprint("try ", try), func(t *testing.T) { done = sentinelsGo(t) })
	}
	if !done && !t.Failed() {
		t.Error("each was given up before two Sentinels could go")
	}
}

// sentinelsGo is false if it was given up before that, as is right on a machine that does much else.
func sentinelsGo(t *testing.T) bool {
	s := newShard(t, shape{servers: 3, sentinels: 3, downAfter: downAfter})
	writers, w := s.write(2), s.witness()
	atLeast(t, writers, 50)
	request, stopped := s.wanted(0), false
	request.To, request.Timeout, s.io = name(1), 5*time.Second, time.Second
	end := s.handOver(request, func(step decide.Step) {
		if step.Do == decide.Promote && !stopped {
			stopped = true
			freeze(t, s.monitors[1])
			freeze(t, s.monitors[2])
		}
	})
	if overloaded(end) {
		return false
	}
	if end.Result != decide.HandedOver || end.Code != reason.HandedOverInPart {
		t.Errorf("it ends with %+v", end)
	}
	if err := until(30*time.Second, func() bool { return s.direct[1].Set(t.Context(), "after", "after", 0).Err() == nil }); err != nil {
		t.Error("the new master takes no writes")
	}
	thaw(t, s.monitors[1])
	thaw(t, s.monitors[2])
	s.handsOver(request)
	s.settled(1)
	s.named(1)
	goesOn(t, writers)
	s.checked(writers, w, 1, []int{0, 1})
	return true
}

// shortly is for a test that waits for Sentinels to promote somebody: as they do after twice that time if they have voted.
const shortly = 6 * time.Second

// TestVotersPromoteLater: the master dies just after the vote, and so does whoever hands over. Sentinels replace it, after twice
// their failover-timeout.
func TestVotersPromoteLater(t *testing.T) {
	t.Parallel()
	s := newShard(t, shape{servers: 3, sentinels: 3, downAfter: 2 * time.Second, failoverTimeout: shortly})
	request := s.wanted(0)
	request.To = name(1)
	s.crashes(request, decide.Demote)
	kill(t, s.servers[0])
	begun := time.Now()
	if err := s.heal(func() bool { return len(s.masters()) == 1 }); err != nil {
		t.Fatal("Sentinel promotes nobody")
	}
	if took := time.Since(begun); took < shortly {
		t.Errorf("Sentinel has promoted another one after %s already: nobody voted", took)
	} else {
		t.Logf("Sentinel has promoted another one after %s", took)
	}
}

// TestSentinelLeavesItAsItIs: long after a switchover, no Sentinel has tried to promote anybody.
func TestSentinelLeavesItAsItIs(t *testing.T) {
	t.Parallel()
	s := newShard(t, shape{servers: 3, sentinels: 3, downAfter: 2 * time.Second})
	s.handsOver(s.wanted(0))
	master := s.one()
	pass(15 * time.Second) // Sentinel asks for roles every ten seconds
	s.settled(master)
	s.named(master)
	for name, text := range s.logs {
		if strings.HasPrefix(name, "sentinel") && strings.Contains(text.String(), "+try-failover") {
			t.Errorf("%s tried to promote somebody:\n%s", name, text)
		}
	}
}

// TestSentinelStillPromotes: after one that was refused, and after a switchover, a master that dies is replaced as ever.
func TestSentinelStillPromotes(t *testing.T) {
	t.Parallel()
	s := newShard(t, shape{servers: 3, sentinels: 3, downAfter: 2 * time.Second, failoverTimeout: shortly})
	s.fronts[0].set(s.server(1), answer, fault{frozen: true})
	request := s.wanted(0)
	request.To = "r-1"
	writers := s.write(1)
	atLeast(t, writers, 20)
	if end := s.handOver(request, nil); end.Result != decide.Refused {
		t.Fatalf("%+v", end)
	}
	s.fronts[0].heal()
	s.settled(0)
	s.handsOver(request)
	writers.end()
	s.settled(1)
	s.named(1)
	kill(t, s.servers[1])
	begun := time.Now()
	if err := s.heal(func() bool { return len(s.masters()) == 1 }); err != nil {
		t.Fatal("Sentinel promotes nobody")
	}
	t.Logf("Sentinel has promoted another one after %s", time.Since(begun))
}

// The rights that docs/switchover.md lists: those at servers, and those at Sentinels beside the channel.
const (
	rights         = "+info +config|get +config|set +client|id +client|list +client|kill +client|setname +client|pause +client|unpause +replicaof"
	sentinelRights = "+client|id +client|list +client|kill +client|setname +sentinel|myid +sentinel|master +sentinel|sentinels +sentinel|is-master-down-by-addr +publish"
	user           = "shoal on >correct-horse resetchannels -@all " + rights
	sentinelUser   = "shoal on >battery-staple resetchannels &__sentinel__:hello -@all " + sentinelRights
)

// asThatUser is the shard as somebody sees it who has these rights.
func (s *shard) asThatUser() switchover.Shard {
	described := s.described()
	described.Access.Username, described.Access.Password = "shoal", "correct-horse"
	described.SentinelAccess.Username, described.SentinelAccess.Password = "shoal", "battery-staple"
	return described
}

// TestLeastRights hands over as a user of an ACL that may do what docs/switchover.md lists and nothing else.
func TestLeastRights(t *testing.T) {
	t.Parallel()
	s := newShard(t, shape{servers: 3, sentinels: 3, downAfter: downAfter, user: user, sentinelUser: sentinelUser})
	described := s.asThatUser()
	end := s.handOverOf(described, s.wanted(0), nil)
	for deadline := time.Now().Add(healing); overloaded(end) && time.Now().Before(deadline); {
		end = s.handOverOf(described, s.wanted(0), nil)
	}
	if end.Result != decide.HandedOver {
		t.Errorf("%+v", end)
	}
	s.named(s.one())
	described.Access.Password = "wrong"
	end = s.handOverOf(described, s.wanted(s.one()), nil)
	for deadline := time.Now().Add(healing); strings.Contains(end.Text, "timeout") && time.Now().Before(deadline); {
		end = s.handOverOf(described, s.wanted(s.one()), nil)
	}
	if end.Result != decide.Undecided || end.Code != reason.MasterUnreachable {
		t.Errorf("with a wrong password: %+v", end)
	} else if !strings.Contains(end.Text, "WRONGPASS") {
		t.Errorf("the cause is not told: %q", end.Text)
	}
}

// TestEachRightIsNeeded takes them away, one at a time, from servers and Sentinels: then it does not end well.
func TestEachRightIsNeeded(t *testing.T) {
	t.Parallel()
	s := newShard(t, shape{servers: 3, sentinels: 3, downAfter: downAfter, user: user, sentinelUser: sentinelUser})
	described := s.asThatUser()
	one := func(addrs []string, right string) {
		t.Run(strings.TrimPrefix(right, "+"), func(t *testing.T) {
			from := s.one()
			s.settled(from)
			s.named(from)
			var others []*redis.Conn // there is nobody to end otherwise
			for _, addr := range addrs {
				other, err := redis.Connect(t.Context(), addr, redis.Access{Name: "shoal-switchover"})
				if err != nil {
					t.Fatal(err)
				}
				others = append(others, other)
			}
			acl(t, addrs, "-"+right[1:])
			request := s.wanted(from)
			request.Timeout, request.CatchUp = time.Second, 200*time.Millisecond
			if end := s.handOverOf(described, request, nil); end.Code == reason.HandedOver {
				t.Errorf("without %s it ends with %+v", right, end)
			}
			acl(t, addrs, right)
			for _, other := range others {
				_ = other.Close() // it may have been ended
			}
			if err := s.heal(func() bool { return s.handOverOf(described, s.wanted(from), nil).Result == decide.HandedOver }); err != nil {
				t.Fatal("with it again it does not end well either")
			}
		})
	}
	var servers []string
	for n := range s.servers {
		servers = append(servers, s.fronts[n].server)
	}
	for right := range strings.FieldsSeq(rights) {
		if right != "+client|pause" { // nobody writes here; without a pause, writes are refused for a moment, and nothing is lost
			one(servers, right)
		}
	}
	for right := range strings.FieldsSeq(sentinelRights) {
		one(s.sentinels, right)
	}
}

// acl changes what the user may do.
func acl(t *testing.T, addrs []string, rule string) {
	t.Helper()
	for _, addr := range addrs {
		c := goredis.NewClient(&goredis.Options{Addr: addr, Protocol: 2, DisableIdentity: true, ReadTimeout: 5 * time.Second, MaxRetries: -1})
		err := c.Do(t.Context(), "ACL", "SETUSER", "shoal", rule).Err()
		if err = errors.Join(err, c.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestManyServers: nine of them, and the configuration wants two replicas that follow.
func TestManyServers(t *testing.T) {
	t.Parallel()
	s := newShard(t, shape{servers: 9, sentinels: 3, downAfter: downAfter, settings: []string{"--min-replicas-to-write", "2"}})
	writers, w := s.write(2), s.witness()
	atLeast(t, writers, 50)
	request := s.wanted(0)
	request.Configured.Replicas = 2
	s.handsOver(request)
	goesOn(t, writers)
	t.Logf("write gap %s", writers.gap())
	master := s.one()
	s.settled(master)
	s.checked(writers, w, master, []int{0, master})
}
