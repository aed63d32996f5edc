package simulation

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/policy"
)

// operator is one life of shoal-manager: the real reconcilers and what wakes them, on replicas and queues of the
// simulation.
type operator struct {
	*access
	ctx   context.Context //nolint:containedctx // the life of the process
	roles *rolesPart      // nil where no set has roles
	sets  *queue[reconcile.Request]
	skew  time.Duration // of the clock of roles
}

// heard is what the agent of a pod has reported last.
func (o *operator) heard(pod types.UID) (agent.Report, time.Time, bool) {
	if o.roles == nil {
		return agent.Report{}, time.Time{}, false
	}
	report, at, heard := o.roles.Ledger.Report(pod)
	return report, at.Add(-o.skew), heard // a process has one clock; here that of sets is right
}

// informer is the replica of a kind of objects.
func (o *operator) informer(kind client.Object) (instanceset.Informer, bool) {
	i, there := o.replicas[reflect.TypeOf(kind)]
	return i, there
}

const managerUser = "system:serviceaccount:shoal-system:shoal-manager"

func (w *World) newOperator(ctx context.Context) (*operator, error) {
	o := &operator{access: &access{w: w, process: "manager", user: managerUser, replicas: map[reflect.Type]*informer{}}, ctx: ctx}
	if w.operator != nil {
		o.life = w.operator.life + 1
	}
	for _, empty := range []client.Object{
		&corev1.Pod{}, &corev1.Node{}, &corev1.PersistentVolume{}, &corev1.PersistentVolumeClaim{}, &corev1.Service{},
		&appsv1.StatefulSet{}, &appsv1.ControllerRevision{}, &v1alpha1.PlacementPolicy{}, &v1alpha1.InstanceSet{},
		&v1alpha1.Switchover{}, &policyv1.PodDisruptionBudget{},
	} {
		o.replicas[reflect.TypeOf(empty)] = newInformer(nil)
	}
	cache := reader{o.replicas}
	for _, index := range []func(context.Context, client.FieldIndexer) error{instanceset.Indexes, policy.Indexes} {
		if err := index(ctx, cache); err != nil {
			return nil, err
		}
	}
	write := writer{reader: cache, access: o.access}
	sets, err := instanceset.NewReconciler(instanceset.Deps{
		Cache: cache, Informer: o.informer, Live: live{o.access}, Writer: write, Events: silentRecorder{}, Metrics: prometheus.NewRegistry(), Workers: 1,
		Now: time.Now, Ask: w.ask, Heard: o.heard, Planned: func(p decide.Plan) { w.planned(o.access, p) },
	})
	if err != nil {
		return nil, fmt.Errorf("making the controller of sets: %w", err)
	}
	q := run(o, "sets", sets, instanceset.RateLimiter())
	o.sets = q
	for _, watch := range instanceset.Watches(cache) {
		if err := follow(o, q, watch.Object, watch.Handler, watch.Predicates); err != nil {
			return nil, err
		}
	}
	policies, watches := policy.New(write, policy.Options{})
	q = run(o, "policies", policies, workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	for _, watch := range watches {
		if err := follow(o, q, watch.Object, watch.Handler, watch.Predicates); err != nil {
			return nil, err
		}
	}
	if w.ha != nil {
		return o, o.addRoles()
	}
	return o, nil
}

type silentRecorder struct{}

// Eventf drops an event.
func (silentRecorder) Eventf(_, _ runtime.Object, _, _, _, _ string, _ ...any) {}

// follow calls the real event handler for each event of a replica, as the library would.
func follow[R comparable](o *operator, q *queue[R], object client.Object, h handler.TypedEventHandler[client.Object, R], predicates []predicate.Predicate) error {
	_, err := o.replicas[reflect.TypeOf(object)].AddEventHandler(waker[R]{o.ctx, q, h, predicates})
	return err
}

type waker[R comparable] struct {
	ctx        context.Context //nolint:containedctx // the life of the process
	queue      *queue[R]
	handler    handler.TypedEventHandler[client.Object, R]
	predicates []predicate.Predicate
}

func (w waker[R]) pass(by func(predicate.Predicate) bool) bool {
	return !slices.ContainsFunc(w.predicates, func(p predicate.Predicate) bool { return !by(p) })
}

// OnAdd is for an object that is new to the replica.
func (w waker[R]) OnAdd(o any, initial bool) {
	e := event.CreateEvent{Object: o.(client.Object), IsInInitialList: initial}
	if w.pass(func(p predicate.Predicate) bool { return p.Create(e) }) {
		w.handler.Create(w.ctx, e, w.queue)
	}
}

// OnUpdate is for an object that has changed.
func (w waker[R]) OnUpdate(before, after any) {
	e := event.UpdateEvent{ObjectOld: before.(client.Object), ObjectNew: after.(client.Object)}
	if w.pass(func(p predicate.Predicate) bool { return p.Update(e) }) {
		w.handler.Update(w.ctx, e, w.queue)
	}
}

// OnDelete is for an object that is gone.
func (w waker[R]) OnDelete(o any) {
	if unknown, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
		o = unknown.Obj
	}
	e := event.DeleteEvent{Object: o.(client.Object)}
	if w.pass(func(p predicate.Predicate) bool { return p.Delete(e) }) {
		w.handler.Delete(w.ctx, e, w.queue)
	}
}

// queue is the work queue of one controller. What is due is worked on one after the other.
type queue[R comparable] struct {
	owner      *operator
	name       string
	reconciler reconcile.TypedReconciler[R]
	limiter    workqueue.TypedRateLimiter[R]
	due        map[R]time.Time
	apart      *apart[R] // nil where a reconcile takes no time
}

var _ workqueue.TypedRateLimitingInterface[reconcile.Request] = &queue[reconcile.Request]{}

func run[R comparable](o *operator, name string, r reconcile.TypedReconciler[R], limiter workqueue.TypedRateLimiter[R]) *queue[R] {
	return &queue[R]{owner: o, name: name, reconciler: r, limiter: limiter, due: map[R]time.Time{}}
}

// takeTime is how long a reconcile takes.
const takeTime = 2 * time.Millisecond

// AddAfter has the request worked on later; one that is due earlier already stays so.
func (q *queue[R]) AddAfter(r R, wait time.Duration) {
	at := time.Now().Add(max(wait, takeTime))
	if known, there := q.due[r]; there && !known.After(at) {
		return
	}
	q.due[r] = at
	q.await(r, max(wait, takeTime))
}

func (q *queue[R]) await(r R, wait time.Duration) {
	q.owner.w.agenda.after(wait, "manager: "+q.name, func() {
		due, there := q.due[r]
		switch {
		case !there || due.After(time.Now()) || q.owner.crashed:
		case q.owner.asleep():
			q.await(r, time.Until(q.owner.sleepsUntil))
		default:
			delete(q.due, r)
			q.work(r)
		}
	})
}

func (q *queue[R]) work(r R) {
	if q.apart != nil {
		q.workApart(r)
		return
	}
	result, err := q.reconciler.Reconcile(q.owner.ctx, r)
	q.worked(r, result, err)
}

// worked is the end of a reconcile.
func (q *queue[R]) worked(r R, result reconcile.Result, err error) {
	q.owner.w.checker.doing(q.owner.process, " reconciles", reconcilesPerMinute)
	switch {
	case q.owner.crashed:
	case err != nil:
		q.owner.w.tell("manager", "%s: %v", q.name, err)
		q.AddRateLimited(r)
	case result.RequeueAfter > 0:
		q.Forget(r)
		q.AddAfter(r, result.RequeueAfter)
	default:
		q.Forget(r)
	}
}

// Add has the request worked on now.
func (q *queue[R]) Add(r R) { q.AddAfter(r, 0) }

// AddRateLimited has the request worked on after a while that grows from failure to failure.
func (q *queue[R]) AddRateLimited(r R) { q.AddAfter(r, q.limiter.When(r)) }

// Forget ends a series of failures.
func (q *queue[R]) Forget(r R) { q.limiter.Forget(r) }

// NumRequeues is the length of the series of failures.
func (q *queue[R]) NumRequeues(r R) int { return q.limiter.NumRequeues(r) }

// Len is the number of requests that wait.
func (q *queue[R]) Len() int { return len(q.due) }

// Get is never called: the agenda hands out the work.
func (q *queue[R]) Get() (r R, shutdown bool) { return r, true }

// Done is never called: the agenda hands out the work.
func (q *queue[R]) Done(R) {}

// ShutDown does nothing: a process that crashes is not asked.
func (q *queue[R]) ShutDown() {}

// ShutDownWithDrain does nothing: a process that crashes is not asked.
func (q *queue[R]) ShutDownWithDrain() {}

// ShuttingDown is never true.
func (q *queue[R]) ShuttingDown() bool { return false }
