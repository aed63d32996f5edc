package roles

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/roles/decide"
)

// told remembers of which empty masters there was an event, by the UID of their pods, until they are none any more.
type told struct {
	mu   sync.Mutex
	pods map[types.UID]bool
}

// news reports whether a pod is told of for the first time; is: there is something to tell.
func (t *told) news(uid types.UID, is bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.pods[uid]
	switch {
	case !is:
		delete(t.pods, uid)
	case t.pods == nil:
		t.pods = map[types.UID]bool{uid: true}
	default:
		t.pods[uid] = true
	}
	return is && !before
}

// warn makes an event of each master that has come up without data beside instances that hold some: one for each.
func (r *reconciler) warn(set *v1alpha1.InstanceSet, plan decide.Plan, pods []*corev1.Pod) {
	empty := map[types.UID]decide.Empty{}
	for _, e := range plan.Empty {
		empty[types.UID(e.UID)] = e
	}
	for _, pod := range pods {
		e, is := empty[pod.UID]
		if r.empties.news(pod.UID, is) {
			r.events.Eventf(set, pod, corev1.EventTypeWarning, reason.EmptyMaster.Name(), "HearAgents", "%s", e.String())
		}
	}
}
