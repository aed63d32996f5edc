package instanceset

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
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
//
// What is remembered belongs to the set with that UID. A set that is deleted and created anew under its name may use
// other objects: it would wait for one that is never loaded for it.
type ownWrites struct {
	now func() time.Time

	mu   sync.Mutex // never held while the API server is asked: all sets would wait for one slow answer
	sets map[types.NamespacedName]writesOf
}

// writesOf are the writes of one life of a set.
type writesOf struct {
	uid     types.UID
	pending map[objectKey]write
}

// setKey is a set in one of its lives.
type setKey struct {
	name types.NamespacedName
	uid  types.UID
}

func setKeyOf(set *v1alpha1.InstanceSet) setKey {
	return setKey{client.ObjectKeyFromObject(set), set.UID}
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
	return &ownWrites{now: now, sets: map[types.NamespacedName]writesOf{}}
}

func compareKeys(a, b objectKey) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name.Name, b.name.Name))
}

func keyOf(o client.Object) objectKey {
	return objectKey{kind: fmt.Sprintf("%T", o), name: client.ObjectKeyFromObject(o)}
}

// wrote remembers an object as the API server returned it.
func (w *ownWrites) wrote(set setKey, o client.Object) {
	w.put(set, keyOf(o), write{uid: o.GetUID(), version: o.GetResourceVersion(), at: w.now(), empty: emptyLike(o)})
}

// removed remembers that the object with that UID was deleted.
func (w *ownWrites) removed(set setKey, o client.Object, uid types.UID) {
	w.put(set, keyOf(o), write{uid: uid, deleted: true, at: w.now(), empty: emptyLike(o)})
}

func (w *ownWrites) put(set setKey, key objectKey, entry write) {
	w.mu.Lock()
	defer w.mu.Unlock()
	of, known := w.sets[set.name]
	if !known || of.uid != set.uid {
		of = writesOf{uid: set.uid, pending: map[objectKey]write{}}
		w.sets[set.name] = of
	}
	if old, ok := of.pending[key]; ok && !entry.deleted && !old.deleted && olderThan(entry.version, old.version) {
		return
	}
	of.pending[key] = entry
}

// forget is for a set that is gone.
func (w *ownWrites) forget(set types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.sets, set)
}

// unseen returns how long to wait for the cache; 0 when it shows everything.
func (w *ownWrites) unseen(ctx context.Context, o decide.Objects, live client.Reader) (time.Duration, error) {
	set := setKeyOf(o.Set)
	if !w.waits(set) { // mostly: to note what is there of 10,000 instances takes longer than to decide
		return 0, nil
	}
	seen := cached(o)
	overdue := w.overdue(set, seen)
	for _, key := range slices.SortedFunc(maps.Keys(overdue), compareKeys) { // in order, so that a simulated run is like its last one
		entry := overdue[key]
		gone, err := entry.goneSince(ctx, key, seen[key], live)
		if err != nil {
			return unseenRecheck, err
		}
		w.settle(set, key, entry, gone)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.sets[set.name].pending) == 0 {
		delete(w.sets, set.name)
		return 0, nil
	}
	return unseenRecheck, nil
}

// waits reports whether anything that was written may be missing, and forgets what another life of the set has written.
func (w *ownWrites) waits(set setKey) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	of := w.sets[set.name]
	if of.uid != set.uid || len(of.pending) == 0 {
		delete(w.sets, set.name)
		return false
	}
	return true
}

// overdue forgets what the cache shows, and what another life of the set has written. It returns what is missing for so
// long that the API server has to be asked.
func (w *ownWrites) overdue(set setKey, seen map[objectKey]metav1.Object) map[objectKey]write {
	w.mu.Lock()
	defer w.mu.Unlock()
	of := w.sets[set.name]
	if of.uid != set.uid {
		delete(w.sets, set.name)
		return nil
	}
	overdue := map[objectKey]write{}
	for key, entry := range of.pending {
		switch {
		case entry.visible(seen[key]):
			delete(of.pending, key)
		case w.now().Sub(entry.at) >= unseenPatience:
			overdue[key] = entry
		}
	}
	return overdue
}

// settle records the API server's answer about a write, unless there has been another one of that object meanwhile.
func (w *ownWrites) settle(set setKey, key objectKey, asked write, gone bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	of := w.sets[set.name]
	if now, ok := of.pending[key]; !ok || of.uid != set.uid || now != asked {
		return
	}
	if gone {
		delete(of.pending, key)
		return
	}
	asked.at = w.now()
	of.pending[key] = asked
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
	seen := make(map[objectKey]metav1.Object, len(o.Pods)+len(o.Claims)+len(o.Volumes)+4)
	seen[keyOf(o.Set)] = o.Set
	if o.Service != nil {
		seen[keyOf(o.Service)] = o.Service
	}
	if o.Budget != nil {
		seen[keyOf(o.Budget)] = o.Budget
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
	for _, revision := range o.Revisions {
		seen[keyOf(revision)] = revision
	}
	for _, s := range o.Switchovers {
		seen[keyOf(s)] = s
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
	case *policyv1.PodDisruptionBudget:
		return &policyv1.PodDisruptionBudget{}
	case *v1alpha1.Switchover:
		return &v1alpha1.Switchover{}
	case *appsv1.ControllerRevision:
		return &appsv1.ControllerRevision{}
	case *v1alpha1.PlacementPolicy:
		return &v1alpha1.PlacementPolicy{}
	default:
		return &v1alpha1.InstanceSet{}
	}
}
