package dispersion

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/placement"
)

// PreScore leaves out pods of no group: PreFilter made no state for them.
func (p *Plugin) PreScore(_ context.Context, cs fwk.CycleState, _ *corev1.Pod, _ []fwk.NodeInfo) *fwk.Status {
	if _, err := cs.Read(stateKey); err != nil {
		return fwk.NewStatus(fwk.Skip)
	}
	return nil
}

// wantedMore is what a node that the plan still wants has more than any other.
const wantedMore = fwk.MaxScore

// Score prefers nodes that hold fewer instances of the group; where there is a plan, first among those that it still wants to use.
// NormalizeScore brings it into its range.
func (p *Plugin) Score(_ context.Context, cs fwk.CycleState, _ *corev1.Pod, info fwk.NodeInfo) (int64, *fwk.Status) {
	s, status := p.stateOf(cs)
	if !status.IsSuccess() {
		return 0, status
	}
	number, there := s.judged(info), true
	if number < 0 {
		number, there = s.index.names[info.Node().Name]
	}
	held := 0
	if len(s.delta.held) > 0 {
		held = s.delta.held[info.Node().Name]
	}
	if there && number < len(s.view.seats) {
		held += int(s.view.seats[number].held)
	}
	if s.plan == nil {
		return placement.Evenness(held, s.level), nil
	}
	wanted := there && number < len(s.plan.quota) && s.plan.quota[number] > held && (len(s.row) == 0 || s.inRow(number))
	if wanted {
		return wantedMore + max(1, placement.Evenness(held, s.level)), nil
	}
	return placement.Evenness(held, maxLevel), nil
}

// ScoreExtensions is the plugin itself.
func (p *Plugin) ScoreExtensions() fwk.ScoreExtensions { return p }

// NormalizeScore has every node score 0 that the plan does not want, if there is one that it does. Otherwise other plugins have
// refused all of those, and the pod goes where fewest of its group are.
func (p *Plugin) NormalizeScore(_ context.Context, _ fwk.CycleState, _ *corev1.Pod, scores fwk.NodeScoreList) *fwk.Status {
	if !slices.ContainsFunc(scores, func(s fwk.NodeScore) bool { return s.Score > wantedMore }) {
		return nil
	}
	for i := range scores {
		scores[i].Score = max(0, scores[i].Score-wantedMore)
	}
	return nil
}

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
