package decide

import (
	"slices"
	"strings"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// What does not run cannot be disturbed, but it may come back by itself, and then it should come back as it was: a template that has
// just taken one instance of a shard must not take the next one because its Redis starts again at that moment. So:
//
//   - A container whose image cannot be had is stuck. It gets another image whatever the limits say, be the instance a master or not: of what
//     runs, nothing is touched. Other differences have their turn later.
//   - A container that has run for long before it ended starts again. Its instance is as one that runs. If it is stuck with what the last
//     update ended with, its image was to be had, and the registry may only have trouble: it has its turn as one that runs, too.
//   - An instance of which nothing runs otherwise is broken: it is free of all limits, but for a master's while its shard needs it.
//   - Where a new pod is made of one that does not serve, for whatever reason, and what it has is on no volume, another one has to have the data, and one
//     goes after the other (mayTakeData).
//   - A resize that the kubelet cannot carry out is replaced by another one before all else, if that restarts nothing: nobody is served less. So it
//     waits for no place in a limit, nor a master for its replicas, which may wait for the place that it has.

// mends reports whether nothing of an instance runs that the update could disturb, nor is about to.
func (p *planner) mends(i *instance) bool { return i.pod.Idle && !i.pod.Restarts }

// leadsThrough reports whether an instance is the master of a shard in which the update has put another one out of service. Where nothing of it runs
// it may only be starting again, with the template that its shard had when all was well.
func (p *planner) leadsThrough(i *instance) bool {
	return i.pod.Role == v1alpha1.RoleMaster && slices.ContainsFunc(p.shard(i).members, func(other *instance) bool {
		return other != i && other.online() && !p.available(other) && p.inFlight(other)
	})
}

// mayTakeData says what keeps the pod of an instance from being made anew that does not serve and has no volumes, 0 for nothing. What it has, the
// damaged file or the last good one, goes with its pod. Who serves goes under the limits of all updates, and so leaves others behind, or is declared to be
// one of those that may. A shard of one loses its data with each new pod; who was never Ready has nothing.
func (p *planner) mayTakeData(i *instance) reason.Code {
	shard := p.shard(i)
	if p.servesOn(i) || !p.goesWithItsPod(i) || i.pod.Node == "" || !p.bootstrapped.has(i.ordinal) ||
		!slices.ContainsFunc(shard.members, func(other *instance) bool { return other != i && other.online() }) {
		return 0
	}
	u, at := &p.updates, p.shardOf(i)
	if u.orphaned == nil {
		u.orphaned = map[int32]bool{}
	}
	if !u.orphaned[at] { // and stays so in this plan, as more and more go by it
		u.orphaned[at] = !p.dispensable(i)
	}
	busy := u.inFlight >= u.limit && !p.inFlight(i)
	if p.sharded() {
		busy = slices.ContainsFunc(shard.members, func(other *instance) bool {
			return other != i && other.online() && !p.available(other) && p.inFlight(other)
		})
	}
	switch {
	case u.orphaned[at], p.takesDataAlong(i) && p.handsNothingOver(i):
		return reason.OnlyCopy
	case busy:
		return reason.UpdateWaits
	}
	return 0
}

// handsNothingOver reports whether a master would be touched without a handover: the set wants none, or nobody could take over, or nothing of it runs
// that could be asked. That is leave enough where its data stays.
func (p *planner) handsNothingOver(i *instance) bool {
	switch p.switchoverMode() {
	case v1alpha1.UpdateSwitchoverNone:
		return true
	case v1alpha1.UpdateSwitchoverBestEffort:
		asked := p.handover(i)
		return i.pod.Idle || asked != nil && asked.Complete && !asked.HandedOver
	}
	return false // it waits until another one is master
}

// repairable are the containers to which another image may be written at once. Which one is the engine is not known: of a master they are those
// that cannot come up by themselves.
func repairable(pod *Pod) []string {
	names := strings.Fields(pod.Stuck)
	if pod.Role != v1alpha1.RoleMaster && !pod.Restarts {
		names = append(names, strings.Fields(pod.Down)...)
	}
	return names
}

// repair writes other images to containers that do not run, and nothing else. It is nil where there is nothing to repair.
func (p *planner) repair(i *instance) *Change {
	names := repairable(i.pod)
	if len(names) == 0 || i.pod.Live == nil || p.inPlaceMode() == v1alpha1.InPlaceNever {
		return nil
	}
	way := p.wayOf(i)
	if way.code != 0 || p.ranAsBefore(i) {
		return nil
	}
	image := func(d podspec.Difference) bool {
		return d.Class == podspec.InPlaceImage && slices.Contains(names, d.Container)
	}
	if !slices.ContainsFunc(way.diffs, image) { // it would be looked at anew in each plan
		return nil
	}
	want := p.wanted(i)
	all := p.differences(i, way, want)
	if p.keptBack(all) {
		return nil
	}
	now := slices.DeleteFunc(slices.Clone(all), func(d podspec.Difference) bool { return !image(d) })
	if len(now) == 0 {
		return nil
	}
	return p.write(i, ImagePod, want, all, now, reason.UpdateImage)
}

// ranAsBefore reports whether what does not run of an instance had run for long with the template that the last update ended with.
func (p *planner) ranAsBefore(i *instance) bool {
	base := p.bases[i.template+1]
	return i.pod.Restarts && i.pod.Target == "" && i.pod.Revision == base && base != p.revision(i)
}

// keptBack reports whether differences are among these for which nothing at all is written.
func (p *planner) keptBack(all []podspec.Difference) bool {
	return slices.ContainsFunc(all, func(d podspec.Difference) bool {
		return d.Class == podspec.Refused || d.Class == podspec.Recreate && p.inPlaceMode() == v1alpha1.InPlaceOnly
	})
}

// resizeAgain replaces a resize that the kubelet cannot carry out by one that restarts nothing. Where the pod is going is written before, as
// always. It is nil where there is nothing to replace.
func (p *planner) resizeAgain(i *instance, way *path) *move {
	if i.pod.Resize == 0 || i.pod.Live == nil || p.inPlaceMode() == v1alpha1.InPlaceNever {
		return nil
	}
	want := p.wanted(i)
	all := p.differences(i, way, want)
	now := slices.DeleteFunc(slices.Clone(all), func(d podspec.Difference) bool { return d.Class != podspec.InPlaceResize })
	switch {
	case len(now) == 0 || p.keptBack(all) || slices.ContainsFunc(now, func(d podspec.Difference) bool { return d.Restarts }):
		return nil
	case p.takesMemory(i, now):
		wait := p.waitForMemory(i)
		return &wait
	case i.pod.Target != p.revision(i):
		first := slices.DeleteFunc(slices.Clone(all), func(d podspec.Difference) bool { return d.Class != podspec.InPlacePatch })
		return &move{disturbs: true, again: true, change: p.write(i, PatchPod, want, all, first, reason.UpdateMetadata)}
	}
	return &move{disturbs: true, again: true, change: p.write(i, ResizePod, want, all, now, reason.UpdateResources)}
}
