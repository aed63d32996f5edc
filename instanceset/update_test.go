package instanceset

import (
	"errors"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// changedImage is a change of the image of a pod as the manager's cache has it: without most of its containers.
func changedImage(t *testing.T, h *harness) decide.Change {
	t.Helper()
	var before corev1.Pod
	if err := h.client.Get(t.Context(), types.NamespacedName{Namespace: "ns", Name: "r-0"}, &before); err != nil {
		t.Fatal(err)
	}
	for i, c := range before.Spec.Containers {
		before.Spec.Containers[i] = corev1.Container{Name: c.Name, Image: c.Image, Resources: c.Resources}
	}
	after := before.DeepCopy()
	after.Spec.Containers[0].Image = "redis:8"
	after.Labels[v1alpha1.LabelRevision] = "new"
	return decide.Change{Kind: decide.ImagePod, Ordinal: 0, Object: "r-0", Reason: reason.UpdateImage, UID: before.UID, Before: &before, After: after}
}

func podToUpdate(set *v1alpha1.InstanceSet) *corev1.Pod {
	pod := podspec.Pod(set, podspec.Instance{Revision: "old"})
	pod.UID = "pod-0"
	pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "KEPT", Value: "yes"}}
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "exporter", Image: "exporter:1", Args: []string{"kept"}})
	return pod
}

// The cache has parts of a pod only. What it does not have must not be taken from the pod.
func TestAPodKeepsWhatTheCacheDoesNotHave(t *testing.T) {
	set := testSet(1)
	h := newHarness(t, set, podToUpdate(set))
	if _, err := h.carryOut(t, changedImage(t, h)); err != nil {
		t.Fatal(err)
	}
	var pod corev1.Pod
	if err := h.client.Get(t.Context(), types.NamespacedName{Namespace: "ns", Name: "r-0"}, &pod); err != nil {
		t.Fatal(err)
	}
	c := pod.Spec.Containers
	if c[0].Image != "redis:8" || len(c[0].Env) != 1 || len(c) != 2 || len(c[1].Args) != 1 || pod.Labels[v1alpha1.LabelRevision] != "new" {
		t.Errorf("the pod has %+v and revision %s", c, pod.Labels[v1alpha1.LabelRevision])
	}
	if patch := h.patches["r-0"]; !strings.Contains(patch, `"resourceVersion"`) || strings.Contains(patch, "exporter:1") {
		t.Errorf("it was sent %s", patch)
	}
}

// A pod that somebody has changed meanwhile is not the one that was decided upon.
func TestAPodThatChangedIsNotWrittenTo(t *testing.T) {
	set := testSet(1)
	h := newHarness(t, set, podToUpdate(set))
	c := changedImage(t, h)
	var pod corev1.Pod
	if err := h.client.Get(t.Context(), types.NamespacedName{Namespace: "ns", Name: "r-0"}, &pod); err != nil {
		t.Fatal(err)
	}
	pod.Labels["role"] = "another"
	if err := h.client.Update(t.Context(), &pod); err != nil {
		t.Fatal(err)
	}
	if again, err := h.carryOut(t, c); err != nil || !again {
		t.Errorf("again %v, error %v", again, err)
	}
	if err := h.client.Get(t.Context(), types.NamespacedName{Namespace: "ns", Name: "r-0"}, &pod); err != nil || pod.Spec.Containers[0].Image != "redis:7" {
		t.Errorf("the image is %s (%v)", pod.Spec.Containers[0].Image, err)
	}
}

// A resize goes to the subresource, and one that is refused is not tried again at once.
func TestAResizeThatIsRefused(t *testing.T) {
	set := testSet(1)
	h := newHarness(t, set, podToUpdate(set))
	now := time.Now()
	h.now = func() time.Time { return now }
	h.refuse = func(verb string, o client.Object) error {
		if verb == "resize" {
			return errors.New("exceeds the quota")
		}
		return nil
	}
	c := changedImage(t, h)
	c.Kind = decide.ResizePod
	tries := func() (n int) {
		for _, w := range h.writes {
			if w == "resize Pod r-0" {
				n++
			}
		}
		return n
	}
	for _, try := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {refusedFor - 1, 1}, {1, 2}} {
		now = now.Add(try.after)
		if _, err := h.carryOut(t, c); err == nil || !strings.Contains(err.Error(), "exceeds the quota") {
			t.Errorf("got %v", err)
		}
		if got := tries(); got != try.want {
			t.Errorf("it was tried %d times, want %d", got, try.want)
		}
	}
}

func revisionChange(text string) decide.Change {
	return decide.Change{
		Kind: decide.CreateRevision, Ordinal: decide.SetWide, Object: "r-abc", Revision: "abc", Number: 3, Text: []byte(text), Reason: reason.RecordRevision,
	}
}

// A name that somebody else has is no reason not to keep the history, and what is kept already is not kept twice.
func TestTheNameOfARevisionIsTaken(t *testing.T) {
	set := testSet(1)
	others := &appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r-abc"}, Data: runtime.RawExtension{Raw: []byte(`{"x":1}`)}}
	h := newHarness(t, set, others)
	for range 2 {
		if _, err := h.carryOut(t, revisionChange(`{"y":2}`)); err != nil {
			t.Fatal(err)
		}
	}
	var all appsv1.ControllerRevisionList
	if err := h.client.List(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Items) != 2 || all.Items[1].Name != "r-abc-1" || all.Items[1].Revision != 3 || !metav1.IsControlledBy(&all.Items[1], set) {
		t.Errorf("there are %+v", all.Items)
	}
}

// What a person says of a change is kept with what changed, and whose template it is.
func TestARevisionHasItsCause(t *testing.T) {
	set := testSet(1)
	set.Annotations = map[string]string{v1alpha1.AnnotationChangeCause: strings.Repeat("é", 600)}
	h := newHarness(t, set)
	c := revisionChange(`{}`)
	c.Template = "big"
	read := func() *appsv1.ControllerRevision {
		t.Helper()
		if _, err := h.carryOut(t, c); err != nil {
			t.Fatal(err)
		}
		stored := &appsv1.ControllerRevision{}
		if err := h.client.Get(t.Context(), types.NamespacedName{Namespace: "ns", Name: "r-abc"}, stored); err != nil {
			t.Fatal(err)
		}
		return stored
	}
	if r := read(); r.Annotations[v1alpha1.AnnotationChangeCause] != strings.Repeat("é", 512) || r.Labels[v1alpha1.LabelTemplate] != "big" {
		t.Errorf("it has %v and %v", r.Annotations, r.Labels)
	}
	if err := h.client.Get(t.Context(), types.NamespacedName{Namespace: "ns", Name: "r"}, set); err != nil {
		t.Fatal(err)
	}
	set.Annotations = nil
	if err := h.client.Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	c.Kind, c.Template = decide.UpdateRevision, ""
	if r := read(); r.Annotations[v1alpha1.AnnotationChangeCause] == "" || r.Labels[v1alpha1.LabelTemplate] != "" || r.Labels[v1alpha1.LabelRevision] != "abc" {
		t.Errorf("asked for again, it has %v and %v", r.Annotations, r.Labels)
	}
}

// A revision that is asked for again gets another number, and one that is pruned goes by its UID.
func TestARevisionIsRenumberedAndPruned(t *testing.T) {
	set := testSet(1)
	h := newHarness(t, set)
	if _, err := h.carryOut(t, revisionChange(`{}`)); err != nil {
		t.Fatal(err)
	}
	c := revisionChange("")
	c.Kind, c.Number, c.UID = decide.UpdateRevision, 7, ""
	if _, err := h.carryOut(t, c); err != nil {
		t.Fatal(err)
	}
	var stored appsv1.ControllerRevision
	if err := h.client.Get(t.Context(), types.NamespacedName{Namespace: "ns", Name: "r-abc"}, &stored); err != nil || stored.Revision != 7 {
		t.Fatalf("the number is %d (%v)", stored.Revision, err)
	}
	c.Kind, c.UID = decide.DeleteRevision, "some-uid"
	if _, err := h.carryOut(t, c); err != nil {
		t.Fatal(err)
	}
	if sent := h.deletes["r-abc"]; sent.Preconditions == nil || *sent.Preconditions.UID != "some-uid" {
		t.Errorf("it was deleted with %+v", sent)
	}
}
