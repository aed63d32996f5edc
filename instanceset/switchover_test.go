package instanceset

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/reason"
)

var aDay = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func askedFor(policy v1alpha1.UpdateSwitchover) decide.Change {
	return decide.Change{Kind: decide.CreateSwitchover, Object: "r-0-rev-uid", Shard: "r-0", Policy: policy, Reason: reason.AskHandover}
}

// What an update asks for is owned by its set, has the policy of the set, and does not stay for an hour.
func TestWhatAnUpdateAsksFor(t *testing.T) {
	for want, policy := range map[v1alpha1.SwitchoverPolicy]v1alpha1.UpdateSwitchover{
		v1alpha1.SwitchoverStrict: v1alpha1.UpdateSwitchoverStrict, v1alpha1.SwitchoverBestEffort: v1alpha1.UpdateSwitchoverBestEffort,
	} {
		set := testSet(3)
		set.Spec.Roles = []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster}}
		h := newHarness(t, set)
		if _, err := h.carryOut(t, askedFor(policy)); err != nil {
			t.Fatal(err)
		}
		o, err := h.load(t.Context(), types.NamespacedName{Namespace: "ns", Name: "r"})
		if err != nil || len(o.Switchovers) != 1 {
			t.Fatalf("%v, %v", o.Switchovers, err)
		}
		s := o.Switchovers[0]
		if !metav1.IsControlledBy(s, set) || s.Name != "r-0-rev-uid" || s.Spec.InstanceSet != "r" || s.Spec.Shard != "r-0" || s.Spec.Policy != want || *s.Spec.TTLSecondsAfterFinished != decide.HandoverTTL {
			t.Errorf("%+v", s)
		}
		if seen := decide.Observe(aDay, o).Switchovers; len(seen) != 1 || !seen[0].Ours || seen[0].Ended {
			t.Errorf("it is seen as %+v", seen)
		}
		// A manager that does not see it yet asks again, which is no error.
		if _, err := h.carryOut(t, askedFor(policy)); err != nil {
			t.Error(err)
		}
	}
}

// One of that name that a person made is not taken for ours.
func TestASwitchoverOfSomebodyElse(t *testing.T) {
	set := testSet(3)
	h := newHarness(t, set, &v1alpha1.Switchover{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r-0-rev-uid"}})
	if _, err := h.carryOut(t, askedFor(v1alpha1.UpdateSwitchoverStrict)); !isForeign(err) {
		t.Error(err)
	}
}

// The set is looked at when a Switchover ends, and not for each of its steps.
func TestOnlyTheEndOfASwitchoverWakes(t *testing.T) {
	before := &v1alpha1.Switchover{}
	stepped, ended := before.DeepCopy(), before.DeepCopy()
	stepped.Status.Steps = []v1alpha1.SwitchoverStep{{Do: "Pause"}}
	now := metav1.NewTime(aDay)
	ended.Status.CompletedAt = &now
	p := switchoverEnds()
	if p.Update(event.UpdateEvent{ObjectOld: before, ObjectNew: stepped}) || !p.Update(event.UpdateEvent{ObjectOld: before, ObjectNew: ended}) {
		t.Error("it wakes for the wrong thing")
	}
	if p.Update(event.UpdateEvent{ObjectOld: ended, ObjectNew: ended.DeepCopy()}) {
		t.Error("it wakes when nothing has changed")
	}
}
