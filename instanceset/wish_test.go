package instanceset

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/reason"
)

// liveSet is what the API server says of the set.
type liveSet struct {
	client.Reader
	set   *v1alpha1.InstanceSet
	fail  error
	asked int
}

func (l *liveSet) Get(_ context.Context, _ client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	l.asked++
	if l.fail == nil {
		l.set.DeepCopyInto(o.(*v1alpha1.InstanceSet))
	}
	return l.fail
}

// deleteUnwanted has the claims of two instances deleted that the cached set does not want.
func deleteUnwanted(t *testing.T, live *liveSet) (written []string, again bool, err error) {
	t.Helper()
	h := newHarness(t, testSet(3),
		&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "data-r-3", UID: "c3"}},
		&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "data-r-4", UID: "c4"}})
	h.live = live
	again, err = h.carryOut(t,
		decide.Change{Kind: decide.DeleteClaim, Ordinal: 3, Object: "data-r-3", UID: "c3", Reason: reason.DeleteClaim},
		decide.Change{Kind: decide.DeleteClaim, Ordinal: 4, Object: "data-r-4", UID: "c4", Reason: reason.DeleteClaim})
	return h.rebuildWrites(), again, err
}

// The cache has the set of before a scale-out, and the claims of after it.
func TestNoClaimIsDeletedOnTheWordOfAnOldSet(t *testing.T) {
	edited, another := testSet(3), testSet(3)
	edited.Generation++
	another.UID = "another"
	for what, live := range map[string]*liveSet{
		"it was edited":     {set: edited},
		"it was made again": {set: another},
		"it is gone":        {fail: apierrors.NewNotFound(v1alpha1.Resource("instancesets"), "r")},
	} {
		if done, again, err := deleteUnwanted(t, live); len(done) > 0 || !again || err != nil {
			t.Errorf("%s: again %v, %v, written: %q", what, again, err, done)
		}
	}
}

func TestTheSetIsAskedForOnceInAShortCommit(t *testing.T) {
	live := &liveSet{set: testSet(3)}
	if done, again, err := deleteUnwanted(t, live); len(done) != 2 || again || err != nil || live.asked != 1 {
		t.Errorf("asked %d times, again %v, %v, written: %q", live.asked, again, err, done)
	}
}

func TestAnAPIServerThatDoesNotAnswerDeletesNothing(t *testing.T) {
	if done, _, err := deleteUnwanted(t, &liveSet{fail: errors.New("down")}); len(done) > 0 || err == nil {
		t.Errorf("%v, written: %q", err, done)
	}
}
