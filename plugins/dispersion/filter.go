package dispersion

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/slots"
)

// Filter judges one node in constant time.
func (p *Plugin) Filter(_ context.Context, cs fwk.CycleState, _ *corev1.Pod, info fwk.NodeInfo) *fwk.Status {
	s, status := p.stateOf(cs)
	if !status.IsSuccess() {
		return status
	}
	if s.judged(info) >= 0 {
		return nil
	}
	node := info.Node().Name
	number, known := s.index.names[node]
	if !known || number >= len(s.view.seats) { // PreFilter has numbered every node of the snapshot
		return fwk.AsStatus(fmt.Errorf("judging node %s: the snapshot of this cycle does not have it", node))
	}
	broken := s.refusal(number, node)
	if broken == nil {
		return nil
	}
	// Preemption tries only nodes that are merely Unschedulable. Removing pods there can help when a pod of the group
	// with a lower priority is among them, or when any pod is (cap over all groups); it never shrinks the set of nodes.
	switch {
	case broken.code == reason.NodeTotalLimit,
		(broken.code == reason.NodeInstanceLimit || broken.code == reason.ShardSpreadLimit) && s.view.seats[number].lowest < s.priority:
		return fwk.NewStatus(fwk.Unschedulable, broken.message)
	}
	return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, broken.message)
}

// refusal is the first rule that the node breaks, nil when it breaks none.
func (s *state) refusal(number int, node string) *rule {
	switch {
	case s.pinned != "" && node != s.pinned:
		return &pinnedElsewhere
	case s.mode == v1alpha1.PlacementBestEffort:
		return s.beyondLimits(number, node)
	case s.holds:
		return s.homecoming(node)
	}
	seat := &s.view.seats[number]
	held := int(seat.held)
	shard := 0
	if len(s.siblings) > 0 {
		shard = s.siblings[node]
	}
	all := int(seat.all)
	if s.delta.changed != nil {
		held += s.delta.held[node]
		shard += s.delta.shards[node]
		all += s.delta.all[node]
	}
	return s.broken(here{seat: seat, number: number, held: held, shard: shard, all: all})
}

// beyondLimits judges a node for a pod that goes beyond the limits of its policy if need be. The cap over all groups is not its policy's.
func (s *state) beyondLimits(number int, node string) *rule {
	if s.total > 0 && !s.holds && int(s.view.seats[number].all)+s.delta.all[node] >= s.total {
		return &totalIsReached
	}
	return s.keepsVolumesRoom(number)
}

// keepsVolumesRoom judges a node for a pod that goes beyond limits if need be: it takes no room without which an absent sibling, whose volume is
// there, could run nowhere. What other groups need is none of its business.
func (s *state) keepsVolumesRoom(number int) *rule {
	seat := &s.view.seats[number]
	if s.holds || seat.promised == 0 || seat.fit+seat.needed > seat.promised {
		return nil
	}
	return &roomIsPromised
}

// homecoming judges the node on which the pod's volume holds its slot already: coming back takes nothing from anybody, unless the
// claim says nothing of the pod's shard, or something else. Then siblings may have come there, and the slot never counted for them.
func (s *state) homecoming(node string) *rule {
	m := s.limits.MaxPerShard
	if s.shard == "" || m == 0 || s.siblings[node]+s.delta.shards[node] < m {
		return nil
	}
	if slices.ContainsFunc(s.tally.Instances[s.instance], func(own slots.Slot) bool { return own.Node == node && own.Shard == s.shard }) {
		return nil
	}
	return &shardIsThere
}

// here is a node as the rules see it, the changes of this cycle included.
type here struct {
	seat                     *seat
	number, held, shard, all int
}

// rule is one hard limit. The message is made once: Filter runs for every node.
type rule struct {
	code    reason.Code
	message string
}

func newRule(code reason.Code) rule { return rule{code, code.Message()} }

var (
	pinnedElsewhere = newRule(reason.VolumePinned)
	nodeIsFull      = newRule(reason.NodeInstanceLimit)
	shardIsThere    = newRule(reason.ShardSpreadLimit)
	totalIsReached  = newRule(reason.NodeTotalLimit)
	tooManyNodes    = newRule(reason.NodeCountLimit)
	roomIsPromised  = newRule(reason.RoomPromised)
	roomIsNeeded    = newRule(reason.RoomNeeded)
	nodeIsTooSmall  = newRule(reason.NodeTooSmall)
	plannedForOther = newRule(reason.ShardPlanned)
	notPlanned      = newRule(reason.NotPlanned)
)

// broken is the first rule that the node breaks. They stand in the order in which a person would want to hear of them.
func (s *state) broken(on here) *rule {
	l := &s.limits
	switch {
	case l.MaxPerNode > 0 && on.held >= l.MaxPerNode:
		return &nodeIsFull
	case s.shard != "" && l.MaxPerShard > 0 && on.shard >= l.MaxPerShard:
		return &shardIsThere
	case s.total > 0 && on.all >= s.total:
		return &totalIsReached
	case l.MaxNodes == 0:
	case on.held == 0 && s.used() >= l.MaxNodes,
		// A pod that is nominated there, or may be there, does not open the node: it may end up elsewhere.
		on.seat.held == 0 && s.used() > l.MaxNodes:
		return &tooManyNodes
	}
	return s.misplaced(on)
}

// inRow reports whether the plan has the pod, or one like it, on the node.
func (s *state) inRow(number int) bool {
	if s.mix == nil {
		return slices.Contains(s.row, number) // as many as a shard has instances
	}
	_, there := slices.BinarySearch(s.row, number)
	return there
}

// misplaced is the first rule by which the node is kept for others, or the pod for another node.
func (s *state) misplaced(on here) *rule {
	l := &s.limits
	switch {
	case on.seat.promised > 0 && on.seat.free <= 0:
		return &roomIsPromised
	case on.seat.needed > 0 && on.seat.free <= 0:
		return &roomIsNeeded
	case l.MaxNodes > 0 && on.held == 0 && s.guard.Need > max(1, int(on.seat.capacity)):
		// Without a limit of nodes nothing can be cut off. A node that is full now counts as having room for one, so that
		// preemption does not empty it in vain.
		return &nodeIsTooSmall
	case s.fixed && !s.inRow(on.number):
		return &plannedForOther
	case s.mode == v1alpha1.PlacementStrict && s.pinned == "" && s.plan.more(on.number, *on.seat) <= 0:
		return &notPlanned
	}
	return nil
}
