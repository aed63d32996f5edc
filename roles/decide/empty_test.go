package decide

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shoal-dev/shoal/reason"
)

// Nobody who has come up without data gets the label while another instance is known to hold some of before; who has it keeps it.
func TestWhoIsEmptyGetsNoLabel(t *testing.T) {
	held, given := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := joining(t)
		for n := range s.Instances {
			i := &s.Instances[n]
			i.EmptyAt, i.FullAt = s.sometimes(t, "empty since"), s.sometimes(t, "full since")
			if n == 0 {
				i.Label = NoLabel
			}
			if i.claims() {
				i.Report.Holds = HoldsNothing
			}
		}
		plan := Decide(s)
		if plan.NoMaster.True && plan.NoMaster.Reason == reason.EmptyMaster {
			held++
		}
		for _, i := range s.Instances {
			data := slices.ContainsFunc(s.Instances, func(other Instance) bool {
				return other.Name != i.Name && !other.out() && other.Heard && (s.HA.Static || s.fresh(&other)) && other.Report.Holds == HoldsData && !other.FullAt.After(i.EmptyAt)
			})
			set := slices.ContainsFunc(plan.Steps, func(s Step) bool { return s.Do == Set && s.Instance == i.Name })
			if set && !i.EmptyAt.IsZero() && data {
				t.Fatalf("%+v gets the label: %v", i, plan.Steps)
			}
			if set {
				given++
			}
		}
	})
	if t.Logf("it was held back %d times, and given %d times", held, given); held == 0 || given < 5 {
		t.Errorf("it was held back %d times, and given %d times: too few to prove anything", held, given)
	}
}

// sometimes is a moment of the last minutes, or never.
func (s *Snapshot) sometimes(t *rapid.T, label string) time.Time {
	if ago := rapid.IntRange(-60, 60).Draw(t, label); ago > 0 {
		return s.Now.Add(-time.Duration(ago) * time.Second)
	}
	return time.Time{}
}
