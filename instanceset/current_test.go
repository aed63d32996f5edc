package instanceset

import (
	"context"
	"errors"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/podspec"
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

// The cache has the pods and claims of now, and the set of before they were there.
func TestNothingIsMadeOnTheWordOfAnOldSet(t *testing.T) {
	edited := testSet(1)
	edited.Generation++
	cached := testSet(3)
	cached.Spec.Placement = &v1alpha1.PlacementLimits{MaxNodes: ptr.To[int32](5)}
	policy := podspec.Policy(cached, 2, 0)
	for what, c := range map[string]decide.Change{
		"a pod":    createPod(2),
		"a policy": {Kind: decide.UpdatePolicy, Ordinal: decide.SetWide, Object: "r", Reason: reason.ChangeLimits, Replicas: 3},
	} {
		h := newHarness(t, cached.DeepCopy(), policy.DeepCopy())
		h.live = &liveSet{set: edited}
		again, err := h.carryOut(t, c)
		if done := h.rebuildWrites(); len(done) > 0 || !again || err != nil {
			t.Errorf("%s: again %v, %v, written: %q", what, again, err, done)
		}
	}
}

// The cache does not show yet that r-1 held data: the answer to the write of the status was lost, or another manager wrote it.
func TestWhoeverIsRecordedDoesNotStartAsFirst(t *testing.T) {
	withoutVolumes := testSet(3)
	withoutVolumes.Spec.VolumeClaimTemplates = nil
	replaced := createClaim(1)
	replaced.Instance.RebuildGeneration = 1
	for what, c := range map[string]struct {
		set     *v1alpha1.InstanceSet
		changes []decide.Change
		written []string
	}{
		"a claim, and the pod that rests on it": {testSet(3), []decide.Change{createClaim(1), createPod(1)}, nil},
		"a pod without claims":                  {withoutVolumes, []decide.Change{createPod(1)}, nil},
		"a pod whose claims say it":             {testSet(3), []decide.Change{createPod(1)}, []string{"create Pod r-1"}},
		"one that is not recorded":              {testSet(3), []decide.Change{createClaim(2)}, []string{"create PersistentVolumeClaim data-r-2"}},
		"one that is known to have held data":   {testSet(3), []decide.Change{replaced}, []string{"create PersistentVolumeClaim data-r-1"}},
	} {
		h := newHarness(t, c.set)
		now := c.set.DeepCopy()
		now.Status.Bootstrapped = "0-1"
		h.live = &liveSet{set: now}
		again, err := h.carryOut(t, c.changes...)
		if done := h.rebuildWrites(); !slices.Equal(done, c.written) || again != (c.written == nil) || err != nil {
			t.Errorf("%s: again %v, %v, written: %q", what, again, err, done)
		}
	}
}

func TestAnAPIServerThatDoesNotAnswerDeletesNothing(t *testing.T) {
	if done, _, err := deleteUnwanted(t, &liveSet{fail: errors.New("down")}); len(done) > 0 || err == nil {
		t.Errorf("%v, written: %q", err, done)
	}
}
