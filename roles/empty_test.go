package roles

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/api/agent"
)

// The Redis of a master is started anew, on an empty volume and not protected: there is one event of it, whatever was heard of its data before.
// There is none of a shard that has yet to get its first data, and none of a master whose keys a client has deleted.
func TestAMasterThatComesUpEmptyIsToldOf(t *testing.T) {
	const nothing, data, silent = agent.HoldsNothing, agent.HoldsData, agent.Holding("")
	master := func(holds agent.Holding, history string) agent.Report {
		return agent.Report{Role: agent.RoleMaster, Holds: holds, ReplicationID: strings.Repeat(history, 40)}
	}
	hangs := agent.Report{Role: agent.RoleUnknown}
	type round struct {
		master agent.Report  // what r-0 says
		others agent.Holding // what the others have said just before
	}
	for name, c := range map[string]struct {
		rounds []round
		told   int
	}{
		"first start":                {[]round{{master(nothing, "a"), nothing}, {master(nothing, "a"), silent}}, 0},
		"data comes":                 {[]round{{master(nothing, "a"), nothing}, {master(nothing, "a"), data}, {master(data, "a"), silent}}, 0},
		"keys deleted":               {[]round{{master(data, "a"), data}, {master(nothing, "a"), silent}}, 0},
		"keys deleted, which lasted": {[]round{{master(data, "a"), data}, {hangs, silent}, {master(nothing, "a"), silent}}, 0},
		"no history":                 {[]round{{master(nothing, ""), data}, {master(nothing, ""), silent}}, 0},
		"restarted empty":            {[]round{{master(data, "a"), data}, {master(nothing, "b"), silent}, {master(nothing, "b"), data}}, 1},
		"its data was not heard of":  {[]round{{master(nothing, "a"), nothing}, {master(nothing, "a"), data}, {master(nothing, "b"), silent}}, 1},
		"read nothing first":         {[]round{{master(data, "a"), data}, {master(silent, "b"), silent}, {master(nothing, "b"), silent}}, 1},
		"hangs, and is empty still":  {[]round{{master(data, "a"), data}, {master(nothing, "b"), silent}, {hangs, silent}, {master(nothing, "b"), silent}}, 2},
		"restarted full":             {[]round{{master(data, "a"), data}, {master(data, "b"), silent}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := three(t)
			for _, r := range c.rounds {
				h.clock = h.clock.Add(time.Second)
				if r.others != silent {
					h.othersHold(t, r.others)
				}
				if err := h.reportOf(t, "r-0", r.master); err != nil {
					t.Fatal(err)
				}
				h.reconcile(t)
				h.reconcile(t)
			}
			if got := h.emptyMasters(); got != c.told {
				t.Errorf("told %d times, want %d: %q", got, c.told, h.told.lines)
			}
		})
	}
}

// othersHold has r-1 and r-2 report what they hold, as replicas of r-0.
func (h *harness) othersHold(t *testing.T, holds agent.Holding) {
	t.Helper()
	for _, name := range []string{"r-1", "r-2"} {
		if err := h.reportOf(t, name, agent.Report{Role: agent.RoleReplica, MasterAddr: "10.0.0.10:6379", LinkUp: true, Holds: holds}); err != nil {
			t.Fatal(err)
		}
	}
}

// emptyMasters is how many times it was told that r-0 is empty.
func (h *harness) emptyMasters() int {
	return len(slices.DeleteFunc(slices.Clone(h.told.lines), func(line string) bool {
		return !strings.HasPrefix(line, "Warning EmptyMaster r-0; data is held by r-1, r-2: ")
	}))
}
