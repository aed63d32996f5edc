package instanceset

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
)

func another(set *v1alpha1.InstanceSet) *v1alpha1.InstanceSet {
	set.Name, set.UID = "other", "other-uid"
	return set
}

func TestOwnWritesAreWaitedFor(t *testing.T) {
	name := setKeyOf(testSet(1))
	pod := func(uid types.UID, version string, deleting bool) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r-0", UID: uid, ResourceVersion: version}}
		if deleting {
			p.DeletionTimestamp = &metav1.Time{Time: time.Now()}
		}
		return p
	}
	wrote := func(w *ownWrites) { w.wrote(name, pod("a", "100", false)) }
	removed := func(w *ownWrites) { w.removed(name, pod("", "", false), "a") }
	for what, c := range map[string]struct {
		did   func(*ownWrites)
		cache *corev1.Pod
		waits bool
	}{
		"created, not seen":                   {wrote, nil, true},
		"patched, seen as it was before":      {wrote, pod("a", "99", false), true},
		"seen":                                {wrote, pod("a", "100", false), false},
		"seen as somebody changed it later":   {wrote, pod("a", "1000", false), false},
		"replaced by somebody later":          {wrote, pod("b", "1000", false), false},
		"deleted, still there":                {removed, pod("a", "99", false), true},
		"deleted, terminating":                {removed, pod("a", "101", true), false},
		"deleted, gone":                       {removed, nil, false},
		"deleted, another one has taken over": {removed, pod("b", "102", false), false},
	} {
		t.Run(what, func(t *testing.T) {
			now := time.Unix(0, 0)
			w := newOwnWrites(func() time.Time { return now })
			c.did(w)
			o := decide.Objects{Set: testSet(1)}
			if c.cache != nil {
				o.Pods = []*corev1.Pod{c.cache}
			}
			wait, err := w.unseen(t.Context(), o, newHarness(t).client)
			if err != nil || (wait > 0) != c.waits {
				t.Fatalf("wait %s, %v", wait, err)
			}
			if other, _ := w.unseen(t.Context(), decide.Objects{Set: another(testSet(1))}, nil); other > 0 {
				t.Error("another set waits too")
			}
		})
	}
}

// The cache never shows an object that somebody deleted right after it was written. Only the API server knows.
func TestAWriteThatNeverShowsUpIsAskedFor(t *testing.T) {
	name := setKeyOf(testSet(1))
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r-0", UID: "a", ResourceVersion: "100"}}
	now := time.Unix(0, 0)
	w := newOwnWrites(func() time.Time { return now })
	w.wrote(name, pod)
	gone, there := newHarness(t), newHarness(t, pod.DeepCopy())
	o := decide.Objects{Set: testSet(1)}

	now = now.Add(unseenPatience - 1)
	if wait, _ := w.unseen(t.Context(), o, gone.client); wait == 0 {
		t.Fatal("it was given up early")
	}
	now = now.Add(1)
	if wait, _ := w.unseen(t.Context(), o, there.client); wait == 0 {
		t.Fatal("it exists, and the cache is late")
	}
	now = now.Add(unseenPatience)
	if wait, _ := w.unseen(t.Context(), o, gone.client); wait > 0 {
		t.Fatal("it does not exist, and is still waited for")
	}
}

// A set that is deleted and at once created anew can use another policy: the one that the old set wrote is never loaded
// for the new one.
func TestANewLifeOfASetDoesNotWaitForTheOldOne(t *testing.T) {
	w := newOwnWrites(time.Now)
	old, set := testSet(1), testSet(1)
	set.UID = "new-uid"
	w.wrote(setKeyOf(old), &v1alpha1.PlacementPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r", ResourceVersion: "100"}})
	o := decide.Objects{Set: set}
	if wait, err := w.unseen(t.Context(), o, nil); wait > 0 || err != nil {
		t.Fatalf("it waits %s, %v", wait, err)
	}
	w.wrote(setKeyOf(set), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r-0", ResourceVersion: "101"}})
	if wait, _ := w.unseen(t.Context(), o, nil); wait == 0 {
		t.Error("its own writes are not waited for")
	}
}

// unlocked is an API server that looks whether anybody else could go on while it answers.
type unlocked struct {
	client.Reader
	t *testing.T
	w *ownWrites
	n int
}

func (u *unlocked) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	u.n++
	if !u.w.mu.TryLock() {
		u.t.Error("all sets wait for this answer")
	} else {
		u.w.mu.Unlock()
	}
	return u.Reader.Get(ctx, key, o, opts...)
}

func TestASlowAnswerHoldsNoOtherSet(t *testing.T) {
	now := time.Unix(0, 0)
	w := newOwnWrites(func() time.Time { return now })
	for _, name := range []string{"r-0", "r-1"} {
		w.wrote(setKeyOf(testSet(1)), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: "a", ResourceVersion: "100"}})
	}
	now = now.Add(unseenPatience)
	live := &unlocked{Reader: newHarness(t).client, t: t, w: w}
	if wait, err := w.unseen(t.Context(), decide.Objects{Set: testSet(1)}, live); wait > 0 || err != nil {
		t.Errorf("wait %s, %v", wait, err)
	}
	if live.n != 2 {
		t.Errorf("the API server was asked %d times", live.n)
	}
}
