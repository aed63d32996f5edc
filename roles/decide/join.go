package decide

import (
	"fmt"

	"github.com/shoal-dev/shoal/reason"
)

// Holding is what the data set of an engine has.
type Holding string

// The holdings. HoldsUnknown may be anything.
const (
	HoldsUnknown Holding = ""
	HoldsNothing Holding = "nothing"
	HoldsData    Holding = "data"
)

// Join is an order to a protected instance: to follow the master.
type Join struct {
	Instance, UID string
	// Master carries the label, in the pod MasterUID, by election Epoch; 0: by none.
	Master, MasterUID string
	Epoch             int64
	// NeedsData: the instance may hold data, so that a master that holds none would destroy it.
	NeedsData bool
	Reason    reason.Code
	Text      string
}

// String is the line of a scenario.
func (j Join) String() string {
	return fmt.Sprintf("%-8s %-24s %s", "join", fmt.Sprintf("%s to %s by %d", j.Instance, j.Master, j.Epoch), j.Text)
}

// Wait is a protected instance that is given no master, and what it waits for.
type Wait struct {
	Instance string
	Reason   reason.Code
	Text     string
}

// String is what it waits for, with the code.
func (w Wait) String() string {
	if w.Text == "" {
		return w.Reason.Message()
	}
	return fmt.Sprintf("%s: %s", w.Text, w.Reason.Message())
}

// join gives a master to whoever is protected and waits for one: who carries the label, and is master by all that is known now. An
// instance that has a master, or is one, is never given another: what it holds would be replaced. While nobody is agreed on nobody
// joins, and nobody is made master here, least of all an empty one.
func (p *planner) join() {
	for n := range p.Instances {
		i := &p.Instances[n]
		if !p.waiting(i) {
			continue
		}
		m, code, text := p.joinable()
		if code == 0 {
			code, text = p.mayFollow(i, m)
		}
		if code != 0 {
			p.plan.Waits = append(p.plan.Waits, Wait{i.Name, code, text})
			continue
		}
		epoch := p.HA.Epoch
		if p.HA.Static {
			epoch = 0
		}
		p.plan.Joins = append(p.plan.Joins, Join{
			Instance: i.Name, UID: i.UID, Master: m.Name, MasterUID: m.UID, Epoch: epoch, NeedsData: i.Report.Holds != HoldsNothing,
			Reason: reason.JoinMaster, Text: reason.JoinMaster.Message(),
		})
	}
}

// waiting: it said lately that it follows nobody on purpose, and goes on to run.
func (p *planner) waiting(i *Instance) bool {
	return !i.out() && i.Running && !i.Going && p.fresh(i) && i.Report.Role == Replica && i.Report.Protected
}

// joinable is the master that others may be told to follow, or why there is none. The snapshot shows the label: it was confirmed.
func (p *planner) joinable() (*Instance, reason.Code, string) {
	if p.HandingOver {
		return nil, reason.JoinHandover, ""
	}
	holders := p.holders()
	if len(holders) != 1 || p.unfit(holders[0]) != 0 {
		return nil, reason.JoinNoMaster, p.plan.NoMaster.Reason.Text()
	}
	m := holders[0]
	for _, rule := range []func(*Instance) (reason.Code, string){p.elected, p.serving, p.alone} {
		if code, text := rule(m); code != 0 {
			return nil, code, text
		}
	}
	return m, 0, ""
}

// mayFollow: to follow m destroys nothing.
func (p *planner) mayFollow(i, m *Instance) (reason.Code, string) {
	switch {
	case i.Report.Loading:
		return reason.JoinLoading, i.Name
	case !m.Report.feeds(i.Report.Holds != HoldsNothing):
		return reason.JoinMasterEmpty, fmt.Sprintf("%s, and %s may hold data", m.Name, i.Name)
	}
	return 0, ""
}

// feeds: whoever follows it gets data, or has none to lose.
func (r Report) feeds(needsData bool) bool { return !needsData || r.Holds == HoldsData }

// Stands reports whether an order to join holds by what the agent of the master says now, asked after it was decided.
func (j Join) Stands(master Report) bool {
	return master.Role == Master && !master.Protected && !master.Loading && master.feeds(j.NeedsData)
}

// inSync: by what was heard of it last, it has what its master has, and goes on to get it.
func (i *Instance) inSync() bool {
	return !i.Report.Unlinked && !i.Report.Loading && !i.Report.Protected
}
