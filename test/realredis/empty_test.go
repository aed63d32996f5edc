//go:build redis

package realredis

import (
	"fmt"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/switchover/decide"
)

// TestMasterStartsAgainEmpty: the one that hands over is killed in the middle, and is back at once, with nothing, as docs/roles.md has a
// redis-server start that keeps nothing: it follows nobody. Sentinels do not even find it down. Writes are never given back to it, which
// would have the others copy nothing; the one that takes over does so if it is known to have everything, and otherwise the others
// keep what they have until Sentinels promote one of them.
func TestMasterStartsAgainEmpty(t *testing.T) {
	for name, c := range map[string]struct {
		at decide.Action
		// between: the run is gone too, and another one comes.
		between bool
		want    decide.Result
	}{
		"before it is demoted":       {decide.Demote, false, decide.Undecided},
		"when it follows nobody":     {decide.Promote, false, decide.HandedOver},
		"when another one is master": {decide.Tell, false, decide.HandedOver},
		"between two runs":           {decide.Promote, true, decide.Undecided},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			done := false
			for try := 1; try <= 5 && !done && !t.Failed(); try++ {
				t.Run(fmt.Sprint("try ", try), func(t *testing.T) { done = startsAgainEmpty(t, c.at, c.between, c.want) })
			}
			if !done && !t.Failed() {
				t.Error("each was given up before that")
			}
		})
	}
}

// startsAgainEmpty is false if it was given up before that, as is right on a machine that does much else.
func startsAgainEmpty(t *testing.T, at decide.Action, between bool, want decide.Result) bool {
	s := newShard(t, shape{servers: 3, sentinels: 3, downAfter: downAfter, failoverTimeout: shortly})
	s.is.settings = []string{"--replicaof", "127.0.0.1", "1"} // from the next start on
	writers, w := s.write(2), s.witness()
	atLeast(t, writers, 50)
	request, died := s.wanted(0), false
	request.To, request.Timeout = name(1), 5*time.Second
	starts := func() {
		died = true
		kill(t, s.servers[0])
		s.startServer(0)
		s.answers(0)
	}
	if between {
		s.crashes(request, at)
		starts()
	}
	end := s.handOver(request, func(step decide.Step) {
		if step.Do == at && !died {
			starts()
		}
		if step.Do == decide.Return {
			t.Errorf("the way goes back: %+v", step)
		}
	})
	if !died {
		writers.end()
		w.end()
		return false
	}
	if end.Result != want || want == decide.Undecided && end.Code != reason.StartedAnew {
		t.Errorf("it ends with %+v", end)
	}
	goesOn(t, writers)
	master := s.one()
	if master == 0 {
		t.Error("the empty one is master")
	}
	s.checked(writers, w, master, []int{0, master})
	t.Logf("%s %s, and server %d is master; writes were back after %s", end.Result, end.Code, master, writers.gap())
	return true
}
