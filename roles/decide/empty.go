package decide

import (
	"fmt"
	"slices"

	"github.com/shoal-dev/shoal/reason"
)

// Empty is a master that has come up without data.
type Empty struct {
	Instance, UID string
	// Holders are those that hold data.
	Holders string
}

// String is what a person is told.
func (e Empty) String() string {
	return fmt.Sprintf("%s; data is held by %s: %s", e.Instance, e.Holders, reason.EmptyMaster.Message())
}

// empty finds masters that have come up without data beside instances that hold some: whoever follows one loses what it has. Nobody
// here makes it so; but a template whose instances do not start protected does.
func (p *planner) empty() {
	for n := range p.Instances {
		i := &p.Instances[n]
		if holders := p.holdBeside(i); len(holders) > 0 {
			p.plan.Empty = append(p.plan.Empty, Empty{i.Name, i.UID, names(holders)})
		}
	}
}

// holdBeside are those that hold data beside a master that has come up without any; nobody beside another one. Who has data only since then got it
// from that master, which has yet to say that it was written to.
func (p *planner) holdBeside(i *Instance) []*Instance {
	if !i.claims() || i.EmptyAt.IsZero() {
		return nil
	}
	var holders []*Instance
	for n := range p.Instances {
		if other := &p.Instances[n]; other != i && !other.out() && other.Heard && other.Report.Holds == HoldsData && !other.FullAt.After(i.EmptyAt) {
			holders = append(holders, other)
		}
	}
	return holders
}

// filled: it is not empty beside others that hold data. They may not follow it, as one that is made anew has another address, and clients would write
// into nothing while what they had is there. This alone holds the label back: it takes it from nobody, as keys that were deleted may look the same.
//
// Of one that Sentinels have elected only those speak who were heard lately. The last word of the dead master may be from before its keys were deleted,
// and nobody who asks the Service can write to the new one before it has the label: it would not get it for ever.
func (p *planner) filled(i *Instance) (reason.Code, string) {
	holders := slices.DeleteFunc(p.holdBeside(i), func(other *Instance) bool { return !p.HA.Static && !p.fresh(other) })
	if len(holders) > 0 {
		return reason.EmptyMaster, fmt.Sprintf("%s; data is held by %s", i.Name, names(holders))
	}
	return 0, ""
}
