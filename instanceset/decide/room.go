package decide

import (
	"cmp"
	"maps"
	"slices"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// An instance leaves its node only for a place that it would find: a node that it may use, with enough free, within the limits of its placement group
// as they are once it has gone. Each that may go takes its place in the numbers, so that no other one of the plan counts on it; and while anybody of the
// group has no node yet, for whom one of these places would do, no further one goes.
//
// It is judged by what is free now: what others bring to a node at that moment is not foreseen. Where it is not exact it is on the side of staying: one
// place is taken after the other, and a node that has several is left by one at a time, so that with all of maxNodes used and full the last one alone
// is given a new node.

// room is what is free for those who leave.
type room struct {
	limits placement.Limits
	places []*Place
	at     map[string]*Place
	used   int             // nodes on which the group holds slots
	taken  map[string]bool // by one that leaves
	alone  map[string]bool // by one that shares its node with no other one
	shard  func(*instance) string
	open   map[*Move][]*Place // see openFor
}

func (p *planner) newRoom() *room {
	r := &room{limits: p.groupLimits(), at: map[string]*Place{}, taken: map[string]bool{}, alone: map[string]bool{}, open: map[*Move][]*Place{}, shard: func(i *instance) string {
		if !p.sharded() {
			return ""
		}
		return p.shardName(i)
	}}
	for n := range p.Places {
		place := p.Places[n]
		place.Shards = maps.Clone(place.Shards)
		r.places = append(r.places, &place)
		r.at[place.Node] = &place
		if place.Held > 0 {
			r.used++
		}
	}
	slices.SortStableFunc(r.places, func(a, b *Place) int { // nodes in use first
		return cmp.Compare(min(b.Held, 1), min(a.Held, 1))
	})
	return r
}

// groupLimits are those of the policy that the set uses. What is only wished for limits nobody. Without a policy the scheduler has
// defaults, of which that for shards, one to a node, is the only one that ships.
func (p *planner) groupLimits() placement.Limits {
	spec := p.Policy.Spec
	if p.sharded() && p.spec.PlacementPolicyRef == nil && p.spec.Placement == nil {
		return placement.Limits{MaxPerShard: 1}
	}
	if spec == nil || p.spec.PlacementPolicyRef == nil && p.spec.Placement == nil || spec.Mode == v1alpha1.PlacementBestEffort {
		return placement.Limits{}
	}
	total := 0
	for _, t := range p.Policy.Targets {
		total += int(t.Replicas)
	}
	if spec.Replicas != nil {
		total = int(*spec.Replicas)
	}
	return slots.LimitsOf(spec.PlacementLimits, total)
}

// find is a place to which an instance could go, nil for none.
func (r *room) find(i *instance) *Place {
	used := r.used
	if from := r.at[i.pod.Node]; from != nil && from.Held == 1 {
		used-- // its node is not used any more
	}
	shard := r.shard(i)
	for _, to := range r.openFor(i.pod.Move) {
		switch {
		case to.Node == i.pod.Node:
		case r.taken[to.Node] && (i.pod.Move.Alone || r.alone[to.Node]):
		case !i.pod.Move.Asks.Fits(to.Free):
		case to.Held == 0 && r.limits.MaxNodes > 0 && used >= r.limits.MaxNodes:
		case r.limits.MaxPerNode > 0 && to.Held >= r.limits.MaxPerNode:
		case shard != "" && r.limits.MaxPerShard > 0 && to.Shards[shard] >= r.limits.MaxPerShard:
		default:
			return to
		}
	}
	return nil
}

// openFor are the places that instances which are alike may use, worked out once for all of them.
func (r *room) openFor(m *Move) []*Place {
	all, known := r.open[m]
	if !known {
		for _, place := range r.places {
			if m.To[place.Node] {
				all = append(all, place)
			}
		}
		r.open[m] = all
	}
	return all
}

// couldTake reports whether a pod that waits for a node might get one of the places, were it not for the limits of its group: those change with each that
// leaves. One of which it is not known might.
func (r *room) couldTake(w *Waiting) bool {
	return w.Move == nil || slices.ContainsFunc(r.openFor(w.Move), func(to *Place) bool { return w.Move.Asks.Fits(to.Free) })
}

// take has an instance go to a place that it finds, in the numbers; false if it finds none.
func (r *room) take(i *instance) bool {
	to := r.find(i)
	if to == nil {
		return false
	}
	shard := r.shard(i)
	if from := r.at[i.pod.Node]; from != nil && from.Held > 0 {
		from.add(shard, -1)
		if from.Held == 0 {
			r.used--
		}
	}
	if to.Held == 0 {
		r.used++
	}
	to.add(shard, 1)
	to.Free = to.Free.Minus(i.pod.Move.Asks)
	r.taken[to.Node], r.alone[to.Node] = true, r.alone[to.Node] || i.pod.Move.Alone
	return true
}

func (p *Place) add(shard string, by int) {
	p.Held += by
	if shard == "" {
		return
	}
	if p.Shards == nil {
		p.Shards = map[string]int{}
	}
	p.Shards[shard] += by
}
