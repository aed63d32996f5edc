package dispersion

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/klog/v2"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// Everything is listed anew when the watch was interrupted for too long. What was deleted meanwhile is missing in the list, and a
// pod that has left its group stands there as one that never was in it: the store is replaced as a whole, and shows nothing of
// what it had before. A claim's slot would be counted for good, and a pod that does not exist would keep room.
func TestWhatWasDeletedWhileTheWatchWasInterruptedIsForgotten(t *testing.T) {
	waiting, leaving, claim := instance("r-1", "p", ""), instance("r-2", "p", ""), claimOn("data-r-0", "p", "a")
	claim.Labels[v1alpha1.LabelInstanceSet], claim.Labels[v1alpha1.LabelOrdinal] = "r", "0"
	client := fake.NewClientset(waiting, leaving, claim)
	watches := interruptible(client)
	factory := informers.NewSharedInformerFactory(client, 0)
	w := newWorldOn(t, config.DispersionArgs{}, factory)
	w.node("a", 8, 110)
	factory.Start(t.Context().Done())
	factory.WaitForCacheSync(t.Context().Done())
	g := slots.Group{Namespace: "ns", Policy: "p"}
	seen := func() (held, absent int) {
		if err := w.cache.UpdateSnapshot(klog.Background(), w.snapshot); err != nil {
			t.Fatal(err)
		}
		nodes, _ := w.snapshot.NodeInfos().List()
		w.plugin.index.update(nodes, false, false)
		if tally := w.plugin.index.ledger.Group(g); tally != nil {
			held = len(tally.Instances)
		}
		return held, w.plugin.index.known(g).absent
	}
	if held, absent := seen(); held != 1 || absent != 2 {
		t.Fatalf("%d slots, %d instances wait", held, absent)
	}
	must(t, client.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), "ns", waiting.Name))
	must(t, client.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("persistentvolumeclaims"), "ns", claim.Name))
	left := leaving.DeepCopy()
	left.Labels = nil
	must(t, client.Tracker().Update(corev1.SchemeGroupVersion.WithResource("pods"), left, "ns"))
	for _, kind := range []string{"pods", "persistentvolumeclaims"} {
		(<-watches[kind]).Error(&apierrors.NewResourceExpired("the watch was interrupted").ErrStatus)
	}
	err := wait.PollUntilContextTimeout(t.Context(), 10*time.Millisecond, 20*time.Second, true, func(context.Context) (bool, error) {
		held, absent := seen()
		return held == 0 && absent == 0, nil
	})
	if err != nil {
		held, absent := seen()
		t.Errorf("%d slots are still counted, and %d instances still wait", held, absent)
	}
}

// interruptible hands over the watches of a client, which show nothing by themselves.
func interruptible(client *fake.Clientset) map[string]chan *watch.FakeWatcher {
	watches := map[string]chan *watch.FakeWatcher{"pods": make(chan *watch.FakeWatcher, 10), "persistentvolumeclaims": make(chan *watch.FakeWatcher, 10)}
	for kind, made := range watches {
		client.PrependWatchReactor(kind, func(a clienttesting.Action) (bool, watch.Interface, error) {
			if options := a.(clienttesting.WatchActionImpl).ListOptions; options.SendInitialEvents != nil {
				return true, nil, apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Pod").GroupKind(), "", nil)
			}
			w := watch.NewFake()
			made <- w
			return true, w, nil
		})
	}
	return watches
}
