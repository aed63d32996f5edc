package policy

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
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
