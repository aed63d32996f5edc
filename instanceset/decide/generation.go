package decide

import (
	"slices"

	"github.com/shoal-dev/shoal/podspec"
)

// The rebuild generation tells an entrypoint whether an instance may start as the first of its shard (0), or held data
// before and starts empty now (1 and up): then it must join as a replica, because an empty master wipes its replicas.
//
// The generation stands on the claims, and a pod has that of its claims. A new claim of an ordinal has
//
//	0                                 if the ordinal never held data
//	1 + the highest generation kept   otherwise, but at least 1
//
// where volumes that earlier rebuilds kept say how high, and status.bootstrapped says whether: it has the ordinals that
// were Ready once, or were declared lost. Without volumes every pod starts empty, so that the generation of a pod is 0
// before and 1 after the ordinal was Ready once.
//
// An ordinal is forgotten when it is no longer wanted and nothing is left, neither pod nor claim, of its whole shard (of
// the whole set, if that has no shards). Then there is no data that a first start could wipe; and if the ordinals kept
// their record, a shard that is scaled in and out again would have nobody who may start it. While any claim of the shard
// is left, nothing is forgotten: a shard whose members come back with their data must not be met by an empty master.
//
// A set that was deleted and created anew finds the retired claims of its former life, and has no record. In a shard that
// has one of them, all ordinals held data. Claims of its own life, which are not older than the set, say nothing: a set that
// is scaled in before anything was Ready retires claims without data, and if all its ordinals counted as having held some,
// there might be nobody left who may start its shard.

// recordBootstrapped extends the record by what this snapshot shows.
func (v *view) recordBootstrapped() {
	v.recorded = parseSet(v.Set.Status.Bootstrapped)
	v.bootstrapped = v.recorded.clone()
	for n := range v.instances {
		i := &v.instances[n]
		if i.lost() || i.pod != nil && (i.pod.Ready || i.pod.Generation > 0) || i.claimGeneration() > 0 {
			v.bootstrapped.add(i.ordinal)
		}
	}
	if v.recorded.empty() {
		v.rememberFormerLife()
	}
}

func (v *view) rememberFormerLife() {
	held := map[int32]bool{}
	for n := range v.instances {
		i := &v.instances[n]
		if slices.ContainsFunc(i.claims, func(c *Claim) bool { return c != nil && c.Retired && c.Created.Before(v.Set.CreationTimestamp.Time) }) {
			held[v.shardOf(i)] = true
		}
	}
	for n := range v.instances {
		if i := &v.instances[n]; i.wanted && held[v.shardOf(i)] {
			v.bootstrapped.add(i.ordinal)
		}
	}
}

// forget takes ordinals out of the record.
func (v *view) forget() {
	alive := map[int32]bool{} // shards with a wanted instance, or with anything left
	for n := range v.instances {
		if i := &v.instances[n]; i.wanted || !i.gone() {
			alive[v.shardOf(i)] = true
		}
	}
	for o := range v.bootstrapped.without(v.Rest.all()).all() {
		if i := v.at(o); i != nil && i.wanted {
			continue
		}
		if index, _ := podspec.Shard(v.Set, o); !alive[index] && !v.restsIn(index) {
			v.bootstrapped.remove(o)
		}
	}
}

// safeToRemove reports whether the pod may go: without volumes, what is stored in the status is all that will be known
// of it afterwards.
func (v *view) safeToRemove(i *instance) bool {
	return v.recorded.has(i.ordinal) || !v.bootstrapped.has(i.ordinal)
}

func (i *instance) claimGeneration() int64 {
	var highest int64
	for _, c := range i.claims {
		if c != nil {
			highest = max(highest, c.Generation)
		}
	}
	return highest
}

// nextGeneration is the one of a claim that has to be made, or of a pod without claims.
func (v *view) nextGeneration(i *instance) int64 {
	siblings := i.claimGeneration()
	if !v.bootstrapped.has(i.ordinal) {
		return siblings
	}
	return max(1, siblings, v.kept[i.ordinal]+1)
}

// generation is that of the instance as it is or, where parts are missing, as it will be.
func (v *view) generation(i *instance) int64 {
	if len(i.claims) == 0 && i.pod != nil {
		return i.pod.Generation
	}
	if len(i.claims) == 0 || slices.Contains(i.claims, nil) {
		return v.nextGeneration(i)
	}
	return i.claimGeneration()
}

func (v *view) bootstrappedRanges() string {
	return v.bootstrapped.format()
}
