package dispersion

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
)

// PreScore leaves out pods of no group: PreFilter made no state for them.
func (p *Plugin) PreScore(_ context.Context, cs fwk.CycleState, _ *corev1.Pod, _ []fwk.NodeInfo) *fwk.Status {
	if _, err := cs.Read(stateKey); err != nil {
		return fwk.NewStatus(fwk.Skip)
	}
	return nil
}

// Score prefers nodes that hold fewer instances of the group; where there is a plan, among those that it still wants to use.
func (p *Plugin) Score(_ context.Context, cs fwk.CycleState, _ *corev1.Pod, info fwk.NodeInfo) (int64, *fwk.Status) {
	s, status := stateOf(cs)
	if !status.IsSuccess() {
		return 0, status
	}
	node := info.Node().Name
	number, there := s.index.names[node]
	held := s.delta.held[node]
	if there && number < len(s.view.seats) {
		held += int(s.view.seats[number].held)
	}
	if s.plan == nil {
		return placement.Evenness(held, s.level), nil
	}
	wanted := there && number < len(s.plan.quota) && s.plan.quota[number] > held && (len(s.row) == 0 || slices.Contains(s.row, number))
	switch {
	case s.mode == v1alpha1.PlacementBestEffort && wanted:
		return 50 + placement.Evenness(held, s.level)/2, nil
	case s.mode == v1alpha1.PlacementBestEffort: // the least bad of those beyond the limits
		return placement.Evenness(held, maxLevel) / 2, nil
	case wanted:
		return max(1, placement.Evenness(held, s.level)), nil
	}
	return 0, nil
}

// ScoreExtensions is nil: the score depends on the node alone.
func (p *Plugin) ScoreExtensions() fwk.ScoreExtensions { return nil }

// maxLevel keeps one more instance worth at least one point of 100.
const maxLevel = 100

// level is the number of instances at which a node scores 0: its limit, or, without one, twice the even share of the
// nodes that may be used, so that nodes above the share still differ.
func level(l placement.Limits, replicas, nodes int) int {
	if l.MaxPerNode > 0 {
		return min(l.MaxPerNode, maxLevel)
	}
	if l.MaxNodes > 0 {
		nodes = min(nodes, l.MaxNodes)
	}
	if nodes == 0 {
		return 1
	}
	return max(1, min(2*((replicas+nodes-1)/nodes), maxLevel))
}
