package answer

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	defaults "k8s.io/kubernetes/pkg/apis/core/v1"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/slots"
)

// defaultClass is the annotation of the storage class that claims without one get, and betaDefaultClass an older one that counts too.
const (
	defaultClass     = "storageclass.kubernetes.io/is-default-class"
	betaDefaultClass = "storageclass.beta.kubernetes.io/is-default-class"
)

// wanted is what the sets of a file ask for, with the pods and claims that their controllers would create.
type wanted struct {
	names  []string // "InstanceSet ns/cache"
	pods   []*corev1.Pod
	claims []*corev1.PersistentVolumeClaim
	// placed are pods that have their node already, waiting those that exist without one.
	placed, waiting []*corev1.Pod
	// foreign are the pods of the sets for which another scheduler is to find a node: nobody here knows what it would do.
	foreign []ForeignPods
	// shardSize of the only set, 0 for none or several.
	shardSize int
}

// apply lays a file over a cluster: its policies, sets and Services are put in the place of those of the same name.
func apply(c *snapshot.Cluster, file *snapshot.Cluster, namespace string) (*snapshot.Cluster, *wanted, error) {
	after, w := c.Clone(), &wanted{}
	for _, o := range file.Objects() {
		switch o := o.(type) {
		case *v1alpha1.PlacementPolicy, *v1alpha1.InstanceSet, *appsv1.StatefulSet, *corev1.Service:
			if o.GetNamespace() == "" {
				o.SetNamespace(namespace)
				o.SetUID("")
			}
			o.SetGeneration(o.GetGeneration() + 1)
			after.Put(o)
		case *v1alpha1.Switchover: // it moves nobody
		default:
			return nil, nil, fmt.Errorf("the file has %s: expected InstanceSets, StatefulSets and PlacementPolicies", o.GetName())
		}
	}
	if len(file.Sets)+len(file.StatefulSets) == 0 {
		return nil, nil, errors.New("the file has no InstanceSet and no StatefulSet")
	}
	for _, set := range file.Sets {
		if err := w.instanceSet(after, set); err != nil {
			return nil, nil, err
		}
	}
	for _, set := range file.StatefulSets {
		if err := w.statefulSet(after, set); err != nil {
			return nil, nil, err
		}
	}
	for _, p := range after.Policies {
		if p.Spec.Replicas == nil {
			after.Put(summed(after, p))
		}
	}
	for _, pod := range w.pods {
		defaults.SetObjectDefaults_Pod(pod) // a pod that only has limits asks for them
	}
	for _, claim := range w.claims {
		w.class(after, claim)
	}
	return after, w, nil
}

// instanceSet adds what the controller would create: its Service and the policy first, then claims and pods, by ordinals.
func (w *wanted) instanceSet(c *snapshot.Cluster, set *v1alpha1.InstanceSet) error {
	w.names = append(w.names, "InstanceSet "+set.Namespace+"/"+set.Name)
	w.shardSize = int(ptr.Deref(set.Spec.ShardSize, 0))
	c.Put(podspec.Service(set))
	ordinals := slices.DeleteFunc(decide.WantedOrdinals(&set.Spec), func(o int32) bool { return slices.Contains(set.Spec.OfflineInstances, o) })
	// Sets with roles have an agent, which asks for room too; which image it has changes nothing.
	instance := podspec.Instance{Agent: podspec.Agent{Image: "shoal-agent"}}
	switch {
	case set.Spec.PlacementPolicyRef != nil:
		instance.Policy = set.Spec.PlacementPolicyRef.Name
		if snapshot.Find(c.Policies, set.Namespace, instance.Policy) == nil {
			return fmt.Errorf("InstanceSet %s refers to the PlacementPolicy %s, which is neither in the file nor in the cluster", set.Name, instance.Policy)
		}
	case set.Spec.Placement != nil:
		shards := map[int32]bool{}
		for _, o := range ordinals {
			if shard, sharded := podspec.Shard(set, o); sharded {
				shards[shard] = true
			}
		}
		instance.Policy = set.Name
		c.Put(podspec.Policy(set, int32(len(ordinals)), int32(len(shards))))
	}
	templates := newTemplates(c, set)
	for _, instance.Ordinal = range ordinals {
		if w.exists(c, set.Namespace, podspec.Name(set.Name, instance.Ordinal)) {
			continue
		}
		instance.Template = templates.next()
		pod := podspec.Pod(set, instance)
		if w.others(pod) {
			continue
		}
		w.pods = append(w.pods, pod)
		for t := range set.Spec.VolumeClaimTemplates {
			claim := podspec.Claim(set, &set.Spec.VolumeClaimTemplates[t], instance)
			if snapshot.Find(c.Claims, claim.Namespace, claim.Name) == nil {
				w.claims = append(w.claims, claim)
			}
		}
	}
	return nil
}

// exists counts the pod of an instance, and reports whether there is one that its controller keeps. One that has ended, or that is
// deleted before it had a node, is created anew.
func (w *wanted) exists(c *snapshot.Cluster, namespace, name string) bool {
	pod := snapshot.Find(c.Pods, namespace, name)
	switch {
	case pod == nil || snapshot.Ended(pod):
		return false
	case pod.Spec.NodeName != "":
		w.placed = append(w.placed, pod)
		return true
	case pod.DeletionTimestamp != nil:
		return false
	}
	if !w.others(pod) {
		w.waiting = append(w.waiting, pod)
	}
	return true
}

// others counts a pod of the last set, and reports whether another scheduler than ours is to find a node for it.
func (w *wanted) others(pod *corev1.Pod) bool {
	scheduler, set := cmp.Or(pod.Spec.SchedulerName, corev1.DefaultSchedulerName), w.names[len(w.names)-1]
	if scheduler == v1alpha1.SchedulerName {
		return false
	}
	i := slices.IndexFunc(w.foreign, func(f ForeignPods) bool { return f.Set == set && f.Scheduler == scheduler })
	if i < 0 {
		i, w.foreign = len(w.foreign), append(w.foreign, ForeignPods{Set: set, Scheduler: scheduler})
	}
	w.foreign[i].Pods++
	return true
}

// all are the pods for which a node is to be found, in the order in which they ask for one: who waits was there before.
func (w *wanted) all() []*corev1.Pod { return slices.Concat(w.waiting, w.pods) }

// templates hands out the templates of a set that instances which exist have left over.
type templates struct {
	set  *v1alpha1.InstanceSet
	left []int32
}

func newTemplates(c *snapshot.Cluster, set *v1alpha1.InstanceSet) *templates {
	t := &templates{set: set}
	for i := range set.Spec.Templates {
		left := ptr.Deref(set.Spec.Templates[i].Replicas, 1)
		for _, pod := range c.Pods {
			if pod.Namespace == set.Namespace && !snapshot.Ended(pod) && pod.Labels[v1alpha1.LabelInstanceSet] == set.Name && pod.Labels[v1alpha1.LabelTemplate] == set.Spec.Templates[i].Name {
				left--
			}
		}
		t.left = append(t.left, left)
	}
	return t
}

func (t *templates) next() *v1alpha1.InstanceTemplate {
	for i := range t.left {
		if t.left[i] > 0 {
			t.left[i]--
			return &t.set.Spec.Templates[i]
		}
	}
	return nil
}

// statefulSet adds what the StatefulSet controller would create.
func (w *wanted) statefulSet(c *snapshot.Cluster, set *appsv1.StatefulSet) error {
	if err := countable(set); err != nil {
		return err
	}
	w.names = append(w.names, "StatefulSet "+set.Namespace+"/"+set.Name)
	first := int32(0)
	if set.Spec.Ordinals != nil {
		first = set.Spec.Ordinals.Start
	}
	for o := first; o < first+ptr.Deref(set.Spec.Replicas, 1); o++ {
		name := podspec.Name(set.Name, o)
		if w.exists(c, set.Namespace, name) {
			continue
		}
		pod := &corev1.Pod{ObjectMeta: *set.Spec.Template.ObjectMeta.DeepCopy(), Spec: *set.Spec.Template.Spec.DeepCopy()}
		pod.Namespace, pod.Name = set.Namespace, name
		pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("StatefulSet"))}
		if w.others(pod) {
			continue
		}
		for _, t := range set.Spec.VolumeClaimTemplates {
			claim := t.DeepCopy()
			claim.Namespace, claim.Name = set.Namespace, t.Name+"-"+name
			pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: t.Name, VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name},
			}})
			if snapshot.Find(c.Claims, claim.Namespace, claim.Name) == nil {
				w.claims = append(w.claims, claim)
			}
		}
		w.pods = append(w.pods, pod)
	}
	return nil
}

// countable says what is wrong with the ordinals of a StatefulSet: the API server refuses the negative ones, a group holds no more than
// MaxReplicas, and past the largest ordinal numbers would begin again below zero.
func countable(set *appsv1.StatefulSet) error {
	replicas, first := ptr.Deref(set.Spec.Replicas, 1), int32(0)
	if set.Spec.Ordinals != nil {
		first = set.Spec.Ordinals.Start
	}
	switch {
	case replicas < 0:
		return fmt.Errorf("StatefulSet %s: spec.replicas is %d: expected 0 or more", set.Name, replicas)
	case replicas > placement.MaxReplicas:
		return fmt.Errorf("StatefulSet %s: spec.replicas is %d: a group holds at most %d instances", set.Name, replicas, placement.MaxReplicas)
	case first < 0:
		return fmt.Errorf("StatefulSet %s: spec.ordinals.start is %d: expected 0 or more", set.Name, first)
	case int64(first)+int64(replicas) > math.MaxInt32:
		return fmt.Errorf("StatefulSet %s: spec.ordinals.start is %d: with %d replicas, the last ordinal is beyond what Kubernetes can count", set.Name, first, replicas)
	}
	return nil
}

// summed is a policy whose status has the sum of its targets, as the manager would write it.
func summed(c *snapshot.Cluster, p *v1alpha1.PlacementPolicy) *v1alpha1.PlacementPolicy {
	p = p.DeepCopy()
	p.Status.Replicas, p.Status.ObservedGeneration = 0, p.Generation
	for _, ref := range p.Spec.ScaleTargetRefs {
		if set := snapshot.Find(c.StatefulSets, p.Namespace, ref.Name); set != nil && ref.Kind == "StatefulSet" {
			p.Status.Replicas += ptr.Deref(set.Spec.Replicas, 1)
		}
		if set := snapshot.Find(c.Sets, p.Namespace, ref.Name); set != nil && ref.Kind == "InstanceSet" {
			p.Status.Replicas += ptr.Deref(set.Spec.Replicas, 1)
		}
	}
	return p
}

// class gives a claim without a storage class the default one, as the API server does: of several the newest and, of those that
// were made in the same second, the first by name.
func (w *wanted) class(c *snapshot.Cluster, claim *corev1.PersistentVolumeClaim) {
	if claim.Spec.StorageClassName != nil {
		return
	}
	candidates := slices.DeleteFunc(slices.Clone(c.Classes), func(class *storagev1.StorageClass) bool {
		return class.Annotations[defaultClass] != "true" && class.Annotations[betaDefaultClass] != "true"
	})
	if len(candidates) == 0 {
		return
	}
	newest := slices.MinFunc(candidates, func(a, b *storagev1.StorageClass) int {
		return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	claim.Spec.StorageClassName = ptr.To(newest.Name)
}

// group is the placement group of the pods; false when there are several or none.
func (w *wanted) group() (slots.Group, bool) {
	groups := map[slots.Group]bool{}
	var one slots.Group
	for _, pod := range w.all() {
		g, grouped := slots.GroupOf(pod.Namespace, pod.Labels)
		one, groups[g] = g, true
		if !grouped {
			return g, false
		}
	}
	return one, len(groups) == 1
}
