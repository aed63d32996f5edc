package apiserver

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

func (f fixture) apply(manager string, o client.Object, sub, body string) (client.Object, error) {
	f.t.Helper()
	return f.Apply(f.t.Context(), somebody, o, sub, metav1.PatchOptions{FieldManager: manager}, []byte(body))
}

func (f fixture) mustApply(manager string, o client.Object, sub, body string) client.Object {
	f.t.Helper()
	stored, err := f.apply(manager, o, sub, body)
	if err != nil {
		f.t.Fatal(err)
	}
	return stored
}

// owners are the managers of an object, with how they wrote.
func owners(o client.Object) string {
	var out []string
	for _, e := range o.GetManagedFields() {
		owner := e.Manager + " " + string(e.Operation)
		if e.Subresource != "" {
			owner += " " + e.Subresource
		}
		out = append(out, owner)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// fieldsOfManager is what a manager owns, as the wire has it.
func fieldsOfManager(o client.Object, manager string) string {
	for _, e := range o.GetManagedFields() {
		if e.Manager == manager {
			return string(e.FieldsV1.GetRawBytes())
		}
	}
	return ""
}

// causes are the fields of a conflict, each with who has it.
func causes(err error) []string {
	var out []string
	if status := apierrors.APIStatus(nil); errors.As(err, &status) && status.Status().Details != nil {
		for _, c := range status.Status().Details.Causes {
			out = append(out, c.Field+": "+c.Message)
		}
	}
	return out
}

func policy() *v1alpha1.PlacementPolicy {
	return &v1alpha1.PlacementPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r"}}
}

func policyWith(spec string) string {
	return `{"apiVersion":"shoal.dev/v1alpha1","kind":"PlacementPolicy","metadata":{"name":"r"},"spec":` + spec + `}`
}

func podWith(metadata, spec string) string {
	return `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"r-0"` + metadata + `},"spec":` + spec + `}`
}

const oneContainer = `{"containers":[{"name":"redis","image":"redis"}]}`

func TestApplyCreates(t *testing.T) {
	f := newFixture(t)
	p := f.mustApply("alice", policy(), "", policyWith(`{"replicas":3,"maxNodes":2}`)).(*v1alpha1.PlacementPolicy)
	if p.UID == "" || p.Generation != 1 || *p.Spec.MaxNodes != 2 || len(p.Spec.ShardSpread) != 1 {
		t.Errorf("%+v", p)
	}
	if got := owners(p); got != "alice Apply" {
		t.Errorf("owned by %s", got)
	}
	if got := fieldsOfManager(p, "alice"); got != `{"f:spec":{"f:maxNodes":{},"f:replicas":{}}}` { // defaults have no owner
		t.Errorf("alice owns %s", got)
	}
	pod := f.mustApply("alice", testPod("r-0"), "", podWith("", oneContainer)).(*corev1.Pod)
	if pod.Spec.Priority == nil || pod.Spec.RestartPolicy == "" || pod.Status.Phase != corev1.PodPending || len(pod.Spec.Tolerations) == 0 {
		t.Errorf("not admitted like any other pod: %+v", pod)
	}
	if e := f.Events(0); len(e) != 2 || e[0].Type != Added || e[1].Type != Added {
		t.Errorf("%+v", e)
	}
	_, err := f.apply("alice", policy(), "", policyWith(`{"maxNodes":0}`))
	refused(t, err, apierrors.IsInvalid, "spec.maxNodes")
}

func TestApplyConflicts(t *testing.T) {
	f := newFixture(t)
	f.mustApply("alice", policy(), "", policyWith(`{"replicas":3,"maxNodes":2,"maxInstancesPerNode":2}`))
	_, err := f.apply("bob", policy(), "", policyWith(`{"replicas":3,"maxNodes":4,"maxInstancesPerNode":5}`))
	refused(t, err, apierrors.IsConflict, "Apply failed with 2 conflicts")
	want := []string{
		`.spec.maxInstancesPerNode: conflict with "alice"`,
		`.spec.maxNodes: conflict with "alice"`,
	}
	if got := causes(err); !slices.Equal(got, want) {
		t.Errorf("causes %q, want %q", got, want)
	}
	// The same value is none: both have it.
	p := f.mustApply("bob", policy(), "", policyWith(`{"maxNodes":2}`)).(*v1alpha1.PlacementPolicy)
	if owners(p) != "alice Apply, bob Apply" {
		t.Errorf("owned by %s", owners(p))
	}
	stored, err := f.Apply(t.Context(), somebody, policy(), "", metav1.PatchOptions{FieldManager: "bob", Force: ptr.To(true)}, []byte(policyWith(`{"maxNodes":4}`)))
	if err != nil {
		t.Fatal(err)
	}
	p = stored.(*v1alpha1.PlacementPolicy)
	if *p.Spec.MaxNodes != 4 || p.Generation != 2 || strings.Contains(fieldsOfManager(p, "alice"), "maxNodes") {
		t.Errorf("by force: %d, generation %d, alice owns %s", *p.Spec.MaxNodes, p.Generation, fieldsOfManager(p, "alice"))
	}
	_, err = f.apply("alice", policy(), "", policyWith(`{"replicas":3,"maxNodes":2,"maxInstancesPerNode":2}`))
	refused(t, err, apierrors.IsConflict, `conflict with "bob"`)
}

func TestWhatIsNoLongerAppliedGoes(t *testing.T) {
	f := newFixture(t)
	f.mustApply("alice", policy(), "", policyWith(`{"replicas":3,"maxNodes":2,"maxInstancesPerNode":2}`))
	f.mustApply("bob", policy(), "", policyWith(`{"maxNodes":2}`))
	p := f.mustApply("alice", policy(), "", policyWith(`{"replicas":3}`)).(*v1alpha1.PlacementPolicy)
	if p.Spec.MaxInstancesPerNode != nil {
		t.Errorf("alice alone had it: %v", p.Spec.MaxInstancesPerNode)
	}
	if p.Spec.MaxNodes == nil {
		t.Error("bob has it too")
	}
	// Lists are merged by their keys, as their schemas say.
	f.mustApply("alice", testPod("r-0"), "", podWith(`,"finalizers":["a.b/alice"]`, oneContainer))
	pod := f.mustApply("bob", testPod("r-0"), "", `{"apiVersion":"v1","kind":"Pod","metadata":{"finalizers":["a.b/bob"]}}`)
	if got := pod.GetFinalizers(); !slices.Equal(got, []string{"a.b/alice", "a.b/bob"}) {
		t.Errorf("finalizers %v", got)
	}
	pod = f.mustApply("alice", testPod("r-0"), "", podWith("", oneContainer))
	if got := pod.GetFinalizers(); !slices.Equal(got, []string{"a.b/bob"}) {
		t.Errorf("finalizers %v", got)
	}
}

// Lists of a custom resource are sets and maps where its schema says so.
func TestListsOfCustomResources(t *testing.T) {
	f := newFixture(t)
	set := func(offline string) string {
		return `{"apiVersion":"shoal.dev/v1alpha1","kind":"InstanceSet","metadata":{"name":"r"},"spec":{"offlineInstances":` + offline + `}}`
	}
	f.create(testSet())
	f.mustApply("alice", testSet(), "", set(`[1,3]`))
	s := f.mustApply("bob", testSet(), "", set(`[2]`)).(*v1alpha1.InstanceSet)
	if got := s.Spec.OfflineInstances; !slices.Equal(got, []int32{1, 3, 2}) {
		t.Errorf("offline %v", got)
	}
	s = f.mustApply("alice", testSet(), "", set(`[3]`)).(*v1alpha1.InstanceSet)
	if got := s.Spec.OfflineInstances; !slices.Equal(got, []int32{3, 2}) {
		t.Errorf("offline %v", got)
	}
}

func TestApplyingTheSameAgainIsNoEvent(t *testing.T) {
	newFixture(t) // compiles what all servers share: not in the bubble
	synctest.Test(t, applySameAgain)
}

func applySameAgain(t *testing.T) {
	f := newFixture(t)
	f.mustApply("alice", policy(), "", policyWith(`{"replicas":3,"maxNodes":2}`))
	f.create(testSet())
	then := metav1.Now()
	<-time.After(time.Minute)
	set := f.mustApply("alice", testSet(), "", `{"apiVersion":"shoal.dev/v1alpha1","kind":"InstanceSet","spec":{"paused":true}}`)
	for _, e := range set.GetManagedFields() {
		if (e.Manager == somebody) != e.Time.Equal(&then) {
			t.Errorf("%s owns what it has since %s", e.Manager, e.Time)
		}
	}
	n := len(f.Events(0))
	if p := f.mustApply("alice", policy(), "", policyWith(`{"replicas":3,"maxNodes":2}`)); len(f.Events(n)) > 0 {
		t.Errorf("version %s, events %v", p.GetResourceVersion(), f.Events(n))
	}
	// To have what others have is a change: of who has it.
	if p := f.mustApply("bob", policy(), "", policyWith(`{"maxNodes":2}`)); len(f.Events(n)) != 1 || p.GetGeneration() != 1 {
		t.Errorf("version %s, generation %d", p.GetResourceVersion(), p.GetGeneration())
	}
}

// Other writes take fields over without a question, and are asked when somebody applies.
func TestOtherWritesOwnFields(t *testing.T) {
	f := newFixture(t)
	f.mustApply("alice", policy(), "", policyWith(`{"replicas":3,"maxNodes":2}`))
	p := f.mustPatch(policy(), "", `{"spec":{"maxNodes":5}}`).(*v1alpha1.PlacementPolicy)
	if got := owners(p); got != "alice Apply, somebody Update" {
		t.Errorf("owned by %s", got)
	}
	_, err := f.apply("alice", policy(), "", policyWith(`{"replicas":3,"maxNodes":2}`))
	refused(t, err, apierrors.IsConflict, `conflict with "somebody" using shoal.dev/v1alpha1`)
	p.Spec.MaxNodes = ptr.To[int32](6)
	updated, err := f.Update(t.Context(), manager, p, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := fieldsOfManager(updated, "shoal-manager"); got != `{"f:spec":{"f:maxNodes":{}}}` {
		t.Errorf("the manager owns %s", got)
	}
	_, err = f.Scale(t.Context(), somebody, f.mustApply("alice", testSet(), "", setWith(`{"replicas":6}`)), &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r"}, Spec: autoscalingv1.ScaleSpec{Replicas: 8},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.apply("alice", testSet(), "", setWith(`{"replicas":6}`))
	refused(t, err, apierrors.IsConflict, `.spec.replicas`)
}

// template is what every set needs.
const template = `"template":{"spec":{"containers":[{"name":"redis","image":"redis"}]}}`

func setWith(spec string) string {
	return `{"apiVersion":"shoal.dev/v1alpha1","kind":"InstanceSet","metadata":{"name":"r"},"spec":{` + strings.Trim(spec, "{}") + `,` + template + `}}`
}

// The server keeps no managed fields before the first apply, and a client that applies cannot tell.
func TestTheFirstApplyKnowsWhoWroteBefore(t *testing.T) {
	f := newFixture(t)
	if s := f.create(testSet()); len(s.GetManagedFields()) > 0 {
		t.Errorf("of a set that was never applied: %v", s.GetManagedFields())
	}
	if _, err := f.patch(manager, testSet(), "status", `{"status":{"readyReplicas":3}}`); err != nil {
		t.Fatal(err)
	}
	if _, err := f.patch(manager, testSet(), "", `{"spec":{"paused":true}}`); err != nil {
		t.Fatal(err)
	}
	n := len(f.Events(0))
	_, err := f.apply("alice", testSet(), "", `{"apiVersion":"shoal.dev/v1alpha1","kind":"InstanceSet","spec":{"paused":false,"replicas":8}}`)
	refused(t, err, apierrors.IsConflict, "Apply failed with 2 conflicts")
	want := []string{`.spec.paused: conflict with "shoal-manager" using shoal.dev/v1alpha1`, `.spec.replicas: conflict with "somebody" using shoal.dev/v1alpha1`}
	if got := causes(err); fmt.Sprint(trimTimes(got)) != fmt.Sprint(want) {
		t.Errorf("causes %q, want %q", got, want)
	}
	if len(f.Events(n)) > 0 {
		t.Error("a refusal is a change")
	}
	s := f.mustApply("alice", testSet(), "", `{"apiVersion":"shoal.dev/v1alpha1","kind":"InstanceSet","spec":{"paused":true}}`)
	if got := owners(s); got != "alice Apply, shoal-manager Update, shoal-manager Update status, somebody Update" {
		t.Errorf("owned by %s", got)
	}
	// What admission adds has no owner, and neither has what a binding writes.
	f.create(testPod("r-0"))
	if err := bind(f, "r-0", "a"); err != nil {
		t.Fatal(err)
	}
	pod := f.mustApply("alice", testPod("r-0"), "", podWith(`,"labels":{"a":"b"}`, oneContainer))
	if got := owners(pod); got != "alice Apply, somebody Update" {
		t.Errorf("owned by %s", got)
	}
	if got := fieldsOfManager(pod, somebody); strings.Contains(got, "tolerations") || strings.Contains(got, "nodeName") || !strings.Contains(got, "f:image") {
		t.Errorf("somebody owns %s", got)
	}
}

func trimTimes(messages []string) []string {
	var out []string
	for _, m := range messages {
		m, _, _ = strings.Cut(m, " at ")
		out = append(out, m)
	}
	return out
}

func TestApplyThroughSubresources(t *testing.T) {
	f := newFixture(t)
	_, err := f.apply("alice", policy(), "status", policyWith(`{}`))
	refused(t, err, apierrors.IsNotFound, "r")
	o := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s"}}
	_, err = f.apply("alice", o, "status", `{"apiVersion":"apps/v1","kind":"StatefulSet","status":{"replicas":1}}`)
	refused(t, err, apierrors.IsNotFound, "s")
	f.create(&appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s"},
		Spec: appsv1.StatefulSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}, Replicas: ptr.To[int32](1),
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"a": "b"}}, Spec: testPod("s").Spec},
		},
	})
	s := f.mustApply("alice", o, "status", `{"apiVersion":"apps/v1","kind":"StatefulSet","spec":{"replicas":5},"status":{"replicas":1}}`).(*appsv1.StatefulSet)
	if *s.Spec.Replicas != 1 || s.Status.Replicas != 1 {
		t.Errorf("%d wanted, %d there", *s.Spec.Replicas, s.Status.Replicas)
	}
	if got := fieldsOfManager(s, "alice"); got != `{"f:status":{"f:replicas":{}}}` {
		t.Errorf("alice owns %s", got)
	}
}

func anyError(err error) bool { return err != nil }

func TestWhatCannotBeApplied(t *testing.T) {
	f := newFixture(t)
	_, err := f.apply("", policy(), "", policyWith(`{"replicas":3}`))
	refused(t, err, apierrors.IsInvalid, "fieldManager: Required value: is required for apply patch")
	_, err = f.apply("alice", policy(), "", `{"metadata":{"name":"r"},"spec":{}}`)
	refused(t, err, anyError, "invalid object type")
	_, err = f.apply("alice", policy(), "", `{`)
	refused(t, err, apierrors.IsBadRequest, "error decoding patch")
	_, err = f.apply("alice", policy(), "", `{"apiVersion":"shoal.dev/v1alpha1","kind":"PlacementPolicy","metadata":{"name":"other"},"spec":{"replicas":3}}`)
	refused(t, err, apierrors.IsBadRequest, "does not match the name on the URL")
	_, err = f.apply("alice", policy(), "", `{"apiVersion":"shoal.dev/v1alpha1","kind":"PlacementPolicy","metadata":{"name":"r","uid":"u77"},"spec":{"replicas":3}}`)
	refused(t, err, apierrors.IsConflict, "uid mismatch")
	_, err = f.apply("alice", testPod("r-0"), "", podWith(`,"labels":{"shoal.dev/lost":"x"}`, oneContainer))
	refused(t, err, apierrors.IsInvalid, "shoal.dev/lost")
	if _, err := f.Get(t.Context(), types.NamespacedName{Namespace: "ns", Name: "r"}, policy()); !apierrors.IsNotFound(err) {
		t.Errorf("a refusal has made it: %v", err)
	}
	// Other writes drop a field that nobody knows. Who applies is told.
	_, err = f.apply("alice", policy(), "", policyWith(`{"replicas":3,"maxnodes":2}`))
	refused(t, err, anyError, ".spec.maxnodes: field not declared in schema")
	_, err = f.apply("alice", testPod("r-0"), "", podWith("", `{"containers":[{"name":"redis","image":"redis"}],"nosuch":1}`))
	refused(t, err, anyError, "field not declared in schema")
}
