//go:build redis

package realredis

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/shoal-dev/shoal/roles/orders"
	"github.com/shoal-dev/shoal/switchover/decide"
)

// TestLeaseDeletedThroughAgents is TestLockLostThroughAgents where somebody deletes the Lease in the middle, and a manager that stood by makes it anew.
func TestLeaseDeletedThroughAgents(t *testing.T) {
	leases := fake.NewClientset().CoordinationV1()
	lease := func(who string) *orders.Lease {
		lock, err := resourcelock.New(resourcelock.LeasesResourceLock, "shoal-system", "shoal-manager", nil, leases, resourcelock.ResourceLockConfig{Identity: who})
		if err != nil {
			t.Fatal(err)
		}
		return orders.NewLease(lock, time.Hour, time.Now)
	}
	create := func(l *orders.Lease) uint64 {
		if err := l.Create(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: l.Identity(), LeaseDurationSeconds: 15}); err != nil {
			t.Fatal(err)
		}
		count, err := l.Count()
		if err != nil {
			t.Fatal(err)
		}
		return count
	}
	first, second := lease("first"), lease("second")
	before := create(first)
	if _, _, err := second.Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := leases.Leases("shoal-system").Delete(t.Context(), "shoal-manager", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	is := through
	is.servers = 4
	lockLost(t, is, before, create(second), decide.Pause, decide.Demote, decide.Promote)
}
