package dispersion

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/klog/v2"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// TestPackingHasABound: pods come and go on a node all the time, and there is one that has no place. Each of its cycles would pack the
// whole group anew. They do so until the allowance is used up, and then it waits no longer than twenty times what a packing takes;
// pods that have a place are placed meanwhile.
func TestPackingHasABound(t *testing.T) {
	w, pods := newMixture(t, 300, 51)
	now, waits, later := time.Unix(0, 0), []time.Duration{}, func() {}
	w.plugin.now = func() time.Time { return now }
	w.plugin.after = func(wait time.Duration, do func()) { waits, later = append(waits, wait), do }
	w.schedule(pods[0])
	group := slots.Group{Namespace: "ns", Policy: "p"}
	lost, placed := sized("huge", "", "99"), pods[1]
	w.arrive(lost)
	packs, begun := 0, packBurst/10
	w.plugin.index.allowances[group] = allowance{begun, now}
	var last *mixture
	for i := range 1000 {
		w.foreign(t, i)
		w.schedule(lost)
		if m := w.plugin.index.mixtures[group]; m != last {
			packs, last = packs+1, m
		}
		if len(waits) > 0 {
			break
		}
	}
	spent := begun - w.plugin.index.allowances.left(group, now)
	if len(waits) != 1 || packs < 5 || waits[0] > packShare*spent/time.Duration(packs)*3/2 {
		t.Fatalf("%d packings, which took %v, and then it waits %v", packs, spent, waits)
	}
	w.foreign(t, 1)
	if w.schedule(lost); w.plugin.index.mixtures[group] != last || len(waits) != 1 {
		t.Error("it is packed again before its time, or the pod waits twice")
	}
	if node, refused := w.schedule(placed); node == "" {
		t.Errorf("a pod that has a place waits too: %v", refused)
	}
	now = now.Add(waits[0])
	w.activated(nil)
	if later(); !w.activated(lost) {
		t.Error("the pod is not tried again")
	}
	if w.schedule(lost); w.plugin.index.mixtures[group] == last {
		t.Error("it is not packed again when there is time")
	}
}

// TestWhatIsInTheWayTakesNoOtherPlace: a node loses its room while there is no time for another packing. Its instances wait, none of
// them goes there, and all others go where they should.
func TestWhatIsInTheWayTakesNoOtherPlace(t *testing.T) {
	w, pods := newMixture(t, 100, 51)
	now := time.Unix(0, 0)
	w.plugin.now = func() time.Time { return now }
	waits := 0
	w.plugin.after = func(time.Duration, func()) { waits++ }
	first, _ := w.schedule(pods[0])
	group := slots.Group{Namespace: "ns", Policy: "p"}
	w.plugin.index.allowances.spend(group, now, time.Second)
	big := instance("big", "", "")
	big.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = apiresource.MustParse("50")
	w.bind(big, first)
	waiting, elsewhere := 0, 0
	for _, pod := range pods[1:] {
		switch node, _ := w.schedule(pod); node {
		case first:
			t.Errorf("%s goes to a node that has no room", pod.Name)
		case "":
			waiting++
		default:
			elsewhere++
		}
	}
	if waiting == 0 || waiting > 25 || elsewhere != 99-waiting || waits != 1 {
		t.Errorf("%d wait and %d have a place, and it was put off %d times", waiting, elsewhere, waits)
	}
	now = now.Add(packShare * time.Second)
	for _, pod := range pods[1:] {
		if o, _, _ := w.plugin.pods.GetByKey("ns/" + pod.Name); o.(*corev1.Pod).Spec.NodeName == "" {
			if node, refused := w.schedule(pod); node == "" {
				t.Fatalf("%s has no place when there is time: %v", pod.Name, refused)
			}
		}
	}
}

// foreign lets a pod of no group, which asks for nothing, come to a node.
func (w *world) foreign(t *testing.T, i int) {
	t.Helper()
	pod := sized(fmt.Sprintf("foreign-%d-%d", i, w.plugin.index.cycle), "", "0")
	delete(pod.Labels, v1alpha1.LabelPlacementPolicy)
	pod.Spec.NodeName = "node-0001"
	if err := w.cache.AddPod(klog.Background(), pod); err != nil {
		t.Fatal(err)
	}
	if i > 0 && w.came != nil {
		if err := w.cache.RemovePod(klog.Background(), w.came); err != nil {
			t.Fatal(err)
		}
	}
	w.came = pod
}
