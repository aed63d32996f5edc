package roles

import (
	"testing"
	"time"

	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/roles/decide"
)

// A shard whose label is held back is looked at soon, and each time later, until something else is said of it.
func TestPaces(t *testing.T) {
	var p paces
	held := decide.Plan{NoMaster: decide.Verdict{True: true, Reason: reason.HASilent, Text: "r-0"}}
	look := func(plan decide.Plan, want ...time.Duration) {
		t.Helper()
		for n, wait := range want {
			if got := p.again(shardZero, plan, false); got != wait {
				t.Errorf("look %d: again after %s, want %s", n, got, wait)
			}
		}
	}
	look(held, soon, 2*soon, 4*soon, 8*soon, 16*soon, idle, idle)
	other := held
	other.NoMaster.Text = "r-1"
	look(other, soon, 2*soon)
	moving := decide.Plan{NoMaster: decide.Verdict{True: true, Reason: reason.MasterMoving}}
	look(moving, soon, soon)
	look(other, 4*soon)
	look(decide.Plan{NoMaster: decide.Verdict{Reason: reason.MasterLabelled}}, idle)
	look(other, soon)
	other.RequeueAfter = time.Millisecond
	look(other, time.Millisecond)
	if got := p.again(shardZero, held, true); got != unseenRecheck {
		t.Errorf("after a write that came too late: %s", got)
	}
	p.drop(shardZero)
	if len(p.shards) != 0 {
		t.Errorf("it leaks %v", p.shards)
	}
}
