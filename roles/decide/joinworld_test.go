package decide

import (
	"fmt"
	"slices"

	"github.com/shoal-dev/shoal/api/agent"
)

// order is one to join, as it was sent: it may arrive at any time, and again.
type order struct {
	Join
	by, boot string
	lock     int
	// full: the master held data when it was asked, just before.
	full bool
}

// send has a manager give the orders of a plan, to the boots that it has heard of last. It asks the master's agent before, as roles
// does it.
func (m *manager) send(w *world, p Plan) {
	for _, j := range p.Joins {
		master := w.pods[j.Master]
		if master == nil || master.uid != j.MasterUID || master.ended || !j.Stands(said(w.asked(master))) {
			continue
		}
		if !master.was || !w.static && w.elections[j.Epoch] != j.Master {
			w.fail("%s sends %s, and that election made %s master", m.name, j, w.elections[j.Epoch])
		}
		w.say("%s: %s is sent", m.name, j)
		w.orders = append(w.orders, order{j, m.name, m.boots[j.UID], m.lock, master.full})
	}
}

// deliver has an order arrive, and sometimes keeps it to arrive again.
func (w *world) deliver() {
	if len(w.orders) == 0 {
		return
	}
	n := w.draw("order", len(w.orders))
	w.obey(w.orders[n])
	if w.draw("again", 3) > 0 {
		w.orders = slices.Delete(w.orders, n, n+1)
	}
}

// obey is what an agent does with an order (agent.late, agent/probe.judge).
func (w *world) obey(o order) {
	p := w.pods[o.Instance]
	switch {
	case p == nil || p.uid != o.UID || p.ended || p.deaf:
		return // nobody else has its certificate
	case p.bootID() != o.boot, o.Epoch != 0 && o.Epoch < p.triedEpoch, o.lock < p.triedLock:
		w.say("%s refuses %s of %s", o.Instance, o.Join, o.by)
		return
	}
	p.triedEpoch, p.triedLock = max(p.triedEpoch, o.Epoch), o.lock
	if !p.protected {
		return
	}
	if p.full && !o.full {
		w.fail("%s holds data, and obeys an order to follow %s, which held none", o.Instance, o.Master)
	}
	p.protected, p.unlinked, p.epoch = false, true, o.Epoch
	w.say("%s obeys %s of %s", o.Instance, o.Join, o.by)
}

func (p *pod) bootID() string { return fmt.Sprint(p.uid, p.boot) }

// asked is what the agent of a pod says now.
func (w *world) asked(p *pod) agent.Report {
	r := agent.Report{Role: agent.Role(p.role), Epoch: p.epoch, Protected: p.protected, Holds: agent.HoldsNothing, BootID: p.bootID(), Sequence: p.seq}
	if p.role == Replica && !p.protected {
		r.MasterAddr, r.LinkUp = "somebody:6379", !p.unlinked
	}
	if p.full {
		r.Holds = agent.HoldsData
	}
	if p.deaf {
		return agent.Report{Role: agent.RoleUnknown, BootID: r.BootID, Sequence: r.Sequence}
	}
	return r
}

// said is as roles reads a report.
func said(r agent.Report) Report {
	return Report{
		Role: Role(r.Role), Epoch: r.Epoch, Protected: r.Protected, Holds: Holding(r.Holds),
		Unlinked: r.Role == agent.RoleReplica && r.MasterAddr != "" && !r.LinkUp,
	}
}

// sync lets a replica get what the master has.
func (w *world) sync(name string) {
	p, master := w.pods[name], w.pods[w.elections[len(w.elections)-1]]
	if p.role == Replica && !p.protected && p.unlinked && !p.ended && master != nil && master.role == Master && !master.ended {
		p.unlinked, p.linked, p.full = false, true, master.full
		w.say("%s is in sync", name)
	}
}

// restart has an instance start anew, with its agent: protected, and sometimes with an empty disk.
func (w *world) restart(name string, empty bool) {
	p := w.pods[name]
	if p.ended {
		return
	}
	p.boot, p.seq, p.triedEpoch, p.triedLock = p.boot+1, 0, 0, 0
	p.role, p.epoch, p.protected, p.unlinked, p.full = Replica, 0, true, false, p.full && !empty
	w.say("%s starts anew, protected, with data: %t", name, p.full)
}

// restartAll has the whole shard start anew: nobody is master before somebody is promoted.
func (w *world) restartAll() {
	for _, name := range w.names() {
		w.restart(name, w.draw("empty", 2) == 0)
	}
}
