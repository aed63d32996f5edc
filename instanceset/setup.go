package instanceset

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/redis"
	"github.com/shoal-dev/shoal/roles"
)

// Options tune the controller.
type Options struct {
	// MaxConcurrentReconciles is how many sets are looked at at the same time; 0 means 8.
	MaxConcurrentReconciles int
	// WriteWorkers is how many instances of one set are written at the same time; 0 means 32.
	WriteWorkers int
	// Agent is what the agents of sets with roles are made of; without an image there are none.
	Agent podspec.Agent
	// Heard is the latest report of a pod's agent, and when it was heard, false for none, and News is rung for sets of which one has news; nil where nobody hears
	// agents.
	Heard func(types.UID) (agent.Report, time.Time, bool)
	News  *roles.Bell[types.NamespacedName]
	// SkipNameValidation lets one process set up the controller more than once, as tests do.
	SkipNameValidation bool
}

// How long a set waits after a write was refused. The default of the library goes up to a quarter of an hour, which is too
// long for a set of which only one instance met a quota.
const (
	minBackoff = 200 * time.Millisecond
	maxBackoff = 30 * time.Second
)

// Setup adds the controller, with its indexes and watches, to a manager.
func Setup(mgr ctrl.Manager, o Options) error {
	if o.MaxConcurrentReconciles == 0 {
		o.MaxConcurrentReconciles = 8
	}
	if o.WriteWorkers == 0 {
		o.WriteWorkers = 32
	}
	ctx := context.Background() //nolint:forbidigo // the manager has not started, there is none to take
	if err := Indexes(ctx, mgr.GetFieldIndexer()); err != nil {
		return fmt.Errorf("indexing for instance sets: %w", err)
	}
	r, err := NewReconciler(Deps{
		Cache: mgr.GetCache(), Informer: informers(ctx, mgr.GetCache()), Live: mgr.GetAPIReader(), Writer: mgr.GetClient(), Events: mgr.GetEventRecorder(FieldOwner),
		Metrics: ctrlmetrics.Registry, Workers: o.WriteWorkers, Now: time.Now, Ask: redis.AskRole,
		Agent: o.Agent, Heard: o.Heard,
	})
	if err != nil {
		return err
	}
	b := ctrl.NewControllerManagedBy(mgr).Named("instanceset")
	for _, w := range Watches(mgr.GetCache()) {
		b = b.Watches(w.Object, w.Handler, builder.WithPredicates(w.Predicates...))
	}
	if o.News != nil {
		b = b.WatchesRawSource(roles.Answered(o.News, func(set types.NamespacedName) ctrl.Request { return ctrl.Request{NamespacedName: set} }, roles.Debounce))
	}
	err = b.
		WithOptions(controller.Options{
			MaxConcurrentReconciles: o.MaxConcurrentReconciles,
			SkipNameValidation:      &o.SkipNameValidation,
			RateLimiter:             RateLimiter(),
		}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the controller of instance sets: %w", err)
	}
	return nil
}

// informers finds those of a cache. One that keeps namespaces apart has none for all of them.
func informers(ctx context.Context, of cache.Cache) func(client.Object) (Informer, bool) {
	return func(o client.Object) (Informer, bool) {
		found, err := of.GetInformer(ctx, o, cache.BlockUntilSynced(false))
		if err != nil {
			return nil, false
		}
		informer, ok := found.(Informer)
		return informer, ok
	}
}
