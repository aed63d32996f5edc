package decide

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// A memory limit comes down when the engine cannot fill more any more. That is said by its maxmemory, as its agent reports it, and of a replica by
// its master's as well: replicas ignore their own (replica-ignore-maxmemory), and hold all that their master sends.
//
// The limit is the last step of an instance, and the others do not wait for it. So a change of both ends by itself:
//
//	replicas   maxmemory; their limits wait for the master
//	master     maxmemory, which restarts nothing, so that it hands nothing over and does not wait for its replicas' limits
//	replicas   their limits, when the agent of the master has reported it
//	master     hands over; its limit

// takesMemory reports whether a container would get less memory than it has, and may use when it runs.
func (p *planner) takesMemory(i *instance, diffs []podspec.Difference) bool {
	return !p.hasNothingToLoad(i) && slices.ContainsFunc(diffs, func(d podspec.Difference) bool { return lowersMemory(i.pod.Live, d) && !p.fits(i, d, diffs) })
}

// hasNothingToLoad reports whether nothing runs of an instance that never had data, or that has no node and so was never given what it asks for.
// One that ran fills as much as before when it starts again.
func (p *planner) hasNothingToLoad(i *instance) bool {
	return i.pod.Idle && (i.pod.Node == "" || !p.bootstrapped.has(i.ordinal))
}

// waitForMemory says what a limit waits for.
func (p *planner) waitForMemory(i *instance) move {
	detail := ""
	if own := p.keepsResize(i, p.fitsItself); !own && i.pod.Role != v1alpha1.RoleMaster {
		detail = "what its master may send does not fit yet"
	}
	p.note(i, reason.MemoryWaits, detail)
	return move{code: reason.MemoryWaits}
}

// lowersMemory reports whether a container would get less memory than it has. A limit that was asked for and never given may be
// taken back.
func lowersMemory(live *corev1.Pod, d podspec.Difference) bool {
	if !d.LowersMemory() {
		return false
	}
	for _, c := range slices.Concat(live.Status.InitContainerStatuses, live.Status.ContainerStatuses) {
		if c.Name == d.Container && c.Resources != nil {
			has, limited := c.Resources.Limits[corev1.ResourceMemory]
			asked, err := resource.ParseQuantity(d.After)
			return !limited || err != nil || asked.Cmp(has) < 0
		}
	}
	return true
}

// fits reports whether the engine will be within a lower limit of memory by the time that comes: where its maxmemory is among the differences, the
// whole set gets the same one before.
func (p *planner) fits(i *instance, d podspec.Difference, all []podspec.Difference) bool {
	if slices.ContainsFunc(all, func(d podspec.Difference) bool { return isParameter(d) && d.Parameter == "maxmemory" }) {
		return p.isBeside(d) || within(podspec.MaxMemory(podspec.ConfigurationOf(p.Set)), d)
	}
	return p.fitsItself(i, d) && p.fitsItsMaster(i, d)
}

// fitsItself reports whether the maxmemory of the engine leaves it within a lower limit.
func (p *planner) fitsItself(i *instance, d podspec.Difference) bool {
	has := i.pod.Reported.MaxMemory
	if i.pod.Idle && has == 0 && !i.pod.Unapplied && i.pod.Configuration == p.wantedConfiguration() { // it starts with that
		has = podspec.MaxMemory(podspec.ConfigurationOf(p.Set))
	}
	return p.isBeside(d) || within(has, d)
}

// fitsItsMaster reports whether that of the master of the shard does. It is not known while nobody is known to be master.
func (p *planner) fitsItsMaster(i *instance, d podspec.Difference) bool {
	shard := p.shard(i)
	return p.isBeside(d) || shard.led && !slices.ContainsFunc(shard.members, func(m *instance) bool {
		return m.pod != nil && m.pod.Role == v1alpha1.RoleMaster && !within(m.pod.Reported.MaxMemory, d)
	})
}

// isBeside reports whether a limit is that of a container beside the engine, where it is known which one that is. Its kubelet refuses to take what is
// in use, and nothing loads it again. A limit of the whole pod (no container) is the engine's too.
func (p *planner) isBeside(d podspec.Difference) bool {
	engine := podspec.EngineContainer(p.Set)
	return d.Container != "" && d.Container != engine && slices.ContainsFunc(p.spec.Template.Spec.Containers, func(c corev1.Container) bool { return c.Name == engine })
}

// within reports whether a maxmemory in bytes is known, and not above a limit.
func within(maxmemory int64, d podspec.Difference) bool {
	limit, err := resource.ParseQuantity(d.After)
	return err == nil && maxmemory > 0 && maxmemory <= limit.Value()
}

// keepsResize reports whether a limit of an instance does not come down yet, as one of the conditions does not hold.
func (p *planner) keepsResize(i *instance, fits func(*instance, podspec.Difference) bool) bool {
	return i.pod.Live != nil && slices.ContainsFunc(p.wayOf(i).diffs, func(d podspec.Difference) bool { return lowersMemory(i.pod.Live, d) && !fits(i, d) })
}

// beforeItsLimit is what the update does to an instance before a limit of memory comes down that cannot yet: all, if there is none.
func (p *planner) beforeItsLimit(i *instance) []podspec.Difference {
	diffs := p.wayOf(i).diffs
	if !p.keepsResize(i, p.fitsItself) {
		return diffs
	}
	return beforeResize(diffs)
}

// beforeResize is all that comes before the last step of an instance.
func beforeResize(diffs []podspec.Difference) []podspec.Difference {
	return slices.DeleteFunc(slices.Clone(diffs), func(d podspec.Difference) bool { return d.Class == podspec.InPlaceResize })
}

// awaitsMaster reports whether a replica has all of the template but a limit of memory, which waits for its master's maxmemory alone. The master does
// not wait for it.
func (p *planner) awaitsMaster(i *instance) bool {
	if i.pod.Target != p.revision(i) || i.pod.Unapplied || i.pod.Reported.MaxMemory == 0 || i.pod.Live == nil || p.wayOf(i).code != 0 {
		return false
	}
	if p.keepsResize(i, p.fitsItself) || !p.keepsResize(i, p.fitsItsMaster) {
		return false
	}
	return !slices.ContainsFunc(p.differences(i, p.wayOf(i), p.wanted(i)), func(d podspec.Difference) bool { return d.Class != podspec.InPlaceResize })
}

// raisesMemory reports whether the engine's container would get more memory: maxmemory follows it.
func (p *planner) raisesMemory(all []podspec.Difference) bool {
	return slices.ContainsFunc(all, func(d podspec.Difference) bool {
		return d.Class == podspec.InPlaceResize && d.Container == podspec.EngineContainer(p.Set) && strings.HasSuffix(d.Path, ".limits["+string(corev1.ResourceMemory)+"]") && !d.LowersMemory()
	})
}
