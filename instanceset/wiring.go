package instanceset

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/redis"
)

// Deps are what the controller needs of the world. Setup takes them from a manager; the simulation hands over its own.
type Deps struct {
	Cache client.Reader // with the indexes of Indexes
	// Informer is that of the cache for the kind of an object, false where there is none; nil where nobody has any, and lists are read.
	Informer func(client.Object) (Informer, bool)
	Live     client.Reader // straight from the API server
	Writer   client.Client
	Events   events.EventRecorder
	Metrics  prometheus.Registerer
	Workers  int // instances of one set that are written at the same time
	Now      func() time.Time
	Ask      func(ctx context.Context, addr string) (redis.Role, error)
	Agent    podspec.Agent // what agents are made of
	// Heard is the latest report of a pod's agent, and when it was heard, false for none; nil where nobody hears agents.
	Heard   func(types.UID) (agent.Report, time.Time, bool)
	Planned func(decide.Plan) // is told each plan before it is carried out; nil tells nobody
}

// NewReconciler makes the controller's reconciler. It remembers what it wrote, and nothing else.
func NewReconciler(d Deps) (reconcile.Reconciler, error) {
	m, err := newMetrics(d.Metrics)
	if err != nil {
		return nil, fmt.Errorf("registering metrics of instance sets: %w", err)
	}
	kept, err := newStores(d.Informer)
	if err != nil {
		return nil, err
	}
	return &reconciler{
		cache: d.Cache, stores: kept, live: d.Live, writer: client.WithFieldOwner(d.Writer, FieldOwner), events: d.Events,
		metrics: m, own: newOwnWrites(d.Now), workers: d.Workers, now: d.Now, ask: d.Ask, planned: d.Planned, agent: d.Agent, heard: d.Heard,
	}, nil
}

// Watch is one kind of objects whose changes wake the controller.
type Watch struct {
	Object     client.Object
	Handler    handler.EventHandler
	Predicates []predicate.Predicate
}

// Watches are all that wake the controller. The cache finds the sets that an event is about.
func Watches(cache client.Reader) []Watch {
	w := wakers{cache}
	return []Watch{
		{&v1alpha1.InstanceSet{}, wake(itself), nil},
		{&corev1.Service{}, wake(ownerOf), nil},
		// Its status, which is written whenever a pod becomes Ready or ceases to be, says nothing here.
		{&policyv1.PodDisruptionBudget{}, wake(ownerOf), []predicate.Predicate{predicate.GenerationChangedPredicate{}}},
		{&corev1.Pod{}, wake(labelled), nil},
		{&corev1.PersistentVolumeClaim{}, wake(labelled), nil},
		{&corev1.PersistentVolume{}, wake(w.ofVolume), nil},
		{&v1alpha1.PlacementPolicy{}, wake(w.ofPolicy), nil},
		{&appsv1.ControllerRevision{}, wake(ownerOf), nil},
		{&v1alpha1.Switchover{}, wake(handedOver), []predicate.Predicate{predicate.Or(predicate.GenerationChangedPredicate{}, switchoverEnds())}},
		{&corev1.Node{}, wake(w.ofNode), []predicate.Predicate{nodeChanges()}},
	}
}

// RateLimiter says how long a set waits after it failed.
func RateLimiter() workqueue.TypedRateLimiter[ctrl.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[ctrl.Request](minBackoff, maxBackoff)
}

// Indexes adds the indexes that the controller reads by.
func Indexes(ctx context.Context, indexer client.FieldIndexer) error { return addIndexes(ctx, indexer) }
