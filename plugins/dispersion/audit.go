package dispersion

import (
	"context"
	"reflect"
	"slices"

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
	var got, want map[taken]bool
	for range attempts {
		if got, want = x.slotsOf(group), p.recount(group, list); reflect.DeepEqual(got, want) {
			return
		}
		if !x.notes.pending() {
			p.heal(ctx, group, list, len(got), len(want))
			return
		}
		x.update(list, true, false) // the recount may have read what came after the index had taken in what there was
	}
}

// attempts bounds how often an audit counts again because something has changed meanwhile. If it always has, the next audit tells.
const attempts = 3

func (p *Plugin) heal(ctx context.Context, group slots.Group, list []fwk.NodeInfo, got, want int) {
	measured().divergences.Inc()
	loggerOf(ctx).Error(nil, "The index of slots differs from what is there, and is made anew", "group", group.String(), "indexed", got, "counted", want)
	p.index.reset()
	p.index.update(list, true, false)
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

// recount counts a group without the index. A claim is held by the instance of the pod that mounts it, whichever group that pod is
// of, and belongs to the group of that pod if it has no labels of its own, as those of a StatefulSet may.
func (p *Plugin) recount(group slots.Group, list []fwk.NodeInfo) map[taken]bool {
	nodes, pods := p.everyPod(group.Namespace, list)
	w := slots.World{Volume: p.index.volume, Nodes: slots.NewNodeMap(nodes), Claims: p.claimsOf(group)}
	ours := func(pod *corev1.Pod) bool {
		g, ok := slots.GroupOf(pod.Namespace, pod.Labels)
		return ok && g == group
	}
	mounted := map[string]bool{}
	for _, claim := range w.Claims {
		mounted[claim.Name] = true
	}
	for _, pod := range pods {
		if !ours(pod) {
			continue
		}
		for _, claim := range p.claimsOfPod(pod) {
			if !grouped(claim.Labels) && !mounted[claim.Name] {
				w.Claims, mounted[claim.Name] = append(w.Claims, claim), true
			}
		}
	}
	for _, pod := range pods {
		if ours(pod) || slices.ContainsFunc(slots.ClaimNames(pod), func(name string) bool { return mounted[name] }) {
			w.Pods = append(w.Pods, pod)
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

// everyPod lists the nodes of the snapshot, and the pods of groups in a namespace: as the snapshot has them, and the others as the
// informer does.
func (p *Plugin) everyPod(namespace string, list []fwk.NodeInfo) ([]*corev1.Node, []*corev1.Pod) {
	nodes := make([]*corev1.Node, 0, len(list))
	var pods []*corev1.Pod
	inSnapshot := map[types.UID]bool{}
	for _, info := range list {
		nodes = append(nodes, info.Node())
		for _, pi := range info.GetPods() {
			if pod := pi.GetPod(); pod.Namespace == namespace && grouped(pod.Labels) {
				pods = append(pods, pod)
				inSnapshot[pod.UID] = true
			}
		}
	}
	for _, pod := range p.podsIn(namespace) {
		if grouped(pod.Labels) && !inSnapshot[pod.UID] {
			pods = append(pods, pod)
		}
	}
	return nodes, pods
}
