package instanceset

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/redis"
)

// FieldOwner is the field manager of every write.
const FieldOwner = "shoal-manager"

// reconciler holds what a reconcile needs of the world.
type reconciler struct {
	cache  client.Reader
	live   client.Reader // straight from the API server
	writer client.Client
	events events.EventRecorder
	metrics
	own     *ownWrites
	workers int
	now     func() time.Time
	ask     func(ctx context.Context, addr string) (redis.Role, error)
}

// Reconcile brings one set closer to what its spec says.
func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	objects, err := r.load(ctx, request.NamespacedName)
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("loading: %w", err)
	}
	if objects.Set == nil {
		r.own.forget(request.NamespacedName)
		return ctrl.Result{}, nil
	}
	if wait, err := r.own.unseen(ctx, request.NamespacedName, objects, r.live); err != nil || wait > 0 {
		r.staleCache.Inc()
		return ctrl.Result{RequeueAfter: wait}, err
	}
	snapshot := decide.Observe(r.now(), objects)
	snapshot.Answers = r.answers(ctx, decide.Probes(snapshot))
	plan := decide.Decide(snapshot)
	if len(plan.Changes) > 0 {
		log.FromContext(ctx).Info("carrying out a plan", "changes", len(plan.Changes), "first", plan.Changes[0].String())
	}
	again, err := r.commit(ctx, objects, snapshot, plan)
	if again && (plan.RequeueAfter == 0 || plan.RequeueAfter > soon) {
		plan.RequeueAfter = soon
	}
	return ctrl.Result{RequeueAfter: plan.RequeueAfter}, err
}

// soon is when to look again after a write that came too late: somebody else had changed the object.
const soon = time.Second
