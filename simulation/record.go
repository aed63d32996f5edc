package simulation

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/simulation/apiserver"
)

// What a set records of who held data, and what follows from it: an instance that held data and starts empty must not start
// as a first one.

// recorded are the ordinals in status.bootstrapped.
func recorded(set *v1alpha1.InstanceSet) []int32 {
	var out []int32
	for _, part := range strings.Split(set.Status.Bootstrapped, ",") {
		first, last, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(first)
		if err != nil {
			continue
		}
		b := a
		if isRange {
			b, _ = strconv.Atoi(last)
		}
		for o := a; o <= b; o++ {
			out = append(out, int32(o))
		}
	}
	return out
}

// recordIsKept: an ordinal leaves the record only when it is not wanted, and nothing is left of its shard.
func (c *checker) recordIsKept(before any, set *v1alpha1.InstanceSet) {
	old, ok := before.(*v1alpha1.InstanceSet)
	if !ok || old.UID != set.UID || old.Status.Bootstrapped == set.Status.Bootstrapped {
		return
	}
	now := recorded(set)
	for _, o := range recorded(old) {
		if slices.Contains(now, o) {
			continue
		}
		if o < deref(set.Spec.Replicas) || c.anyLeft(set, o) {
			c.fail("the record is kept", "%s forgets that instance %d held data", set.Name, o)
		}
	}
}

// anyLeft reports whether there is a pod or a claim of the shard of an ordinal.
func (c *checker) anyLeft(set *v1alpha1.InstanceSet, ordinal int32) bool {
	shard := func(o int32) string {
		return c.w.shardOf(types.NamespacedName{Namespace: set.Namespace, Name: set.Name + "-" + strconv.Itoa(int(o))})
	}
	of := func(o client.Object) bool {
		n, err := strconv.Atoi(o.GetLabels()[v1alpha1.LabelOrdinal])
		return err == nil && o.GetLabels()[v1alpha1.LabelInstanceSet] == set.Name && shard(int32(n)) == shard(ordinal)
	}
	return slices.ContainsFunc(all[*corev1.Pod](c.w), func(p *corev1.Pod) bool { return of(p) }) ||
		slices.ContainsFunc(all[*corev1.PersistentVolumeClaim](c.w), func(p *corev1.PersistentVolumeClaim) bool { return of(p) })
}

// startsAsFirst: a new claim of an instance that is recorded says that it held data; and where there are no claims, so does a
// new pod.
func (c *checker) startsAsFirst(e apiserver.Event) {
	labels := e.Object.GetLabels()
	set, there := find[*v1alpha1.InstanceSet](c.w, types.NamespacedName{Namespace: Namespace, Name: labels[v1alpha1.LabelInstanceSet]})
	if e.Type != apiserver.Added || !there || e.Object.GetAnnotations()[v1alpha1.AnnotationRebuildGeneration] != "0" {
		return
	}
	if _, pod := e.Object.(*corev1.Pod); pod && len(set.Spec.VolumeClaimTemplates) > 0 {
		return
	}
	o, err := strconv.Atoi(labels[v1alpha1.LabelOrdinal])
	if err == nil && slices.Contains(recorded(set), int32(o)) {
		c.fail("only the first starts as first", "%s %s is made as if it had never held data", kindOf(e.Object), e.Object.GetName())
	}
}

// recordedFirst: what is given up with a claim is recorded before.
func (c *checker) recordedFirst(r request, claim *corev1.PersistentVolumeClaim) {
	if r.verb != "delete" || claim.Labels[v1alpha1.LabelLost] == "" {
		return
	}
	set, there := find[*v1alpha1.InstanceSet](c.w, types.NamespacedName{Namespace: claim.Namespace, Name: claim.Labels[v1alpha1.LabelInstanceSet]})
	o, err := strconv.Atoi(claim.Labels[v1alpha1.LabelOrdinal])
	if there && set.DeletionTimestamp == nil && err == nil && int32(o) < deref(set.Spec.Replicas) && !slices.Contains(recorded(set), int32(o)) {
		c.fail("what is given up is recorded first", "%s", r)
	}
}

// followsItsPod: a claim is not deleted by a scale-in, or with its set, while the pod that may write to it is there, as far as the
// manager can know: one that slept while another led may have made a pod for an ordinal that is no longer wanted.
func (c *checker) followsItsPod(a *access, r request, claim *corev1.PersistentVolumeClaim) {
	if r.verb != "delete" || claim.Labels[v1alpha1.LabelLost] != "" {
		return
	}
	name := claim.Labels[v1alpha1.LabelInstanceSet] + "-" + claim.Labels[v1alpha1.LabelOrdinal]
	pod, there := find[*corev1.Pod](c.w, types.NamespacedName{Namespace: claim.Namespace, Name: name})
	if !there || pod.Labels[Foreign] != "" {
		return
	}
	if seen, known, _ := a.replicas[reflect.TypeFor[*corev1.Pod]()].GetIndexer().Get(pod); known && seen.(*corev1.Pod).UID == pod.UID {
		c.fail("claims follow their pod", "%s: pod %s is still there", r, name)
	}
}

// oneOfAShard: of a shard, the instances of one node are given up at a time, until they are Ready again; unless there is no
// place for one of them.
func (c *checker) oneOfAShard(labels map[string]string, lost string) {
	set, ordinal := labels[v1alpha1.LabelInstanceSet], labels[v1alpha1.LabelOrdinal]
	if c.w.shardSize[set] == 0 {
		return
	}
	shard := c.w.shardOf(types.NamespacedName{Name: set + "-" + ordinal})
	var busy string
	for _, claim := range all[*corev1.PersistentVolumeClaim](c.w) {
		name := claim.Labels[v1alpha1.LabelInstanceSet] + "-" + claim.Labels[v1alpha1.LabelOrdinal]
		if other := claim.Labels[v1alpha1.LabelLost]; other != "" && other != lost && claim.DeletionTimestamp == nil && c.w.shardOf(types.NamespacedName{Name: name}) == shard {
			busy = name
		}
	}
	homeless := slices.ContainsFunc(all[*corev1.Pod](c.w), func(pod *corev1.Pod) bool {
		return pod.Labels[v1alpha1.LabelInstanceSet] == set && pod.Spec.NodeName == "" && slices.ContainsFunc(pod.Status.Conditions, func(s corev1.PodCondition) bool {
			return s.Type == corev1.PodScheduled && s.Status == corev1.ConditionFalse
		})
	})
	if busy != "" && !homeless {
		c.fail("one of a shard at a time", "%s-%s is given up while %s, of another node, is not back", set, ordinal, busy)
	}
}
