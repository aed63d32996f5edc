package decide

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/shoal-dev/shoal/reason"
)

// Decide returns the next step. Within twice the timeout of the request it is End, whatever fails.
func Decide(s Snapshot) Step {
	p := newPlanner(s)
	step := p.next()
	if p.Old && slices.Contains([]Action{Promote, Return, Tell, Follow}, step.Do) {
		return Step{Do: Wait, Text: fmt.Sprintf("the look took %s", s.Took)}
	}
	if step.Do == End || p.Now.Sub(p.Began) <= 2*p.Timeout {
		return step
	}
	text := fmt.Sprintf("%s %s could not be done%s", step.Do, step.Instance, because(p.Trouble))
	if step.Do == Wait {
		text = step.Text
	}
	switch {
	case p.from.Reachable && p.from.Master:
		return end(Refused, cmp.Or(p.GivenUp, reason.SwitchoverTooLong), text)
	case p.from.Reachable && !p.from.Held:
		return p.handedOver(p.byAddr(p.from.Of), reason.HandedOverInPart, text)
	}
	return end(Undecided, reason.NoMaster, text)
}

// because is a cause, put behind what it caused.
func because(trouble string) string {
	if trouble == "" {
		return ""
	}
	return ": " + trouble
}

func (p *planner) next() Step {
	s := p.Snapshot
	switch {
	case s.Request.Policy == None:
		return end(Undecided, reason.SwitchoverNotWanted, "")
	case p.from == nil || s.Request.To != "" && p.byName(s.Request.To) == nil || s.Request.To == s.Request.From:
		return end(Undecided, reason.NotInShard, fmt.Sprintf("from %q to %q", s.Request.From, s.Request.To))
	case !p.from.Reachable:
		return p.withoutFrom()
	case p.from.Master:
		return p.handOver()
	case p.from.Held:
		return p.between()
	}
	return p.finish()
}

// handOver: From is master. Nothing has happened yet that the end of the pause does not undo, or it was undone.
func (p *planner) handOver() Step {
	if step, ok := p.usurped(); ok {
		return step
	}
	if step, ok := p.strays(p.from); ok {
		return step
	}
	if n := len(p.Told); n > 0 && p.Told[n-1].Of != p.from.Name { // who was told of may have all that From lacks by now
		if text := p.anew(); text != "" {
			return p.leave(text)
		}
	}
	if p.GivenUp != 0 {
		return p.giveUp(p.GivenUp, p.Why)
	}
	if p.expired() {
		return p.giveUp(reason.SwitchoverTooLong, p.Trouble)
	}
	if step, ok := p.unchain(); ok {
		return step
	}
	if code, text := p.unready(); code != 0 {
		passes := slices.Contains([]reason.Code{reason.TargetLost, reason.TargetBehind, reason.NoSentinelMajority}, code)
		if p.PausedAt.IsZero() && p.early() && (passes || code == reason.NoCandidate && p.unchained()) {
			return Step{Do: Wait, Text: text}
		}
		return p.giveUp(code, text)
	}
	to, _, _ := p.target()
	if p.from.Fence != p.configured {
		return Step{Do: SetFence, Instance: p.from.Name, Fence: p.configured, Text: "what an earlier switchover left"}
	}
	if !p.fenced(to) {
		return p.raise(to)
	}
	if p.PausedAt.IsZero() {
		return Step{Do: Pause, Instance: p.from.Name, Target: to.Name, Long: p.pause(), Text: "so that " + to.Name + " catches up"}
	}
	return p.stop(to)
}

// unready says why there is nobody who could take over now, or to whom Sentinels would agree. Writes are held for nobody who was not
// seen to keep up: a replica that has just been given a full copy is in sync by what it says, and its master may send it nothing
// more for up to a second.
func (p *planner) unready() (reason.Code, string) {
	to, code, text := p.target()
	if to == nil {
		return code, text
	}
	if missing := p.Had.Offset - to.Offset; p.PausedAt.IsZero() && p.Had.History == to.History && missing > 0 {
		return reason.TargetBehind, fmt.Sprintf("%s lacks %d bytes of what %s had when it was first looked at", to.Name, missing, p.from.Name)
	}
	if code, text := p.sentinelsReady(); code != 0 {
		return code, text
	}
	if p.sentinelsAlarmed() {
		return reason.NoSentinelMajority, "so many find the master down, or do not answer, that one may promote somebody"
	}
	return 0, ""
}

// stop: writes are held at From, and it is demoted if the other one has all of them in time.
func (p *planner) stop(to *Instance) Step {
	equal := caughtUp(to, p.from)
	switch late := p.Now.Sub(p.PausedAt) > p.CatchUp; {
	case !equal && late:
		return p.giveUp(reason.TargetBehind, fmt.Sprintf("%s lacks %d bytes after %s", to.Name, p.from.Offset-to.Offset, p.CatchUp))
	case !equal:
		return Step{Do: Wait, Text: fmt.Sprintf("%s lacks %d bytes", to.Name, p.from.Offset-to.Offset)}
	case !p.elected() && p.Now.Sub(p.PausedAt) > 2*p.CatchUp: // Sentinels write votes to their disks
		return p.giveUp(reason.NoSentinelMajority, "most Sentinels did not vote"+because(p.Trouble))
	case !p.elected():
		return Step{Do: Elect, Text: "so that no Sentinel promotes somebody meanwhile"}
	}
	return Step{Do: Demote, Instance: p.from.Name, Text: fmt.Sprintf("%s has all of its %d bytes", to.Name, to.Offset)}
}

// giveUp gives the writes back, then tidies up. From is master.
func (p *planner) giveUp(code reason.Code, text string) Step {
	if !p.PausedAt.IsZero() && !p.Unpaused {
		return Step{Do: Unpause, Instance: p.from.Name, Code: code, Text: text}
	}
	// Whoever told them of nobody has nothing to take back: what they name is their own choice.
	if step, ok := p.tell(p.from); ok && len(p.Told) > 0 && p.namesOther(p.from) {
		step.Code = code
		return step
	}
	if step, ok := p.tidy(); ok {
		step.Code = code
		return step
	}
	return end(Refused, code, text)
}

// tidy takes the fence from the one that did not take over, if it is a replica still.
func (p *planner) tidy() (Step, bool) {
	other := p.byName(p.targetName())
	if other == nil || !other.Reachable || other.Master || other.Fence == p.configured {
		return Step{}, false
	}
	return Step{Do: SetFence, Instance: other.Name, Fence: p.configured, Text: "as configured"}, true
}

// usurped: From is master, and Sentinels name somebody else: whom they have promoted while it did not answer. From is a master
// of the past, which they will make a replica. A pause of it is left to end by itself, as what it takes is lost.
func (p *planner) usurped() (Step, bool) {
	text := p.foreign(p.from)
	if answer, named := p.naming(p.from); text == "" && len(p.Told) == 0 && answer >= p.need() && named < p.need() {
		text = fmt.Sprintf("%d Sentinels of %d that are needed name %s", named, p.need(), p.from.Name)
	}
	if text == "" || p.Static {
		return Step{}, false
	}
	if p.early() {
		return Step{Do: Wait, Text: text}, true
	}
	if step, ok := p.tidy(); ok && !p.expired() {
		return step, true
	}
	return end(Undecided, reason.AnotherMaster, text), true
}

// leave: Sentinels have chosen somebody else, and finish what they do.
func (p *planner) leave(text string) Step {
	if !p.expired() {
		return Step{Do: Wait, Text: text}
	}
	return end(Undecided, reason.AnotherMaster, text)
}

// between: From follows nobody, so nobody takes writes.
func (p *planner) between() Step {
	to := p.pending()
	for n := range p.Instances {
		if x := &p.Instances[n]; x.Reachable && x.Master && x != to && (!p.harmless(x) || !p.allSentinels()) {
			return p.leave(x.Name + " is master")
		}
	}
	if text := p.anew(); text != "" && !p.completed(to) {
		return p.without(reason.StartedAnew, text)
	}
	if text := p.overruled(p.from, to); text != "" {
		return p.leave(text)
	}
	if to != nil && to.Reachable && to.Master {
		return p.succeeded(to)
	}
	// Before the vote is asked for: it would keep Sentinels from what only they can do.
	if text := p.overruled(p.from); text != "" && !p.mayTakeOver(to) {
		return p.leave(text)
	}
	if text := p.unmatched(); text != "" && !p.mayTakeOver(to) {
		return p.apart(text)
	}
	if !p.elected() {
		return p.electBetween()
	}
	if step, ok := p.forward(to); ok {
		return step
	}
	return p.goBack(to)
}

// succeeded: the one that was to take over is master. From follows it, if it has everything.
func (p *planner) succeeded(to *Instance) Step {
	if !contains(to, p.from) {
		return end(Undecided, reason.HistoriesDiffer, fmt.Sprintf("%s is master and lacks bytes of %s", to.Name, p.from.Name))
	}
	// Nobody else was chosen: without Sentinels who could be told, writes go on all the same.
	if step, ok := p.tell(to); ok && !p.expired() {
		step.Target = to.Name
		return step
	}
	return Step{Do: Follow, Instance: p.from.Name, Master: to.Name, Target: to.Name, Text: to.Name + " is master, and has all of its bytes"}
}

// mayTakeOver: the one that is to take over can still, when it has caught up.
func (p *planner) mayTakeOver(to *Instance) bool {
	return p.GivenUp == 0 && to != nil && to.Reachable && to.History == p.from.History
}

// forward is the next step towards the one that is to take over, false when it cannot be, or has not caught up in time.
func (p *planner) forward(to *Instance) (Step, bool) {
	waited := p.Now.Sub(p.stopped()) > p.CatchUp
	may := p.mayTakeOver(to)
	switch {
	case may && !p.fenced(to):
		return p.raise(to), true
	case may && caughtUp(to, p.from) && !to.Loading && !to.Syncing && to.Followers == 0: // the fence would not hold
		return Step{Do: Promote, Instance: to.Name, Target: to.Name, Text: fmt.Sprintf("it has all of the %d bytes", to.Offset)}, true
	case may && !waited:
		return Step{Do: Wait, Text: fmt.Sprintf("%s lacks %d bytes", to.Name, p.from.Offset-to.Offset)}, true
	}
	return Step{}, false
}

// electBetween: nobody is promoted while a Sentinel may be about to promote somebody.
func (p *planner) electBetween() Step {
	if code, text := p.sentinelsReady(); code != 0 || p.sentinelsAlarmed() {
		if p.expired() {
			return end(Undecided, reason.NoMaster, "Sentinels did not vote, and decide: "+text)
		}
		return Step{Do: Wait, Text: "for Sentinels: " + text}
	}
	if p.expired() {
		return end(Undecided, reason.NoMaster, "most Sentinels did not vote"+because(p.Trouble))
	}
	return Step{Do: Elect, Text: "so that no Sentinel promotes somebody meanwhile"}
}

// goBack makes From master again. The other may be master too by now, for all that is known: nobody follows it, so it
// takes no writes.
func (p *planner) goBack(to *Instance) Step {
	code, text := reason.TargetBehind, "no instance has what "+p.from.Name+" has"
	if to != nil {
		text = to.Name + " did not catch up"
		if !to.Reachable {
			code, text = reason.TargetLost, silent(to)
		}
	}
	why := p.mayBeFollowed()
	if p.Written != "" {
		why = p.Written + " was master, and may have taken writes"
	}
	if why != "" {
		if p.expired() {
			return end(Undecided, reason.NoMaster, why)
		}
		return Step{Do: Wait, Text: why}
	}
	if text := p.unmatched(); text != "" {
		return p.apart(text)
	}
	if p.GivenUp != 0 {
		code = p.GivenUp
	}
	if text := p.overruled(p.from); text != "" {
		return p.leave(text)
	}
	// First: Sentinels that name the other one would make From follow it, with what From takes from here on.
	if step, ok := p.tell(p.from); ok {
		step.Code, step.Text = code, cmp.Or(p.Why, text)
		if p.expired() {
			return end(Undecided, reason.NoMaster, text+", and Sentinels were told of it")
		}
		return step
	}
	return Step{Do: Return, Instance: p.from.Name, Code: code, Text: cmp.Or(p.Why, text)}
}

// apart: From may lack what another one has, and is not made master over it.
func (p *planner) apart(text string) Step {
	if p.expired() {
		return end(Undecided, reason.StartedAnew, text)
	}
	return Step{Do: Wait, Text: text}
}

// mayBeFollowed says why it is not certain that nobody follows a master, or nothing. One that does not answer may be one.
func (p *planner) mayBeFollowed() string {
	silent := 0
	for n := range p.Instances {
		i := &p.Instances[n]
		switch {
		case !i.Reachable:
			silent++
			continue
		case i == p.from || i.Master || i.Held || i.Of == p.from.Addr:
			continue
		}
		if leader := p.byAddr(i.Of); leader == nil || !leader.Reachable || leader.Master {
			return i.Name + " follows " + i.Of
		}
	}
	if silent > 1 {
		return "two do not answer, and one may follow the other"
	}
	return ""
}

// finish: From follows somebody. What is left is to have everybody follow, and to take the fence away.
func (p *planner) finish() Step {
	x := p.byAddr(p.from.Of)
	switch {
	case x == nil:
		return end(Undecided, reason.AnotherMaster, p.from.Name+" follows "+p.from.Of)
	case !x.Reachable || !x.Master:
		if !p.expired() {
			return Step{Do: Wait, Text: "for " + x.Name}
		}
		return end(Undecided, reason.NoMaster, fmt.Sprintf("%s follows %s, which is no master or does not answer%s", p.from.Name, x.Name, because(x.Trouble)))
	}
	if text := p.overruled(p.from, x); text != "" {
		return p.leave(text)
	}
	if step, ok := p.strays(x); ok {
		return step
	}
	if !p.Unpaused {
		return Step{Do: Unpause, Instance: p.from.Name, Text: "its clients learn that it is a replica"}
	}
	if p.from.LinkUp && x.Fence != p.configured {
		return p.lower(x, p.from.Name+" follows it")
	}
	if step, ok := p.gather(x); ok {
		return step
	}
	if step, ok := p.tellLate(x); ok && !p.expired() {
		return step
	}
	return p.verify(x)
}

// verify ends when everybody who answers is in sync.
func (p *planner) verify(x *Instance) Step {
	missing := ""
	for _, i := range p.Instances {
		if i.Reachable && i.Name != x.Name && (i.Of != x.Addr || !i.LinkUp) {
			missing = i.Name + " is not in sync"
		}
	}
	for _, i := range p.Instances {
		if i.Reachable && !i.Master && i.Fence != p.configured {
			return Step{Do: SetFence, Instance: i.Name, Fence: p.configured, Text: "what an earlier switchover left"}
		}
	}
	if x.Fence != p.configured {
		missing = x.Name + " still needs a replica to take writes"
	}
	if _, ok := p.tellLate(x); ok {
		missing = "most Sentinels were not told of " + x.Name
	}
	switch {
	case missing == "":
		return p.handedOver(x, reason.HandedOver, x.Name+" is master")
	case p.expired() && x.Fence == p.configured:
		return p.handedOver(x, reason.HandedOverInPart, missing+because(p.Trouble))
	}
	return Step{Do: Wait, Text: missing}
}

// handedOver is the end at which From follows x. Without From, x would take no writes while its fence is on.
func (p *planner) handedOver(x *Instance, code reason.Code, text string) Step {
	step := end(HandedOver, code, text)
	step.Fenced = x == nil || x.Fence != p.configured && p.fenced(x)
	return step
}

// withoutFrom: From does not answer. Before it was demoted that is a failure like any other, and Sentinel's to handle. After it
// was seen to follow nobody, and after Sentinels were told of the other master, the others go on without it: those who voted
// would promote nobody for a long time.
func (p *planner) withoutFrom() Step { return p.without(reason.MasterUnreachable, silent(p.from)) }

// without goes on without From, or waits for it, or ends for that reason.
func (p *planner) without(code reason.Code, text string) Step {
	if to := p.byName(p.targetName()); to != nil && to.Reachable && p.overruled(p.from, to) == "" {
		if step, ok := p.carryOn(to, text); ok {
			return step
		}
	}
	if begun := !p.PausedAt.IsZero() || !p.StoppedAt.IsZero(); p.early() || begun && !p.expired() {
		return Step{Do: Wait, Text: text}
	}
	return end(Undecided, code, text)
}

// carryOn is the next step of those who are left, false if there is none for now. Why says what is the matter with From.
func (p *planner) carryOn(to *Instance, why string) (Step, bool) {
	all := p.Left.History != "" && contains(to, p.Left.instance()) && (p.Most.History == "" || contains(to, p.Most.instance()))
	switch {
	case !to.Master && (!all || to.Of != p.from.Addr || to.Followers > 0 || p.GivenUp != 0 || !p.elected()):
		return Step{}, false
	case !to.Master && !p.fenced(to):
		return p.raise(to), true
	case !to.Master:
		return Step{Do: Promote, Instance: to.Name, Target: to.Name, Text: fmt.Sprintf("%s had %d bytes, and it has them all", p.from.Name, p.Left.Offset)}, true
	case !p.told(to):
		step, _ := p.tell(to)
		return step, all && !p.expired()
	}
	if step, ok := p.gather(to); ok {
		return step, true
	}
	switch {
	case to.Followers == 0 && (!all || p.Static): // most Sentinels name it: without them nobody could keep From from being made master again
		return Step{}, false
	case to.Fence != p.configured:
		return p.lower(to, "Sentinels name it, and "+why), true
	}
	return p.handedOver(to, reason.HandedOverInPart, why), true
}

// raise has the one that takes over take no writes before somebody follows it.
func (p *planner) raise(to *Instance) Step {
	return Step{Do: SetFence, Instance: to.Name, Target: to.Name, Fence: p.fence(), Text: "it takes no writes before somebody follows it"}
}

// lower has the one that has taken over take writes alone, as far as the configuration lets it.
func (p *planner) lower(x *Instance, text string) Step {
	return Step{Do: SetFence, Instance: x.Name, Fence: p.configured, Opens: true, Text: text}
}
