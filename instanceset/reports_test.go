package instanceset

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
)

// What agents say reaches decisions as they said it, and of whom nothing was heard there is nothing.
func TestReportsOfAgents(t *testing.T) {
	set := &v1alpha1.InstanceSet{}
	pods := []*corev1.Pod{{ObjectMeta: metav1.ObjectMeta{UID: "a"}}, {ObjectMeta: metav1.ObjectMeta{UID: "b"}}, {ObjectMeta: metav1.ObjectMeta{UID: "c"}}}
	now := time.Unix(1000, 0)
	r := &reconciler{heard: func(uid types.UID) (agent.Report, time.Time, bool) {
		report := agent.Report{Revision: "0123456789abcdef", MaxMemory: 7}
		if uid == "b" {
			report.Configuration = &agent.ConfigurationState{Wanted: "fedcba9876543210", State: agent.StateRefused, Problem: "no"}
		}
		return report, now, uid != "c"
	}}
	if got := r.loadReports(set, pods); got != nil {
		t.Errorf("a set without roles has agents: %v", got)
	}
	set.Spec.Roles = []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster, Exclusive: true}}
	want := map[types.UID]decide.Reported{
		"a": {Revision: "0123456789abcdef", MaxMemory: 7},
		"b": {Revision: "0123456789abcdef", MaxMemory: 7, Wanted: "fedcba9876543210", State: agent.StateRefused, Problem: "no"},
	}
	got := r.loadReports(set, pods)
	if len(got) != len(want) || got["a"] != want["a"] || got["b"] != want["b"] {
		t.Errorf("got %+v, want %+v", got, want)
	}
	r.given.note("a", now.Add(time.Second))
	r.given.note("b", now)
	if got := r.loadReports(set, pods); len(got) != 1 || got["b"] != want["b"] {
		t.Errorf("what was said before a configuration was given: %+v", got)
	}
	if got := (&reconciler{}).loadReports(set, pods); got != nil {
		t.Errorf("nobody hears agents: %v", got)
	}
}

// An agent that was given another configuration and the former one again, so quickly that it saw neither, says what it has said before. Nobody is told
// of that: the set looks by itself.
func TestASetLooksAgainForAReportThatIsNoNews(t *testing.T) {
	set := &v1alpha1.InstanceSet{}
	set.Spec.Roles = []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster, Exclusive: true}}
	pods := []*corev1.Pod{{ObjectMeta: metav1.ObjectMeta{UID: "a"}}}
	now := time.Unix(1000, 0)
	said := now.Add(-time.Minute)
	r := &reconciler{heard: func(types.UID) (agent.Report, time.Time, bool) { return agent.Report{}, said, true }}
	look := func(wait, want time.Duration) {
		t.Helper()
		if got := r.lookAgain(set, pods, wait); got != want {
			t.Errorf("it looks again after %s, want %s", got, want)
		}
	}
	look(0, 0) // it was given nothing
	r.given.note("a", now)
	look(0, reportAgain)
	look(time.Hour, reportAgain)
	look(time.Second, time.Second)
	said = now.Add(time.Minute)
	look(0, 0)
	look(time.Hour, time.Hour)
}
