package switchovers

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/roles"
	"github.com/shoal-dev/shoal/roles/handover"
	"github.com/shoal-dev/shoal/roles/switchovers/decide"
	handing "github.com/shoal-dev/shoal/switchover/decide"
)

// Executor hands over the master of a shard (*handover.Executor).
type Executor interface {
	Run(ctx context.Context, s handover.Shard, r handing.Request, step func(handing.Step)) (handing.Step, error)
	Taken(s handover.Shard) bool
}

// Options tune the controller.
type Options struct {
	// Executor is nil where this manager can give no orders: then requests are refused.
	Executor Executor
	// MaxConcurrentReconciles is how many shards are handed over at the same time; 0 means 8.
	MaxConcurrentReconciles int
	// SkipNameValidation lets one process set up the controller more than once, as tests do.
	SkipNameValidation bool
}

// How long a switchover waits after a write was refused, or the lock was lost.
const (
	minBackoff = 200 * time.Millisecond
	maxBackoff = 10 * time.Second
)

// byShard is the index of Switchovers, here and at the API server.
const byShard = "spec.shard"

// reconciler holds what Switchovers need of the world.
type reconciler struct {
	cache    client.Reader
	live     client.Reader // straight from the API server
	writer   client.Client
	events   events.EventRecorder
	now      func() time.Time
	executor Executor
	metrics

	mu   sync.Mutex
	seen map[types.NamespacedName]sighting
}

// sighting is when an object was first seen.
type sighting struct {
	uid types.UID
	at  time.Time
}

// Deps are what the reconciler needs of the world.
type Deps struct {
	// Cache has the indexes of this package and of roles; Live reads straight from the API server.
	Cache, Live client.Reader
	Writer      client.Client
	Events      events.EventRecorder
	Metrics     prometheus.Registerer
	Now         func() time.Time
	// Executor is nil where this manager can give no orders.
	Executor Executor
}

// New makes the reconciler.
func New(d Deps) (reconcile.Reconciler, error) {
	m, err := newMetrics(d.Metrics)
	if err != nil {
		return nil, fmt.Errorf("registering metrics of switchovers: %w", err)
	}
	return &reconciler{
		cache: d.Cache, live: d.Live, writer: client.WithFieldOwner(d.Writer, roles.FieldOwner), events: d.Events, now: d.Now, executor: d.Executor,
		metrics: m, seen: map[types.NamespacedName]sighting{},
	}, nil
}

// Changes lets through what somebody else has changed in a Switchover: its status is written here alone.
func Changes() predicate.Predicate {
	return predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})
}

// RateLimiter is how long a Switchover waits after a failure.
func RateLimiter() workqueue.TypedRateLimiter[ctrl.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[ctrl.Request](minBackoff, maxBackoff)
}

// Setup adds the controller to a manager, after that of roles.
func Setup(mgr ctrl.Manager, o Options) error {
	if o.MaxConcurrentReconciles == 0 {
		o.MaxConcurrentReconciles = 8
	}
	ctx := context.Background() //nolint:forbidigo // the manager has not started, there is none to take
	if err := Indexes(ctx, mgr.GetFieldIndexer()); err != nil {
		return fmt.Errorf("indexing Switchovers: %w", err)
	}
	d := Deps{
		Cache: mgr.GetCache(), Live: mgr.GetAPIReader(), Writer: mgr.GetClient(), Events: mgr.GetEventRecorder(roles.FieldOwner),
		Metrics: ctrlmetrics.Registry, Now: time.Now, Executor: o.Executor,
	}
	r, err := New(d)
	if err != nil {
		return err
	}
	err = ctrl.NewControllerManagedBy(mgr).Named("switchovers").
		For(&v1alpha1.Switchover{}, builder.WithPredicates(Changes())).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: o.MaxConcurrentReconciles,
			SkipNameValidation:      &o.SkipNameValidation,
			RateLimiter:             RateLimiter(),
		}).Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the controller of switchovers: %w", err)
	}
	return nil
}

// Indexes adds the index that the controller reads by.
func Indexes(ctx context.Context, indexer client.FieldIndexer) error {
	return indexer.IndexField(ctx, &v1alpha1.Switchover{}, byShard, ShardOf)
}

// ShardOf is what Switchovers are found by.
func ShardOf(o client.Object) []string {
	if s, is := o.(*v1alpha1.Switchover); is {
		return []string{s.Spec.Shard}
	}
	return nil
}

// Reconcile does what is due for one Switchover. It takes as long as handing over does.
func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	// Not from the cache: it may not show yet what was written a moment ago, and something would be done twice.
	var s v1alpha1.Switchover
	if err := r.live.Get(ctx, request.NamespacedName, &s); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(request.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	snapshot, err := r.load(ctx, &s)
	if err != nil {
		return ctrl.Result{}, err
	}
	verdict := decide.Decide(snapshot)
	log.FromContext(ctx).V(2).Info("Decided on a switchover", "do", verdict.Do, "reason", verdict.Code.Name())
	again, err := r.commit(ctx, &s, verdict)
	return ctrl.Result{RequeueAfter: again}, err
}

// load makes the snapshot. Other Switchovers are asked of the API server before one begins: a cache that lags may not show
// one that has begun.
func (r *reconciler) load(ctx context.Context, s *v1alpha1.Switchover) (decide.Snapshot, error) {
	out := decide.Snapshot{Now: r.now(), Request: r.request(s), Orders: r.executor != nil}
	if out.Request.Completed.IsZero() && !out.Request.Deleted {
		var others v1alpha1.SwitchoverList
		if err := r.live.List(ctx, &others, client.InNamespace(s.Namespace), client.MatchingFields{byShard: s.Spec.Shard}); err != nil {
			return out, fmt.Errorf("listing the Switchovers of %s: %w", s.Spec.Shard, err)
		}
		for n := range others.Items {
			if o := &others.Items[n]; o.Name != s.Name {
				out.Others = append(out.Others, r.request(o))
			}
		}
		slices.SortFunc(out.Others, func(a, b decide.Request) int { return a.Created.Compare(b.Created) })
	}
	out.Taken = r.executor != nil && r.executor.Taken(shardOf(s))
	var set v1alpha1.InstanceSet
	err := r.cache.Get(ctx, types.NamespacedName{Namespace: s.Namespace, Name: s.Spec.InstanceSet}, &set)
	switch {
	case apierrors.IsNotFound(err):
		return out, nil
	case err != nil:
		return out, fmt.Errorf("reading the set of %s: %w", s.Spec.Shard, err)
	}
	out.Set, out.Paused = len(set.Spec.Roles) > 0 && set.DeletionTimestamp == nil, set.Spec.Paused
	pods, err := roles.InstancesOf(ctx, r.cache, &set, s.Spec.Shard)
	if err != nil {
		return out, err
	}
	for _, pod := range pods {
		out.Instances = append(out.Instances, instance(pod))
	}
	return out, nil
}

func instance(pod *corev1.Pod) decide.Instance {
	return decide.Instance{
		Name: pod.Name, Master: pod.Labels[v1alpha1.LabelRole] == string(v1alpha1.RoleMaster), Lost: pod.Labels[v1alpha1.LabelLost] != "",
	}
}

func shardOf(s *v1alpha1.Switchover) handover.Shard {
	return handover.Shard{Set: types.NamespacedName{Namespace: s.Namespace, Name: s.Spec.InstanceSet}, Name: s.Spec.Shard}
}

func (r *reconciler) request(s *v1alpha1.Switchover) decide.Request {
	out := decide.Request{
		Name: s.Name, Created: s.CreationTimestamp.Time, Seen: r.firstSeen(s), To: s.Spec.To, BestEffort: s.Spec.Policy == v1alpha1.SwitchoverBestEffort,
		Timeout: seconds(s.Spec.TimeoutSeconds, defaultTimeout), TTL: seconds(s.Spec.TTLSecondsAfterFinished, defaultTTL),
		From: s.Status.From, Attempts: int(s.Status.Attempts),
		Deleted: s.DeletionTimestamp != nil, Held: slices.Contains(s.Finalizers, v1alpha1.SwitchoverFinalizer),
	}
	if s.Status.CompletedAt != nil {
		out.Completed = s.Status.CompletedAt.Time
	}
	return out
}

// What the CRD fills in.
const (
	defaultTimeout = 10 * time.Second
	defaultTTL     = time.Hour
)

func seconds(of *int32, otherwise time.Duration) time.Duration {
	if of == nil {
		return otherwise
	}
	return time.Duration(*of) * time.Second
}

// firstSeen is when this process first saw the object, by its own clock.
func (r *reconciler) firstSeen(s *v1alpha1.Switchover) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := client.ObjectKeyFromObject(s)
	if first, known := r.seen[name]; known && first.uid == s.UID {
		return first.at
	}
	r.seen[name] = sighting{s.UID, r.now()}
	return r.seen[name].at
}
