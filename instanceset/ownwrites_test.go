package instanceset

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/instanceset/decide"
)

func TestOwnWritesAreWaitedFor(t *testing.T) {
	name := types.NamespacedName{Namespace: "ns", Name: "r"}
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
			wait, err := w.unseen(t.Context(), name, o, newHarness(t).client)
			if err != nil || (wait > 0) != c.waits {
				t.Fatalf("wait %s, %v", wait, err)
			}
			if other, _ := w.unseen(t.Context(), types.NamespacedName{Name: "other"}, o, nil); other > 0 {
				t.Error("another set waits too")
			}
		})
	}
}

// The cache never shows an object that somebody deleted right after it was written. Only the API server knows.
func TestAWriteThatNeverShowsUpIsAskedFor(t *testing.T) {
	name := types.NamespacedName{Namespace: "ns", Name: "r"}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r-0", UID: "a", ResourceVersion: "100"}}
	now := time.Unix(0, 0)
	w := newOwnWrites(func() time.Time { return now })
	w.wrote(name, pod)
	gone, there := newHarness(t), newHarness(t, pod.DeepCopy())
	o := decide.Objects{Set: testSet(1)}

	now = now.Add(unseenPatience - 1)
	if wait, _ := w.unseen(t.Context(), name, o, gone.client); wait == 0 {
		t.Fatal("it was given up early")
	}
	now = now.Add(1)
	if wait, _ := w.unseen(t.Context(), name, o, there.client); wait == 0 {
		t.Fatal("it exists, and the cache is late")
	}
	now = now.Add(unseenPatience)
	if wait, _ := w.unseen(t.Context(), name, o, gone.client); wait > 0 {
		t.Fatal("it does not exist, and is still waited for")
	}
}
