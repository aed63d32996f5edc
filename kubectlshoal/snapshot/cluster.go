package snapshot

import (
	"cmp"
	"reflect"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// Cluster is a cluster at one moment. Each list is sorted by namespace and name. Objects are shared
// between copies: whoever changes one puts a copy of it in its place.
type Cluster struct {
	// TakenAt is when it was read; zero for a file that does not say so.
	TakenAt time.Time
	// Version of the API server, "" when it is not known.
	Version string
	// Unreadable says of each kind that could not be read why: the answer may be incomplete.
	Unreadable []string

	Nodes        []*corev1.Node
	Pods         []*corev1.Pod
	Claims       []*corev1.PersistentVolumeClaim
	Volumes      []*corev1.PersistentVolume
	Classes      []*storagev1.StorageClass
	Policies     []*v1alpha1.PlacementPolicy
	Sets         []*v1alpha1.InstanceSet
	StatefulSets []*appsv1.StatefulSet
	// Revisions are what templates of sets have asked for. They are read for the sets that a question is about alone.
	Revisions []*appsv1.ControllerRevision
	// Switchovers are in it where they were asked for (ReadSwitchovers).
	Switchovers []*v1alpha1.Switchover
	// Services: one of the scheduler's scores spreads the pods of a Service over zones and nodes.
	Services []*corev1.Service
}

// Clone is a copy whose lists can be changed.
func (c *Cluster) Clone() *Cluster {
	d := *c
	d.Nodes, d.Pods, d.Claims, d.Volumes = slices.Clone(c.Nodes), slices.Clone(c.Pods), slices.Clone(c.Claims), slices.Clone(c.Volumes)
	d.Classes, d.Policies = slices.Clone(c.Classes), slices.Clone(c.Policies)
	d.Sets, d.StatefulSets, d.Services, d.Switchovers = slices.Clone(c.Sets), slices.Clone(c.StatefulSets), slices.Clone(c.Services), slices.Clone(c.Switchovers)
	d.Revisions = slices.Clone(c.Revisions)
	return &d
}

// In is the cluster with a namespace for what has none and needs one, as kubectl gives it when a file is applied.
func (c *Cluster) In(namespace string) *Cluster {
	d := &Cluster{TakenAt: c.TakenAt, Version: c.Version, Unreadable: c.Unreadable}
	for _, o := range c.Objects() {
		switch o.(type) {
		case *corev1.Node, *corev1.PersistentVolume, *storagev1.StorageClass:
		default:
			if o.GetNamespace() == "" {
				o.SetNamespace(namespace)
			}
		}
		d.Put(o)
	}
	return d
}

// Put adds an object, or replaces the one of its name; it reports false for a kind that is of no interest. An object
// without UID or version gets some: the scheduler tells objects apart by them, and files that people write have none.
func (c *Cluster) Put(o client.Object) bool {
	if o.GetUID() == "" {
		o.SetUID(types.UID(o.GetNamespace() + "/" + o.GetName()))
	}
	if o.GetResourceVersion() == "" {
		o.SetResourceVersion("1")
	}
	switch o := o.(type) {
	case *corev1.Node:
		c.Nodes = put(c.Nodes, o)
	case *corev1.Pod:
		c.Pods = put(c.Pods, o)
	case *corev1.PersistentVolumeClaim:
		c.Claims = put(c.Claims, o)
	case *corev1.PersistentVolume:
		c.Volumes = put(c.Volumes, o)
	case *storagev1.StorageClass:
		c.Classes = put(c.Classes, o)
	case *v1alpha1.PlacementPolicy:
		c.Policies = put(c.Policies, o)
	case *v1alpha1.InstanceSet:
		c.Sets = put(c.Sets, o)
	case *appsv1.StatefulSet:
		c.StatefulSets = put(c.StatefulSets, o)
	case *corev1.Service:
		c.Services = put(c.Services, o)
	case *appsv1.ControllerRevision:
		c.Revisions = put(c.Revisions, o)
	case *v1alpha1.Switchover:
		c.Switchovers = put(c.Switchovers, o)
	default:
		return false
	}
	return true
}

func put[T client.Object](list []T, o T) []T {
	if i, there := slices.BinarySearchFunc(list, client.Object(o), func(a T, b client.Object) int { return compare(a, b) }); there {
		list[i] = o
		return list
	} else {
		return slices.Insert(list, i, o)
	}
}

func compare(a, b client.Object) int {
	return cmp.Or(cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()))
}

// Find is the object of a list with that name, nil when there is none.
func Find[T client.Object](list []T, namespace, name string) T {
	var none T
	i, there := slices.BinarySearchFunc(list, types.NamespacedName{Namespace: namespace, Name: name}, func(o T, key types.NamespacedName) int {
		return cmp.Or(cmp.Compare(o.GetNamespace(), key.Namespace), cmp.Compare(o.GetName(), key.Name))
	})
	if !there {
		return none
	}
	return list[i]
}

// Without is a list without the objects for which drop is true.
func Without[T any](list []T, drop func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), drop)
}

// Objects are all objects, kind by kind: nodes, classes and volumes before what refers to them.
func (c *Cluster) Objects() []client.Object {
	var all []client.Object
	all = appended(all, c.Nodes)
	all = appended(all, c.Classes)
	all = appended(all, c.Volumes)
	all = appended(all, c.Claims)
	all = appended(all, c.Policies)
	all = appended(all, c.Sets)
	all = appended(all, c.StatefulSets)
	all = appended(all, c.Revisions)
	all = appended(all, c.Services)
	all = appended(all, c.Switchovers)
	return appended(all, c.Pods)
}

func appended[T client.Object](all []client.Object, list []T) []client.Object {
	for _, o := range list {
		all = append(all, o)
	}
	return all
}

// World is the cluster as package slots counts it. Pods that are nominated to a node count there.
func (c *Cluster) World() slots.World {
	return slots.World{
		Pods: c.Pods, Claims: c.Claims, Nodes: slots.NewNodeMap(c.Nodes),
		Volume: func(name string) *corev1.PersistentVolume { return Find(c.Volumes, "", name) },
	}
}

// Requested is what the pods on each node ask for, those that have ended left out.
func (c *Cluster) Requested() map[string]slots.Amount {
	sum := map[string]slots.Amount{}
	for _, pod := range c.Pods {
		if pod.Spec.NodeName != "" && !Ended(pod) {
			sum[pod.Spec.NodeName] = sum[pod.Spec.NodeName].Plus(slots.RequestOf(pod))
		}
	}
	return sum
}

// Ended reports whether the processes of a pod are gone for good.
func Ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// kindOf is the kind of a list, for messages: "*v1.PodList" is "pods".
func kindOf(list client.ObjectList) string {
	return kinds[reflect.TypeOf(list)]
}

var kinds = map[reflect.Type]string{
	reflect.TypeFor[*corev1.NodeList]():                  "nodes",
	reflect.TypeFor[*corev1.PodList]():                   "pods",
	reflect.TypeFor[*corev1.PersistentVolumeClaimList](): "persistentvolumeclaims",
	reflect.TypeFor[*corev1.PersistentVolumeList]():      "persistentvolumes",
	reflect.TypeFor[*storagev1.StorageClassList]():       "storageclasses",
	reflect.TypeFor[*v1alpha1.PlacementPolicyList]():     "placementpolicies",
	reflect.TypeFor[*v1alpha1.InstanceSetList]():         "instancesets",
	reflect.TypeFor[*appsv1.StatefulSetList]():           "statefulsets",
	reflect.TypeFor[*corev1.ServiceList]():               "services",
	reflect.TypeFor[*appsv1.ControllerRevisionList]():    "controllerrevisions",
	reflect.TypeFor[*v1alpha1.SwitchoverList]():          "switchovers",
}
