package decide

import (
	"fmt"
	"strings"
	"time"

	"github.com/shoal-dev/shoal/reason"
)

// namedBehind is how many instances of a shard a verdict names.
const namedBehind = 3

// lags says who is not in sync with the master of the shard: after lagLimit, so that a start, or the way to a master that is there, which are over sooner, change
// nothing that has to be written. A failover is written, as Unknown, if the label is on its way for longer than sets gather what their shards say. Of offsets nothing is said: those of a master and of its replica come in reports up to a heartbeat apart.
// Without a master there is nothing to be in sync with, and NoMaster says why. A replica of a replica is not in sync with the master, whatever
// its link says: nobody knows what is on its way to the one between. Where nobody knows, nobody says that all is well: while most of
// the set are silent, or this process has just begun to listen, either.
func (p *planner) lags() {
	p.plan.Behind = Verdict{Reason: reason.ReplicasInSync}
	if p.plan.NoMaster.True {
		p.plan.Behind = Verdict{True: true, Reason: reason.NothingToFollow}
		return
	}
	var late, mute, unheard, chained []string
	for n := range p.Instances {
		switch i := &p.Instances[n]; {
		case i.out() || i.Going || !i.Running || i.Name == p.plan.Master:
		case !p.fresh(i):
			if p.overdue(i) {
				unheard = append(unheard, i.Name+i.lastHeard())
			}
		case (i.Report.Behind() || i.Report.Mute()) && !p.lasts(i.BehindAt):
			if p.Hushed { // since when it is so nobody knows who has just begun to listen: it may have been for hours
				unheard = append(unheard, i.Name)
			}
		case i.Report.Behind() && p.lasts(i.BehindAt):
			late = append(late, fmt.Sprintf("%s %s since %s", i.Name, i.Report.cause(), at(i.BehindAt)))
		case i.Report.Mute() && p.lasts(i.BehindAt):
			mute = append(mute, fmt.Sprintf("%s %s since %s", i.Name, i.Report.cause(), at(i.BehindAt)))
		case p.isChained(i):
			if since := p.chainedAt(i); p.lasts(since) {
				chained = append(chained, fmt.Sprintf("%s follows %s since %s", i.Name, i.Follows, at(since)))
			} else if p.Hushed {
				unheard = append(unheard, i.Name)
			}
		}
	}
	p.plan.Behind = p.inSync(late, chained, mute, unheard)
}

// overdue: its agent should have been heard. Otherwise the instance has just started.
func (p *planner) overdue(i *Instance) bool {
	return i.Heard || i.Label != NoLabel || p.lasts(i.BegunAt)
}

// isChained: it follows somebody of the shard who is not its master.
func (p *planner) isChained(i *Instance) bool {
	return i.Report.Role == Replica && i.Follows != "" && i.Follows != p.plan.Master
}

// chainedAt is since when that has been so by all that was heard: it goes on following the one who was master until it is told otherwise.
func (p *planner) chainedAt(i *Instance) time.Time {
	for _, m := range p.Instances {
		if m.Name == p.plan.Master && m.ClaimedAt.After(i.FollowsAt) {
			return m.ClaimedAt
		}
	}
	return i.FollowsAt
}

// inSync is the verdict: what is known goes before what is not.
func (p *planner) inSync(late, chained, mute, unheard []string) Verdict {
	switch {
	case len(late) > 0:
		return Verdict{true, reason.ReplicaBehind, shortened(late)}
	case len(chained) > 0:
		return Verdict{true, reason.ReplicaOfReplica, shortened(chained)}
	case len(mute) > 0:
		return Verdict{true, reason.ReplicaMute, shortened(mute)}
	case len(unheard) > 0 && p.Hushed:
		return Verdict{True: true, Reason: reason.MostUnheard} // names would change with each that is heard, and be written each time
	case len(unheard) > 0:
		return Verdict{true, reason.ReplicaUnheard, shortened(unheard)}
	}
	return Verdict{Reason: reason.ReplicasInSync}
}

// lasts reports whether something that began then has lasted for lagLimit, and has it looked at again when it has.
func (p *planner) lasts(since time.Time) bool {
	left := since.Add(lagLimit).Sub(p.Now)
	if left > 0 {
		p.again(left)
	}
	return left <= 0
}

// cause is what keeps a replica from being in sync, or others from knowing that it is.
func (r Report) cause() string {
	switch {
	case r.Role == Unknown:
		return "does not answer its agent"
	case r.Role == None:
		return "says that it has no role"
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
