package policy

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// Watch is one kind of objects whose changes wake the controller.
type Watch struct {
	Object     client.Object
	Handler    handler.EventHandler
	Predicates []predicate.Predicate
}

// New makes the controller's reconciler, and what wakes it. The client reads from a cache with the indexes of Indexes.
func New(c client.Client, o Options) (reconcile.Reconciler, []Watch) {
	if o.Debounce == 0 {
		o.Debounce = time.Second
	}
	r := &reconciler{client: c, requested: requested{fresh: o.Debounce}, pace: pace{every: o.Debounce}}
	late := debounced(o.Debounce)
	over := func(kind string) handler.EventHandler {
		return handler.EnqueueRequestsFromMapFunc(r.policiesOver(kind))
	}
	generation := []predicate.Predicate{predicate.GenerationChangedPredicate{}}
	return r, []Watch{
		{&v1alpha1.PlacementPolicy{}, &handler.EnqueueRequestForObject{}, generation},
		{&corev1.Pod{}, late(policyOf), nil},
		{&corev1.PersistentVolumeClaim{}, late(policyOf), nil},
		{&corev1.PersistentVolume{}, late(r.policyOfVolume), []predicate.Predicate{predicate.ResourceVersionChangedPredicate{}}},
		{&corev1.Node{}, late(r.allPolicies), []predicate.Predicate{nodeMatters()}},
		{&appsv1.StatefulSet{}, over("StatefulSet"), generation},
		{&v1alpha1.InstanceSet{}, over("InstanceSet"), generation},
	}
}

// Indexes adds the indexes that the controller reads by.
func Indexes(ctx context.Context, indexer client.FieldIndexer) error {
	for _, o := range []client.Object{&corev1.Pod{}, &corev1.PersistentVolumeClaim{}} {
		if err := indexer.IndexField(ctx, o, byGroup, groupOf); err != nil {
			return fmt.Errorf("indexing by group: %w", err)
		}
	}
	return nil
}
