package simulation

import (
	"errors"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Leases of our processes, as the shipped configuration has them: another leads when the lease is up, and an old leader that
// wakes notices within one period of retrying.
const (
	leaseDuration = 15 * time.Second
	retryPeriod   = 2 * time.Second
)

// breakWatches has a process list everything anew.
func (p *play) breakWatches(d dice) {
	process := p.operator.access
	if d.chance(0.5) {
		process = p.placer.access
	}
	p.tell("fault", "%s lists anew", process.process)
	p.relist(process)
}

// restart ends a process between two calls.
func (p *play) restart(d dice) {
	process := p.operator.access
	if d.chance(0.5) {
		process = p.placer.access
	}
	if !process.crashed {
		p.tell("fault", "%s crashes", process.process)
		p.crash(process)
	}
}

// zombie stops the manager in its tracks, as a machine that is suspended does. Another one leads when the lease is up. Then
// the old one wakes, and until it looks at its lease it works on what it had seen before.
func (p *play) zombie(d dice) {
	old := p.operator
	if old.crashed {
		return
	}
	p.tell("fault", "manager %d stops in its tracks", old.life)
	sleeps := leaseDuration + d.between(0, time.Minute)
	old.sleepsUntil = time.Now().Add(sleeps)
	p.after(leaseDuration, "another leads", func() {
		if p.operator == old && !old.crashed {
			p.tell("fault", "another manager leads")
			p.must(p.startOperator())
		}
	})
	p.after(sleeps, "zombie", func() { p.tell("fault", "manager %d wakes, and does not know yet that another leads", old.life) })
	p.after(sleeps+d.between(0, retryPeriod), "zombie", func() {
		if !old.crashed {
			p.tell("fault", "manager %d sees that another leads, and ends", old.life)
			old.crashed = true
		}
	})
}

// denial is a kind of call that is refused for a while: rights are taken away, or a webhook of somebody else's says no.
type denial struct {
	process, verb, kind string
	err                 error
}

// deny refuses one kind of call of one process for a while.
func (p *play) deny(d dice) {
	targets := []denial{
		{process: "manager", verb: "create", kind: "pod"}, {process: "manager", verb: "create", kind: "persistentvolumeclaim"},
		{process: "manager", verb: "delete", kind: "pod"}, {process: "manager", verb: "delete", kind: "persistentvolumeclaim"},
		{process: "manager", verb: "patch", kind: "pod"}, {process: "manager", verb: "patch", kind: "persistentvolumeclaim"},
		{process: "manager", verb: "patch", kind: "persistentvolume"}, {process: "manager", verb: "patch", kind: "placementpolicy"},
		{process: "manager", verb: "patch", kind: "instanceset"}, {process: "manager", verb: "get", kind: "node"},
		{process: "scheduler", verb: "bind", kind: "binding"}, {process: "scheduler", verb: "update", kind: "persistentvolumeclaim"},
		{process: "scheduler", verb: "patch", kind: "pod"},
	}
	denied := &targets[d.Intn(len(targets))]
	denied.err = apierrors.NewForbidden(schema.GroupResource{Resource: denied.kind}, "", errors.New("its rights were taken away"))
	if d.chance(0.4) {
		denied.err = apierrors.NewForbidden(schema.GroupResource{Resource: denied.kind}, "", errors.New("admission webhook denied the request"))
	}
	p.tell("fault", "%s may not %s any %s", denied.process, denied.verb, denied.kind)
	p.faults.denials = append(p.faults.denials, denied)
	p.after(d.between(5*time.Second, 3*time.Minute), "allow", func() {
		if !p.over {
			p.tell("fault", "%s may %s %ss again", denied.process, denied.verb, denied.kind)
			p.faults.denials = slices.DeleteFunc(p.faults.denials, func(other *denial) bool { return other == denied })
		}
	})
}
