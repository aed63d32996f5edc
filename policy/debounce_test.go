package policy

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// TestManyPodsCostOneLook: a thousand pods of a group that come within the while have its policy looked at once, and not before
// the while is over.
func TestManyPodsCostOneLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
		defer q.ShutDown()
		long := 5 * time.Second
		h := debounced(long)(func(context.Context, client.Object) []reconcile.Request {
			return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: "ns", Name: "p"}}}
		})
		for range 500 {
			h.Create(t.Context(), event.CreateEvent{Object: &corev1.Pod{}}, q)
			h.Update(t.Context(), event.UpdateEvent{ObjectOld: &corev1.Pod{}, ObjectNew: &corev1.Pod{}}, q)
		}
		<-time.After(long - time.Millisecond)
		if n := q.Len(); n != 0 {
			t.Errorf("%d requests before the while is over", n)
		}
		<-time.After(2 * time.Millisecond)
		if n := q.Len(); n != 1 {
			t.Errorf("%d requests after it, want 1", n)
		}
	})
}

// TestASpecThatChangesWithoutEndIsWrittenAtItsPace: the first changes are answered at once, and then one in each while, however
// many there are. A policy that was deleted begins anew.
func TestASpecThatChangesWithoutEndIsWrittenAtItsPace(t *testing.T) {
	a := newAPI(t, overTargets())
	r := &reconciler{client: a, pace: pace{every: time.Hour}}
	change := func(generation int) time.Duration {
		t.Helper()
		var p v1alpha1.PlacementPolicy
		check(t, a.Get(t.Context(), orders, &p))
		p.Generation = int64(generation)
		check(t, a.Update(t.Context(), &p))
		result, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: orders})
		check(t, err)
		return result.RequeueAfter
	}
	for generation := 2; generation < 102; generation++ {
		if wait := change(generation); generation > burst+1 && wait != time.Hour {
			t.Fatalf("change %d is looked at again after %s, want an hour", generation, wait)
		}
	}
	if a.writes != burst {
		t.Errorf("100 changes in a row cost %d writes, want %d", a.writes, burst)
	}
	check(t, a.Delete(t.Context(), overTargets()))
	_, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: orders})
	check(t, err)
	if len(r.pace.of) != 0 {
		t.Errorf("the pace of a policy that is gone is kept")
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
