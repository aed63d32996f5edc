package roles

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/roles/decide"
)

// warned remembers of which empty masters there was an event, by the UID of their pods, until they are none any more.
type warned struct {
	mu   sync.Mutex
	pods map[types.UID]bool
}

// first reports whether there was none of a pod, and notes that there is.
func (w *warned) first(uid types.UID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pods == nil {
		w.pods = map[types.UID]bool{}
	}
	before := w.pods[uid]
	w.pods[uid] = true
	return !before
}

func (w *warned) forget(uid types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.pods, uid)
}

// warn makes an event of each master that has come up without data beside instances that hold some: one for each.
func (r *reconciler) warn(set *v1alpha1.InstanceSet, plan decide.Plan, pods []*corev1.Pod) {
	empty := map[types.UID]decide.Empty{}
	for _, e := range plan.Empty {
		empty[types.UID(e.UID)] = e
	}
	for _, pod := range pods {
		e, is := empty[pod.UID]
		if !is {
			r.warned.forget(pod.UID)
		} else if r.warned.first(pod.UID) {
			r.events.Eventf(set, pod, corev1.EventTypeWarning, reason.EmptyMaster.Name(), "HearAgents", "%s", e.String())
		}
	}
}
