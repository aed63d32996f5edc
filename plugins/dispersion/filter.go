package dispersion

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/reason"
)

// Filter judges one node in constant time.
func (p *Plugin) Filter(_ context.Context, cs fwk.CycleState, _ *corev1.Pod, info fwk.NodeInfo) *fwk.Status {
	s, status := stateOf(cs)
	if !status.IsSuccess() {
		return status
	}
	node := info.Node().Name
	broken := s.refusal(node)
	if broken == nil {
		return nil
	}
	// Preemption tries only nodes that are merely Unschedulable. Removing pods there can help when a pod of the group
	// with a lower priority is among them, or when any pod is (cap over all groups); it never shrinks the set of nodes.
	switch {
	case broken.code == reason.NodeTotalLimit,
		(broken.code == reason.NodeInstanceLimit || broken.code == reason.ShardSpreadLimit) && s.weaker[node]:
		return fwk.NewStatus(fwk.Unschedulable, broken.message)
	}
	return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, broken.message)
}

// refusal is the first rule that the node breaks, nil when it breaks none.
func (s *state) refusal(node string) *rule {
	switch {
	case s.pinned != "" && node != s.pinned:
		return &pinnedElsewhere
	case s.holds:
		return nil // the pod's volume holds its slot already: coming back takes nothing from anybody
	}
	for i := range rules {
		if rules[i].broken(s, node) {
			return &rules[i]
		}
	}
	return nil
}

// rule is one hard limit. The message is made once: Filter runs for every node.
type rule struct {
	code    reason.Code
	message string
	broken  func(*state, string) bool
}

func newRule(code reason.Code, broken func(*state, string) bool) rule {
	return rule{code, code.Message(), broken}
}

var pinnedElsewhere = newRule(reason.VolumePinned, nil)

// rules stand in the order in which a person would want to hear of them.
var rules = [...]rule{
	newRule(reason.NodeInstanceLimit, func(s *state, node string) bool {
		return s.limits.MaxPerNode > 0 && s.heldOn(node) >= s.limits.MaxPerNode
	}),
	newRule(reason.ShardSpreadLimit, func(s *state, node string) bool {
		return s.shard != "" && s.limits.MaxPerShard > 0 && s.shardOn(node) >= s.limits.MaxPerShard
	}),
	newRule(reason.NodeTotalLimit, func(s *state, node string) bool {
		return s.total > 0 && s.allOn(node) >= s.total
	}),
	newRule(reason.NodeCountLimit, func(s *state, node string) bool {
		return s.limits.MaxNodes > 0 && s.heldOn(node) == 0 && s.used() >= s.limits.MaxNodes
	}),
	newRule(reason.RoomPromised, func(s *state, node string) bool {
		return s.promised[node] > 0 && s.room[node] <= 0
	}),
	newRule(reason.NodeTooSmall, func(s *state, node string) bool {
		// Without a limit of nodes nothing can be cut off. A node that is full now counts as having room for one, so that
		// preemption does not empty it in vain.
		return s.limits.MaxNodes > 0 && s.heldOn(node) == 0 && s.guard.Need > max(1, s.capacity[node])
	}),
}
