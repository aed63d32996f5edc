package decide

import (
	"fmt"
	"strings"
	"time"

	"github.com/shoal-dev/shoal/reason"
)

// namedBehind is how many instances of a shard a verdict names.
const namedBehind = 3

// lags says who is not in sync with the master of the shard: after lagLimit, so that a start, or a failover, which are over sooner, change
// nothing that has to be written. Of offsets nothing is said: those of a master and of its replica come in reports up to a heartbeat apart.
// Without a master there is nothing to be in sync with, and NoMaster says that.
func (p *planner) lags() {
	p.plan.Behind = Verdict{Reason: reason.ReplicasInSync}
	if p.plan.NoMaster.True {
		return
	}
	var late, unheard []string
	for n := range p.Instances {
		switch i := &p.Instances[n]; {
		case i.out() || i.Going || !i.Running || i.Name == p.plan.Master:
		case !p.fresh(i):
			if !p.Hushed && (i.Heard || i.Label != NoLabel) { // who has neither has just started
				unheard = append(unheard, i.Name+i.lastHeard())
			}
		case i.Report.Behind():
			left := i.BehindAt.Add(lagLimit).Sub(p.Now)
			if left > 0 {
				p.again(left)
				continue
			}
			late = append(late, fmt.Sprintf("%s %s since %s", i.Name, i.Report.cause(), at(i.BehindAt)))
		}
	}
	switch {
	case len(late) > 0:
		p.plan.Behind = Verdict{true, reason.ReplicaBehind, shortened(late)}
	case len(unheard) > 0:
		p.plan.Behind = Verdict{true, reason.ReplicaUnheard, shortened(unheard)}
	}
}

// cause is what keeps a replica that is behind from being in sync.
func (r Report) cause() string {
	switch {
	case r.Protected:
		return "is protected"
	case r.Loading:
		return "reads its data"
	}
	return "has no link"
}

func (i *Instance) lastHeard() string {
	if !i.Heard {
		return " has not been heard at all"
	}
	return " was last heard at " + at(i.HeardAt)
}

func at(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func shortened(all []string) string {
	more := ""
	if len(all) > namedBehind {
		more = fmt.Sprintf(" and %d more", len(all)-namedBehind)
		all = all[:namedBehind]
	}
	return strings.Join(all, ", ") + more
}
