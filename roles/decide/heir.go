package decide

import (
	"fmt"
	"strings"

	"github.com/shoal-dev/shoal/reason"
)

// heir is who gets the label when nobody has it: the one who claims to be master lately, takes writes, and whom most
// Sentinels name. Without an HA system it must be known of all others that they are not. One that is known to be empty while
// others hold data gets none. Otherwise it says why nobody gets it.
func (p *planner) heir() (*Instance, reason.Code, string) {
	switch {
	case p.contested():
		return nil, reason.MastersContested, names(p.rivals)
	case p.one == nil && p.decided:
		return nil, reason.MasterNotConfirmed, fmt.Sprintf("%s, named by election %d", p.named(), p.HA.Epoch)
	case p.one == nil:
		return nil, reason.NoMasterClaim, ""
	}
	for _, rule := range []func(*Instance) (reason.Code, string){p.elected, p.serving, p.alone, p.filled} {
		if code, text := rule(p.one); code != 0 {
			return nil, code, text
		}
	}
	return p.one, 0, ""
}

// elected: most Sentinels name it, or there are none.
func (p *planner) elected(i *Instance) (reason.Code, string) {
	switch {
	case p.HA.Static:
		return 0, ""
	case !p.HA.Heard:
		return reason.HASilent, i.Name + " says that it is master" + because(p.HA.Trouble)
	case !p.usable || p.behind:
		return reason.HASilent, fmt.Sprintf("%s says that it is master, and the HA system is at election %d", i.Name, p.HA.Epoch)
	case p.HA.Master != i.Name:
		return reason.MasterNotConfirmed, fmt.Sprintf("%s; %s says that it is master", p.named(), i.Name)
	case !p.HA.Agreed:
		return reason.HASilent, fmt.Sprintf("too few Sentinels name %s yet", i.Name)
	}
	return 0, ""
}

// serving: it said lately that it is master, and takes writes. Services publish it, ready or not.
func (p *planner) serving(i *Instance) (reason.Code, string) {
	switch {
	case !i.claims(): // a rival only by its label
		return reason.MasterSilent, i.Name
	case !p.fresh(i):
		return reason.MasterSilent, i.Name
	case !i.Running || !i.Ready || i.Going || i.Report.Loading:
		return reason.MasterNotServing, i.Name
	}
	return 0, ""
}

// alone: where no election decides, all others said that they are not master.
func (p *planner) alone(i *Instance) (reason.Code, string) {
	if !p.HA.Static {
		return 0, ""
	}
	var open []*Instance
	for n := range p.Instances {
		if other := &p.Instances[n]; other != i && !other.out() && other.Running && !other.denies() {
			open = append(open, other)
		}
	}
	if len(open) > 0 {
		return reason.OthersUnheard, fmt.Sprintf("%s says that it is master, and nothing is known of %s", i.Name, names(open))
	}
	return 0, ""
}

func because(trouble string) string {
	if trouble == "" {
		return ""
	}
	return ": " + trouble
}

// conditions judges the shard.
func (p *planner) conditions() {
	p.plan.NoMaster = p.noMaster()
	if text := p.forMaster(); p.plan.NoMaster.True && text != "" {
		p.plan.NoMaster.Text = strings.TrimPrefix(p.plan.NoMaster.Text+"; "+text, "; ")
	}
	p.plan.TwoMasters = Verdict{Reason: reason.OneMaster}
	switch {
	case p.contested():
		p.plan.TwoMasters = Verdict{true, reason.MastersContested, names(p.rivals)}
	case p.outdated() != "":
		p.plan.TwoMasters = Verdict{true, reason.OutdatedMaster, p.outdated()}
	}
}

// forMaster names those who are protected until there is a master, or nobody.
func (p *planner) forMaster() string {
	var all []*Instance
	for n := range p.Instances {
		if i := &p.Instances[n]; p.waiting(i) {
			all = append(all, i)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return "protected until then: " + names(all)
}

func (p *planner) noMaster() Verdict {
	if p.keeper() != nil {
		return Verdict{Reason: reason.MasterLabelled}
	}
	heir, code, text := p.heir()
	if heir != nil {
		return Verdict{true, reason.MasterMoving, "to " + heir.Name}
	}
	return Verdict{true, code, text}
}

// outdated names those who claim to be master beside one who is. Of the last claim of one that was replaced because it is
// dead, nobody needs to be told: it has to be heard since.
func (p *planner) outdated() string {
	claims := 0
	var all []*Instance
	for n := range p.Instances {
		i := &p.Instances[n]
		if !i.claims() {
			continue
		}
		claims++
		if p.isBeaten(i) && p.fresh(i) && (!p.decided || !i.HeardAt.Before(p.HA.Since)) {
			all = append(all, i)
		}
	}
	if claims < 2 {
		return ""
	}
	return names(all)
}
