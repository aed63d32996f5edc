package signer

import (
	"fmt"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/shoal-dev/shoal/api/agent"
)

// Options tune the signer.
type Options struct {
	// Namespace is where the Secret with the authority is: the manager's own.
	Namespace string
	// MaxConcurrentReconciles is how many requests are answered at the same time; 0 means 16.
	MaxConcurrentReconciles int
	// SkipNameValidation lets one process set up the signer more than once, as tests do.
	SkipNameValidation bool
}

// How long a request waits after a write was refused.
const (
	minBackoff = 200 * time.Millisecond
	maxBackoff = 30 * time.Second
)

// fieldOwner is who makes events.
const fieldOwner = "shoal-manager"

// Setup adds the signer to a manager. The Keeper has the manager's own certificate.
func Setup(mgr ctrl.Manager, o Options) (*Keeper, error) {
	if o.MaxConcurrentReconciles == 0 {
		o.MaxConcurrentReconciles = 16
	}
	m, err := newMetrics(ctrlmetrics.Registry)
	if err != nil {
		return nil, fmt.Errorf("registering metrics of the signer: %w", err)
	}
	k := &Keeper{live: mgr.GetAPIReader(), writer: mgr.GetClient(), namespace: o.Namespace, now: time.Now, metrics: m}
	if err := mgr.Add(k); err != nil {
		return nil, fmt.Errorf("adding the keeper of the authority: %w", err)
	}
	r := &reconciler{cache: mgr.GetCache(), live: mgr.GetAPIReader(), writer: mgr.GetClient(), events: mgr.GetEventRecorder(fieldOwner), keeper: k, metrics: m, now: time.Now}
	err = ctrl.NewControllerManagedBy(mgr).Named("signer").
		For(&certificatesv1.PodCertificateRequest{}).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: o.MaxConcurrentReconciles,
			SkipNameValidation:      &o.SkipNameValidation,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[ctrl.Request](minBackoff, maxBackoff),
		}).Complete(r)
	if err != nil {
		return nil, fmt.Errorf("setting up the signer: %w", err)
	}
	return k, nil
}

// Requests is how the cache holds requests: those of this signer alone. In a large cluster there may be many of others.
func Requests() cache.ByObject {
	return cache.ByObject{Field: fields.OneTermEqualSelector("spec.signerName", agent.Signer)}
}
