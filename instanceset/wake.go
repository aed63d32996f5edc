package instanceset

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// debounce gathers the events of a burst: a reconcile reads all instances of its set, so that one for each of 10,000 pods
// becoming Ready would cost 10,000 times too much.
const debounce = 100 * time.Millisecond

type queue = workqueue.TypedRateLimitingInterface[ctrl.Request]

// wake turns events into requests for the sets that they concern. On an update both the old and the new object are
// asked: a label that was taken away concerns the set that it named.
func wake(sets func(context.Context, client.Object) []types.NamespacedName) handler.EventHandler {
	enqueue := func(ctx context.Context, q queue, objects ...client.Object) {
		var names []types.NamespacedName
		for _, o := range objects {
			names = append(names, sets(ctx, o)...)
		}
		slices.SortFunc(names, func(a, b types.NamespacedName) int { return compareText(a.String(), b.String()) })
		for _, name := range slices.Compact(names) {
			q.AddAfter(ctrl.Request{NamespacedName: name}, debounce)
		}
	}
	return handler.Funcs{
		CreateFunc:  func(ctx context.Context, e event.CreateEvent, q queue) { enqueue(ctx, q, e.Object) },
		UpdateFunc:  func(ctx context.Context, e event.UpdateEvent, q queue) { enqueue(ctx, q, e.ObjectOld, e.ObjectNew) },
		DeleteFunc:  func(ctx context.Context, e event.DeleteEvent, q queue) { enqueue(ctx, q, e.Object) },
		GenericFunc: func(ctx context.Context, e event.GenericEvent, q queue) { enqueue(ctx, q, e.Object) },
	}
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func itself(_ context.Context, o client.Object) []types.NamespacedName {
	return []types.NamespacedName{client.ObjectKeyFromObject(o)}
}

func labelled(_ context.Context, o client.Object) []types.NamespacedName {
	set := o.GetLabels()[v1alpha1.LabelInstanceSet]
	if set == "" {
		return nil
	}
	return []types.NamespacedName{{Namespace: o.GetNamespace(), Name: set}}
}

func ownerOf(_ context.Context, o client.Object) []types.NamespacedName {
	owner := metav1.GetControllerOf(o)
	if owner == nil || owner.Kind != "InstanceSet" {
		return nil
	}
	return []types.NamespacedName{{Namespace: o.GetNamespace(), Name: owner.Name}}
}

// handedOver is the set whose shard a Switchover is about.
func handedOver(_ context.Context, o client.Object) []types.NamespacedName {
	s, ok := o.(*v1alpha1.Switchover)
	if !ok {
		return nil
	}
	return []types.NamespacedName{{Namespace: s.Namespace, Name: s.Spec.InstanceSet}}
}

// switchoverEnds lets through how one ended, and none of its steps.
func switchoverEnds() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, was := e.ObjectOld.(*v1alpha1.Switchover)
		after, is := e.ObjectNew.(*v1alpha1.Switchover)
		return was && is && before.Status.Ended() != after.Status.Ended()
	}}
}

// wakers find sets with the help of the cache.
type wakers struct {
	cache client.Reader
}

// ofVolume finds the set of the claim that a volume is bound to, and the one that it was kept for.
func (w wakers) ofVolume(ctx context.Context, o client.Object) []types.NamespacedName {
	volume, ok := o.(*corev1.PersistentVolume)
	if !ok {
		return nil
	}
	var names []types.NamespacedName
	if set, kept := setOfVolume(volume); kept {
		names = append(names, set)
	}
	return append(names, w.setsOfClaimOf(ctx, volume)...)
}

func (w wakers) setsOfClaimOf(ctx context.Context, volume *corev1.PersistentVolume) []types.NamespacedName {
	ref := volume.Spec.ClaimRef
	if ref == nil {
		return nil
	}
	var claim corev1.PersistentVolumeClaim
	if err := w.cache.Get(ctx, types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}, &claim, shared); err != nil {
		return nil // not there: nothing of a set hangs on the volume
	}
	return labelled(ctx, &claim)
}

// ofPolicy finds the sets that use a policy, by name: the one that a set waits for is not owned by it.
func (w wakers) ofPolicy(ctx context.Context, o client.Object) []types.NamespacedName {
	var list v1alpha1.InstanceSetList
	if err := w.cache.List(ctx, &list, client.InNamespace(o.GetNamespace()), client.MatchingFields{setsByPolicy: o.GetName()}, shared); err != nil {
		return nil
	}
	var names []types.NamespacedName
	for i := range list.Items {
		names = append(names, client.ObjectKeyFromObject(&list.Items[i]))
	}
	return names
}

// ofNode finds the sets that have an instance on a node: a pod, a volume, or the promise of one.
func (w wakers) ofNode(ctx context.Context, o client.Object) []types.NamespacedName {
	var names []types.NamespacedName
	var pods corev1.PodList
	if err := w.cache.List(ctx, &pods, client.MatchingFields{podsByNode: o.GetName()}, shared); err == nil {
		for i := range pods.Items {
			names = append(names, labelled(ctx, &pods.Items[i])...)
		}
	}
	var claims corev1.PersistentVolumeClaimList
	if err := w.cache.List(ctx, &claims, client.MatchingFields{claimsByNode: o.GetName()}, shared); err == nil {
		for i := range claims.Items {
			names = append(names, labelled(ctx, &claims.Items[i])...)
		}
	}
	for _, host := range distinct(o.GetName(), o.GetLabels()[corev1.LabelHostname]) {
		var volumes corev1.PersistentVolumeList
		if err := w.cache.List(ctx, &volumes, client.MatchingFields{volumesByHost: host}, shared); err == nil {
			for i := range volumes.Items {
				names = append(names, w.setsOfClaimOf(ctx, &volumes.Items[i])...)
			}
		}
	}
	return names
}

// nodeChanges lets through what can change a decision: heartbeats, which are by far the most updates of Nodes, do not.
func nodeChanges() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, was := e.ObjectOld.(*corev1.Node)
		after, is := e.ObjectNew.(*corev1.Node)
		return was && is && (before.UID != after.UID || before.Spec.Unschedulable != after.Spec.Unschedulable || isReady(before) != isReady(after) ||
			slots.OutOfService(before) != slots.OutOfService(after) || !slices.Equal(taintKeys(before), taintKeys(after)) ||
			before.Labels[corev1.LabelHostname] != after.Labels[corev1.LabelHostname])
	}}
}

func isReady(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

func taintKeys(n *corev1.Node) []string {
	var keys []string
	for _, t := range n.Spec.Taints {
		keys = append(keys, t.Key)
	}
	return keys
}
