package dispersion

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

var _ fwk.PostFilterPlugin = &Plugin{}

// maxWide bounds how many pods of a group are remembered for a second look: the largest group may wait as a whole. Pods beyond it get
// none, or those that are forgotten for their sake would be tried again without end.
const maxWide = placement.MaxReplicas

// PostFilter is called when no node suits, and says whether there is another way before anybody is evicted. It never finds a
// node itself: preemption comes after it.
//
//   - Only the nodes were looked at that the plan named: the pod is tried once more at once with all nodes, so that the plan
//     never costs a pod its place, and the pod's event gives a reason for each node. It is shown all nodes from then on, until
//     one of its group finds a node.
//   - Other plugins refuse nodes for which we keep the pod away from others: those nodes are not counted on for a minute, and
//     the pod is tried at once with another plan. Otherwise it would wait for nodes that will never take it.
//   - The group cannot be placed as a whole: the pod's event says what would help.
func (p *Plugin) PostFilter(ctx context.Context, cs fwk.CycleState, pod *corev1.Pod, statuses fwk.NodeToStatusReader) (*fwk.PostFilterResult, *fwk.Status) {
	data, err := cs.Read(stateKey)
	s, ok := data.(*state)
	switch {
	case err != nil || !ok: // a pod of no group, or one that PreFilter refused
		if group, grouped := slots.GroupOf(pod.Namespace, pod.Labels); grouped {
			p.wishes.put(group, pod, wish{})
		}
		p.release(ctx, pod)
		return nil, fwk.NewStatus(fwk.Unschedulable)
	case s.narrow && p.index.known(s.group).memo.widen(pod, s.pinned != ""):
		return p.again(ctx, pod, "the pod is tried on other nodes next")
	case p.avoid(s, statuses):
		return p.again(ctx, pod, s.view.told)
	}
	p.remember(ctx, s, pod)
	p.appoint(s, pod)
	refused(s.refused...)
	p.stand(ctx, s, pod)
	if s.pinned != "" { // it waits for its node, whatever the others lack
		return nil, fwk.NewStatus(fwk.Unschedulable)
	}
	s.view.told = p.advice(s)
	if s.view.told == "" {
		return nil, fwk.NewStatus(fwk.Unschedulable)
	}
	return nil, fwk.NewStatus(fwk.Unschedulable, s.view.told)
}

// again has a pod be tried once more at once. What is said until then should be what was said last: the scheduler does not see
// what it wrote two milliseconds ago, and leaves out what it takes for written. With two texts in turn, the pod's status would show
// that of the first try until the next one, minutes later.
func (p *Plugin) again(ctx context.Context, pod *corev1.Pod, text string) (*fwk.PostFilterResult, *fwk.Status) {
	p.handle.Activate(loggerOf(ctx), map[string]*corev1.Pod{pod.Namespace + "/" + pod.Name: pod})
	return nil, fwk.NewStatus(fwk.UnschedulableAndUnresolvable, text) // keeps preemption away
}

// widen has the pod be tried with all nodes, and not with the named ones first each time. It reports false when it cannot.
func (m *memo) widen(pod *corev1.Pod, pinned bool) bool {
	if len(m.wide)+len(m.pinned) >= maxWide {
		return false
	}
	of := &m.wide
	if pinned {
		of = &m.pinned
	}
	if *of == nil {
		*of = map[types.UID]bool{}
	}
	(*of)[pod.UID] = true
	return true
}

// isWide reports whether the pod is tried with all nodes.
func (m *memo) isWide(pod *corev1.Pod) bool { return m.wide[pod.UID] || m.pinned[pod.UID] }

// narrows forgets a pod that waits no longer.
func (m *memo) narrows(uid types.UID) {
	delete(m.wide, uid)
	delete(m.pinned, uid)
}

// remember notes what could help a pod that found no node. What no event of the scheduler's tells may have happened since its
// cycle began, when the pod was not among those yet whom it wakes: then the pod is tried again at once.
func (p *Plugin) remember(ctx context.Context, s *state, pod *corev1.Pod) {
	w := s.wish()
	p.wishes.put(s.group, pod, w)
	starves := s.mode != v1alpha1.PlacementBestEffort && s.view.starves() || s.total > 0 && w.shifting
	if starves {
		p.index.starved.add(pod)
	}
	if (starves || w.kept || w.shifting) && p.index.news.Load() != s.news {
		p.handle.Activate(loggerOf(ctx), map[string]*corev1.Pod{pod.Namespace + "/" + pod.Name: pod})
	}
}
