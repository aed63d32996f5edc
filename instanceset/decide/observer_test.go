package decide

import (
	"reflect"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// An observer says of each state what somebody would say who has never seen the set before: whatever comes, goes, is replaced by a
// newer object or by one of the same name and of another life, and whatever becomes of the set.
func TestAnObserverSaysWhatAStrangerWould(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := newWorld().set
		*set.Spec.Replicas = 6
		set.Spec.VolumeClaimTemplates = []v1alpha1.VolumeClaimTemplate{{Metadata: v1alpha1.VolumeClaimMeta{Name: "data"}}, {Metadata: v1alpha1.VolumeClaimMeta{Name: "log"}}}
		var observer Observer
		var last Objects
		for n := range rapid.IntRange(2, 10).Draw(t, "looks") {
			now := begin.Add(time.Duration(n) * time.Minute)
			o := drawObjects(t, set)
			if n > 0 && rapid.IntRange(0, 5).Draw(t, "another set") == 0 {
				set = set.DeepCopy()
				if set.Generation++; rapid.Bool().Draw(t, "another life") {
					set.UID += "x"
				}
				set.Spec.VolumeClaimTemplates = set.Spec.VolumeClaimTemplates[:rapid.IntRange(1, len(set.Spec.VolumeClaimTemplates)).Draw(t, "templates")]
			}
			o.Set = set
			keepSome(t, o.Pods, last.Pods)
			keepSome(t, o.Claims, last.Claims)
			if rapid.Bool().Draw(t, "backwards") { // the order of a cache is any
				slices.Reverse(o.Pods)
				slices.Reverse(o.Claims)
			}
			if got, want := observer.Observe(now, o), Observe(now, o); !reflect.DeepEqual(got, want) {
				t.Fatalf("look %d:\n%+v\nwant\n%+v", n, got, want)
			}
			last = o
		}
	})
}

// keepSome has some objects be those that were there before under their names.
func keepSome[T metav1.Object](t *rapid.T, all, before []T) {
	for n := range all {
		at := slices.IndexFunc(before, func(o T) bool { return o.GetName() == all[n].GetName() })
		if at >= 0 && rapid.Bool().Draw(t, "as before") {
			all[n] = before[at]
		}
	}
}

// What a plan makes of a snapshot stays with the plan: an observer hands out what it remembers.
func TestAPlanLeavesItsSnapshotAlone(t *testing.T) {
	s := configuredSnapshot(30)
	for n := range s.Pods {
		s.Pods[n].Target, s.Pods[n].Passed = s.Revisions[len(s.Revisions)-1].Name, s.Revisions[len(s.Revisions)-1].Name
		s.Pods[n].Configuration = "another"
	}
	before := slices.Clone(s.Pods)
	slices.Reverse(s.Pods)
	reversed := slices.Clone(s.Pods)
	Decide(s)
	if !reflect.DeepEqual(s.Pods, reversed) {
		t.Error("pods that were out of order have been changed")
	}
	s.Pods = slices.Clone(before)
	Decide(s)
	if !reflect.DeepEqual(s.Pods, before) {
		t.Error("pods have been changed")
	}
}

// nodesOf are the nodes of a snapshot as objects.
type nodesOf map[string]*corev1.Node

func (n nodesOf) Get(name string) *corev1.Node   { return n[name] }
func (n nodesOf) ByHostname(value string) string { return "" }
