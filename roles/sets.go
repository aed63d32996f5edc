package roles

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/roles/decide"
)

// setReconciler keeps what belongs to a set as a whole: the conditions, and the Services of roles.
type setReconciler struct {
	cache    client.Reader
	writer   client.Client
	events   events.EventRecorder
	now      func() time.Time
	verdicts *verdicts
}

// Reconcile writes the conditions and the Services of one set.
func (r *setReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var set v1alpha1.InstanceSet
	if err := r.cache.Get(ctx, request.NamespacedName, &set); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if len(set.Spec.Roles) == 0 || set.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	judged := r.verdicts.of(request.NamespacedName)
	whole := r.verdicts.isWhole(request.NamespacedName, set.UID)
	shards, err := r.shards(ctx, &set, judged, whole)
	if err != nil {
		return ctrl.Result{}, err
	}
	if !whole && allOf(shards, judged) {
		r.verdicts.setWhole(request.NamespacedName, set.UID)
		whole = true
	}
	late, failed := false, r.services(ctx, &set, shards)
	if whole {
		late, err = r.conditions(ctx, &set, judged)
	}
	if err = errors.Join(failed, err); err != nil || !late {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: debounce}, nil
}

func allOf(shards map[string]bool, judged map[string]verdict) bool {
	for shard := range shards {
		if _, known := judged[shard]; !known {
			return false
		}
	}
	return true
}

// shards are those that have pods. Once each was judged, the verdicts say that: a look at ten thousand pods for each change of a
// condition is too much.
func (r *setReconciler) shards(ctx context.Context, set *v1alpha1.InstanceSet, judged map[string]verdict, whole bool) (map[string]bool, error) {
	shards := map[string]bool{}
	if whole {
		for shard := range judged {
			shards[shard] = true
		}
		return shards, nil
	}
	var list corev1.PodList
	if err := r.cache.List(ctx, &list, client.InNamespace(set.Namespace), client.MatchingFields{podsBySet: set.Name}, shared); err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	for n := range list.Items {
		if k, ok := shardOf(&list.Items[n]); ok && k.instance(set, &list.Items[n]) {
			shards[k.shard] = true
		}
	}
	return shards, nil
}

// conditions writes NoMaster, TwoMasters and InSync once every shard was judged: after a restart, those that were judged first would
// speak for all. The set must be as it was read, because conditions are one list with those of others; late says that it is not.
func (r *setReconciler) conditions(ctx context.Context, set *v1alpha1.InstanceSet, judged map[string]verdict) (late bool, err error) {
	after := set.DeepCopy()
	for _, c := range []metav1.Condition{
		condition(v1alpha1.ConditionNoMaster, judged, func(v verdict) decide.Verdict { return v.noMaster }, noMasterReasons, reason.MasterLabelled),
		condition(v1alpha1.ConditionTwoMasters, judged, func(v verdict) decide.Verdict { return v.twoMasters }, twoMastersReasons, reason.OneMaster),
		inSyncCondition(judged),
	} {
		c.ObservedGeneration, c.LastTransitionTime = set.Generation, metav1.NewTime(r.now())
		meta.SetStatusCondition(&after.Status.Conditions, c)
	}
	if equality.Semantic.DeepEqual(set.Status, after.Status) {
		return false, nil
	}
	err = r.writer.Status().Patch(ctx, after, client.MergeFromWithOptions(set, client.MergeFromWithOptimisticLock{}))
	switch {
	case apierrors.IsConflict(err):
		return true, nil
	case client.IgnoreNotFound(err) != nil:
		return false, fmt.Errorf("writing the conditions of roles: %w", err)
	}
	return false, nil
}
