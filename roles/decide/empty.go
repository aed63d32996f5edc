package decide

import (
	"fmt"

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

// empty finds masters that have come up without data beside instances that held some before: whoever follows one loses what it has. Nobody
// here makes it so; but a template whose instances do not start protected does.
func (p *planner) empty() {
	for n := range p.Instances {
		i := &p.Instances[n]
		if !i.claims() || i.EmptyAt.IsZero() {
			continue
		}
		var holders []*Instance
		for m := range p.Instances {
			if other := &p.Instances[m]; other != i && !other.out() && other.Heard && other.Report.Holds == HoldsData && !other.FullAt.After(i.EmptyAt) {
				holders = append(holders, other)
			}
		}
		if len(holders) > 0 {
			p.plan.Empty = append(p.plan.Empty, Empty{i.Name, i.UID, names(holders)})
		}
	}
}
