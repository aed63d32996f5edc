package decide

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/shoal-dev/shoal/reason"
)

// need is how many Sentinels have to agree: most of all that anybody knows of, and their quorum.
func (p *planner) need() int {
	all, quorum := len(p.Sentinels), 0
	for _, s := range p.Sentinels {
		if s.Reachable {
			all, quorum = max(all, s.Peers+1), max(quorum, s.Quorum)
		}
	}
	return max(all/2+1, quorum)
}

// sentinelsReady says why an election cannot be won now, or nothing.
func (p *planner) sentinelsReady() (reason.Code, string) {
	if p.Static {
		return 0, ""
	}
	able := 0
	for _, s := range p.Sentinels {
		switch {
		case s.Reachable && s.FailingOver:
			return reason.FailoverRunning, "Sentinel " + s.Addr
		case s.Reachable && s.Peers > 0:
			able++
		}
	}
	if able < p.need() {
		text, cause := fmt.Sprintf("%d of %d that are needed answer and know another one", able, p.need()), ""
		for _, s := range p.Sentinels {
			if !s.Reachable {
				cause = cmp.Or(cause, because(s.Trouble))
			}
		}
		return reason.NoSentinelMajority, text + cause
	}
	return 0, ""
}

// sentinelsAlarmed: so many find the master down, or do not answer, that one may call an election by itself.
func (p *planner) sentinelsAlarmed() bool {
	alarmed, quorum := 0, 1
	for _, s := range p.Sentinels {
		if !s.Reachable || s.Down {
			alarmed++
		}
		if s.Reachable {
			quorum = max(1, s.Quorum)
		}
	}
	return !p.Static && alarmed >= quorum
}

// elected: this run has won an election, and those who voted call none for a while.
func (p *planner) elected() bool {
	if p.Static {
		return true
	}
	hold := p.Timeout
	for _, s := range p.Sentinels {
		if s.Reachable {
			hold = min(hold, s.FailoverTimeout)
		}
	}
	return p.Memory.Epoch > 0 && p.Now.Sub(p.ElectedAt) < hold
}

// told: every Sentinel names the instance as master, or most were told in the election that this run has won. One that does
// not answer may have heard otherwise, and would convince the others of it unless their election is newer.
func (p *planner) told(x *Instance) bool {
	all, named, lately := 0, 0, 0
	for _, s := range p.Sentinels {
		all = max(all, s.Peers+1, len(p.Sentinels))
		if s.Reachable && s.Master == x.Addr {
			named++
			if p.Memory.Epoch > 0 && s.Epoch >= p.Memory.Epoch {
				lately++
			}
		}
	}
	return p.Static || all > 0 && named == all || lately >= p.need()
}

// tell is the step that has Sentinels name x, with the election that it needs; none if they do.
func (p *planner) tell(x *Instance) (Step, bool) {
	newest := uint64(0)
	for _, s := range p.Sentinels {
		newest = max(newest, s.Epoch)
	}
	spent := false // in one election Sentinels are told of one master
	if n := len(p.Told); n > 0 {
		spent = p.Told[n-1].Of != x.Name && p.Told[n-1].In == p.Memory.Epoch
	}
	stale := p.namesOther(x) && p.Memory.Epoch <= newest // they listen to what is newer than what they know
	switch {
	case p.told(x):
		return Step{}, false
	case !p.elected() || spent || stale:
		return Step{Do: Elect, Text: "to tell Sentinels of " + x.Name}, true
	}
	return Step{Do: Tell, Instance: x.Name, Text: "it is master"}, true
}

// tellLate is tell when From follows x already. If most name x and none another, it was done, though not by this run: another
// election would keep Sentinels from theirs for twice their failover-timeout, each time that somebody asks again.
func (p *planner) tellLate(x *Instance) (Step, bool) {
	if _, named := p.naming(x); named >= p.need() && len(p.Told) == 0 && !p.namesOther(x) {
		return Step{}, false
	}
	return p.tell(x)
}

// naming counts the Sentinels that answer, and those of them that name the instance.
func (p *planner) naming(x *Instance) (answer, named int) {
	for _, s := range p.Sentinels {
		if s.Reachable {
			answer++
			if s.Master == x.Addr {
				named++
			}
		}
	}
	return answer, named
}

// foreign is a text that says which Sentinel names none of these and was not told so by this run: a failover that somebody
// else began, which is never overruled. One that knows of no election as late as the others has yet to hear of theirs.
func (p *planner) foreign(these ...*Instance) string {
	expected := func(s Sentinel) bool {
		return slices.ContainsFunc(these, func(x *Instance) bool { return x != nil && x.Addr == s.Master }) ||
			slices.ContainsFunc(p.Told, func(t Told) bool {
				of := p.byName(t.Of)
				return of != nil && of.Addr == s.Master && t.In == s.Epoch
			})
	}
	newest := uint64(0)
	for _, s := range p.Sentinels {
		if s.Reachable && expected(s) {
			newest = max(newest, s.Epoch)
		}
	}
	for _, s := range p.Sentinels {
		if s.Reachable && !expected(s) && s.Epoch >= newest {
			return fmt.Sprintf("Sentinel %s names %s, by election %d", s.Addr, s.Master, s.Epoch)
		}
	}
	return ""
}

// overruled is foreign, or that a Sentinel is about to promote somebody: who that is shows when it has.
func (p *planner) overruled(these ...*Instance) string {
	for _, s := range p.Sentinels {
		if s.Reachable && s.FailingOver {
			return "Sentinel " + s.Addr + " promotes somebody"
		}
	}
	return p.foreign(these...)
}

// allSentinels: every Sentinel answers, so that none of them has promoted somebody unseen.
func (p *planner) allSentinels() bool {
	return !slices.ContainsFunc(p.Sentinels, func(s Sentinel) bool { return !s.Reachable })
}

// namesOther: a Sentinel names somebody else than these.
func (p *planner) namesOther(these ...*Instance) bool {
	for _, s := range p.Sentinels {
		if s.Reachable && !slices.ContainsFunc(these, func(x *Instance) bool { return x.Addr == s.Master }) {
			return true
		}
	}
	return false
}

// pause is for how long writes are held at most. Sentinels publish through the master, wait with what comes after that, and
// find it down if that takes too long.
func (p *planner) pause() time.Duration {
	long := p.Request.Pause
	for _, s := range p.Sentinels {
		if s.Reachable && s.DownAfter > 0 {
			long = min(long, s.DownAfter/2)
		}
	}
	return long
}
