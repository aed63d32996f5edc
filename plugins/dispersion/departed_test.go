package dispersion

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// The watch of claims is behind by all of it: the claim of r-1 was retired (5), its pod came back, the manager gave the claim its slot
// again (6), and the pod went. The scheduler still has the claim as it was before (4), which holds the slot by itself. Then it sees 5.
func TestAClaimThatIsSeenAsRetiredTooLateHoldsItsSlot(t *testing.T) {
	unbound := func(claim *corev1.PersistentVolumeClaim) *corev1.PersistentVolumeClaim {
		claim.Annotations, claim.Spec.VolumeName = nil, ""
		return claim
	}
	for name, c := range map[string]struct {
		first     *corev1.PersistentVolumeClaim // that is seen
		stored    *corev1.PersistentVolumeClaim
		meanwhile func(*comeback)
		open      bool // a third node is, when 5 is seen
	}{
		"the manager has given its slot back": {claimAt("4", false), claimAt("6", false), func(*comeback) {}, false},
		"the manager is about to":             {claimAt("4", false), markedAt("6"), func(*comeback) {}, false},
		"all is looked at anew meanwhile":     {claimAt("4", false), claimAt("6", false), func(w *comeback) { w.plugin.index.reset() }, false},
		"it was retired after its pod went":   {claimAt("4", false), claimAt("5", true), func(*comeback) {}, true},
		"it was replaced":                     {claimAt("4", false), stored("2", false), func(*comeback) {}, true},
		"it was on no node before":            {unbound(claimAt("4", false)), claimAt("6", false), func(*comeback) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newComeback(t, c.first, c.stored)
			w.bind(w.back, "a")
			if w.thirdIsOpen() {
				t.Fatal("a third node is open while r-1 is there")
			}
			w.goes()
			w.thirdIsOpen()
			if n := len(w.client.Actions()); n > 0 {
				t.Errorf("asked %d times about a claim that nobody retired", n)
			}
			c.meanwhile(w)
			late := claimAt("5", true)
			if c.first.Spec.VolumeName == "" {
				late = unbound(late)
			}
			w.add(w.plugin.claims, late)
			if open := w.thirdIsOpen(); open != c.open {
				t.Errorf("a third node is open: %v, want %v", open, c.open)
			}
			if c.stored.UID != late.UID {
				return
			}
			w.add(w.plugin.claims, c.stored)
			if open := w.thirdIsOpen(); open != c.open {
				t.Errorf("a third node is open in the end: %v, want %v", open, c.open)
			}
		})
	}
}

// markedAt is the claim of r-1 that is about to hold its slot again.
func markedAt(version string) *corev1.PersistentVolumeClaim {
	claim := claimAt(version, false)
	claim.Labels[v1alpha1.LabelRetired] = v1alpha1.ReturningValue
	return claim
}

// The manager has marked the claim, and has not looked for the pod, when that goes: what becomes of the claim is not known.
func TestAMarkedClaimKeepsThePlaceOfItsPod(t *testing.T) {
	for name, seen := range map[string]*corev1.PersistentVolumeClaim{"that is not seen": claimAt("5", true), "and that is seen": markedAt("6")} {
		for after, c := range map[string]struct {
			last *corev1.PersistentVolumeClaim
			open bool
		}{
			"it holds its slot":   {claimAt("7", false), false},
			"it is retired again": {claimAt("7", true), true},
			"it is lost":          {labelled(markedAt("7"), v1alpha1.LabelLost), true},
		} {
			t.Run(name+", then "+after, func(t *testing.T) {
				w := newComeback(t, claimAt("5", true), markedAt("6"))
				w.place()
				w.thirdIsOpen()
				w.add(w.plugin.claims, seen)
				w.thirdIsOpen()
				w.goes()
				if w.thirdIsOpen() {
					t.Error("a third node is open when the pod has gone")
				}
				w.add(w.plugin.claims, markedAt("6"))
				if w.thirdIsOpen() {
					t.Error("a third node is open when the mark is seen")
				}
				w.add(w.plugin.claims, c.last)
				if open := w.thirdIsOpen(); open != c.open || len(w.plugin.index.doubts.open) > 0 {
					t.Errorf("a third node is open: %v, want %v; in doubt: %v", open, c.open, w.plugin.index.doubts.open)
				}
			})
		}
	}
}

// A scheduler that starts sees a marked claim and no pod. It may have gone a moment ago.
func TestAMarkedClaimIsFoundAfterARestart(t *testing.T) {
	w := newComeback(t, markedAt("6"), markedAt("6"))
	if w.thirdIsOpen() {
		t.Error("a third node is open")
	}
	w.add(w.plugin.claims, claimAt("7", true))
	if !w.thirdIsOpen() {
		t.Error("no third node is open after the mark was taken back")
	}
}

// A set was scaled in and keeps its volumes: one call says that all of them are retired.
func TestAClaimOfManyIsAskedAboutTogether(t *testing.T) {
	const n = 20
	w := newWorld(t, config.DispersionArgs{})
	w.limit("r", n+1, placement.Limits{MaxPerNode: 1, MaxNodes: n})
	var objects []runtime.Object
	var pods []*corev1.Pod
	retired := func(i int, version string, retired bool) *corev1.PersistentVolumeClaim {
		claim := claimAt(version, false)
		claim.Name, claim.UID = fmt.Sprintf("data-r-%d", i), types.UID(fmt.Sprint("claim-", i))
		claim.Annotations, claim.Spec.VolumeName = map[string]string{slots.SelectedNode: fmt.Sprintf("n-%03d", i)}, ""
		if claim.Labels[v1alpha1.LabelOrdinal] = fmt.Sprint(i); retired {
			claim.Labels[v1alpha1.LabelRetired] = v1alpha1.RetiredValue
		}
		return claim
	}
	for i := range n + 1 {
		w.node(fmt.Sprintf("n-%03d", i), 100, 1000)
	}
	for i := range n {
		objects = append(objects, retired(i, "5", true))
		w.add(w.plugin.claims, retired(i, "4", false))
		pods = append(pods, mountingClaim(instance(fmt.Sprintf("r-%d", i), "r", ""), fmt.Sprintf("data-r-%d", i)))
		w.bind(pods[i], fmt.Sprintf("n-%03d", i))
	}
	client := fake.NewClientset(objects...)
	w.handle().client = client
	other := instance("other", "r", "")
	w.arrive(other)
	mayOpen := func() bool { _, allowed := w.cycle(other); return allowed(fmt.Sprintf("n-%03d", n)) }
	if mayOpen() {
		t.Fatal("one node too many is open")
	}
	for i, pod := range pods {
		bound := pod.DeepCopy()
		bound.Spec.NodeName = fmt.Sprintf("n-%03d", i)
		w.remove(bound)
	}
	if mayOpen() {
		t.Fatal("one node too many is open while the claims hold theirs")
	}
	for i := range n {
		w.add(w.plugin.claims, retired(i, "5", true))
	}
	if !mayOpen() {
		t.Error("nothing is free after all were retired")
	}
	if calls := client.Actions(); len(calls) != 1 || len(w.inDoubt(returning)) > 0 {
		t.Errorf("%d calls, %d claims in doubt", len(calls), len(w.inDoubt(returning)))
	}
}
