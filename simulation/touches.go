package simulation

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/reason"
)

// What holds of updates and of the handovers that they ask for, by what really runs.

// touch is an instance that was available until an update disturbed it, and has not come back yet.
type touch struct {
	pod        types.UID
	set, shard string
	node       string
	at         time.Time
}

// toRecreate notes which deletions of a plan are the update's: others have other reasons.
func (c *checker) toRecreate(p decide.Plan) {
	for _, change := range p.Changes {
		if change.Kind == decide.DeletePod {
			c.recreated[change.UID] = change.Reason == reason.UpdateRecreate
		}
	}
}

// disturbs reports whether a write of the manager is one by which an update disturbs what runs.
func (c *checker) disturbs(r request, before *corev1.Pod, after client.Object) bool {
	if r.verb == "delete" {
		return c.recreated[before.UID]
	}
	if givesLeave(r, before, after) {
		return true
	}
	pod, is := after.(*corev1.Pod)
	if r.verb != "patch" || !is || pod.UID != before.UID || len(pod.Spec.Containers) != len(before.Spec.Containers) {
		return false
	}
	if pod.Annotations[v1alpha1.AnnotationConfiguration] != before.Annotations[v1alpha1.AnnotationConfiguration] {
		return true
	}
	for n := range pod.Spec.Containers {
		x, y := &before.Spec.Containers[n], &pod.Spec.Containers[n]
		if x.Image != y.Image && !c.w.stuck(before, x.Name) || !equality.Semantic.DeepEqual(x.Resources, y.Resources) {
			return true
		}
	}
	return false
}

// stuck reports whether a container does not run because its image cannot be had: another one ends nothing. Of a machine that is off, what it said last
// is true: nothing has started there since.
func (w *World) stuck(pod *corev1.Pod, name string) bool {
	if m := w.machines[pod.Spec.NodeName]; m != nil && m.off {
		return slices.ContainsFunc(pod.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool {
			return c.Name == name && c.State.Waiting != nil && strings.Contains(c.State.Waiting.Reason, "ImagePull")
		})
	}
	p, _ := w.processOfPod(pod)
	return p != nil && slices.ContainsFunc(p.containers, func(c *container) bool { return c.name == name && c.tries > 0 })
}

// touches judges a write that disturbs an instance.
func (c *checker) touches(a *access, r request, before *corev1.Pod, after client.Object) {
	if c.w.containers == nil || !c.disturbs(r, before, after) {
		return
	}
	set, known := c.seenBy(a, before.Labels[v1alpha1.LabelInstanceSet])
	if !known {
		return
	}
	if r.verb == "delete" && set.Spec.UpdateStrategy.InPlace == v1alpha1.InPlaceOnly {
		c.fail("Only makes no pod anew", "%s", r)
	}
	if c.w.ha != nil && c.w.ha.sets[set.Name] != nil && (set.Spec.UpdateStrategy.Switchover == "" || set.Spec.UpdateStrategy.Switchover == v1alpha1.UpdateSwitchoverStrict) {
		if givesLeave(r, before, after) || !c.runsOn(before, after) {
			c.noMaster(a, r, before)
		}
		c.noRestart(r, before, after)
	}
	c.leaves(a, r, before, after)
	p, m := c.w.processOfPod(before)
	if p == nil || !isReady(before) || !p.ready || !m.reachable() {
		return // it was not available
	}
	c.forgetTouches()
	if _, counted := c.touched[before.Name]; counted && r.sub == "resize" {
		return // another resize in place of one that is not done: what runs is as it was
	}
	shard := before.Labels[v1alpha1.LabelShard]
	others := c.others(r, before.Name, set.Name, shard)
	if most := max(c.allowed(set), c.allowedNow(set.Name)); len(others) >= most {
		c.fail("maxUnavailable", "%s, while %v are not back: at most %d may be unavailable", r, others, most)
	}
	c.touched[before.Name] = touch{before.UID, set.Name, shard, before.Spec.NodeName, time.Now()}
}

// others are the instances of a set that are not back. None may be of the same shard.
func (c *checker) others(r request, but, set, shard string) (others []string) {
	for _, name := range slices.Sorted(maps.Keys(c.touched)) {
		t := c.touched[name]
		switch {
		case t.set != set || name == but:
			continue
		case shard != "" && t.shard == shard:
			c.fail("one of a shard is disturbed", "%s, while %s is not back", r, name)
		}
		others = append(others, name)
	}
	return others
}

// noMaster: with Strict, no master is disturbed: neither one that the manager knows of, nor one that has been master for long by all that anybody
// says.
func (c *checker) noMaster(a *access, r request, pod *corev1.Pod) {
	seen, there, _ := a.replicas[reflect.TypeFor[*corev1.Pod]()].GetIndexer().Get(pod)
	if there && seen.(*corev1.Pod).Labels[v1alpha1.LabelRole] == masterLabel {
		c.fail("a master hands over first", "%s, which has the label", r)
	}
	s := c.w.ha.steady[pod.Labels[v1alpha1.LabelShard]]
	late := c.w.faults.lagMost + c.w.faults.stale
	if s.uid == pod.UID && time.Since(s.since) > reportsForgotten+late && c.w.ha.undoubted(pod.Labels[v1alpha1.LabelShard]) == pod.UID {
		c.fail("a master hands over first", "%s, which has been master for %s by all that anybody says", r, time.Since(s.since).Round(time.Second))
	}
}

// seenBy is a set as a process has it.
func (c *checker) seenBy(a *access, name string) (*v1alpha1.InstanceSet, bool) {
	o, there, _ := a.replicas[typeOfSet].GetIndexer().GetByKey(Namespace + "/" + name)
	if !there {
		return nil, false
	}
	return o.(*v1alpha1.InstanceSet), true
}

func (c *checker) allowedNow(name string) int {
	set, there := find[*v1alpha1.InstanceSet](c.w, types.NamespacedName{Namespace: Namespace, Name: name})
	if !there {
		return 0
	}
	return c.allowed(set)
}

// allowed is how many instances of a set may be unavailable.
func (c *checker) allowed(set *v1alpha1.InstanceSet) int {
	most := set.Spec.UpdateStrategy.MaxUnavailable
	if most == nil {
		return 1
	}
	n, _ := intstr.GetScaledValueFromIntOrPercent(most, int(*set.Spec.Replicas), false)
	return max(1, n)
}

// forgetTouches drops those who are back, and those whom something else than the update keeps away.
func (c *checker) forgetTouches() {
	for name, t := range c.touched { // the order does not matter to deletions
		if m := c.w.machines[t.node]; m == nil || !m.reachable() || c.back(name, t) {
			delete(c.touched, name)
		}
	}
}

// back reports whether an instance is available again, with what was written to it.
func (c *checker) back(name string, t touch) bool {
	pod, there := find[*corev1.Pod](c.w, types.NamespacedName{Namespace: Namespace, Name: name})
	if set, known := find[*v1alpha1.InstanceSet](c.w, types.NamespacedName{Namespace: Namespace, Name: t.set}); !known || !slices.Contains(decide.WantedOrdinals(&set.Spec), int32(ordinalOf(name))) ||
		slices.Contains(set.Spec.OfflineInstances, int32(ordinalOf(name))) {
		return true // it is not wanted any more
	}
	if !there {
		return false
	}
	p, _ := c.w.processOfPod(pod)
	if _, leaves := pod.Labels[v1alpha1.LabelMayLeave]; leaves || p == nil || pod.DeletionTimestamp != nil || !isReady(pod) || !p.ready || p.resizing(pod) || !p.configuredFor(pod) {
		return false
	}
	return !slices.ContainsFunc(pod.Spec.Containers, func(want corev1.Container) bool {
		return slices.ContainsFunc(p.containers, func(has *container) bool {
			return has.name == want.Name && (has.image != want.Image || has.state != running)
		})
	})
}

// processOfPod is what runs of a pod, nil for nothing.
func (w *World) processOfPod(pod *corev1.Pod) (*process, *machine) {
	m := w.machines[pod.Spec.NodeName]
	if m == nil || m.off {
		return nil, m
	}
	return m.running[pod.UID], m
}

// ordered: no order of ours makes a second master that takes writes beside one that does.
func (c *checker) ordered(p *process, r api.Request, a api.Answer, before []string) {
	if a.Refused != "" || r.Action == api.Look {
		return
	}
	for _, other := range c.w.shardEngines(c.w.shardOf(p.name)) {
		if r.Action == api.Promote && a.Changed && other.up() && other.on.reachable() && other.engine.history == p.engine.former && other.offset >= p.engine.formerEnd {
			c.fail("a handover loses nothing", "%s is promoted with %d bytes, and %s has %d", p.name.Name, p.engine.formerEnd-1, other.name.Name, other.offset)
		}
	}
	if now := c.w.writable(p.name); len(now) > 1 && len(before) < 2 {
		c.fail("one master takes writes", "after %s of %s, %v do", r.Action, p.name.Name, now)
	}
}
