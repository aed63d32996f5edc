package decide

import (
	"testing"
	"time"

	"github.com/shoal-dev/shoal/reason"
)

// anyOf is the shard without a wish of whom, on three nodes, of which two are r-0's and r-1's: whoever is best takes over. A case is
// named after what decides; r-1 has the lower name, so that it takes over where nothing does.
func anyOf(change func(one, two *Instance)) Snapshot {
	s := shard()
	s.Request.To, s.Request.MaxLag = "", 1<<20
	s.Instances[0].Offset = 100 << 20
	for n := range s.Instances {
		s.Instances[n].Node, s.Instances[n].Offset = string(rune('a'+n)), s.Instances[0].Offset
	}
	change(&s.Instances[1], &s.Instances[2])
	return s
}

// TestWhoTakesOver: of those who can, the best one, by one thing after the other.
func TestWhoTakesOver(t *testing.T) {
	for name, c := range map[string]struct {
		change func(one, two *Instance)
		want   string
	}{
		"nothing: the first name":                                {func(_, _ *Instance) {}, "r-1"},
		"health: it does not answer":                             {func(one, _ *Instance) { *one = Instance{Name: "r-1", Addr: "r-1:1"} }, "r-2"},
		"health: it has no link":                                 {func(one, _ *Instance) { one.LinkUp = false }, "r-2"},
		"health: it is being given a copy":                       {func(one, _ *Instance) { one.Syncing = true }, "r-2"},
		"health: it reads its disk":                              {func(one, _ *Instance) { one.Loading = true }, "r-2"},
		"health: it is part of a FAILOVER":                       {func(one, _ *Instance) { one.FailingOver = true }, "r-2"},
		"health: it has replicas of its own":                     {func(one, _ *Instance) { one.Followers = 1 }, "r-2"},
		"health: it has another history":                         {func(one, _ *Instance) { one.History = "z" }, "r-2"},
		"priority 0":                                             {func(one, _ *Instance) { one.Priority = 0 }, "r-2"},
		"a node to be avoided":                                   {func(one, _ *Instance) { one.Avoid = true }, "r-2"},
		"the master's node":                                      {func(one, _ *Instance) { one.Node = "a" }, "r-2"},
		"the revision":                                           {func(one, _ *Instance) { one.Outdated = true }, "r-2"},
		"more behind than is allowed":                            {func(one, _ *Instance) { one.Offset -= 1<<20 + 1 }, "r-2"},
		"behind, as much as is allowed":                          {func(one, _ *Instance) { one.Offset -= 1 << 20 }, "r-2"},
		"hardly behind: the first name":                          {func(one, _ *Instance) { one.Offset -= 1<<20 - 1 }, "r-1"},
		"a node to be avoided counts more than the master's":     {func(one, two *Instance) { one.Avoid, two.Node = true, "a" }, "r-2"},
		"the master's node counts more than the revision":        {func(one, two *Instance) { one.Node, two.Outdated = "a", true }, "r-2"},
		"the revision counts more than what it is behind":        {func(one, two *Instance) { one.Outdated, two.Offset = true, two.Offset-1<<20 }, "r-2"},
		"both are to be avoided: the other node than the master": {func(one, two *Instance) { one.Avoid, two.Avoid, one.Node = true, true, "a" }, "r-2"},
		"one to be avoided is better than nobody":                {func(one, two *Instance) { one.Avoid, one.Outdated, two.Priority = true, true, 0 }, "r-1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := anyOf(c.change)
			for range 2 { // in whatever order they are looked at
				if got := Decide(s); got.Do != SetFence || got.Instance != c.want {
					t.Errorf("%+v, not %s", got, c.want)
				}
				s.Instances[1], s.Instances[2] = s.Instances[2], s.Instances[1]
			}
		})
	}
}

// Where nobody can, nothing is begun, and it is said why of the first; whoever was asked for is judged alike, but for the node and the
// revision, of which the one who asked knows.
func TestNobodyTakesOver(t *testing.T) {
	for name, c := range map[string]struct {
		change func(one, two *Instance)
		to     string
		code   reason.Code
	}{
		"both have priority 0":    {func(one, two *Instance) { one.Priority, two.Priority = 0, 0 }, "", reason.NoCandidate},
		"both are far behind":     {func(one, two *Instance) { one.Offset, two.Offset = 1, 1 }, "", reason.NoCandidate},
		"that one has priority 0": {func(one, _ *Instance) { one.Priority = 0 }, "r-1", reason.NoCandidate},
		"that one is far behind":  {func(one, _ *Instance) { one.Offset = 1 }, "r-1", reason.NoCandidate},
		"that one is silent":      {func(one, _ *Instance) { *one = Instance{Name: "r-1", Addr: "r-1:1"} }, "r-1", reason.TargetLost},
	} {
		t.Run(name, func(t *testing.T) {
			s := anyOf(c.change).after(3 * time.Second)
			s.Request.To = c.to
			if got := Decide(s); got.Do != End || got.Result != Refused || got.Code != c.code {
				t.Errorf("%+v", got)
			}
		})
	}
	s := anyOf(func(one, _ *Instance) { one.Avoid, one.Node, one.Outdated = true, "a", true })
	s.Request.To = "r-1"
	if got := Decide(s); got.Do != SetFence || got.Instance != "r-1" {
		t.Errorf("who was asked for is not taken: %+v", got)
	}
}
