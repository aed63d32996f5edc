package decide

import (
	"fmt"
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
		return reason.NoSentinelMajority, fmt.Sprintf("%d of %d that are needed answer and know another one", able, p.need())
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

// told: as many Sentinels as are needed name the instance as master.
func (p *planner) told(x *Instance) bool {
	if p.Static {
		return true
	}
	named := 0
	for _, s := range p.Sentinels {
		if s.Reachable && s.Master == x.Addr {
			named++
		}
	}
	return named >= p.need()
}

// tell is the step that has Sentinels name x, with the election that it needs; none if they do.
func (p *planner) tell(x *Instance) (Step, bool) {
	switch {
	case p.told(x):
		return Step{}, false
	case !p.elected():
		return Step{Do: Elect, Text: "to tell Sentinels of " + x.Name}, true
	}
	return Step{Do: Tell, Instance: x.Name, Text: "it is master"}, true
}

// namesTarget: a Sentinel was told of the one that was to take over.
func (p *planner) namesTarget() bool {
	to := p.byName(p.targetName())
	for _, s := range p.Sentinels {
		if to != nil && s.Reachable && s.Master == to.Addr {
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
