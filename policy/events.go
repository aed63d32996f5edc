package policy

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// debounced makes handlers that wait a while before a policy is looked at: the queue joins equal requests, so that a
// thousand pods that are placed within the while cost one write.
func debounced(long time.Duration) func(handler.MapFunc) handler.EventHandler {
	return func(requests handler.MapFunc) handler.EventHandler {
		enqueue := func(ctx context.Context, q queue, objects ...client.Object) {
			for _, o := range objects {
				for _, request := range requests(ctx, o) {
					q.AddAfter(request, long)
				}
			}
		}
		return handler.Funcs{
			CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { enqueue(ctx, q, e.Object) },
			UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) { enqueue(ctx, q, e.ObjectOld, e.ObjectNew) },
			DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { enqueue(ctx, q, e.Object) },
		}
	}
}

// pace bounds how often the status of each policy is written: a program that changes a spec without end costs the API server no
// more than that.
type pace struct {
	every time.Duration

	mu sync.Mutex
	of map[types.NamespacedName]*rate.Limiter
}

// wait is how long the next write has to wait; 0 means that it may be made, and is counted.
func (p *pace) wait(policy types.NamespacedName) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil {
		p.of = map[types.NamespacedName]*rate.Limiter{}
	}
	if p.of[policy] == nil {
		p.of[policy] = rate.NewLimiter(rate.Every(p.every), burst)
	}
	if p.of[policy].Allow() {
		return 0
	}
	return p.every
}

func (p *pace) forget(policy types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.of, policy)
}

// nodeMatters leaves out heartbeats: most of a node's updates.
func nodeMatters() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok1 := e.ObjectOld.(*corev1.Node)
		after, ok2 := e.ObjectNew.(*corev1.Node)
		return ok1 && ok2 && (before.Spec.Unschedulable != after.Spec.Unschedulable ||
			!apiequality.Semantic.DeepEqual(before.Spec.Taints, after.Spec.Taints) ||
			!apiequality.Semantic.DeepEqual(before.Labels, after.Labels) ||
			!apiequality.Semantic.DeepEqual(before.Status.Allocatable, after.Status.Allocatable))
	}}
}

// policyOfVolume follows a volume to its claim: a local volume holds a slot where it is, and may be seen after its claim.
func (r *reconciler) policyOfVolume(ctx context.Context, o client.Object) []reconcile.Request {
	volume, ok := o.(*corev1.PersistentVolume)
	if !ok || volume.Spec.ClaimRef == nil {
		return nil
	}
	var claim corev1.PersistentVolumeClaim
	if err := r.client.Get(ctx, client.ObjectKey{Namespace: volume.Spec.ClaimRef.Namespace, Name: volume.Spec.ClaimRef.Name}, &claim); err != nil {
		return nil // not seen yet: its own event follows
	}
	return policyOf(ctx, &claim)
}

// allPolicies is for events of nodes, which can change what is feasible for everybody.
func (r *reconciler) allPolicies(ctx context.Context, _ client.Object) []reconcile.Request {
	return r.requests(ctx, func(*v1alpha1.PlacementPolicy) bool { return true })
}

// policiesOver finds the policies that sum the replicas of a workload.
func (r *reconciler) policiesOver(kind string) handler.MapFunc {
	return func(ctx context.Context, o client.Object) []reconcile.Request {
		return r.requests(ctx, func(p *v1alpha1.PlacementPolicy) bool {
			for _, ref := range p.Spec.ScaleTargetRefs {
				if p.Namespace == o.GetNamespace() && ref.Kind == kind && ref.Name == o.GetName() {
					return true
				}
			}
			return false
		})
	}
}

func (r *reconciler) requests(ctx context.Context, wanted func(*v1alpha1.PlacementPolicy) bool) []reconcile.Request {
	var list v1alpha1.PlacementPolicyList
	if err := r.client.List(ctx, &list); err != nil { // from the cache, which fails only when it stops
		log.FromContext(ctx).Error(err, "listing policies")
		return nil
	}
	var out []reconcile.Request
	for i := range list.Items {
		if wanted(&list.Items[i]) {
			out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
	}
	return out
}
