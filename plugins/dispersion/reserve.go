package dispersion

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/slots"
)

var (
	_ fwk.ReservePlugin = &Plugin{}
	_ fwk.PreBindPlugin = &Plugin{}
)

// Reserve notes which claims the placement is going to promise. The slot itself is counted by the scheduler's cache, which
// has assumed the pod, which holds its siblings no longer.
func (p *Plugin) Reserve(ctx context.Context, cs fwk.CycleState, pod *corev1.Pod, node string) *fwk.Status {
	p.release(ctx, pod)
	if cs.IsPodGroupSchedulingCycle() { // only tried, never bound
		return nil
	}
	p.index.notes.stirNode(node)
	if s, status := stateOf(cs); status.IsSuccess() {
		if status := p.relyOnSiblings(ctx, s, pod, node); !status.IsSuccess() {
			return status // Unreserve follows
		}
		p.relyOnSlot(cs, s, pod, node)
		s.index.known(s.group).memo.wide = nil
		if s.lastOfGroup() {
			p.feed(ctx, pod, map[slots.Group]bool{s.group: true})
		}
	}
	p.index.doubts.begins(pod, node, p.claimsOfPod(pod))
	return nil
}

const sentKey fwk.StateKey = Name + "/sent"

// sent is how far a placement got: a Binding may have been sent.
type sent struct{}

func (sent) Clone() fwk.StateData { return sent{} }

// PreBindPreFlight asks for a call of PreBind where there are claims to be bound first, which can take minutes and fail, and where
// claims have to be looked at. For other pods there is nothing between here and their Binding; and a call would cost each of them a write of its nominated
// node, which those with claims to be bound have anyway.
func (p *Plugin) PreBindPreFlight(_ context.Context, cs fwk.CycleState, pod *corev1.Pod, _ string) (*fwk.PreBindPreFlightResult, *fwk.Status) {
	if _, err := cs.Read(claimsKey); err == nil {
		return nil, nil
	}
	for _, claim := range p.claimsOfPod(pod) {
		if claim.Spec.VolumeName == "" {
			return nil, nil
		}
	}
	cs.Write(sentKey, sent{})
	return nil, fwk.NewStatus(fwk.Skip)
}

// PreBind comes after those of upstream's plugins, when the claims are bound.
func (p *Plugin) PreBind(ctx context.Context, cs fwk.CycleState, pod *corev1.Pod, _ string) *fwk.Status {
	if status := p.slotIsThere(ctx, cs, pod); !status.IsSuccess() {
		return status
	}
	cs.Write(sentKey, sent{})
	return nil
}

// Unreserve says that a placement failed, and how far it got. It mostly runs beside the cycles of other pods: the next of them
// takes in what it says.
func (p *Plugin) Unreserve(_ context.Context, cs fwk.CycleState, pod *corev1.Pod, node string) {
	if cs.IsPodGroupSchedulingCycle() {
		return
	}
	p.index.notes.stirNode(node)
	_, err := cs.Read(sentKey)
	p.index.doubts.fails(failure{pod: pod, node: node, sent: err == nil})
}
