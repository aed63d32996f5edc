package dispersion

import (
	"context"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/slots"
)

// auditEvery is the number of cycles between two audits; a large cluster adds four for each of its nodes, so that a pod
// never pays more than a few microseconds for them.
const auditEvery = 256

// audit recounts one group from everything now and then. The index is exact by construction; should that ever fail, an
// instance too many on a node would be the result, so what was wrong is counted, reported and made anew.
func (p *Plugin) audit(ctx context.Context, group slots.Group, list []fwk.NodeInfo) {
	x := p.index
	if !x.auditDue(len(list)) {
		return
	}
	x.audited = x.cycle
	got, want := x.slotsOf(group), p.recount(group, list)
	if reflect.DeepEqual(got, want) {
		return
	}
	measured().divergences.Inc()
	loggerOf(ctx).Error(nil, "The index of slots differs from what is there, and is made anew", "group", group.String(), "indexed", len(got), "counted", len(want))
	x.reset()
	x.update(list, true, false)
}

func (x *index) auditDue(nodes int) bool { return x.cycle >= x.audited+auditEvery+4*nodes }

// slotsOf are the nodes of each instance of a group that holds a slot.
func (x *index) slotsOf(group slots.Group) map[taken]bool {
	all := map[taken]bool{}
	if tally := x.ledger.Group(group); tally != nil {
		for instance, held := range tally.Instances {
			for _, s := range held {
				all[taken{instance, s.Node}] = true
			}
		}
	}
	return all
}

// recount counts a group without the index.
func (p *Plugin) recount(group slots.Group, list []fwk.NodeInfo) map[taken]bool {
	w := slots.World{Volume: p.index.volume}
	nodes := make([]*corev1.Node, 0, len(list))
	inSnapshot := map[types.UID]bool{}
	for _, info := range list {
		nodes = append(nodes, info.Node())
		for _, pi := range info.GetPods() {
			pod := pi.GetPod()
			if g, ok := slots.GroupOf(pod.Namespace, pod.Labels); ok && g == group {
				w.Pods = append(w.Pods, pod)
				inSnapshot[pod.UID] = true
			}
		}
	}
	w.Nodes = slots.NewNodeMap(nodes)
	for _, pod := range p.podsOf(group) {
		if !inSnapshot[pod.UID] {
			w.Pods = append(w.Pods, pod)
		}
	}
	w.Claims = p.claimsOf(group)
	for _, pod := range w.Pods {
		for _, claim := range p.claimsOfPod(pod) { // those of a StatefulSet may lack the labels
			if !grouped(claim.Labels) {
				w.Claims = append(w.Claims, claim)
			}
		}
	}
	all := map[taken]bool{}
	for _, s := range slots.Count(w) {
		if s.Group == group {
			all[taken{s.Instance, s.Node}] = true
		}
	}
	return all
}
