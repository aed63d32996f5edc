package loadbalance

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/load"
	"github.com/shoal-dev/shoal/reason"
)

// PreFilter leaves the filter out where it has nothing to say: the pod wants no bandwidth, and no thresholds are in force.
func (p *Plugin) PreFilter(_ context.Context, cs fwk.CycleState, pod *corev1.Pod, nodes []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	d, status := p.demandOf(pod)
	if !status.IsSuccess() {
		return nil, status
	}
	if !d.bandwidth() && !p.limits(pod) {
		return nil, fwk.NewStatus(fwk.Skip)
	}
	p.begin(nodes)
	cs.Write(stateKey, d)
	return nil, nil
}

// PreFilterExtensions is nil: Filter reads nothing but the node, with the pods that it is asked to imagine there.
func (p *Plugin) PreFilterExtensions() fwk.PreFilterExtensions { return nil }

// limits reports whether any threshold holds for the pod.
func (p *Plugin) limits(pod *corev1.Pod) bool {
	return slices.ContainsFunc(p.thresholds, p.holds) && ours(pod)
}

// holds is false where too few nodes are measured in the dimension of the threshold: it fails open.
func (p *Plugin) holds(t threshold) bool { return p.wide[t.dimension].Load() }

// Filter refuses a node whose bandwidth is taken, and one that would be over a threshold.
func (p *Plugin) Filter(_ context.Context, cs fwk.CycleState, pod *corev1.Pod, node fwk.NodeInfo) *fwk.Status {
	adds, status := demandIn(cs)
	if !status.IsSuccess() {
		return status
	}
	account := p.accountOf(node)
	for _, d := range []load.Dimension{load.Ingress, load.Egress} {
		// NodeResourcesFit knows the resource, and not what stands in annotations.
		capacity, has := capacityOf(node, d)
		if has && adds.requested[d] > 0 && requestedOn(node, d)+account.annotated[d]+adds.requested[d] > capacity {
			return fwk.NewStatus(fwk.Unschedulable, reason.BandwidthTaken.Message())
		}
	}
	if !p.limits(pod) {
		return nil
	}
	cutoff := p.cutoff.Load()
	for _, t := range p.thresholds {
		used, capacity, has := account.use(node, t.dimension, adds, cutoff)
		if has && p.holds(t) && account.fresh(t.dimension, cutoff) && share(used, capacity) > t.most {
			p.waiting.add(pod)
			return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, reason.NodeBusy.Message())
		}
	}
	return nil
}

// EventsToRegister says what can help a pod that the plugin refused. A measurement is no event of the API: see wake.
func (p *Plugin) EventsToRegister(context.Context) ([]fwk.ClusterEventWithHint, error) {
	return []fwk.ClusterEventWithHint{
		// A pod that goes leaves its bandwidth.
		{Event: fwk.ClusterEvent{Resource: fwk.AssignedPod, ActionType: fwk.Delete}},
		// A node that comes, or advertises more.
		{Event: fwk.ClusterEvent{Resource: fwk.Node, ActionType: fwk.Add | fwk.UpdateNodeAllocatable}},
	}, nil
}
