package apiserver

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/manifests"
)

const (
	manager  = "system:serviceaccount:shoal-system:shoal-manager"
	somebody = "somebody"
)

var loaded = sync.OnceValues(func() (*Rules, error) { return LoadRules(manifests.Files, "ns") })

// fixture is a server with helpers that fail the test.
type fixture struct {
	*Server
	t *testing.T
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	rules, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	scheme, err := Scheme()
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(scheme, rules)
	if err != nil {
		t.Fatal(err)
	}
	return fixture{s, t}
}

func (f fixture) create(o client.Object) client.Object {
	f.t.Helper()
	created, err := f.Create(f.t.Context(), somebody, o)
	if err != nil {
		f.t.Fatal(err)
	}
	return created
}

func (f fixture) patch(as string, o client.Object, sub, patch string) (client.Object, error) {
	f.t.Helper()
	return f.Patch(f.t.Context(), as, o, sub, types.MergePatchType, []byte(patch))
}

func (f fixture) mustPatch(o client.Object, sub, patch string) client.Object {
	f.t.Helper()
	patched, err := f.patch(somebody, o, sub, patch)
	if err != nil {
		f.t.Fatal(err)
	}
	return patched
}

// refused fails the test unless the error is of that kind and says the words.
func refused(t *testing.T, err error, kind func(error) bool, words string) {
	t.Helper()
	if err == nil || !kind(err) || !strings.Contains(err.Error(), words) {
		t.Errorf("want a refusal that says %q, got: %v", words, err)
	}
}

func testPod(name string, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}}
	p.Spec.Containers = []corev1.Container{{Name: "redis", Image: "redis"}}
	for _, f := range change {
		f(p)
	}
	return p
}

func testSet(change ...func(*v1alpha1.InstanceSet)) *v1alpha1.InstanceSet {
	s := &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r"}}
	s.Spec.Replicas = ptr.To[int32](6)
	s.Spec.ShardSize = ptr.To[int32](2)
	s.Spec.Template.Spec.Containers = []corev1.Container{{Name: "redis", Image: "redis"}}
	s.Spec.Placement = &v1alpha1.PlacementLimits{MaxInstancesPerNode: ptr.To(intstr.FromInt32(2)), MaxNodes: ptr.To[int32](3)}
	for _, f := range change {
		f(s)
	}
	return s
}

func TestANewObjectGetsItsMetadata(t *testing.T) {
	f := newFixture(t)
	first := f.create(testPod("r-0"))
	second := f.create(testPod("r-1"))
	if first.GetUID() == "" || first.GetUID() == second.GetUID() {
		t.Errorf("UIDs %q and %q", first.GetUID(), second.GetUID())
	}
	if first.GetResourceVersion() != "1" || second.GetResourceVersion() != "2" {
		t.Errorf("versions %s and %s", first.GetResourceVersion(), second.GetResourceVersion())
	}
	if born := first.GetCreationTimestamp(); born.IsZero() || first.GetGeneration() != 1 {
		t.Errorf("%+v", first)
	}
	if p := first.(*corev1.Pod); p.Spec.RestartPolicy != corev1.RestartPolicyAlways || p.Status.Phase != corev1.PodPending {
		t.Errorf("no defaults: %+v", p)
	}
	_, err := f.Create(t.Context(), somebody, testPod("r-0"))
	refused(t, err, apierrors.IsAlreadyExists, "r-0")
	_, err = f.Create(t.Context(), somebody, testPod("r-2", func(p *corev1.Pod) { p.Spec.Containers = nil }))
	refused(t, err, apierrors.IsInvalid, "spec.containers")
}

func TestPreconditions(t *testing.T) {
	f := newFixture(t)
	pod := f.create(testPod("r-0"))
	f.mustPatch(testPod("r-0"), "", `{"metadata":{"labels":{"a":"b"}}}`)

	_, err := f.patch(somebody, testPod("r-0"), "", `{"metadata":{"uid":"other"}}`)
	refused(t, err, apierrors.IsInvalid, "metadata.uid")
	_, err = f.patch(somebody, testPod("r-0"), "", fmt.Sprintf(`{"metadata":{"resourceVersion":%q,"labels":{"a":"c"}}}`, pod.GetResourceVersion()))
	refused(t, err, apierrors.IsConflict, "modified")
	_, err = f.Update(t.Context(), somebody, pod, "")
	refused(t, err, apierrors.IsConflict, "modified")

	other, old := types.UID("other"), pod.GetResourceVersion()
	err = f.Delete(t.Context(), somebody, testPod("r-0"), metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &other}})
	refused(t, err, apierrors.IsConflict, "UID")
	err = f.Delete(t.Context(), somebody, testPod("r-0"), metav1.DeleteOptions{Preconditions: &metav1.Preconditions{ResourceVersion: &old}})
	refused(t, err, apierrors.IsConflict, "ResourceVersion")
	_, err = f.patch(somebody, testPod("r-9"), "", `{}`)
	refused(t, err, apierrors.IsNotFound, "r-9")
}

func TestAChangeOfNothingMakesNoEvent(t *testing.T) {
	f := newFixture(t)
	f.create(testPod("r-0"))
	f.mustPatch(testPod("r-0"), "", `{"metadata":{"labels":{"a":"b"}}}`)
	n := len(f.Events(0))
	if again := f.mustPatch(testPod("r-0"), "", `{"metadata":{"labels":{"a":"b"}}}`); again.GetResourceVersion() != "2" || len(f.Events(n)) > 0 {
		t.Errorf("version %s, events %v", again.GetResourceVersion(), f.Events(n))
	}
}

func bind(f fixture, pod, node string) error {
	return f.Bind(f.t.Context(), somebody, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: pod}, Target: corev1.ObjectReference{Kind: "Node", Name: node},
	})
}

func TestAPodIsBoundOnce(t *testing.T) {
	f := newFixture(t)
	f.create(testPod("r-0"))
	if err := bind(f, "r-0", "a"); err != nil {
		t.Fatal(err)
	}
	got, err := f.Get(t.Context(), types.NamespacedName{Namespace: "ns", Name: "r-0"}, &corev1.Pod{})
	if err != nil || got.(*corev1.Pod).Spec.NodeName != "a" {
		t.Errorf("%+v, %v", got, err)
	}
	refused(t, bind(f, "r-0", "b"), apierrors.IsConflict, "already assigned")
}

func TestPodsEndGracefully(t *testing.T) {
	f := newFixture(t)
	f.create(testPod("waiting"))
	f.create(testPod("bound"))
	if err := bind(f, "bound", "a"); err != nil {
		t.Fatal(err)
	}
	last := func() Event { return f.Events(len(f.Events(0)) - 1)[0] }
	remove := func(name string, grace *int64) Event {
		t.Helper()
		if err := f.Delete(t.Context(), somebody, testPod(name), metav1.DeleteOptions{GracePeriodSeconds: grace}); err != nil {
			t.Fatal(err)
		}
		return last()
	}
	if e := remove("waiting", nil); e.Type != Deleted {
		t.Errorf("a pod without a node: %s", e.Type)
	}
	if e := remove("bound", nil); e.Type != Modified || e.Object.GetDeletionTimestamp() == nil || *e.Object.GetDeletionGracePeriodSeconds() != 30 {
		t.Errorf("a pod with a node: %+v", e)
	}
	if e := remove("bound", ptr.To[int64](0)); e.Type != Deleted {
		t.Errorf("by force: %s", e.Type)
	}
}

func TestFinalizersHoldAnObject(t *testing.T) {
	f := newFixture(t)
	f.create(testSet(func(s *v1alpha1.InstanceSet) { s.Finalizers = []string{v1alpha1.Finalizer} }))
	if err := f.Delete(t.Context(), somebody, testSet(), metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	key := types.NamespacedName{Namespace: "ns", Name: "r"}
	if got, err := f.Get(t.Context(), key, testSet()); err != nil || got.GetDeletionTimestamp() == nil {
		t.Errorf("%+v, %v", got, err)
	}
	f.mustPatch(testSet(), "", `{"metadata":{"finalizers":null}}`)
	_, err := f.Get(t.Context(), key, testSet())
	refused(t, err, apierrors.IsNotFound, "r")
}

func TestStatusAndSpecAreWrittenApart(t *testing.T) {
	f := newFixture(t)
	f.create(testSet())
	set := f.mustPatch(testSet(), "status", `{"spec":{"replicas":8},"status":{"readyReplicas":3}}`).(*v1alpha1.InstanceSet)
	if *set.Spec.Replicas != 6 || set.Status.ReadyReplicas != 3 || set.Generation != 1 {
		t.Errorf("by the status: %d replicas, %d ready, generation %d", *set.Spec.Replicas, set.Status.ReadyReplicas, set.Generation)
	}
	set = f.mustPatch(testSet(), "", `{"spec":{"replicas":8},"status":{"readyReplicas":4}}`).(*v1alpha1.InstanceSet)
	if *set.Spec.Replicas != 8 || set.Status.ReadyReplicas != 3 || set.Generation != 2 {
		t.Errorf("by the spec: %d replicas, %d ready, generation %d", *set.Spec.Replicas, set.Status.ReadyReplicas, set.Generation)
	}
	f.create(testPod("r-0"))
	patch := `{"status":{"conditions":[{"type":"Ready","status":"True"}]}}`
	pod, err := f.Patch(t.Context(), somebody, testPod("r-0"), "status", types.StrategicMergePatchType, []byte(patch))
	if err != nil || len(pod.(*corev1.Pod).Status.Conditions) != 1 {
		t.Errorf("by a strategic patch: %+v, %v", pod, err)
	}
	_, err = f.patch(somebody, testPod("r-0"), "", `{"spec":{"hostname":"other"}}`)
	refused(t, err, apierrors.IsInvalid, "pod updates may not change fields")
}

func TestResize(t *testing.T) {
	f := newFixture(t)
	f.create(testPod("r-0", func(p *corev1.Pod) {
		p.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: apiresource.MustParse("1")}
	}))
	more := `{"spec":{"containers":[{"name":"redis","image":"redis","resources":{"requests":{"cpu":"2"}}}]}}`
	patch := func(sub string) (client.Object, error) {
		return f.Patch(t.Context(), somebody, testPod("r-0"), sub, types.StrategicMergePatchType, []byte(more))
	}
	_, err := patch("")
	refused(t, err, apierrors.IsInvalid, "pod updates may not change fields")
	pod, err := patch("resize")
	if err != nil || pod.(*corev1.Pod).Spec.Containers[0].Resources.Requests.Cpu().Value() != 2 {
		t.Errorf("%+v, %v", pod, err)
	}
}

func TestCustomResourcesHaveDefaultsAndRules(t *testing.T) {
	f := newFixture(t)
	set := f.create(testSet()).(*v1alpha1.InstanceSet)
	if set.Spec.Rebuild.Mode != v1alpha1.RebuildManual || set.Spec.PersistentVolumeClaimRetentionPolicy.WhenScaled != v1alpha1.RetainClaims {
		t.Errorf("no defaults: %+v", set.Spec)
	}
	for words, change := range map[string]func(*v1alpha1.InstanceSet){
		"should be less than or equal to 20000": func(s *v1alpha1.InstanceSet) { s.Spec.Replicas = ptr.To[int32](20002) },
		"must be a multiple of shardSize":       func(s *v1alpha1.InstanceSet) { s.Spec.Replicas = ptr.To[int32](5) },
		"at most 52 characters":                 func(s *v1alpha1.InstanceSet) { s.Name = strings.Repeat("r", 53) },
		"Unsupported value":                     func(s *v1alpha1.InstanceSet) { s.Spec.Rebuild.Mode = "Sometimes" },
	} {
		_, err := f.Create(t.Context(), somebody, testSet(func(s *v1alpha1.InstanceSet) { s.Name = "s" }, change))
		refused(t, err, apierrors.IsInvalid, words)
	}
	_, err := f.patch(somebody, testSet(), "", `{"spec":{"shardSize":3}}`)
	refused(t, err, apierrors.IsInvalid, "shardSize cannot be changed")
	_, err = f.patch(somebody, testSet(), "status", `{"status":{"exceptions":[{"ordinal":1,"reason":"a reason that is too long","message":""}]}}`)
	refused(t, err, apierrors.IsInvalid, "status.exceptions")
}

// The labels free slots: manifests/admission lets only the manager write them.
func TestAdmissionPoliciesAreJudged(t *testing.T) {
	f := newFixture(t)
	f.create(testPod("r-0"))
	const add, remove = `{"metadata":{"labels":{"shoal.dev/lost":"x"}}}`, `{"metadata":{"labels":{"shoal.dev/lost":null}}}`
	const words = "only the ServiceAccount shoal-system/shoal-manager"
	_, err := f.patch(somebody, testPod("r-0"), "", add)
	refused(t, err, apierrors.IsInvalid, words)
	if _, err := f.patch(manager, testPod("r-0"), "", add); err != nil {
		t.Errorf("the manager: %v", err)
	}
	_, err = f.patch(somebody, testPod("r-0"), "", remove)
	refused(t, err, apierrors.IsInvalid, words)
	_, err = f.patch(somebody, testPod("r-0"), "status", remove)
	refused(t, err, apierrors.IsInvalid, words)
	_, err = f.Create(t.Context(), somebody, testPod("r-1", func(p *corev1.Pod) { p.Labels = map[string]string{v1alpha1.LabelLost: "x"} }))
	refused(t, err, apierrors.IsInvalid, "shoal.dev/lost")
	f.create(testPod("r-2"))
	err = f.Bind(context.Background(), somebody, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r-2", Labels: map[string]string{v1alpha1.LabelLost: "x"}},
		Target:     corev1.ObjectReference{Kind: "Node", Name: "a"},
	})
	refused(t, err, apierrors.IsInvalid, "shoal.dev/lost")
}

// The same calls give the same events, byte for byte: seeds depend on it.
func TestTheSameCallsGiveTheSameEvents(t *testing.T) {
	run := func() string {
		f := newFixture(t)
		f.create(testSet())
		f.create(testPod("r-0"))
		f.mustPatch(testSet(), "", `{"spec":{"replicas":8}}`)
		var text strings.Builder
		for _, e := range f.Events(0) {
			e.Object.SetCreationTimestamp(metav1.Time{})
			object, err := json.Marshal(e.Object)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&text, "%d %s %s\n", e.Version, e.Type, object)
		}
		return text.String()
	}
	if a, b := run(), run(); a != b {
		t.Errorf("first:\n%s\nthen:\n%s", a, b)
	}
}
