package dispersion

import (
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
)

func ofScheduler(scheduler string, uid types.UID, node string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r-0", UID: uid, ResourceVersion: "7"}}
	p.Spec.SchedulerName, p.Spec.NodeName = scheduler, node
	return p
}

// Upstream queues a pod whose object changes, unless it was another scheduler's before.
func TestOverlooked(t *testing.T) {
	const ours, other = v1alpha1.SchedulerName, "default-scheduler"
	for what, c := range map[string]struct {
		before, now *corev1.Pod
		want        bool
	}{
		"made anew after another's":   {ofScheduler(other, "a", ""), ofScheduler(ours, "b", ""), true},
		"made anew after ours":        {ofScheduler(ours, "a", ""), ofScheduler(ours, "b", ""), false},
		"it has changed":              {ofScheduler(ours, "a", ""), ofScheduler(ours, "a", ""), false},
		"another's made anew":         {ofScheduler(ours, "a", ""), ofScheduler(other, "b", ""), false},
		"it has a node already":       {ofScheduler(other, "a", ""), ofScheduler(ours, "b", "n"), false},
		"the other one was on a node": {ofScheduler(other, "a", "n"), ofScheduler(ours, "b", ""), false}, // upstream ends its process
	} {
		if got := overlooked(c.before, c.now, ours); got != c.want {
			t.Errorf("%s: %v", what, got)
		}
	}
}

// The pod is told until the API server has heard it, or something else has changed it.
func TestOverlookedIsTold(t *testing.T) {
	unavailable := apierrors.NewServiceUnavailable("not now")
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "pods"}, "r-0", errors.New("another version"))
	for what, c := range map[string]struct {
		answers []error
		want    int
	}{
		"at once":            {[]error{nil}, 1},
		"after two refusals": {[]error{unavailable, unavailable, nil}, 3},
		"it has changed":     {[]error{unavailable, conflict}, 2},
		"it is gone":         {[]error{apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, "r-0")}, 1},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, config.DispersionArgs{})
				client, tries := fake.NewClientset(), 0
				client.PrependReactor("patch", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
					err := c.answers[tries]
					tries++
					var pod corev1.Pod
					patch := a.(clienttesting.PatchAction)
					if json.Unmarshal(patch.GetPatch(), &pod) != nil || patch.GetSubresource() != "status" || pod.UID != "b" || pod.ResourceVersion != "7" {
						t.Errorf("patch of %q: %s", patch.GetSubresource(), patch.GetPatch())
					}
					if all := pod.Status.Conditions; len(all) != 1 || all[0].Status != corev1.ConditionFalse || all[0].Message != reason.Overlooked.Message() {
						t.Errorf("conditions: %+v", all)
					}
					return true, &corev1.Pod{}, err
				})
				w.handle().client = client
				h := w.plugin.tellingOverlooked(t.Context()).(cache.ResourceEventHandlerFuncs)
				h.UpdateFunc(ofScheduler("default-scheduler", "a", ""), ofScheduler(v1alpha1.SchedulerName, "b", ""))
				h.UpdateFunc(ofScheduler(v1alpha1.SchedulerName, "b", ""), ofScheduler(v1alpha1.SchedulerName, "b", "")) // upstream's business
				<-time.After(time.Hour)
				synctest.Wait()
				if tries != c.want {
					t.Errorf("it was told %d times, want %d", tries, c.want)
				}
			})
		})
	}
}
