package instanceset

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/redis"
)

// recorded keeps events as lines.
type recorded struct {
	mu    sync.Mutex
	lines []string
}

func (r *recorded) Eventf(_, _ runtime.Object, kind, why, _, note string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, kind+" "+why+" "+fmt.Sprintf(note, args...))
}

// harness is a reconciler on a fake API server. Deletions and patches are recorded as they were sent, because the fake
// does not refuse them for a wrong UID: that the real one does is tested in test/integration.
type harness struct {
	*reconciler
	events  *recorded
	client  client.WithWatch
	mu      sync.Mutex
	writes  []string // verb, kind and name, in order
	deletes map[string]client.DeleteOptions
	patches map[string]string
	refuse  func(verb string, o client.Object) error
}

func newHarness(t *testing.T, objects ...client.Object) *harness {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	h := &harness{events: &recorded{}, deletes: map[string]client.DeleteOptions{}, patches: map[string]string{}}
	b := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(&v1alpha1.InstanceSet{}).WithInterceptorFuncs(h.spy())
	for _, i := range indexes() {
		b = b.WithIndex(i.object, i.name, i.keys)
	}
	h.client = b.Build()
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	h.reconciler = &reconciler{
		cache: h.client, live: h.client, writer: client.WithFieldOwner(h.client, FieldOwner), events: h.events, metrics: m,
		own: newOwnWrites(time.Now), workers: 8, now: time.Now,
		ask: func(context.Context, string) (redis.Role, error) {
			return redis.Role{}, errors.New("nobody is asked here")
		},
	}
	return h
}

func (h *harness) wrote(verb string, o client.Object) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	kind := strings.TrimPrefix(fmt.Sprintf("%T", o), "*v1.")
	h.writes = append(h.writes, verb+" "+kind+" "+o.GetName())
	if h.refuse != nil {
		return h.refuse(verb, o)
	}
	return nil
}

func (h *harness) spy() interceptor.Funcs {
	return interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if err := h.wrote("create", o); err != nil {
				return err
			}
			return c.Create(ctx, o, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			err := h.wrote("delete", o)
			var sent client.DeleteOptions
			sent.ApplyOptions(opts)
			h.mu.Lock()
			h.deletes[o.GetName()] = sent
			h.mu.Unlock()
			if err != nil {
				return err
			}
			return c.Delete(ctx, o)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			err := h.wrote("patch", o)
			text, _ := p.Data(o)
			h.mu.Lock()
			h.patches[o.GetName()] = string(text)
			h.mu.Unlock()
			if err != nil {
				return err
			}
			return c.Patch(ctx, o, p, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			if err := h.wrote(sub, o); err != nil {
				return err
			}
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
	}
}

func testSet(replicas int32) *v1alpha1.InstanceSet {
	set := &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: "r", UID: "set-uid", Generation: 1, Finalizers: []string{v1alpha1.Finalizer},
	}}
	set.Spec.Replicas = &replicas
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: "redis", Image: "redis:7"}}
	set.Spec.VolumeClaimTemplates = []v1alpha1.VolumeClaimTemplate{{Metadata: v1alpha1.VolumeClaimMeta{Name: "data"}}}
	return set
}

func (h *harness) carryOut(t *testing.T, changes ...decide.Change) (again bool, err error) {
	t.Helper()
	o, err := h.load(t.Context(), types.NamespacedName{Namespace: "ns", Name: "r"})
	if err != nil {
		t.Fatal(err)
	}
	s := decide.Observe(time.Now(), o)
	plan := decide.Decide(s)
	plan.Changes = changes
	return h.commit(t.Context(), o, s, plan)
}

func createPod(ordinal int32) decide.Change {
	return decide.Change{
		Kind: decide.CreatePod, Ordinal: ordinal, Object: podspec.Name("r", ordinal), Reason: reason.CreateInstance,
		Words: reason.CreateInstance.Message(), Instance: podspec.Instance{Ordinal: ordinal},
	}
}

func createClaim(ordinal int32) decide.Change {
	c := createPod(ordinal)
	c.Kind, c.Object = decide.CreateClaim, podspec.ClaimName("data", "r", ordinal)
	return c
}

func (h *harness) condition(t *testing.T, kind string) metav1.Condition {
	t.Helper()
	var set v1alpha1.InstanceSet
	if err := h.client.Get(t.Context(), types.NamespacedName{Namespace: "ns", Name: "r"}, &set); err != nil {
		t.Fatal(err)
	}
	for _, c := range set.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	t.Fatalf("no condition %s", kind)
	return metav1.Condition{}
}

func TestWhatIsThereAlreadyIsDone(t *testing.T) {
	set := testSet(2)
	h := newHarness(t, set,
		podspec.Claim(set, &set.Spec.VolumeClaimTemplates[0], podspec.Instance{Ordinal: 0}), podspec.Pod(set, podspec.Instance{Ordinal: 0}))
	again, err := h.carryOut(t, createClaim(0), createPod(0))
	if again || err != nil {
		t.Fatalf("again %v, %v", again, err)
	}
}

func TestWhatIsGoneAlreadyIsDone(t *testing.T) {
	h := newHarness(t, testSet(2))
	again, err := h.carryOut(t, decide.Change{Kind: decide.DeletePod, Ordinal: 1, Object: "r-1", UID: "u"},
		decide.Change{Kind: decide.DeleteClaim, Ordinal: 1, Object: "data-r-1", UID: "c"})
	if again || err != nil {
		t.Fatalf("again %v, %v", again, err)
	}
}

func TestForeignObjectsAreReportedAndHoldNobodyElse(t *testing.T) {
	set := testSet(3)
	stranger := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r-0", Labels: map[string]string{v1alpha1.LabelInstanceSet: "r"}}}
	strangersClaim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "data-r-1"}}
	h := newHarness(t, set, stranger, strangersClaim)
	_, err := h.carryOut(t, createClaim(0), createPod(0), createClaim(1), createPod(1), createClaim(2), createPod(2))
	if err == nil {
		t.Fatal("nothing is reported")
	}
	if c := h.condition(t, v1alpha1.ConditionProgressing); c.Status != metav1.ConditionFalse || c.Reason != "ForeignObject" {
		t.Errorf("%+v", c)
	}
	if slices.Contains(h.writes, "create Pod r-1") {
		t.Error("the pod was created although its claim belongs to somebody else")
	}
	if !slices.Contains(h.writes, "create Pod r-2") {
		t.Error("r-2 was held by the others")
	}
	var pod corev1.Pod
	if err := h.client.Get(t.Context(), client.ObjectKeyFromObject(stranger), &pod); err != nil || len(pod.OwnerReferences) != 0 {
		t.Errorf("the stranger's pod was touched: %+v, %v", pod.ObjectMeta, err)
	}
	if n := testutil.ToFloat64(h.failures.WithLabelValues("CreatePod", reason.ForeignObject.String())); n != 1 {
		t.Errorf("%v failures counted", n)
	}
}

// A claim that another life of the instance left behind, unseen by the cache, is ours and not the one that the pod rests on.
func TestAnotherClaimOfTheInstanceIsTooLate(t *testing.T) {
	for name, change := range map[string]func(*corev1.PersistentVolumeClaim){
		"lost":       func(c *corev1.PersistentVolumeClaim) { c.Labels[v1alpha1.LabelLost] = "node" },
		"retired":    func(c *corev1.PersistentVolumeClaim) { c.Labels[v1alpha1.LabelRetired] = v1alpha1.RetiredValue },
		"generation": func(c *corev1.PersistentVolumeClaim) { c.Annotations[v1alpha1.AnnotationRebuildGeneration] = "1" },
	} {
		t.Run(name, func(t *testing.T) {
			set := testSet(1)
			claim := podspec.Claim(set, &set.Spec.VolumeClaimTemplates[0], podspec.Instance{})
			change(claim)
			h := newHarness(t, set, claim)
			again, err := h.carryOut(t, createClaim(0), createPod(0))
			if !again || err != nil || slices.Contains(h.writes, "create Pod r-0") {
				t.Errorf("again %v, %v, %v", again, err, h.writes)
			}
		})
	}
}

func TestDeletionsNameWhatTheyMean(t *testing.T) {
	set := testSet(2)
	pod := podspec.Pod(set, podspec.Instance{Ordinal: 1})
	pod.UID = "pod-uid"
	claim := podspec.Claim(set, &set.Spec.VolumeClaimTemplates[0], podspec.Instance{Ordinal: 1})
	claim.UID = "claim-uid"
	h := newHarness(t, set, pod, claim, fencedNode("n"))
	_, err := h.carryOut(t,
		decide.Change{Kind: decide.DeleteClaim, Ordinal: 1, Object: "data-r-1", UID: "claim-uid", Version: "7"},
		decide.Change{Kind: decide.DeletePod, Ordinal: 1, Object: "r-1", UID: "pod-uid", Force: true, Fenced: onNode("n")})
	if err != nil {
		t.Fatal(err)
	}
	sent := h.deletes["r-1"]
	if sent.Preconditions == nil || sent.Preconditions.UID == nil || *sent.Preconditions.UID != "pod-uid" {
		t.Errorf("the pod is deleted without its UID: %+v", sent.Preconditions)
	}
	if sent.GracePeriodSeconds == nil || *sent.GracePeriodSeconds != 0 {
		t.Error("force is not grace period 0")
	}
	sent = h.deletes["data-r-1"]
	if sent.Preconditions == nil || sent.Preconditions.UID == nil || *sent.Preconditions.UID != "claim-uid" ||
		sent.Preconditions.ResourceVersion == nil || *sent.Preconditions.ResourceVersion != "7" {
		t.Errorf("the claim is deleted without its UID and version: %+v", sent.Preconditions)
	}
	if sent.GracePeriodSeconds != nil {
		t.Error("a claim is forced away")
	}
}

func TestPatchesNameWhatTheyMean(t *testing.T) {
	set := testSet(2)
	pod := podspec.Pod(set, podspec.Instance{Ordinal: 1})
	pod.UID = "pod-uid"
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv", UID: "pv-uid", ResourceVersion: "9"}}
	h := newHarness(t, set, pod, volume, fencedNode("n"))
	_, err := h.carryOut(t,
		decide.Change{Kind: decide.LabelPod, Ordinal: 1, Object: "r-1", UID: "pod-uid", Label: v1alpha1.LabelLost, Value: "node-uid", Fenced: onNode("n")},
		decide.Change{Kind: decide.RetainVolume, Ordinal: 1, Object: "pv", UID: "pv-uid", Version: "9", RetainedFor: "ns/r-1", Generation: 2, Fenced: onNode("n")})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"metadata":{"uid":"pod-uid","labels":{"shoal.dev/lost":"node-uid"}}}`; h.patches["r-1"] != want {
		t.Errorf("sent %s", h.patches["r-1"])
	}
	var kept corev1.PersistentVolume
	if err := h.client.Get(t.Context(), types.NamespacedName{Name: "pv"}, &kept); err != nil {
		t.Fatal(err)
	}
	if kept.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimRetain ||
		kept.Annotations[v1alpha1.AnnotationRetainedFor] != "ns/r-1" || kept.Annotations[v1alpha1.AnnotationRebuildGeneration] != "2" {
		t.Errorf("%+v", kept)
	}
	if !strings.Contains(h.patches["pv"], `"uid":"pv-uid","resourceVersion":"9"`) {
		t.Errorf("sent %s", h.patches["pv"])
	}
}

func TestFailuresAreIsolatedAndTold(t *testing.T) {
	h := newHarness(t, testSet(40))
	h.refuse = func(verb string, o client.Object) error {
		if verb == "create" && o.GetName() == "data-r-7" {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "persistentvolumeclaims"}, o.GetName(), errors.New("exceeded quota"))
		}
		return nil
	}
	var changes []decide.Change
	for o := range int32(40) {
		changes = append(changes, createClaim(o), createPod(o))
	}
	_, err := h.carryOut(t, changes...)
	if err == nil || !strings.Contains(err.Error(), "exceeded quota") {
		t.Errorf("the error is %v", err)
	}
	var pods corev1.PodList
	if err := h.client.List(t.Context(), &pods); err != nil || len(pods.Items) != 39 {
		t.Errorf("%d pods were made, %v", len(pods.Items), err)
	}
	if c := h.condition(t, v1alpha1.ConditionProgressing); c.Reason != "WriteFailed" || !strings.Contains(c.Message, "exceeded quota") {
		t.Errorf("%+v", c)
	}
	if last := h.writes[len(h.writes)-1]; last != "status *v1alpha1.InstanceSet r" {
		t.Errorf("the last write is %s", last)
	}
	if len(h.events.lines) != 2 || !strings.HasPrefix(h.events.lines[0], "Normal CreateInstance r-0, r-1, r-2, r-3, r-4, r-5, r-6, r-8, r-9, r-10 and 29 more: ") ||
		!strings.HasPrefix(h.events.lines[1], "Warning WriteFailed ") {
		t.Errorf("events: %q", h.events.lines)
	}
}

func TestAnOutageIsNotMetByEveryWrite(t *testing.T) {
	h := newHarness(t, testSet(1))
	h.refuse = func(verb string, _ client.Object) error {
		if verb == "create" {
			return apierrors.NewInternalError(errors.New("down"))
		}
		return nil
	}
	var changes []decide.Change
	for o := range int32(2000) {
		changes = append(changes, createPod(o))
	}
	if _, err := h.carryOut(t, changes...); err == nil {
		t.Fatal("no error")
	}
	if len(h.writes) > enoughFailures+10 {
		t.Errorf("%d writes were tried", len(h.writes))
	}
}

func TestAnEqualStatusIsNotWritten(t *testing.T) {
	h := newHarness(t, testSet(1))
	fixed := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for range 2 {
		o, err := h.load(t.Context(), types.NamespacedName{Namespace: "ns", Name: "r"})
		if err != nil {
			t.Fatal(err)
		}
		s := decide.Observe(fixed, o)
		plan := decide.Decide(s)
		plan.Changes = nil
		if _, err := h.commit(t.Context(), o, s, plan); err != nil {
			t.Fatal(err)
		}
	}
	if len(h.writes) != 1 {
		t.Errorf("writes: %q", h.writes)
	}
}

// A manager that was slow must not take back what was written since it loaded the set: a record of bootstrapped
// instances that shrinks lets an empty instance start as a master.
func TestAStatusIsNotWrittenOverANewerVersion(t *testing.T) {
	h := newHarness(t, testSet(3))
	name := types.NamespacedName{Namespace: "ns", Name: "r"}
	o, err := h.load(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	s := decide.Observe(time.Now(), o)
	plan := decide.Decide(s)
	plan.Changes, plan.Status.Bootstrapped = nil, "0"

	var newer v1alpha1.InstanceSet
	if err := h.client.Get(t.Context(), name, &newer); err != nil {
		t.Fatal(err)
	}
	newer.Status.Bootstrapped = "0-2"
	if err := h.client.Status().Update(t.Context(), &newer); err != nil {
		t.Fatal(err)
	}
	if again, err := h.commit(t.Context(), o, s, plan); again || err != nil {
		t.Errorf("again %v, %v: the newer version raises an event of its own", again, err)
	}
	if !slices.Contains(h.writes, "status *v1alpha1.InstanceSet r") {
		t.Error("no status was written: the test proves nothing")
	}
	var stored v1alpha1.InstanceSet
	if err := h.client.Get(t.Context(), name, &stored); err != nil || stored.Status.Bootstrapped != "0-2" {
		t.Errorf("bootstrapped is %q, %v: the record of a newer version was taken back", stored.Status.Bootstrapped, err)
	}
}

// TestReconcile runs the controller from an empty set to the point where nothing is left for it to do.
func TestReconcile(t *testing.T) {
	set := testSet(3)
	set.Finalizers = nil
	five := int32(5)
	set.Spec.Placement = &v1alpha1.PlacementLimits{MaxNodes: &five}
	h := newHarness(t, set)
	for range 6 {
		if _, err := h.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(set)}); err != nil {
			t.Fatal(err)
		}
	}
	position := func(write string) int {
		at := slices.Index(h.writes, write)
		if at < 0 {
			t.Fatalf("%s is missing in %q", write, h.writes)
		}
		return at
	}
	if position("create *v1alpha1.PlacementPolicy r") > position("create Pod r-0") || position("patch *v1alpha1.InstanceSet r") > position("create PersistentVolumeClaim data-r-0") {
		t.Errorf("order: %q", h.writes)
	}
	before := len(h.writes)
	if _, err := h.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(set)}); err != nil || len(h.writes) != before {
		t.Errorf("a settled set is written: %q, %v", h.writes[before:], err)
	}
	var pods corev1.PodList
	if err := h.client.List(t.Context(), &pods); err != nil || len(pods.Items) != 3 {
		t.Errorf("%d pods, %v", len(pods.Items), err)
	}
}

func TestAnEventSaysWhatHoldsForAll(t *testing.T) {
	change := func(ordinal int32, words string) decide.Change {
		return decide.Change{Kind: decide.DeleteClaim, Ordinal: ordinal, Reason: reason.ReplaceClaim, Words: words}
	}
	set := testSet(3)
	if got := eventsOf(set, []decide.Change{change(1, "volume a")}); len(got) != 1 || got[0].note != "r-1: volume a" {
		t.Errorf("%+v", got)
	}
	got := eventsOf(set, []decide.Change{change(2, "volume b"), change(1, "volume a"), change(2, "volume c")})
	if len(got) != 1 || got[0].note != "r-1, r-2: "+reason.ReplaceClaim.Message() {
		t.Errorf("%+v", got)
	}
}

// TestARefusedTemplateOfAClaimHoldsNothingElseUp: a webhook that lets nobody write to claims keeps nothing from an instance but the deletion of its pod: without
// that, its claim would be found with a former template, and another instance in its place.
func TestARefusedTemplateOfAClaimHoldsNothingElseUp(t *testing.T) {
	set := testSet(1)
	claim := podspec.Claim(set, &set.Spec.VolumeClaimTemplates[0], podspec.Instance{})
	claim.UID = "claim-uid"
	label := decide.Change{Kind: decide.LabelClaim, Object: "data-r-0", UID: "claim-uid", Label: v1alpha1.LabelTemplate, Value: "large"}
	for _, test := range []struct {
		then    decide.Change
		written string
		is      bool
	}{
		{createPod(0), "create Pod r-0", true},
		{decide.Change{Kind: decide.DeletePod, Object: "r-0", UID: "pod-uid"}, "delete Pod r-0", false},
	} {
		h := newHarness(t, set.DeepCopy(), claim.DeepCopy())
		h.refuse = func(verb string, o client.Object) error {
			if _, is := o.(*corev1.PersistentVolumeClaim); is && verb == "patch" {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "persistentvolumeclaims"}, o.GetName(), errors.New("claims are ours"))
			}
			return nil
		}
		if _, err := h.carryOut(t, label, test.then); err == nil {
			t.Error("the refusal is no error")
		}
		if slices.Contains(h.writes, test.written) != test.is {
			t.Errorf("%s: %v", test.written, h.writes)
		}
	}
}

// TestARefusedGrowthHoldsNothingElseUp: a quota that lets no volume grow does not keep the image from the instance, and is told.
func TestARefusedGrowthHoldsNothingElseUp(t *testing.T) {
	set := testSet(1)
	claim := podspec.Claim(set, &set.Spec.VolumeClaimTemplates[0], podspec.Instance{})
	claim.UID = "claim-uid"
	h := newHarness(t, set, claim)
	h.refuse = func(verb string, o client.Object) error {
		if _, is := o.(*corev1.PersistentVolumeClaim); is && verb == "patch" {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "persistentvolumeclaims"}, o.GetName(), errors.New("exceeded quota: storage"))
		}
		return nil
	}
	growth := decide.Change{Kind: decide.GrowClaim, Object: "data-r-0", UID: "claim-uid", Size: "2Gi"}
	if _, err := h.carryOut(t, growth, createPod(0)); err == nil {
		t.Error("the refusal is no error")
	}
	if !slices.Contains(h.writes, "create Pod r-0") {
		t.Errorf("what has nothing to do with it was not written: %v", h.writes)
	}
	if c := h.condition(t, v1alpha1.ConditionUpdating); !strings.Contains(c.Message, "exceeded quota") {
		t.Errorf("the condition is %+v", c)
	}
	if want := `{"metadata":{"uid":"claim-uid"},"spec":{"resources":{"requests":{"storage":"2Gi"}}}}`; h.patches["data-r-0"] != want {
		t.Errorf("sent %s, want %s", h.patches["data-r-0"], want)
	}
}
