package roles

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/roles/orders"
	"github.com/shoal-dev/shoal/slots"
)

// Options tune the controllers.
type Options struct {
	// MaxConcurrentReconciles is how many shards are looked at at the same time; 0 means 16.
	MaxConcurrentReconciles int
	// Orders are given to agents; nil if there are none. HandingOver reports whether a switchover of a shard is under way, by the
	// shard's namespace and name (its label); nil if nobody hands over.
	Orders      *orders.Client
	HandingOver func(shard types.NamespacedName) bool
	// Configured is rung for a set of which an agent says something new about its engine's configuration; nil for nobody.
	Configured *Bell[types.NamespacedName]
	// Writer writes labels and conditions, nil for the manager's own: a limit of its own keeps labels from waiting behind thousands
	// of pods that are being made.
	Writer client.Client
	// SkipNameValidation lets one process set up the controllers more than once, as tests do.
	SkipNameValidation bool
}

// How long a shard or a set waits after a write was refused.
const (
	minBackoff = 200 * time.Millisecond
	maxBackoff = 30 * time.Second
	// debounce gathers what many shards of a set have to say.
	debounce = time.Second
)

// Setup adds the controllers, with their indexes and watches, to a manager. Whoever receives the reports of agents hands them
// to the ledger.
func Setup(mgr ctrl.Manager, o Options) (*Ledger, error) {
	if o.MaxConcurrentReconciles == 0 {
		o.MaxConcurrentReconciles = 16
	}
	ctx := context.Background() //nolint:forbidigo // the manager has not started, there is none to take
	if err := Indexes(ctx, mgr.GetFieldIndexer()); err != nil {
		return nil, fmt.Errorf("indexing for roles: %w", err)
	}
	shards, sets := NewBell[shardKey](), NewBell[types.NamespacedName]()
	d := Deps{
		Cache: mgr.GetCache(), Live: mgr.GetAPIReader(), Writer: mgr.GetClient(), Events: mgr.GetEventRecorder(FieldOwner),
		Metrics: ctrlmetrics.Registry, Now: time.Now, Connect: connect, News: shards.Ring, Judged: sets.Ring, HandingOver: o.HandingOver,
	}
	if o.Orders != nil {
		d.Order = o.Orders.Do
	}
	if o.Writer != nil {
		d.Writer = o.Writer
	}
	if o.Configured != nil {
		d.Configured = o.Configured.Ring
	}
	c, err := New(d)
	if err != nil {
		return nil, err
	}
	if err := mgr.Add(c.Ledger); err != nil {
		return nil, fmt.Errorf("adding the ledger of reports: %w", err)
	}
	if o.Orders != nil {
		if err := mgr.Add(&rollCall{c.Ledger, o.Orders.Do, orders.Of, o.HandingOver}); err != nil {
			return nil, fmt.Errorf("adding the roll call of agents: %w", err)
		}
	}
	if err := addShards(mgr, c, shards, o); err != nil {
		return nil, fmt.Errorf("setting up the controller of roles: %w", err)
	}
	if err := addSets(mgr, c.sets, sets, o); err != nil {
		return nil, fmt.Errorf("setting up the controller of the sets of roles: %w", err)
	}
	return c.Ledger, nil
}

func addShards(mgr ctrl.Manager, c *Controllers, reports *Bell[shardKey], o Options) error {
	b := builder.TypedControllerManagedBy[shardKey](mgr).Named("roles")
	for _, w := range c.Watches() {
		b = b.Watches(w.Object, w.Handler, builder.WithPredicates(w.Predicates...))
	}
	return b.WatchesRawSource(Answered(reports, func(k shardKey) shardKey { return k }, 0)).
		WithOptions(controller.TypedOptions[shardKey]{
			MaxConcurrentReconciles: o.MaxConcurrentReconciles,
			SkipNameValidation:      &o.SkipNameValidation,
			RateLimiter:             RateLimiter[shardKey](),
		}).Complete(c.shards)
}

// addSets hears of changes of what a set wants, of its conditions, of its Services, and of verdicts.
func addSets(mgr ctrl.Manager, r *setReconciler, judged *Bell[types.NamespacedName], o Options) error {
	return ctrl.NewControllerManagedBy(mgr).Named("roles-sets").
		For(&v1alpha1.InstanceSet{}, builder.WithPredicates(SetChanges())).
		Owns(&corev1.Service{}).
		WatchesRawSource(Answered(judged, func(set types.NamespacedName) ctrl.Request { return ctrl.Request{NamespacedName: set} }, debounce)).
		WithOptions(controller.Options{
			SkipNameValidation: &o.SkipNameValidation,
			RateLimiter:        RateLimiter[ctrl.Request](),
		}).Complete(r)
}

// SetChanges lets through what a set wants, and the conditions that are written here. One that was written comes back when the cache
// shows it: a verdict that has changed meanwhile was compared with what was there before, and found to be written already. The
// rest of a status is written for each pod that changes, and decides nothing here.
func SetChanges() predicate.Predicate {
	return predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, was := e.ObjectOld.(*v1alpha1.InstanceSet)
			after, is := e.ObjectNew.(*v1alpha1.InstanceSet)
			return was && is && slices.ContainsFunc([]string{v1alpha1.ConditionNoMaster, v1alpha1.ConditionTwoMasters, v1alpha1.ConditionInSync}, func(kind string) bool {
				return !equality.Semantic.DeepEqual(meta.FindStatusCondition(before.Status.Conditions, kind), meta.FindStatusCondition(after.Status.Conditions, kind))
			})
		},
	})
}

func (r *reconciler) ofPod(_ context.Context, o client.Object) []shardKey {
	if k, ok := shardOf(o); ok {
		return []shardKey{k}
	}
	return nil
}

func (r *reconciler) ofNode(ctx context.Context, o client.Object) []shardKey {
	return r.shardsBy(ctx, client.MatchingFields{podsByNode: o.GetName()}, "")
}

func (r *reconciler) ofSet(ctx context.Context, o client.Object) []shardKey {
	return r.shardsBy(ctx, client.MatchingFields{podsBySet: o.GetName()}, o.GetNamespace())
}

func (r *reconciler) shardsBy(ctx context.Context, by client.MatchingFields, namespace string) []shardKey {
	pods, err := r.pods(ctx, by, namespace)
	if err != nil {
		return nil
	}
	var keys []shardKey
	seen := map[shardKey]bool{}
	for _, pod := range pods {
		if k, ok := shardOf(pod); ok && !seen[k] {
			seen[k] = true
			keys = append(keys, k)
		}
	}
	return keys
}

// podChanges passes over what decides nothing, and forgets pods that are gone.
func (r *reconciler) podChanges() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, was := e.ObjectOld.(*corev1.Pod)
			after, is := e.ObjectNew.(*corev1.Pod)
			return was && is && (before.UID != after.UID || before.Labels[v1alpha1.LabelRole] != after.Labels[v1alpha1.LabelRole] ||
				changed(before, after) || before.Labels[v1alpha1.LabelLost] != after.Labels[v1alpha1.LabelLost] || before.Status.Phase != after.Status.Phase ||
				ready(before) != ready(after) || before.Status.PodIP != after.Status.PodIP || (before.DeletionTimestamp == nil) != (after.DeletionTimestamp == nil))
		},
		DeleteFunc: func(e event.DeleteEvent) bool {
			r.ledger.forget(e.Object.GetUID())
			r.written.forget(e.Object.GetUID())
			r.joiner.forget(e.Object.GetUID())
			r.warned.forget(e.Object.GetUID())
			return true
		},
	}
}

func ready(pod *corev1.Pod) bool {
	yes, _ := podspec.EngineReady(pod)
	return yes
}

// changed: the pod may be one of the shard's instances now, or none any more.
func changed(before, after *corev1.Pod) bool {
	for _, label := range []string{v1alpha1.LabelInstanceSet, v1alpha1.LabelShard} {
		if before.Labels[label] != after.Labels[label] {
			return true
		}
	}
	return !slices.EqualFunc(before.OwnerReferences, after.OwnerReferences, func(a, b metav1.OwnerReference) bool {
		return a.UID == b.UID && a.APIVersion == b.APIVersion && ptr.Deref(a.Controller, false) == ptr.Deref(b.Controller, false)
	})
}

// nodeChanges lets through what proves that a node is dead, or that it is no more, and whether it is silent.
func nodeChanges() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool {
			node, is := e.Object.(*corev1.Node)
			return is && (slots.OutOfService(node) || silentNode(node))
		},
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, was := e.ObjectOld.(*corev1.Node)
			after, is := e.ObjectNew.(*corev1.Node)
			return was && is && (slots.OutOfService(before) != slots.OutOfService(after) || silentNode(before) != silentNode(after))
		},
	}
}
