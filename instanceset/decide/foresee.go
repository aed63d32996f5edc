package decide

import (
	"slices"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// Foresight is what an update would take, as long as nothing else happens.
type Foresight struct {
	// Instances are those whose pod is not as the templates of the set would make it, by ordinals.
	Instances []Foreseen
	// Blocked are the fields for which nothing at all is written, to no instance.
	Blocked []Blocked
	// MaxUnavailable is the limit of the set, in instances.
	MaxUnavailable int
}

// Foreseen is what an update takes of one instance.
type Foreseen struct {
	Ordinal int32
	// From and To are the templates that it has and is to have, "" for spec.template; Revision and Wanted are their revisions.
	From, To, Revision, Wanted string
	// Differences, in the order of a plan.
	Differences []podspec.Difference
	// Code says why it stays as it is, 0 for nothing.
	Code reason.Code
	// Later says why its last step, a lower limit of memory, is not foreseen, 0 for nothing: all the rest is.
	Later reason.Code
	// Held back by the partition.
	Held bool
	// Recreated: its pod is deleted, and made anew on its volumes.
	Recreated bool
	// Master: it leads its shard. HandsOver: another one does, before it is touched.
	Master, HandsOver bool
	// Turn counts from 1: those of the next turn wait until all of this one are available again. It is 0 for who is not disturbed.
	Turn int
}

// Blocked is a field for which nothing is written, and the instances that it is about.
type Blocked struct {
	Path, Why string
	Ordinals  []int32
}

// Foresee says what it takes to bring the instances of a snapshot to the templates of its set, by the rules by which Decide does it: what is
// foreseen of a set that was not stored yet is what would come of storing it. Whether the set is paused, and who is available, is not asked. What agents
// report is as the snapshot has it: without reports, a limit of memory waits.
func Foresee(s Snapshot) Foresight {
	p := &planner{view: newView(s), words: map[reason.Code]string{}, deleted: map[int32]bool{}}
	for t, name := range p.revisions { // the first plan records them
		if p.stored[name] == nil {
			p.stored[name] = &Revision{Name: name, Text: p.texts[t]}
			delete(p.known, name)
		}
	}
	candidates := p.outdated()
	p.noteCandidates(candidates)
	p.judgeAll(candidates)
	p.updates.limit = p.maxUnavailable()
	f := Foresight{MaxUnavailable: p.updates.limit}
	for _, b := range p.updates.blocked {
		f.Blocked = append(f.Blocked, Blocked{b.path, b.why, b.ordinals})
	}
	p.noteLimits(candidates)
	turns := p.turnsOf(candidates)
	mode := p.inPlaceMode()
	for _, o := range slices.Sorted(slices.Values(slices.Concat(p.updates.outdated, p.updates.held))) {
		i := p.at(o)
		way := p.wayOf(i)
		one := Foreseen{
			Ordinal: o, From: i.pod.Template, To: p.templateName(i), Revision: i.pod.Revision, Wanted: p.revision(i),
			Differences: way.diffs, Code: way.code, Held: p.heldBack(i), Master: i.pod.Role == v1alpha1.RoleMaster, Turn: turns[o],
		}
		one.Recreated = mode == v1alpha1.InPlaceNever && len(way.diffs) > 0 || mode == v1alpha1.InPlacePrefer && slices.ContainsFunc(way.diffs, isRecreation)
		now, waits := p.withoutItsLimit(i)
		switch {
		case way.code != 0 || !waits && !p.awaitsReplicas(i):
		case len(now) == 0, p.awaitsReplicas(i):
			one.Code = reason.MemoryWaits
		default:
			one.Later = reason.MemoryWaits
		}
		one.HandsOver = one.Master && one.Turn > 0 && p.switchoverMode() != v1alpha1.UpdateSwitchoverNone && !p.runsOnWith(i, now)
		f.Instances = append(f.Instances, one)
	}
	return f
}

// withoutItsLimit is what the update does to an instance that would get less memory than it may use: all but the resize, which waits.
func (p *planner) withoutItsLimit(i *instance) (now []podspec.Difference, waits bool) {
	way := p.wayOf(i)
	anew := p.inPlaceMode() == v1alpha1.InPlaceNever || slices.ContainsFunc(way.diffs, isRecreation)
	if anew || i.pod.Live == nil || !p.takesMemory(i, way.diffs) {
		return way.diffs, false
	}
	return beforeResize(way.diffs), true
}

// noteLimits notes the shards of which a replica keeps its limit, and its master as it is therefore: that comes last. It does not wait for a limit
// that waits for nothing but its own maxmemory (awaitsMaster).
func (p *planner) noteLimits(candidates []*instance) {
	p.limitsWait = map[int32]bool{}
	for _, i := range candidates {
		if _, waits := p.withoutItsLimit(i); waits && !p.leads(i) && (i.pod.Reported.MaxMemory == 0 || p.keepsResize(i, p.fitsItself)) {
			p.limitsWait[p.shardOf(i)] = true
		}
	}
}

// awaitsReplicas reports whether an instance stays as it is since a replica of its shard keeps its limit.
func (p *planner) awaitsReplicas(i *instance) bool { return p.leads(i) && p.limitsWait[p.shardOf(i)] }

func isRecreation(d podspec.Difference) bool { return d.Class == podspec.Recreate }

// toDisturb are the instances that are to be disturbed, in their order, and how many of each shard are replicas.
func (p *planner) toDisturb(candidates []*instance) (left []*instance, replicas map[int32]int) {
	replicas = map[int32]int{}
	for _, i := range candidates {
		now, waits := p.withoutItsLimit(i)
		isMore := func(d podspec.Difference) bool { return d.Class != podspec.InPlacePatch }
		if way := p.wayOf(i); way.code == 0 && way.disturbs && (!waits || slices.ContainsFunc(now, isMore)) && !p.awaitsReplicas(i) {
			left = append(left, i)
			if !p.leads(i) {
				replicas[p.shardOf(i)]++
			}
		}
	}
	slices.SortFunc(left, p.byTurn)
	return left, replicas
}

// triesNot reports whether the instance is no one to try a configuration, as others may: a master, or one whose agent is silent. Nobody might ever
// hear what has become of it. Of one that cannot run no agent could be heard: it is silent only while another one may be disturbed for the trial, which
// may be waiting for just this one.
func (p *planner) triesNot(i *instance) bool {
	if p.leads(i) && len(p.replicasLeft) > 0 {
		return true
	}
	broken := p.mends(i) || len(repairable(i.pod)) > 0
	return !i.pod.heard() && len(p.heardLeft) > 0 && (!broken || p.heardMayGo())
}

// heardMayGo reports whether one of those whose agents are heard has a place in the limits, as they are when it is asked first.
func (p *planner) heardMayGo() bool {
	if p.heardGoes == nil {
		p.heardGoes = new(slices.ContainsFunc(p.heardLeft, p.hasPlace))
	}
	return *p.heardGoes
}

// heard reports whether the agent has said anything of the configuration.
func (p *Pod) heard() bool { return p.Reported != (Reported{}) }

// turnsOf says who is disturbed when, if each comes up again: as mayDisturb allows it, where all are available. Those that nothing of runs
// come first, and are not waited for. Where a configuration is tried, one is alone.
func (p *planner) turnsOf(candidates []*instance) map[int32]int {
	left, replicas := p.toDisturb(candidates)
	turns, limit := make(map[int32]int, len(left)), p.maxUnavailable()
	tries := !p.trialOf(p.wantedConfiguration()).proven && slices.ContainsFunc(left, func(i *instance) bool { return configures(p.wayOf(i).diffs) })
	for turn := 1; len(left) > 0; turn++ {
		var taken []*instance
		shards := map[int32]bool{}
		most := limit
		alone := tries && turn == 1
		if alone {
			most = 1
		}
		for n := 0; n < len(left) && (len(taken) < most || !alone && p.mends(left[n])); {
			i, shard := left[n], p.shardOf(left[n])
			if alone && p.triesNot(i) {
				n++
				continue
			}
			if !p.mends(i) && (p.sharded() && shards[shard] || p.leads(i) && replicas[shard] > 0) {
				n++
				continue
			}
			taken, shards[shard], turns[i.ordinal] = append(taken, i), true, turn
			left = slices.Delete(left, n, n+1)
		}
		for _, i := range taken {
			if !p.leads(i) {
				replicas[p.shardOf(i)]--
			}
		}
	}
	return turns
}
