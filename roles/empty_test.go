package roles

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/reason"
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

// The pod of the master is made anew, on an empty volume, at another address and not protected. The others keep their data and follow nobody that
// there is, so that all say that they are no masters: it gets no label, or clients would write into nothing while the data is still there. Somebody
// is told, and decides. A write, or the end of what the others hold, says that it is meant.
func TestAPodMadeAnewThatComesUpEmptyGetsNoLabel(t *testing.T) {
	for name, meant := range map[string]func(h *harness) error{
		"written to":         func(h *harness) error { return h.says(t, "r-0", agent.RoleMaster, agent.HoldsData) },
		"the others emptied": func(h *harness) error { h.othersHold(t, agent.HoldsNothing); return nil },
		"another is master": func(h *harness) error {
			return errors.Join(h.says(t, "r-0", agent.RoleReplica, agent.HoldsNothing), h.says(t, "r-1", agent.RoleMaster, agent.HoldsData))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := three(t)
			h.othersHold(t, agent.HoldsData)
			if err := h.says(t, "r-0", agent.RoleMaster, agent.HoldsData); err != nil {
				t.Fatal(err)
			}
			h.reconcile(t)
			if err := h.client.Delete(t.Context(), h.pod(t, "r-0")); err != nil {
				t.Fatal(err)
			}
			anew := aPod("r-0")
			anew.UID, anew.Status.PodIP = "8d7f1c1e-2c5b-4a53-9d0e-00000000000f", "10.0.0.20"
			if err := h.client.Create(t.Context(), anew); err != nil {
				t.Fatal(err)
			}
			h.clock = h.clock.Add(time.Minute)
			if err := h.says(t, "r-0", agent.RoleMaster, agent.HoldsNothing); err != nil {
				t.Fatal(err)
			}
			h.reconcile(t)
			if got := h.labels(t); got != ",replica,replica" || h.emptyMasters() != 1 {
				t.Errorf("labels %s, events %q", got, h.told.lines)
			}
			if v := h.verdicts.of(shardZero.owner())["r-0"].noMaster; !v.True || v.Reason != reason.EmptyMaster {
				t.Errorf("%+v", v)
			}
			h.clock = h.clock.Add(time.Minute)
			if err := meant(h); err != nil {
				t.Fatal(err)
			}
			h.reconcile(t)
			h.reconcile(t)
			if got := h.labels(t); !strings.Contains(got, "master") || strings.Contains(got, ",,") {
				t.Errorf("labels %s", got)
			}
		})
	}
}

// says has one report what it is and holds, in the history that its pod began.
func (h *harness) says(t *testing.T, name string, role agent.Role, holds agent.Holding) error {
	t.Helper()
	uid := string(h.pod(t, name).UID)
	return h.reportOf(t, name, agent.Report{Role: role, Holds: holds, LinkUp: true, ReplicationID: strings.Repeat(uid[len(uid)-1:], 40)})
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
