package roles

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/api/agent"
)

// The Redis of a master is started anew, on an empty volume and not protected, or a pod is made anew and starts as a master: there is one event
// of it. There is none of a shard that has yet to get its first data, and none of a master whose keys a client has deleted.
func TestAMasterThatComesUpEmptyIsToldOf(t *testing.T) {
	nothing, data := agent.Report{Role: agent.RoleMaster, Holds: agent.HoldsNothing}, agent.Report{Role: agent.RoleMaster, Holds: agent.HoldsData}
	of := func(r agent.Report, history string) agent.Report {
		r.ReplicationID = strings.Repeat(history, 40)
		return r
	}
	for name, c := range map[string]struct {
		master []agent.Report // what r-0 says, one after the other
		others agent.Holding  // what the others hold by the second of them
		told   bool
	}{
		"first start":     {[]agent.Report{of(nothing, "a"), of(nothing, "a")}, agent.HoldsNothing, false},
		"data comes":      {[]agent.Report{of(nothing, "a"), of(nothing, "a"), of(data, "a")}, agent.HoldsData, false},
		"keys deleted":    {[]agent.Report{of(data, "a"), of(nothing, "a")}, agent.HoldsData, false},
		"restarted empty": {[]agent.Report{of(data, "a"), of(nothing, "b"), of(nothing, "b")}, agent.HoldsData, true},
		"restarted full":  {[]agent.Report{of(data, "a"), of(data, "b")}, agent.HoldsData, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := three(t)
			for n, r := range c.master {
				holds := c.others
				if n == 0 && r.Holds == agent.HoldsNothing {
					holds = agent.HoldsNothing
				}
				h.clock = h.clock.Add(time.Second)
				for _, other := range []string{"r-1", "r-2"} {
					if n == 1 {
						continue // they have yet to find out
					}
					if err := h.reportOf(t, other, agent.Report{Role: agent.RoleReplica, MasterAddr: "10.0.0.10:6379", LinkUp: true, Holds: holds}); err != nil {
						t.Fatal(err)
					}
				}
				if err := h.reportOf(t, "r-0", r); err != nil {
					t.Fatal(err)
				}
				h.reconcile(t)
				h.reconcile(t)
			}
			told := slices.DeleteFunc(slices.Clone(h.told.lines), func(line string) bool {
				return !strings.HasPrefix(line, "Warning EmptyMaster r-0; data is held by r-1, r-2: ")
			})
			if c.told != (len(told) == 1) || len(told) > 1 {
				t.Errorf("events %q", h.told.lines)
			}
		})
	}
}
