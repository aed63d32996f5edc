package simulation

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/simulation/farm"
)

// Some of the seeds with updates have people who also cordon and drain nodes. In those, some sets have volumes in the network, and more than elsewhere
// have none: instances with local ones do not leave.

// cordoning are those seeds, modulo 10, from farm.FirstWithUpdates on. None of them was pinned before.
var cordoning = []int64{3, 8, 9}

const (
	networkClass = "network"
	// drainPeriod is how often kubectl drain asks again what it was refused.
	drainPeriod = 5 * time.Second
	// mostCordoned are as many nodes as the sets do not need.
	mostCordoned = 2
)

func (p *play) cordons() bool {
	return p.updates() && p.choice.seed >= farm.FirstWithUpdates && slices.Contains(cordoning, p.choice.seed%10)
}

// giveVolumes draws whether sets have volumes in the network, or none.
func (p *play) giveVolumes(sets []*v1alpha1.InstanceSet) {
	if !p.cordons() || !p.choice.happens("volumes") {
		return
	}
	for _, s := range sets {
		switch d := p.choice.of("volumes." + s.Name).Float64(); {
		case d < 0.3:
			s.Spec.VolumeClaimTemplates = nil
		case d < 0.7 && len(s.Spec.VolumeClaimTemplates) > 0:
			s.Spec.VolumeClaimTemplates[0].Spec.StorageClassName = ptr.To(networkClass)
		}
	}
}

// drawCordons puts onto the agenda who is cordoned when, and for how long.
func (p *play) drawCordons() {
	if !p.cordons() {
		return
	}
	d := p.choice.of("cordons")
	for n, at := 0, d.between(0, 90*time.Second); at < trouble; n, at = n+1, at+d.between(10*time.Second, 3*time.Minute) {
		name := fmt.Sprintf("cordon.%d", n)
		p.after(at, "cordon", func() {
			if !p.over && p.choice.happens(name) {
				p.cordon(p.choice.of(name))
			}
		})
	}
}

// cordon has a person cordon a node, some of them drain it, and uncordon it later.
func (p *play) cordon(d dice) {
	name := p.nodes[d.Intn(len(p.nodes))]
	node, there := find[*corev1.Node](p.World, types.NamespacedName{Name: name})
	if !there || node.Spec.Unschedulable || p.cordoned() >= mostCordoned {
		return
	}
	drains := d.chance(0.6)
	p.tell("user", "cordons node %s, drains=%v", name, drains)
	p.uncordon(name, true)
	if drains {
		p.after(d.between(0, drainPeriod), "drain", func() { p.drain(node.UID, name) })
	}
	p.after(d.between(5*time.Second, 5*time.Minute), "uncordon", func() {
		if !p.over {
			p.uncordon(name, false)
		}
	})
}

func (p *play) cordoned() (n int) {
	for _, node := range all[*corev1.Node](p.World) {
		if node.Spec.Unschedulable {
			n++
		}
	}
	return n
}

// uncordon takes a cordon back, or sets it. A Node that was deleted meanwhile has none.
func (p *play) uncordon(name string, on bool) {
	node, there := find[*corev1.Node](p.World, types.NamespacedName{Name: name})
	if !there || node.Spec.Unschedulable == on {
		return
	}
	p.tell("user", "node %s cordoned=%v", name, on)
	p.must(p.Cordon(name, on))
}

// drain evicts whom the budget of a set does not select, and asks again until nobody is left.
func (p *play) drain(uid types.UID, name string) {
	node, there := find[*corev1.Node](p.World, types.NamespacedName{Name: name})
	if !there || node.UID != uid || !node.Spec.Unschedulable || p.over {
		return
	}
	for _, pod := range all[*corev1.Pod](p.World) {
		_, may := pod.Labels[v1alpha1.LabelMayLeave]
		if pod.Spec.NodeName == name && pod.DeletionTimestamp == nil && may {
			p.tell("user", "evicts %s", pod.Name)
			p.must(p.World.deletePod(pod.DeepCopy(), metav1.DeleteOptions{}))
		}
	}
	p.after(drainPeriod, "drain", func() { p.drain(uid, name) })
}

// healCordons has people uncordon all nodes.
func (p *play) healCordons() {
	for _, name := range p.nodes {
		p.uncordon(name, false)
	}
}

// noneLeaves: when no node is cordoned, nobody has leave to go.
func (p *play) noneLeaves(set string) bool {
	return !slices.ContainsFunc(all[*corev1.Pod](p.World), func(pod *corev1.Pod) bool {
		_, may := pod.Labels[v1alpha1.LabelMayLeave]
		return may && pod.Labels[v1alpha1.LabelInstanceSet] == set
	})
}

// givesLeave and takesLeave report whether a write gives a pod leave to go from its node, or takes it back.
func givesLeave(r request, before *corev1.Pod, after client.Object) bool {
	_, had := before.Labels[v1alpha1.LabelMayLeave]
	_, has := after.GetLabels()[v1alpha1.LabelMayLeave]
	return r.verb == "patch" && before.UID == after.GetUID() && has && !had
}

func takesLeave(before, after client.Object) bool {
	_, had := before.GetLabels()[v1alpha1.LabelMayLeave]
	_, has := after.GetLabels()[v1alpha1.LabelMayLeave]
	return before.GetUID() == after.GetUID() && had && !has
}

// leaves: leave to go is given on a node that the manager sees cordoned, and where the data goes with the pod, to nobody who is the only one of its shard
// that the manager sees Ready.
func (c *checker) leaves(a *access, r request, pod *corev1.Pod, after client.Object) {
	if !givesLeave(r, pod, after) {
		return
	}
	seen, known, _ := a.replicas[reflect.TypeFor[*corev1.Node]()].GetIndexer().GetByKey(pod.Spec.NodeName)
	if !known || !seen.(*corev1.Node).Spec.Unschedulable {
		c.fail("only cordoned nodes are left", "%s on node %s", r, pod.Spec.NodeName)
	}
	set, known := c.seenBy(a, pod.Labels[v1alpha1.LabelInstanceSet])
	if !known || len(set.Spec.VolumeClaimTemplates) > 0 {
		return
	}
	for _, o := range a.replicas[reflect.TypeFor[*corev1.Pod]()].GetIndexer().List() {
		other := o.(*corev1.Pod)
		_, goes := other.Labels[v1alpha1.LabelMayLeave]
		if other.Name != pod.Name && other.Labels[v1alpha1.LabelInstanceSet] == set.Name && other.Labels[v1alpha1.LabelShard] == pod.Labels[v1alpha1.LabelShard] &&
			isReady(other) && other.DeletionTimestamp == nil && !goes && (len(set.Spec.Roles) == 0 || other.Labels[v1alpha1.LabelRole] != "") {
			return
		}
	}
	c.fail("the last holder is kept", "%s: nobody else is known to have the data of %s", r, pod.Name)
}
