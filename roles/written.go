package roles

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// written remembers the version of each pod as this process wrote it last, until the cache shows it.
type written struct {
	mu       sync.Mutex
	versions map[types.UID]string
}

func (w *written) wrote(uid types.UID, version string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.versions == nil {
		w.versions = map[types.UID]string{}
	}
	w.versions[uid] = version
}

func (w *written) forget(uid types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.versions, uid)
}

// shown is whether the cache shows all writes to the pods. One that it does not show at all is gone: it was there when it
// was written to.
func (w *written) shown(pods []*corev1.Pod) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, pod := range pods {
		version, is := w.versions[pod.UID]
		if !is {
			continue
		}
		if order, err := resourceversion.CompareResourceVersion(pod.ResourceVersion, version); err != nil && pod.ResourceVersion != version || err == nil && order < 0 {
			return false
		}
		delete(w.versions, pod.UID)
	}
	return true
}
