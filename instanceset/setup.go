package instanceset

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/redis"
)

// Options tune the controller.
type Options struct {
	// MaxConcurrentReconciles is how many sets are looked at at the same time; 0 means 8.
	MaxConcurrentReconciles int
	// WriteWorkers is how many instances of one set are written at the same time; 0 means 32.
	WriteWorkers int
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
	if err := addIndexes(ctx, mgr.GetFieldIndexer()); err != nil {
		return fmt.Errorf("indexing for instance sets: %w", err)
	}
	m, err := newMetrics(ctrlmetrics.Registry)
	if err != nil {
		return fmt.Errorf("registering metrics of instance sets: %w", err)
	}
	r := &reconciler{
		cache:   mgr.GetCache(),
		live:    mgr.GetAPIReader(),
		writer:  client.WithFieldOwner(mgr.GetClient(), FieldOwner),
		events:  mgr.GetEventRecorder(FieldOwner),
		metrics: m,
		own:     newOwnWrites(time.Now),
		workers: o.WriteWorkers,
		now:     time.Now,
		ask:     redis.AskRole,
	}
	w := wakers{mgr.GetCache()}
	err = ctrl.NewControllerManagedBy(mgr).
		Named("instanceset").
		Watches(&v1alpha1.InstanceSet{}, wake(itself)).
		Watches(&corev1.Service{}, wake(ownerOf)).
		Watches(&corev1.Pod{}, wake(labelled)).
		Watches(&corev1.PersistentVolumeClaim{}, wake(labelled)).
		Watches(&corev1.PersistentVolume{}, wake(w.ofVolume)).
		Watches(&v1alpha1.PlacementPolicy{}, wake(w.ofPolicy)).
		Watches(&corev1.Node{}, wake(w.ofNode), nodeChanges()).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: o.MaxConcurrentReconciles,
			SkipNameValidation:      &o.SkipNameValidation,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[ctrl.Request](minBackoff, maxBackoff),
		}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the controller of instance sets: %w", err)
	}
	return nil
}
