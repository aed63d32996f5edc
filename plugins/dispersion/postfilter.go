package dispersion

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

var _ fwk.PostFilterPlugin = &Plugin{}

// maxWide bounds how many pods are remembered for a second look.
const maxWide = 10000

// PostFilter is called when no node suits. If only the nodes were looked at that the plan named, the pod is tried once more
// at once, with all nodes, so that the plan never costs a pod its place, and the pod's event gives a reason for each node.
// It never finds a node itself. Preemption comes after it, and only when all nodes were looked at.
func (p *Plugin) PostFilter(ctx context.Context, cs fwk.CycleState, pod *corev1.Pod, _ fwk.NodeToStatusReader) (*fwk.PostFilterResult, *fwk.Status) {
	data, err := cs.Read(stateKey)
	if err != nil { // a pod of no group
		return nil, fwk.NewStatus(fwk.Unschedulable)
	}
	if s, ok := data.(*state); ok && s.narrow {
		if len(p.wide) >= maxWide {
			clear(p.wide)
		}
		p.wide[pod.UID] = true
		p.handle.Activate(loggerOf(ctx), map[string]*corev1.Pod{pod.Namespace + "/" + pod.Name: pod})
		return nil, fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "the pod is tried on all nodes next") // keeps preemption away
	}
	return nil, fwk.NewStatus(fwk.Unschedulable)
}
