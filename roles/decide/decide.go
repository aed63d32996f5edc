package decide

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shoal-dev/shoal/reason"
)

// planner collects the plan for one snapshot.
type planner struct {
	Snapshot
	plan Plan

	// rivals claim to be master, or carry its label and cannot be asked. beaten are those of them that a later election
	// rules out. one is the rival that is left, nil if none or several are.
	rivals, beaten []*Instance
	one            *Instance
	// early: somebody has just begun to claim what another one has the label for, and that one has not spoken since.
	early bool
	// usable: the HA system answers, and is not behind what it said itself. behind: agents know of a later election.
	// decided: the HA system says who is master, by an election, or before the first one as all of it was configured.
	usable, behind, decided bool
}

// Decide makes the plan for one shard.
func Decide(s Snapshot) Plan {
	s.Instances = slices.Clone(s.Instances)
	slices.SortFunc(s.Instances, func(a, b Instance) int { return cmp.Compare(a.Name, b.Name) })
	p := &planner{Snapshot: s}
	p.listen()
	p.compare()
	p.strip()
	p.relabel()
	p.set()
	p.conditions()
	p.lags()
	p.join()
	p.empty()
	p.unknown()
	return p.plan
}

func (p *planner) ignore(who string, code reason.Code, format string, args ...any) {
	p.plan.Ignored = append(p.plan.Ignored, Ignored{who, code, fmt.Sprintf(format, args...)})
}

// listen judges the HA system. One that is behind what it said before names a master that may be none any more. What agents
// know of a later election holds a label back, as most Sentinels may still have to hear of it; but it takes none from the
// one whom most Sentinels name, or any instance could take it by claiming a high number. When all Sentinels have said the same
// for long, they have lost what is known here: elections begin at a low number again.
//
// Before the first election Sentinels say what they were configured with, and no number says which claim is later. If most
// of them name one that says so itself, that decides.
func (p *planner) listen() {
	if p.HA.Static || !p.HA.Heard {
		return
	}
	known := p.HA.Floor
	for i := range p.Instances {
		if p.Instances[i].Heard {
			known = max(known, p.Instances[i].Report.Epoch)
		}
	}
	if p.behind = p.HA.Epoch < known && !p.HA.Sure; p.behind {
		p.ignore("HA", reason.ViewOutdated, "it names %s by election %d, and election %d is known", p.named(), p.HA.Epoch, known)
	}
	p.usable = p.HA.Sure || p.HA.Epoch >= p.HA.Floor && (!p.behind || p.HA.Agreed)
	configured := slices.ContainsFunc(p.Instances, func(i Instance) bool { return i.Name == p.HA.Master && i.claims() })
	p.decided = p.usable && (p.HA.Epoch > 0 || p.HA.Agreed && configured)
}

func (p *planner) named() string { return cmp.Or(p.HA.Master, p.HA.Addr, "nobody") }

// compare finds who may be master. A pod with the label that cannot be asked is a rival too, but not while everybody is
// silent: then it is as it was. If several have the label, somebody else has written it, and each of them is.
func (p *planner) compare() {
	// Rivals are not known yet: each is judged by itself.
	labelled := slices.DeleteFunc(p.holders(), func(i *Instance) bool { return p.unfit(i) != 0 })
	for n := range p.Instances {
		i := &p.Instances[n]
		unasked := !i.out() && i.Label == Master && !i.denies() && !i.claims()
		if i.claims() || unasked && (!p.Hushed || i.Heard || len(labelled) > 1) {
			p.rivals = append(p.rivals, i)
		}
	}
	var left []*Instance
	for _, i := range p.rivals {
		if code, text := p.ruledOut(i); code != 0 {
			p.beaten = append(p.beaten, i)
			p.ignore(i.Name, code, "%s", text)
			continue
		}
		left = append(left, i)
	}
	if len(left) == 1 {
		p.one = left[0]
	}
	p.early = len(left) > 1 && len(labelled) == 1 && p.unanswered(labelled[0], left)
}

// patience is for how long the word of the other one is waited for when a master changes, as what is written after the first report alone is
// written for nothing: two agents that look out of step see a change up to a look apart, which is a second by default (--poll-interval
// of cmd/agent), and half a second is for the reports, those of thousands of shards that change at once too.
const patience = 1500 * time.Millisecond

// unanswered: the holder of the label is one of those who claim to be master, and the others have begun to since it spoke, less than patience ago.
func (p *planner) unanswered(holder *Instance, claims []*Instance) bool {
	return slices.Contains(claims, holder) && holder.claims() && !slices.ContainsFunc(claims, func(i *Instance) bool {
		return i != holder && (!p.begins(i) || !holder.HeardAt.Before(i.ClaimedAt))
	})
}

// begins: it has claimed to be master for less than patience.
func (p *planner) begins(i *Instance) bool {
	left := i.ClaimedAt.Add(patience).Sub(p.Now)
	if !i.claims() || left <= 0 {
		return false
	}
	p.again(left)
	return true
}

// ruledOut says by which election the rival is not master, or nothing. What the HA system says goes before what agents say
// of it.
func (p *planner) ruledOut(i *Instance) (reason.Code, string) {
	if p.decided {
		if p.HA.Master != i.Name {
			return reason.ClaimSuperseded, fmt.Sprintf("it is taken for master, and the HA system names %s by election %d", p.named(), p.HA.Epoch)
		}
		return 0, ""
	}
	if !i.claims() {
		return 0, "" // by which election it got the label is not known
	}
	for _, other := range p.rivals {
		if other.claims() && other.Report.Epoch > i.Report.Epoch {
			return reason.ClaimSuperseded, fmt.Sprintf("it claims to be master by election %d, and %s by election %d", i.Report.Epoch, other.Name, other.Report.Epoch)
		}
	}
	return 0, ""
}

func (p *planner) isBeaten(i *Instance) bool { return slices.Contains(p.beaten, i) }

// contested: several may be master, and no election says which of them.
func (p *planner) contested() bool { return len(p.rivals)-len(p.beaten) > 1 && !p.early }

// strip takes the label master from whoever must not have it.
func (p *planner) strip() {
	for n := range p.Instances {
		i := &p.Instances[n]
		if i.Label != Master {
			continue
		}
		if code := p.unfit(i); code != 0 {
			to := p.lesser(i)
			p.step(Step{Do: Strip, From: Master, To: to, Reason: code}, i)
		}
	}
}

// unfit says why the instance must not carry the label master, or nothing. Silence is no reason.
func (p *planner) unfit(i *Instance) reason.Code {
	rules := []struct {
		code  reason.Code
		holds bool
	}{
		{reason.StripStranger, i.Stranger},
		{reason.StripLost, i.lost()},
		{reason.StripNotMaster, i.denies()},
		{reason.StripSuperseded, p.decided && p.HA.Master != i.Name || p.isBeaten(i)},
		{reason.StripContested, p.contested() && slices.Contains(p.rivals, i)},
	}
	for _, r := range rules {
		if r.holds {
			return r.code
		}
	}
	return 0
}

// lesser is the label of an instance that does not get master. Services publish whoever has it, ready or not: it is given to who
// serves, and taken from who does not.
func (p *planner) lesser(i *Instance) Role {
	switch {
	case i.Label == Replica && !p.contested() && p.begins(i) && p.serves(i) && !i.Report.Loading:
		return Replica // if it becomes the one, one write does both
	case i.out(), i.claims(), i.Heard && (i.Report.Role == None || i.Report.Protected), !p.serves(i), p.leftBehind(i):
		return NoLabel
	case i.Heard && i.Report.Role == Replica && p.fresh(i) && !i.Going && i.inSync():
		return Replica
	case i.Label == Master:
		return NoLabel
	}
	return i.Label // nothing new is known of it
}

// serves: by all that others than its agent say, its engine takes connections. That a node is silent says so too, as long as it is not
// most of them.
func (p *planner) serves(i *Instance) bool {
	return i.Running && i.Ready && !i.Going && (i.Node != NodeSilent || p.Dark)
}

// lagLimit is for how long a replica may be out of sync with a master that serves: a failover takes less.
const lagLimit = time.Minute

// leftBehind: it reads its data from the disk, or has lost its master for long while that goes on. Without a master that serves, nobody
// is ahead of anybody: all replicas lose their link when the master dies, and some go on serving what they have.
func (p *planner) leftBehind(i *Instance) bool {
	if !i.Heard || i.Report.Role != Replica {
		return false
	}
	if i.Report.Loading || !i.Report.Unlinked || !p.served() {
		return i.Report.Loading
	}
	left := i.UnlinkedAt.Add(lagLimit).Sub(p.Now)
	if left > 0 {
		p.again(left)
	}
	return left <= 0
}

// served: somebody has the label master, says so, and runs where it can be reached.
func (p *planner) served() bool {
	return slices.ContainsFunc(p.Instances, func(i Instance) bool {
		return i.Label == Master && p.unfit(&i) == 0 && i.claims() && p.fresh(&i) && i.Running && i.Ready && i.Node == NodeHealthy
	})
}

// relabel keeps the label replica where it belongs.
func (p *planner) relabel() {
	for n := range p.Instances {
		i := &p.Instances[n]
		to := p.lesser(i)
		if i.Label == Master || to == i.Label {
			continue
		}
		code := reason.LabelReplica
		if to == NoLabel {
			code = reason.ClearRole
			switch {
			case i.out():
				code = p.unfit(i)
			case !p.serves(i) || p.leftBehind(i):
				code = reason.ReplicaNotServing
			}
		}
		p.step(Step{Do: Relabel, From: i.Label, To: to, Reason: code}, i)
	}
}

// set gives the label master to one whom it belongs to, if nobody keeps it. Every other pod is written to before, in the same plan: by a
// step that strips it, by relabel, or by one that confirms.
func (p *planner) set() {
	if keeper := p.keeper(); keeper != nil {
		p.plan.Master = keeper.Name
		return
	}
	heir, _, _ := p.heir()
	if heir == nil {
		return
	}
	// What has just been said of the heir is that it is no replica: one write does both.
	p.plan.Steps = slices.DeleteFunc(p.plan.Steps, func(s Step) bool { return s.Instance == heir.Name })
	if !p.Complete {
		p.step(Step{Do: Census, For: heir.Name, Reason: reason.ConfirmStripped}, nil)
	}
	for n := range p.Instances {
		i := &p.Instances[n]
		written := slices.ContainsFunc(p.plan.Steps, func(s Step) bool { return s.Instance == i.Name })
		if i != heir && !written {
			p.step(Step{Do: Confirm, From: i.Label, To: i.Label, For: heir.Name, Reason: reason.ConfirmStripped}, i)
		}
	}
	p.step(Step{Do: Set, From: heir.Label, To: Master, Reason: reason.LabelMaster}, heir)
	p.plan.Master = heir.Name
}

// keeper carries the label master, and nothing speaks against it; nil for nobody.
func (p *planner) keeper() *Instance {
	for _, i := range p.holders() {
		if p.unfit(i) == 0 {
			return i
		}
	}
	return nil
}

// holders carry the label master, whatever has become of them.
func (p *planner) holders() []*Instance {
	var all []*Instance
	for n := range p.Instances {
		if p.Instances[n].Label == Master {
			all = append(all, &p.Instances[n])
		}
	}
	return all
}

func (p *planner) step(s Step, i *Instance) {
	if i != nil {
		s.Instance, s.UID, s.Version = i.Name, i.UID, i.Version
	}
	s.Text = s.Reason.Message()
	p.plan.Steps = append(p.plan.Steps, s)
}

// unknown lists who cannot be judged, and says when to look again because somebody falls silent.
func (p *planner) unknown() {
	for n := range p.Instances {
		i := &p.Instances[n]
		if i.out() || !i.Running {
			continue
		}
		if !p.fresh(i) && !p.Hushed || i.Heard && i.Report.Role == Unknown {
			p.plan.Unknown = append(p.plan.Unknown, i.Name)
		}
		if p.fresh(i) {
			p.again(i.HeardAt.Add(p.Silence).Sub(p.Now))
		}
	}
	if p.Hushed {
		p.again(p.Silence)
	}
}

func (p *planner) again(after time.Duration) {
	if p.plan.RequeueAfter == 0 || after < p.plan.RequeueAfter {
		p.plan.RequeueAfter = after
	}
}

func names(list []*Instance) string {
	var all []string
	for _, i := range list {
		all = append(all, i.Name)
	}
	return strings.Join(all, ", ")
}
