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
	"github.com/shoal-dev/shoal/podspec"
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
	shards, err := r.shards(ctx, &set)
	if err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, errors.Join(r.services(ctx, &set, shards), r.conditions(ctx, &set, shards))
}

// shards are those that have pods.
func (r *setReconciler) shards(ctx context.Context, set *v1alpha1.InstanceSet) (map[string]bool, error) {
	var list corev1.PodList
	if err := r.cache.List(ctx, &list, client.InNamespace(set.Namespace), client.MatchingFields{podsBySet: set.Name}, shared); err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	shards := map[string]bool{}
	for n := range list.Items {
		if k, ok := shardOf(&list.Items[n]); ok && k.instance(set, &list.Items[n]) {
			shards[k.shard] = true
		}
	}
	return shards, nil
}

// conditions writes NoMaster and TwoMasters once every shard was judged: after a restart, those that were judged first would
// speak for all. The set must be as it was read, because conditions are one list with those of others.
func (r *setReconciler) conditions(ctx context.Context, set *v1alpha1.InstanceSet, shards map[string]bool) error {
	judged := r.verdicts.of(client.ObjectKeyFromObject(set))
	for shard := range shards {
		if _, known := judged[shard]; !known {
			return nil
		}
	}
	after := set.DeepCopy()
	for _, c := range []metav1.Condition{
		condition(v1alpha1.ConditionNoMaster, judged, func(v verdict) decide.Verdict { return v.noMaster }, noMasterReasons, reason.MasterLabelled),
		condition(v1alpha1.ConditionTwoMasters, judged, func(v verdict) decide.Verdict { return v.twoMasters }, twoMastersReasons, reason.OneMaster),
	} {
		c.ObservedGeneration, c.LastTransitionTime = set.Generation, metav1.NewTime(r.now())
		meta.SetStatusCondition(&after.Status.Conditions, c)
	}
	if equality.Semantic.DeepEqual(set.Status, after.Status) {
		return nil
	}
	err := r.writer.Status().Patch(ctx, after, client.MergeFromWithOptions(set, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // the newer version raises an event, and with it comes the next write
	}
	if err != nil {
		return fmt.Errorf("writing the conditions of roles: %w", err)
	}
	return nil
}

// services makes those that roles ask for in each shard, and removes those that none asks for any more.
func (r *setReconciler) services(ctx context.Context, set *v1alpha1.InstanceSet, shards map[string]bool) error {
	wanted := map[string]*corev1.Service{}
	for _, role := range set.Spec.Roles {
		for shard := range shards {
			if role.Service == v1alpha1.RoleServicePerShard {
				s := podspec.RoleService(set, shard, string(role.Name))
				wanted[s.Name] = s
			}
		}
	}
	var list corev1.ServiceList
	if err := r.cache.List(ctx, &list, client.InNamespace(set.Namespace), client.MatchingLabels{v1alpha1.LabelInstanceSet: set.Name}, client.HasLabels{v1alpha1.LabelRole}); err != nil {
		return fmt.Errorf("listing services: %w", err)
	}
	var errs []error
	for n := range list.Items {
		found := &list.Items[n]
		if !metav1.IsControlledBy(found, set) {
			continue
		}
		if wanted[found.Name] != nil {
			delete(wanted, found.Name)
			continue
		}
		if err := r.writer.Delete(ctx, found, client.Preconditions{UID: &found.UID}); client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
			errs = append(errs, fmt.Errorf("deleting service %s: %w", found.Name, err))
		}
	}
	for _, s := range wanted {
		errs = append(errs, r.create(ctx, set, s))
	}
	return errors.Join(errs...)
}

func (r *setReconciler) create(ctx context.Context, set *v1alpha1.InstanceSet, s *corev1.Service) error {
	err := r.writer.Create(ctx, s)
	if !apierrors.IsAlreadyExists(err) {
		if err != nil {
			err = fmt.Errorf("creating service %s: %w", s.Name, err)
		}
		return err
	}
	var found corev1.Service
	if err := r.cache.Get(ctx, client.ObjectKeyFromObject(s), &found); err != nil {
		return client.IgnoreNotFound(err) // ours, which the cache has yet to show
	}
	if !metav1.IsControlledBy(&found, set) {
		r.events.Eventf(set, nil, corev1.EventTypeWarning, reason.ForeignObject.Name(), "CreateService", "%s", reason.ForeignObject.Because("service %s", s.Name))
	}
	return nil
}
