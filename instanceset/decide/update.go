package decide

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// An update brings running instances to the templates of today. What that takes is worked out once for all instances of a revision
// (package podspec), and the whole set is judged before the first write. Then, in this order and one step per instance and plan:
//
//	metadata       labels, annotations, tolerations. Disturbs nobody, so that nothing is waited for
//	configuration  the agent brings it to the engine (configuration.go); after the resources where those grow
//	image          the kubelet restarts one container
//	resources      the kubelet resizes; never in one write with an image
//	recreate       the pod is deleted, and made anew on its volumes
//
// Who is disturbed next: instances of which nothing runs, free of all limits; then those that are half way; then the others, highest
// ordinal first. A master comes last in its shard, and hands over before (handover.go). Of a shard, one is disturbed at a time, and no more are unavailable in the
// set than maxUnavailable, whatever made them so. An instance that was disturbed counts until its kubelet has carried out what was
// written, and it was Ready for minReadySeconds: so an update stops at the first instance of a shard that does not come up.
//
// The pod's revision label follows with the last write. Until then the annotation target-revision says where it is going, so that an
// update that was interrupted, or taken back, goes on from there.

// rollout is what a plan found out about the update, for the status.
type rollout struct {
	outdated  []int32 // instances that are to be updated, without those that the partition holds back
	held      []int32 // those that it does
	going     []int32 // that are disturbed by this plan, or were and are not available yet
	replaced  []int32 // whose pod this plan deletes to make it anew
	blocked   []block
	waits     map[reason.Code][]int32
	inFlight  int
	down      int
	limit     int
	trying    bool           // an instance gets another configuration by this plan
	disturbed map[int32]bool // shards
	orphaned  map[int32]bool // shards of which nobody is known to have the data, see mayTakeData
}

// block is a field for which nothing is written.
type block struct {
	path     string
	why      string
	ordinals []int32
}

// patchesPerPlan bounds the writes that disturb nobody.
const patchesPerPlan = 100

// update takes the next steps of an update.
func (p *planner) update() {
	candidates := p.outdated()
	p.noteCandidates(candidates)
	movers := p.movers()
	p.countUnavailable()
	p.readRefusal()
	p.noteConfigurations()
	p.leave(movers) // before the update, which may get no further
	if len(candidates) == 0 || p.spec.Paused || p.spec.UpdateStrategy.Type == v1alpha1.UpdateOnDelete {
		return
	}
	p.judgeAll(candidates)
	if len(p.updates.blocked) > 0 {
		return
	}
	if p.refused != nil {
		p.stopAt(candidates)
		return
	}
	slices.SortFunc(candidates, p.byTurn)
	p.updateInTurn(candidates)
}

// updateInTurn takes the next step of each that the limits allow, until a field is found for which nothing is written.
func (p *planner) updateInTurn(candidates []*instance) {
	patches := 0
	for _, i := range candidates {
		if p.goes(i) { // what is written to it goes with it
			p.waitUpdate(i, reason.UpdateWaits)
			continue
		}
		if change := p.repair(i); change != nil {
			p.disturb(i, *change)
			continue
		}
		if p.keepsRefused(i) {
			p.takeBack(i)
			p.waitUpdate(i, reason.ConfigurationTried)
			continue
		}
		begins := p.wayOf(i).disturbs && i.pod.Target == "" && i.pod.Resize == 0
		if begins && !p.mayDisturb(i, false) { // asked first: to look at each of 10,000 pods would take seconds
			continue
		}
		if !begins && patches == patchesPerPlan {
			p.again(soon)
			continue
		}
		next := p.nextMove(i)
		switch {
		case len(p.updates.blocked) > 0: // found on the pod itself
			return
		case next.code != 0:
			p.waitUpdate(i, next.code)
		case next.change == nil:
		case !next.disturbs:
			patches++
			p.add(*next.change)
		case begins || p.mayDisturb(i, next.again):
			p.disturb(i, *next.change)
		}
	}
}

// outdated are the instances whose pod is not as the templates of today would make it, and may be written to.
func (p *planner) outdated() []*instance {
	var all []*instance
	for n := range p.instances {
		i := &p.instances[n]
		if !i.online() || i.pod == nil || i.pod.Terminating || i.pod.ended() || i.lost() || p.deleted[i.ordinal] || p.current(i) {
			continue
		}
		if p.heldBack(i) {
			p.updates.held = append(p.updates.held, i.ordinal)
			continue
		}
		p.updates.outdated = append(p.updates.outdated, i.ordinal)
		all = append(all, i)
	}
	return all
}

func (p *planner) waitUpdate(i *instance, code reason.Code) {
	if p.updates.waits == nil {
		p.updates.waits = map[reason.Code][]int32{}
	}
	p.updates.waits[code] = append(p.updates.waits[code], i.ordinal)
}

// countUnavailable counts what the limits are about.
func (p *planner) countUnavailable() {
	u := &p.updates
	u.limit, u.disturbed = p.maxUnavailable(), map[int32]bool{}
	for n := range p.instances {
		i := &p.instances[n]
		if !i.online() {
			continue
		}
		if p.available(i) {
			if (p.toUpdate[i.ordinal] || p.exodus.movers[i.ordinal]) && p.handsOver(i) {
				p.take(i)
			}
			continue
		}
		u.down++
		if p.inFlight(i) {
			u.inFlight++
			if i.pod != nil && i.pod.MayLeave.IsZero() && (i.pod.Target != "" || p.current(i)) || p.replacing()[i.ordinal] {
				u.going = append(u.going, i.ordinal)
			}
		}
		if i.pod != nil && i.pod.Resize != 0 {
			p.note(i, i.pod.Resize, i.pod.Trouble)
		}
	}
}

// maxUnavailable is a number of instances, at least 1.
func (v *view) maxUnavailable() int {
	most := v.spec.UpdateStrategy.MaxUnavailable
	if most == nil {
		return 1
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(most, int(wantedSet(v.spec).size()), false)
	if err != nil { // the schema refuses it
		return 1
	}
	return max(n, 1)
}

// available reports whether an instance serves, has the data of its shard, and stays for now.
func (p *planner) available(i *instance) bool {
	return p.serves(i) && p.inSync(i) && i.pod.MayLeave.IsZero()
}

// serves reports whether an instance is ready, has been so for minReadySeconds, and has nothing left to carry out.
func (p *planner) serves(i *instance) bool {
	if !i.ready() || i.lost() || i.pod.Unsettled || i.pod.Unapplied || p.deleted[i.ordinal] || p.state(i.pod.Node) != NodeHealthy {
		return false
	}
	wait := i.pod.ReadySince.Add(time.Duration(p.spec.MinReadySeconds) * time.Second).Sub(p.Now)
	return p.spec.MinReadySeconds == 0 || wait <= 0
}

// inSync reports whether an instance has the data of its shard, as far as that is known: where a master is known, its replicas have a role
// while they follow it and are in sync. One that has just started is ready, and for a while it is no copy.
func (p *planner) inSync(i *instance) bool {
	return len(p.spec.Roles) == 0 || i.pod.Role != "" || !p.shard(i).led
}

// inFlight reports whether an instance that is not available may be so because of an update. One whose pod nobody has touched is not.
func (p *planner) inFlight(i *instance) bool {
	return i.pod == nil || i.pod.Terminating || p.deleted[i.ordinal] || i.pod.Target != "" || !i.pod.MayLeave.IsZero() || p.current(i)
}

// byTurn says who comes first. That masters come last is a limit and not an order: see mayDisturb.
func (p *planner) byTurn(a, b *instance) int {
	turn := func(i *instance) int {
		switch {
		case p.mends(i):
			return 0
		case i.pod.Target != "" || p.handover(i) != nil && p.handover(i).Complete:
			return 1
		}
		return 2
	}
	return cmp.Or(cmp.Compare(turn(a), turn(b)), cmp.Compare(b.ordinal, a.ordinal))
}

// mayDisturb asks the limits. Again: a resize that cannot be carried out is replaced.
func (p *planner) mayDisturb(i *instance, again bool) bool {
	switch {
	case !p.mayTry(i):
		p.waitUpdate(i, reason.ConfigurationTried)
		return false
	case p.mends(i) && !p.leadsThrough(i): // nothing is disturbed that could hold data or serve
		return p.handedOver(i)
	case p.handingOver(i):
		p.waitUpdate(i, reason.HandingOver)
		return false
	case again && p.mustHandOver(i) && !p.shardSpares(i): // nobody could take over
		p.waitUpdate(i, reason.UpdateWaits)
		return false
	case again: // nobody is served less
		return p.handedOver(i)
	case p.replicasFirst(i):
		p.waitUpdate(i, reason.UpdateWaits)
		return false
	}
	if p.hasPlace(i) {
		return p.handedOver(i)
	}
	p.waitUpdate(i, reason.UpdateWaits)
	return false
}

// hasPlace asks the limits of the set and of the shard.
func (p *planner) hasPlace(i *instance) bool {
	u := &p.updates
	free := u.down < u.limit
	switch {
	case p.handsOver(i): // it has a place, and waits for its label
		free = true
	case p.available(i):
	case p.servesOn(i): // it counts already
		free = u.down <= u.limit
	default: // nobody is served less
		free = u.inFlight < u.limit || p.inFlight(i)
	}
	taken := p.sharded() && u.disturbed[p.shardOf(i)] && !p.handsOver(i)
	return free && !taken && p.shardSpares(i)
}

// replicasFirst reports whether the instance is master, and a replica of its shard is yet to be updated. One whose agent waits to restart it is not
// available before it is, so that each would wait for the other.
func (p *planner) replicasFirst(i *instance) bool {
	return p.leads(i) && p.replicasLeft[p.shardOf(i)] && !i.pod.Unapplied
}

// servesOn reports whether an instance serves, be it with the resources that it had because its kubelet cannot give it others, or with the
// configuration that it had because its agent has not brought it the other one.
func (p *planner) servesOn(i *instance) bool {
	return p.serves(i) || i.ready() && (i.pod.Resize != 0 || i.pod.Unapplied)
}

// shardSpares reports whether the others of the shard can do without the instance: all are available or, where the instance serves
// nobody as it is and its data is on volumes, none of the others is down because of the update.
func (p *planner) shardSpares(i *instance) bool {
	if !p.sharded() {
		return true
	}
	lenient := !p.servesOn(i) && len(i.claims) > 0
	return !slices.ContainsFunc(p.shard(i).members, func(other *instance) bool {
		return other != i && other.online() && !p.available(other) && (!lenient || p.inFlight(other))
	})
}

// take counts an instance as unavailable because of the update.
func (p *planner) take(i *instance) {
	p.occupy(i)
	if u := &p.updates; !slices.Contains(u.going, i.ordinal) {
		u.going = append(u.going, i.ordinal)
	}
}

// occupy counts an instance as unavailable.
func (p *planner) occupy(i *instance) {
	u := &p.updates
	if p.available(i) {
		u.down++
	}
	if p.available(i) || !p.inFlight(i) {
		u.inFlight++
	}
	u.disturbed[p.shardOf(i)] = true
}

func (p *planner) disturb(i *instance, c Change) {
	u := &p.updates
	p.take(i)
	u.trying = u.trying || configures(p.wayOf(i).diffs)
	if c.Kind == DeletePod {
		u.replaced = append(u.replaced, i.ordinal)
		p.deleted[i.ordinal] = true
	}
	p.add(c)
}

// buildOf is what the pod of an instance is made of, of a template and a revision that it may have no more.
func (p *planner) buildOf(i *instance, template, revision string) podspec.Instance {
	b := p.build(i)
	b.Revision, b.Asked, b.Template = revision, p.asked(revision), nil
	if template != "" {
		b.Template = &v1alpha1.InstanceTemplate{Name: template}
	}
	return b
}
