package instanceset

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
)

const (
	unseenRecheck = 200 * time.Millisecond
	// unseenPatience is how long a write may be missing from the cache before the API server is asked whether the object
	// is still there.
	unseenPatience = 30 * time.Second
)

// ownWrites remembers what was written for each set and has not shown up in the cache. A decision from a cache that is
// older than the last one would repeat it: create what was just deleted, or count a pod twice.
type ownWrites struct {
	now func() time.Time

	mu   sync.Mutex
	sets map[types.NamespacedName]map[objectKey]write
}

type objectKey struct {
	kind string
	name types.NamespacedName
}

type write struct {
	uid     types.UID
	version string // the cache must have this one, or a later one
	deleted bool   // the cache must no longer have the object, or show it as being deleted
	at      time.Time
	empty   client.Object // to read into
}

func newOwnWrites(now func() time.Time) *ownWrites {
	return &ownWrites{now: now, sets: map[types.NamespacedName]map[objectKey]write{}}
}

func keyOf(o client.Object) objectKey {
	return objectKey{kind: fmt.Sprintf("%T", o), name: client.ObjectKeyFromObject(o)}
}

// wrote remembers an object as the API server returned it.
func (w *ownWrites) wrote(set types.NamespacedName, o client.Object) {
	w.put(set, keyOf(o), write{uid: o.GetUID(), version: o.GetResourceVersion(), at: w.now(), empty: emptyLike(o)})
}

// removed remembers that the object with that UID was deleted.
func (w *ownWrites) removed(set types.NamespacedName, o client.Object, uid types.UID) {
	w.put(set, keyOf(o), write{uid: uid, deleted: true, at: w.now(), empty: emptyLike(o)})
}

func (w *ownWrites) put(set types.NamespacedName, key objectKey, entry write) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sets[set] == nil {
		w.sets[set] = map[objectKey]write{}
	}
	if old, ok := w.sets[set][key]; ok && !entry.deleted && !old.deleted && olderThan(entry.version, old.version) {
		return
	}
	w.sets[set][key] = entry
}

func (w *ownWrites) forget(set types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.sets, set)
}

// unseen returns how long to wait for the cache; 0 when it shows everything.
func (w *ownWrites) unseen(ctx context.Context, set types.NamespacedName, o decide.Objects, live client.Reader) (time.Duration, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	pending := w.sets[set]
	if len(pending) == 0 {
		return 0, nil
	}
	seen := cached(o)
	for key, entry := range pending {
		if entry.visible(seen[key]) {
			delete(pending, key)
			continue
		}
		if w.now().Sub(entry.at) < unseenPatience {
			continue
		}
		gone, err := entry.goneSince(ctx, key, seen[key], live)
		if err != nil {
			return unseenRecheck, err
		}
		if gone {
			delete(pending, key)
			continue
		}
		entry.at = w.now()
		pending[key] = entry
	}
	if len(pending) == 0 {
		delete(w.sets, set)
		return 0, nil
	}
	return unseenRecheck, nil
}

func (e write) visible(seen metav1.Object) bool {
	if e.deleted {
		return seen == nil || seen.GetUID() != e.uid || seen.GetDeletionTimestamp() != nil
	}
	return seen != nil && !olderThan(seen.GetResourceVersion(), e.version)
}

// goneSince settles the one case that waiting cannot: an object that the cache does not have is either late or was deleted
// by somebody else in the meantime.
func (e write) goneSince(ctx context.Context, key objectKey, seen metav1.Object, live client.Reader) (bool, error) {
	if seen != nil {
		return false, nil // the cache has an older version: it is late
	}
	err := live.Get(ctx, key.name, emptyLike(e.empty))
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	return false, err
}

// cached is what was loaded, by key.
func cached(o decide.Objects) map[objectKey]metav1.Object {
	seen := make(map[objectKey]metav1.Object, len(o.Pods)+len(o.Claims)+len(o.Volumes)+3)
	seen[keyOf(o.Set)] = o.Set
	if o.Service != nil {
		seen[keyOf(o.Service)] = o.Service
	}
	if o.Policy != nil {
		seen[keyOf(o.Policy)] = o.Policy
	}
	for _, pod := range o.Pods {
		seen[keyOf(pod)] = pod
	}
	for _, claim := range o.Claims {
		seen[keyOf(claim)] = claim
	}
	for _, volume := range o.Volumes {
		seen[keyOf(volume)] = volume
	}
	return seen
}

// olderThan compares resource versions of one kind, which are numbers that grow (KEP-5504).
func olderThan(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	if err != nil {
		return a != b
	}
	return order < 0
}

func emptyLike(o client.Object) client.Object {
	switch o.(type) {
	case *corev1.Pod:
		return &corev1.Pod{}
	case *corev1.PersistentVolumeClaim:
		return &corev1.PersistentVolumeClaim{}
	case *corev1.PersistentVolume:
		return &corev1.PersistentVolume{}
	case *corev1.Service:
		return &corev1.Service{}
	case *v1alpha1.PlacementPolicy:
		return &v1alpha1.PlacementPolicy{}
	default:
		return &v1alpha1.InstanceSet{}
	}
}
