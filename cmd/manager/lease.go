package main

import (
	"context"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"

	"github.com/shoal-dev/shoal/roles/orders"
)

// lease is the lock of leader election, which controller-runtime would make for itself: but orders to agents carry how many
// times it has changed hands, and that is told to nobody. Events of who leads are made as controller-runtime makes them.
func (o *options) lease(ctx context.Context, config *rest.Config, scheme *runtime.Scheme) (*orders.Lease, error) {
	namespace, err := o.namespace()
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("asking for the name of this host: %w", err)
	}
	identity := host + "_" + string(uuid.NewUUID())
	config = rest.AddUserAgent(config, "leader-election")
	config.Timeout = max(time.Second, o.renewDeadline/2) // one request that hangs must not cost the lead
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for the lease: %w", err)
	}
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events("")})
	lock, err := resourcelock.New(resourcelock.LeasesResourceLock, namespace, o.leaseName, client.CoreV1(), client.CoordinationV1(),
		resourcelock.ResourceLockConfig{Identity: identity, EventRecorder: broadcaster.NewRecorder(scheme, corev1.EventSource{Component: identity})})
	if err != nil {
		return nil, fmt.Errorf("making the lease: %w", err)
	}
	return orders.NewLease(lock, o.leaseDuration, time.Now), nil
}

// lockOf is the count of a lease. A manager without leader election is the only one, and says that nobody had the lock before.
func lockOf(lease *orders.Lease) func() (uint64, error) {
	if lease == nil {
		return func() (uint64, error) { return 0, nil }
	}
	return lease.Count
}
