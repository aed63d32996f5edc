package instanceset

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/redis"
)

// FieldOwner is the field manager of every write.
const FieldOwner = "shoal-manager"

// reconciler holds what a reconcile needs of the world.
type reconciler struct {
	cache  client.Reader
	stores stores
	live   client.Reader // straight from the API server
	writer client.Client
	events events.EventRecorder
	metrics
	own     *ownWrites
	refused refusals
	workers int
	now     func() time.Time
	ask     func(ctx context.Context, addr string) (redis.Role, error)
	planned func(decide.Plan)
	agent   podspec.Agent
	given   given

	observers observers
	heard     func(types.UID) (agent.Report, time.Time, bool)
}

// Reconcile brings one set closer to what its spec says.
func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	objects, err := r.load(ctx, request.NamespacedName)
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("loading: %w", err)
	}
	if objects.Set == nil {
		r.own.forget(request.NamespacedName)
		r.observers.forget(request.NamespacedName)
		return ctrl.Result{}, nil
	}
	wait, err := r.own.unseen(ctx, objects, r.live)
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("looking for own writes: %w", err)
	}
	if wait > 0 {
		r.staleCache.Inc()
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	snapshot := r.observers.of(request.NamespacedName).Observe(r.now(), objects)
	snapshot.Answers = r.answers(ctx, decide.Probes(snapshot))
	plan := decide.Decide(snapshot)
	if len(plan.Changes) > 0 {
		first := plan.Changes[0]
		log.FromContext(ctx).Info("carrying out a plan", "changes", len(plan.Changes), "kind", first.Kind, "object", first.Object, "reason", first.Words)
	}
	if r.planned != nil {
		r.planned(plan)
	}
	again, err := r.commit(ctx, objects, snapshot, plan)
	if err != nil {
		return ctrl.Result{}, err
	}
	if again && (plan.RequeueAfter == 0 || plan.RequeueAfter > soon) {
		plan.RequeueAfter = soon
	}
	plan.RequeueAfter = r.lookAgain(objects.Set, objects.Pods, plan.RequeueAfter)
	return ctrl.Result{RequeueAfter: plan.RequeueAfter}, nil
}

// soon is when to look again after a write that came too late: somebody else had changed the object.
const soon = time.Second
