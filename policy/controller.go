package policy

import (
	"context"
	"fmt"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// Options of the controller.
type Options struct {
	// Concurrency is the number of policies that are worked on at once; 0 means 1.
	Concurrency int
	// Debounce is for how long a change of pods, claims or nodes waits for others, so that a burst of them costs one write of a status; 0 means
	// one second. A policy or a set whose spec has changed is looked at at once, as pods may be held until then, but for one that
	// changes without end: after burst writes in a row a status is written once in this time.
	Debounce time.Duration
}

// burst is how many writes of the status of one policy may follow each other at once.
const burst = 10

// byGroup is the index of pods and claims by the policy that they name.
const byGroup = "shoal.dev/policy"

// reconciler writes the status of policies.
type reconciler struct {
	client    client.Client
	requested requested
	pace      pace
}

// Setup adds the controller to the manager.
func Setup(mgr ctrl.Manager, o Options) error {
	if o.Concurrency == 0 {
		o.Concurrency = 1
	}
	ctx := context.Background() //nolint:forbidigo // indexing only registers functions
	if err := Indexes(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	r, watches := New(mgr.GetClient(), o)
	b := ctrl.NewControllerManagedBy(mgr).Named("policy").WithOptions(controller.Options{MaxConcurrentReconciles: o.Concurrency})
	for _, w := range watches {
		b = b.Watches(w.Object, w.Handler, builder.WithPredicates(w.Predicates...))
	}
	return b.Complete(r)
}

// Reconcile computes the status and writes it if it differs.
func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var p v1alpha1.PlacementPolicy
	if err := r.client.Get(ctx, request.NamespacedName, &p); err != nil {
		if apierrors.IsNotFound(err) {
			r.pace.forget(request.NamespacedName)
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, fmt.Errorf("reading policy %s: %w", request, err)
	}
	s, err := r.load(ctx, &p)
	if err != nil {
		return ctrl.Result{}, err
	}
	status := statusOf(s)
	var again ctrl.Result
	if !meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionFeasible) || status.Instances < status.Replicas {
		again.RequeueAfter = lookAgain
	}
	if apiequality.Semantic.DeepEqual(status, p.Status) {
		return again, nil
	}
	if wait := r.pace.wait(request.NamespacedName); wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	changed := p.DeepCopy()
	changed.Status = status
	if err := client.IgnoreNotFound(r.client.Status().Patch(ctx, changed, client.MergeFrom(&p))); err != nil {
		return ctrl.Result{}, fmt.Errorf("writing the status of policy %s: %w", request, err)
	}
	return again, nil
}

// lookAgain is how often a policy is looked at that is not feasible, or of which instances are still to be placed. Room also comes from
// pods of other groups, and goes to them, and those are not watched for it.
const lookAgain = 30 * time.Second

func groupOf(o client.Object) []string {
	if g, ok := slots.GroupOf(o.GetNamespace(), o.GetLabels()); ok && g.Policy != "" {
		return []string{g.Policy}
	}
	return nil
}

func policyOf(_ context.Context, o client.Object) []reconcile.Request {
	if g, ok := slots.GroupOf(o.GetNamespace(), o.GetLabels()); ok && g.Policy != "" {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: g.Namespace, Name: g.Policy}}}
	}
	return nil
}
