package decide

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/shoal-dev/shoal/reason"
)

// planner is a snapshot with what is asked of it more than once.
type planner struct {
	Snapshot
	Request
	Memory
	from       *Instance
	configured Fence
}

func newPlanner(s Snapshot) *planner {
	p := &planner{Snapshot: s, Request: s.Request.Defaults(), Memory: s.Memory}
	p.from = p.byName(s.Request.From)
	p.configured = Configured(s.Request, s.Instances)
	return p
}

// Configured is what the configuration says about replicas that a master needs, if the request does not say: see there.
func Configured(r Request, instances []Instance) Fence {
	if r.Configured != nil {
		return *r.Configured
	}
	var least *Fence
	for n := range instances {
		i := &instances[n]
		if !i.Reachable {
			continue
		}
		if least == nil || i.Fence.Replicas < least.Replicas || i.Fence.Replicas == least.Replicas && i.Name == r.From {
			least = &i.Fence
		}
	}
	if least == nil {
		return Fence{}
	}
	return *least
}

func (p *planner) find(is func(*Instance) bool) *Instance {
	for i := range p.Instances {
		if is(&p.Instances[i]) {
			return &p.Instances[i]
		}
	}
	return nil
}

func (p *planner) byName(name string) *Instance {
	return p.find(func(i *Instance) bool { return i.Name == name })
}

func (p *planner) byAddr(addr string) *Instance {
	return p.find(func(i *Instance) bool { return i.Addr == addr })
}

func (p *planner) expired() bool { return p.Now.Sub(p.Began) > p.Timeout }

// early: nothing has begun, and who does not answer at once is given a moment.
func (p *planner) early() bool { return p.Now.Sub(p.Began) <= p.Timeout/5 }

// stopped is when From was demoted, or first seen so.
func (p *planner) stopped() time.Time {
	if p.StoppedAt.IsZero() {
		return p.Began
	}
	return p.StoppedAt
}

// targetName is the instance that this run chose, or that was asked for.
func (p *planner) targetName() string { return cmp.Or(p.Memory.Target, p.To) }

// fence is what keeps an instance from taking writes alone.
func (p *planner) fence() Fence {
	return Fence{Replicas: max(1, p.configured.Replicas), Lag: cmp.Or(p.configured.Lag, 10*time.Second)}
}

func (p *planner) fenced(i *Instance) bool {
	return i.Fence.Lag > 0 && i.Fence.Replicas >= p.fence().Replicas
}

// target is who takes over: the one that was chosen before, if it can still. Otherwise code and text say why there is none.
func (p *planner) target() (*Instance, reason.Code, string) {
	if name := p.targetName(); name != "" {
		to := p.byName(name)
		why := p.unfit(to)
		switch {
		case !to.Reachable:
			return nil, reason.TargetLost, silent(to)
		case why != "":
			return nil, reason.NoCandidate, to.Name + " " + why
		}
		return to, 0, ""
	}
	var fit []*Instance
	text := ""
	for i := range p.Instances {
		candidate := &p.Instances[i]
		if candidate == p.from {
			continue
		}
		if why := p.unfit(candidate); why == "" {
			fit = append(fit, candidate)
		} else if text == "" {
			text = candidate.Name + " " + why
		}
	}
	if len(fit) == 0 {
		return nil, reason.NoCandidate, text
	}
	return slices.MinFunc(fit, p.better), 0, ""
}

// better puts first who is on a sound node, then on another node than From, then of the wanted revision, then less behind;
// a mebibyte is no difference, as the offsets were not read at the same moment.
func (p *planner) better(a, b *Instance) int {
	rank := func(i *Instance) [3]bool {
		return [3]bool{i.Avoid, i.Node != "" && i.Node == p.from.Node, i.Outdated}
	}
	x, y := rank(a), rank(b)
	for n := range x {
		if x[n] != y[n] {
			if x[n] {
				return 1
			}
			return -1
		}
	}
	behind := func(i *Instance) int64 { return max(0, p.from.Offset-i.Offset) >> 20 }
	return cmp.Or(cmp.Compare(behind(a), behind(b)), cmp.Compare(a.Name, b.Name))
}

// silent says that an instance does not answer, and why.
func silent(i *Instance) string { return i.Name + " does not answer" + because(i.Trouble) }

// unfit says why an instance cannot take over from a master, or nothing.
func (p *planner) unfit(i *Instance) string {
	switch {
	case !i.Reachable:
		return "does not answer" + because(i.Trouble)
	case i.Master || i.Of != p.from.Addr:
		return "does not follow " + p.from.Name
	case i.Loading || i.Syncing || !i.LinkUp:
		return "is not in sync"
	case i.History != p.from.History:
		return "has another history than " + p.from.Name
	case i.Priority == 0:
		return "has replica-priority 0"
	case i.FailingOver || p.from.FailingOver:
		return "is part of a FAILOVER that somebody else began"
	case i.Followers > 0:
		return "has replicas of its own" // the fence would not hold
	case p.PausedAt.IsZero() && p.from.Offset-i.Offset > p.MaxLag:
		return fmt.Sprintf("lacks %d bytes", p.from.Offset-i.Offset)
	}
	return ""
}

// pending is who takes over when From is demoted already: who was chosen, unless another one is master with all that From has,
// as somebody else has promoted it; or one with the fence on, or following From with all it has.
func (p *planner) pending() *Instance {
	chosen := p.byName(p.targetName())
	if chosen != nil && (!chosen.Reachable || chosen.Master) {
		return chosen
	}
	mine := func(i *Instance) bool {
		return i != p.from && i.Reachable && i.Of == p.from.Addr && i.History == p.from.History
	}
	if master := p.find(func(i *Instance) bool { return i.Reachable && i.Master && contains(i, p.from) }); master != nil {
		return master
	}
	if chosen != nil {
		return chosen
	}
	if fenced := p.find(func(i *Instance) bool { return mine(i) && i.Fence != p.configured }); fenced != nil {
		return fenced
	}
	return p.find(func(i *Instance) bool {
		return mine(i) && caughtUp(i, p.from) && i.Priority > 0 && i.Followers == 0
	})
}

// caughtUp: to, which follows from, has carried out every byte.
func caughtUp(to, from *Instance) bool { return to.Offset == from.Offset }

// contains: the bytes of b are the first ones of a.
func contains(a, b *Instance) bool {
	return a.History == b.History && a.Offset >= b.Offset || a.Former == b.History && a.FormerEnd > b.Offset
}

// strays are masters beside the master.
func (p *planner) strays(master *Instance) (Step, bool) {
	x := p.find(func(i *Instance) bool { return i != master && i.Reachable && i.Master })
	if x == nil {
		return Step{}, false
	}
	return p.stray(x, master), true
}

// harmless: a master has the fence on and nobody follows it, nor has anybody who answers ever followed it since it was
// promoted; so it has taken no write. Its offset may have moved, as Sentinels publish through it.
func (p *planner) harmless(x *Instance) bool {
	return p.fenced(x) && x.Followers == 0 && p.find(func(i *Instance) bool {
		return i != x && i.Reachable && (i.History == x.History || i.Former == x.History)
	}) == nil
}

// stray is what becomes of a master that is not the master: if it is harmless, and what it had before its promotion the
// master has too, it follows. Histories tell that of the last two promotions only; after that Sentinel makes a replica of it.
func (p *planner) stray(x, master *Instance) Step {
	switch {
	case !p.harmless(x) || p.expired() || p.overruled(p.from, master) != "":
		return end(Undecided, reason.TwoMasters, master.Name+" and "+x.Name)
	case !p.allSentinels(): // one that does not answer may have promoted it, and it may have taken writes before it had the fence on
		return Step{Do: Wait, Text: "for all Sentinels: one may have promoted " + x.Name}
	case !within(x, master):
		return Step{Do: Wait, Text: "for Sentinel to make a replica of " + x.Name}
	}
	if step, ok := p.tell(master); ok {
		return step
	}
	return Step{Do: Follow, Instance: x.Name, Master: master.Name, Text: "it was promoted in vain, and has taken no write"}
}

// gather has the replicas that follow From follow x, if what they have is the beginning of what x has: whatever they have
// beyond that would be thrown away.
func (p *planner) gather(x *Instance) (Step, bool) {
	for i := range p.Instances {
		r := &p.Instances[i]
		if !r.Reachable || r == x || r == p.from || r.Master || r.Of == x.Addr || r.Of != p.from.Addr {
			continue
		}
		if r.History == x.History || contains(x, r) { // what has x's own history came from x, if it was looked at later than x too
			return Step{Do: Follow, Instance: r.Name, Master: x.Name, Text: x.Name + " is master"}, true
		}
	}
	return Step{}, false
}

// unchain has a replica that follows another replica of From follow From itself. It is left of a handover during which it was told to follow
// the master of before. Neither of the two could take over: the one does not follow the master, and the fence of the other would not hold.
func (p *planner) unchain() (Step, bool) {
	if !p.PausedAt.IsZero() || p.from.FailingOver {
		return Step{}, false
	}
	for n := range p.Instances {
		r := &p.Instances[n]
		if r == p.from || !r.Reachable || r.Master || r.FailingOver || r.Of == p.from.Addr || r.History != p.from.History && !contains(p.from, r) {
			continue
		}
		if x := p.byAddr(r.Of); x != nil && x != r && x.Reachable && !x.Master && x.Of == p.from.Addr {
			return Step{Do: Follow, Instance: r.Name, Master: p.from.Name, Text: "it follows " + x.Name + ", which is a replica"}, true
		}
	}
	return Step{}, false
}

// unchained: a replica follows From, and has yet to be in sync or to be left by who followed it, as after unchain.
func (p *planner) unchained() bool {
	return p.find(func(i *Instance) bool {
		return i != p.from && i.Reachable && !i.Master && i.Of == p.from.Addr && i.History == p.from.History && (!i.LinkUp || i.Followers > 0)
	}) != nil
}
