package instanceset

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
)

func cordonedNode(name string, cordoned bool, pods string) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}}
	node.Spec.Unschedulable = cordoned
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	node.Status.Allocatable = corev1.ResourceList{corev1.ResourcePods: resource.MustParse(pods), corev1.ResourceCPU: resource.MustParse("1")}
	return node
}

func runningPod(set *v1alpha1.InstanceSet, ordinal int32, node string) *corev1.Pod {
	pod := podspec.Pod(set, podspec.Instance{Ordinal: ordinal, Revision: podspec.Revision(set, nil)})
	pod.UID, pod.Spec.NodeName = types.UID(pod.Name), node
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(time.Now().Add(-time.Hour))}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "redis", Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	return pod
}

// A cordoned node is emptied: first the status says who leaves, then the pod, and after a while it is deleted, as it was seen and not as it
// may have become since.
func TestCordonedNodesAreEmptied(t *testing.T) {
	set := testSet(2)
	set.Spec.VolumeClaimTemplates = nil
	full := cordonedNode("c", false, "1")
	h := newHarness(t, set, cordonedNode("a", true, "10"), cordonedNode("b", false, "3"), full,
		runningPod(set, 0, "a"), runningPod(set, 1, "b"), runningPod(set, 7, "c"))
	name := types.NamespacedName{Namespace: "ns", Name: "r"}
	now := time.Now()
	h.now = func() time.Time { return now }
	reconcile := func() {
		t.Helper()
		if _, err := h.Reconcile(t.Context(), ctrl.Request{NamespacedName: name}); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 { // the history, what was ready once, who leaves
		reconcile()
	}
	pod := &corev1.Pod{}
	if err := h.client.Get(t.Context(), types.NamespacedName{Namespace: "ns", Name: "r-0"}, pod); err != nil {
		t.Fatal(err)
	}
	if pod.Labels[v1alpha1.LabelMayLeave] == "" || !strings.Contains(h.patches["r-0"], `"resourceVersion"`) || !strings.Contains(h.patches["r-0"], `"uid":"r-0"`) {
		t.Fatalf("it may not leave, or another one may: %s\n%v\n%+v", h.patches["r-0"], h.writes, h.condition(t, v1alpha1.ConditionLeaving))
	}
	if err := h.client.Get(t.Context(), name, set); err != nil {
		t.Fatal(err)
	}
	if want := podspec.Revision(set, nil) + "=0"; set.Status.Leaving != want {
		t.Errorf("status.leaving is %q, want %q", set.Status.Leaving, want)
	}
	now = now.Add(11 * time.Second)
	reconcile()
	sent, deleted := h.deletes["r-0"]
	if !deleted || sent.Preconditions == nil || *sent.Preconditions.UID != "r-0" || sent.Preconditions.ResourceVersion == nil || *sent.Preconditions.ResourceVersion != pod.ResourceVersion {
		t.Errorf("it was not deleted as it was seen: %+v\n%v", sent, h.writes)
	}
}

// TestRoomIsThatOfTheGroup: instances of another set that uses the same policy hold slots, also where only their claims are left; and one that has no node yet
// waits for one before, but not if its volume is on a node. Others have nothing to do with it.
func TestRoomIsThatOfTheGroup(t *testing.T) {
	set, other, stranger := testSet(1), testSet(3), testSet(1)
	set.Spec.PlacementPolicyRef = &v1alpha1.PlacementPolicyRef{Name: "p"}
	other.Name, stranger.Name = "s", "t"
	on := func(set *v1alpha1.InstanceSet, ordinal int32, policy, node string) *corev1.Pod {
		pod := podspec.Pod(set, podspec.Instance{Ordinal: ordinal, Policy: policy})
		pod.UID, pod.Spec.NodeName = types.UID(pod.Name), node
		return pod
	}
	claim := podspec.Claim(other, &other.Spec.VolumeClaimTemplates[0], podspec.Instance{Ordinal: 1, Policy: "p"})
	claim.Spec.VolumeName = "pv"
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv"}}
	volume.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{"b"}}},
	}}}}
	a, b := cordonedNode("a", true, "10"), cordonedNode("b", false, "10")
	for _, n := range []*corev1.Node{a, b} {
		n.Labels = map[string]string{corev1.LabelHostname: n.Name}
	}
	h := newHarness(t, set, a, b, on(set, 0, "p", "a"), on(other, 0, "p", "b"), on(other, 1, "p", ""), claim, volume, on(other, 2, "p", ""),
		on(stranger, 0, "", "b"), on(stranger, 1, "", ""))
	o, err := h.load(t.Context(), types.NamespacedName{Namespace: "ns", Name: "r"})
	if err != nil {
		t.Fatal(err)
	}
	var held, queued []string
	for _, slot := range o.Room.Held {
		held = append(held, slot.Instance.Name+" on "+slot.Node)
	}
	for _, pod := range o.Room.Queued {
		queued = append(queued, pod.Name)
	}
	if got, want := strings.Join(held, ", "), "r-0 on a, s-0 on b, s-1 on b"; got != want {
		t.Errorf("slots are held by %s, not %s", got, want)
	}
	if got := strings.Join(queued, ", "); got != "s-2" {
		t.Errorf("%s wait for a node, and not s-2", got)
	}
	if there, err := o.Room.On("b"); err != nil || len(there) != 2 {
		t.Errorf("on b are %d pods, and not both: %v", len(there), err)
	}
}

// To cordon a node wakes those that have instances there, and heartbeats nobody.
func TestCordonWakes(t *testing.T) {
	before, after := cordonedNode("a", false, "1"), cordonedNode("a", true, "1")
	if changes := nodeChanges(); !changes.Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}) || !changes.Update(event.UpdateEvent{ObjectOld: after, ObjectNew: before}) ||
		changes.Update(event.UpdateEvent{ObjectOld: after, ObjectNew: after}) {
		t.Error("a cordon is not heard, or a heartbeat is")
	}
}
