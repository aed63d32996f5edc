package instanceset

import (
	"context"
	"fmt"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/podspec"
)

// heldCache is a cache as a manager has it: objects are handed out as they are.
type heldCache map[reflect.Type]toolscache.Indexer

func (c heldCache) put(objects ...client.Object) {
	for _, o := range objects {
		kind := reflect.TypeOf(o)
		if c[kind] == nil {
			c[kind] = toolscache.NewIndexer(toolscache.MetaNamespaceKeyFunc, toolscache.Indexers{})
		}
		if err := c[kind].Add(o); err != nil {
			panic(err)
		}
	}
}

func (c heldCache) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	if kept := c[reflect.TypeOf(into)]; kept != nil {
		if found, there, err := kept.GetByKey(client.ObjectKey.String(key)); there && err == nil {
			reflect.ValueOf(into).Elem().Set(reflect.ValueOf(found).Elem())
			return nil
		}
		if found, there, err := kept.GetByKey(key.Name); there && err == nil {
			reflect.ValueOf(into).Elem().Set(reflect.ValueOf(found).Elem())
			return nil
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
}

// List knows the history of the one set that there is. Nothing else is listed while pods and claims come from their stores.
func (c heldCache) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	if revisions, ok := list.(*appsv1.ControllerRevisionList); ok {
		for _, o := range c[reflect.TypeOf(&appsv1.ControllerRevision{})].List() {
			revisions.Items = append(revisions.Items, *o.(*appsv1.ControllerRevision))
		}
	}
	return nil
}

func (c heldCache) informer(o client.Object) (Informer, bool) {
	kept := c[reflect.TypeOf(o)]
	return held{kept}, kept != nil
}

type held struct{ toolscache.Indexer }

func (h held) GetIndexer() toolscache.Indexer { return h.Indexer }

// settledCache has a set of n instances, all of them running, of which nothing is to be done.
func settledCache(b *testing.B, n int) (heldCache, *reconciler) {
	b.Helper()
	set := testSet(int32(n))
	set.Spec.UpdateStrategy.Type = v1alpha1.RollingUpdate
	c := heldCache{}
	text := podspec.Ask(set, nil).Encode()
	owned := func(o client.Object, uid string) {
		o.SetUID(types.UID(uid))
		o.SetResourceVersion("1")
		o.SetOwnerReferences([]metav1.OwnerReference{*metav1.NewControllerRef(set, v1alpha1.GroupVersion.WithKind("InstanceSet"))})
	}
	history := &appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r-1", Labels: map[string]string{v1alpha1.LabelRevision: podspec.RevisionOf(text)}}, Revision: 1}
	history.Data.Raw = text
	service, budget := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r"}}, podspec.Budget(set)
	owned(history, "revision")
	owned(service, "service")
	owned(budget, "budget")
	c.put(history, service, budget)
	for i := range n {
		ordinal, node := podspec.Instance{Ordinal: int32(i), Revision: podspec.RevisionOf(text)}, "n"+strconv.Itoa(i/5)
		pod := podspec.Pod(set, ordinal)
		owned(pod, "pod-"+strconv.Itoa(i))
		pod.Spec.NodeName, pod.Status.Phase = node, corev1.PodRunning
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "redis", Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
		claim := podspec.Claim(set, &set.Spec.VolumeClaimTemplates[0], ordinal)
		claim.UID, claim.ResourceVersion, claim.Spec.VolumeName = types.UID("claim-"+strconv.Itoa(i)), "1", "v"+strconv.Itoa(i)
		c.put(pod, claim, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: claim.Spec.VolumeName}})
		c.put(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}, Status: corev1.NodeStatus{
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		}})
	}
	c.put(set)
	registry := prometheus.NewRegistry()
	made, err := NewReconciler(Deps{Cache: c, Informer: c.informer, Writer: client.Client(nil), Metrics: registry, Workers: 1, Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	r, ok := made.(*reconciler)
	if !ok {
		b.Fatalf("%T", made)
	}
	o, err := r.load(b.Context(), client.ObjectKeyFromObject(set))
	if err != nil {
		b.Fatal(err)
	}
	plan := decide.Decide(decide.Observe(time.Now(), o))
	if len(plan.Changes) > 0 {
		b.Fatalf("%v", plan.Changes)
	}
	set = set.DeepCopy()
	set.Status = plan.Status
	c.put(set)
	return c, r
}

// What one event costs of which nothing follows: a pod of a set at rest is another object, and says the same.
func BenchmarkEvent(b *testing.B) {
	for _, n := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			c, r := settledCache(b, n)
			pods := c[reflect.TypeOf(&corev1.Pod{})]
			b.ReportAllocs()
			turn := 0
			for b.Loop() {
				turn = (turn + 1) % n
				found, _, err := pods.GetByKey("ns/" + podspec.Name("r", int32(turn)))
				if err != nil {
					b.Fatal(err)
				}
				c.put(found.(*corev1.Pod).DeepCopy())
				if _, err := r.Reconcile(b.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "ns", Name: "r"}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
