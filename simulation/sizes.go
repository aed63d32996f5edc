package simulation

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// mixing are the seeds, modulo 22, whose instances and nodes have different sizes. Seeds of other numbers are what they were
// before there was such a thing: none that was pinned by then, or had caught a planted bug, is among these.
var mixing = []int64{0, 4, 9, 15}

// mix has some instances of the sets ask for more CPUs than the rest, by a template of their own, and nodes of different sizes, and
// returns how many nodes the sets may use now. The room is scarce: whoever packs badly has no place for the large ones.
func (p *play) mix(sets []*v1alpha1.InstanceSet, most int32) int32 {
	if !slices.Contains(mixing, p.choice.seed%22) || !p.choice.happens("mixed") {
		return most
	}
	d := p.choice.of("mixed")
	p.cpus = map[string]int64{}
	for n := range 26 {
		p.cpus[nodeName(n)] = []int64{4, 8, 8}[d.Intn(3)]
	}
	for n, s := range sets {
		if n > 0 && d.chance(0.3) {
			continue
		}
		large := v1alpha1.InstanceTemplate{Name: "large", Replicas: ptr.To(1 + d.Int31n(max(1, *s.Spec.Replicas/2)))}
		large.Containers = []v1alpha1.ContainerOverride{{Name: "redis", Resources: &corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: *resource.NewQuantity(2+d.Int63n(3), resource.DecimalSI)},
		}}}
		s.Spec.Templates = []v1alpha1.InstanceTemplate{large}
		p.limitsOf(s).MaxNodes = ptr.To(*p.limitsOf(s).MaxNodes + d.Int31n(3))
		most = max(most, *p.limitsOf(s).MaxNodes)
	}
	return most + 1
}

// fitTemplates has the templates of a set that became smaller want no more instances than there are, which the API refuses.
func fitTemplates(s *v1alpha1.InstanceSet) {
	for i := range s.Spec.Templates {
		s.Spec.Templates[i].Replicas = ptr.To(min(*s.Spec.Templates[i].Replicas, *s.Spec.Replicas))
	}
}

// nodeName is a letter, and after z two of them.
func nodeName(n int) string {
	if n < 26 {
		return string(rune('a' + n))
	}
	return "z" + string(rune('a'+n-26))
}

// nodeOf is what a node of that name offers, also the next one.
func (p *play) nodeOf(name string) corev1.ResourceList {
	if cpus, drawn := p.cpus[name]; drawn {
		return Node(cpus)
	}
	return Node(8)
}

// outOfRoom reports whether all that a set of a seed with different sizes lacks is instances that wait, and none of them has a
// node, as everything is placed. The scheduler places instances one by one and never moves any: after nodes were lost and sets were
// scaled, the room that is left may be in pieces that are too small. It is no excuse for a pod that a node could take, for one that
// was never created, or for a policy that is not there.
func (p *play) outOfRoom(set *v1alpha1.InstanceSet) bool {
	if p.cpus == nil || set.Status.ObservedGeneration != set.Generation || !p.sizesDiffer() {
		return false
	}
	waiting := int32(0)
	for _, pod := range all[*corev1.Pod](p.World) {
		if pod.Labels[v1alpha1.LabelInstanceSet] != set.Name || pod.Spec.NodeName != "" {
			continue
		}
		waiting++
		group, grouped := slots.GroupOf(pod.Namespace, pod.Labels)
		policy, known := find[*v1alpha1.PlacementPolicy](p.World, types.NamespacedName{Namespace: group.Namespace, Name: group.Policy})
		if !grouped || !known || slices.ContainsFunc(p.nodes, func(node string) bool { return p.couldTake(node, pod, group, policy) }) {
			return false
		}
	}
	return waiting > 0 && p.running(set.Name)+waiting == wantedOnline(set)
}

// sizesDiffer reports whether a set has instances of a size of their own.
func (p *play) sizesDiffer() bool {
	return slices.ContainsFunc(all[*v1alpha1.InstanceSet](p.World), func(s *v1alpha1.InstanceSet) bool { return len(s.Spec.Templates) > 0 })
}

// couldTake reports whether the node has room for the pod, and the limits of its group would hold.
func (p *play) couldTake(name string, pod *corev1.Pod, group slots.Group, policy *v1alpha1.PlacementPolicy) bool {
	node, there := find[*corev1.Node](p.World, types.NamespacedName{Name: name})
	if !there || !slots.RoomFor(pod).Usable(node) {
		return false
	}
	own, used := place{slots.InstanceOfPod(pod), name}, usageIn(p.truth)
	for at := range used[group] {
		if at.instance == own.instance && at.node != name {
			return false // its volume is elsewhere
		}
	}
	then := maps.Clone(used[group])
	if then == nil {
		then = usage{}
	}
	then[own] = pod.Labels[v1alpha1.LabelShard]
	return exceeded(policy, used[group], then) == "" && p.freeOn(name, own, used) >= slots.RequestOf(pod).MilliCPU
}

// largest is how many thousandths of a CPU the largest instance asks for.
func (p *play) largest() int64 {
	most := int64(1000)
	for _, s := range all[*v1alpha1.InstanceSet](p.World) {
		for _, t := range s.Spec.Templates {
			for _, c := range t.Containers {
				most = max(most, c.Resources.Requests.Cpu().MilliValue())
			}
		}
	}
	return most
}

// freeOn is how many thousandths of a CPU of a node nobody uses, nor keeps for an instance whose volume is there: such a one may
// be a large one.
func (p *play) freeOn(name string, but place, used map[slots.Group]usage) int64 {
	offers := p.nodeOf(name)
	free, here := offers.Cpu().MilliValue(), map[slots.Instance]bool{but.instance: true}
	for _, pod := range all[*corev1.Pod](p.World) {
		if pod.Spec.NodeName == name {
			free -= slots.RequestOf(pod).MilliCPU
			here[slots.InstanceOfPod(pod)] = true
		}
	}
	for _, u := range used { // the order does not matter to the sum
		for at := range u {
			if at.node == name && !here[at.instance] {
				free -= p.largest()
			}
		}
	}
	return free
}
