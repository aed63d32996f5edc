package policy

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

var orders = types.NamespacedName{Namespace: "ns", Name: "orders"}

// api is an API server without a network that counts writes of status.
type api struct {
	client.Client
	writes int
	fail   error // of the next writes
}

func newAPI(t *testing.T, objects ...client.Object) *api {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	a := &api{}
	a.Client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(&v1alpha1.PlacementPolicy{}).
		WithIndex(&corev1.Pod{}, byGroup, groupOf).WithIndex(&corev1.PersistentVolumeClaim{}, byGroup, groupOf).
		WithInterceptorFuncs(interceptor.Funcs{SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			if a.fail != nil {
				return a.fail
			}
			a.writes++
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		}}).Build()
	return a
}

func (a *api) reconcile(t *testing.T) (ctrl.Result, error) {
	t.Helper()
	return (&reconciler{client: a}).Reconcile(t.Context(), ctrl.Request{NamespacedName: orders})
}

func (a *api) status(t *testing.T) v1alpha1.PlacementPolicyStatus {
	t.Helper()
	var p v1alpha1.PlacementPolicy
	if err := a.Get(t.Context(), orders, &p); err != nil {
		t.Fatal(err)
	}
	return p.Status
}

func overTargets() *v1alpha1.PlacementPolicy {
	return &v1alpha1.PlacementPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: orders.Namespace, Name: orders.Name, Generation: 1},
		Spec: v1alpha1.PlacementPolicySpec{
			ScaleTargetRefs: []v1alpha1.ScaleTargetRef{{Kind: "StatefulSet", Name: "orders-0"}, {Kind: "InstanceSet", Name: "orders-1"}},
			PlacementLimits: v1alpha1.PlacementLimits{MaxInstancesPerNode: ptr.To(intstr.FromInt32(2))},
		},
	}
}

func statefulSet() *appsv1.StatefulSet {
	return &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "orders-0", Generation: 4}, Spec: appsv1.StatefulSetSpec{Replicas: ptr.To[int32](3)}}
}

func instanceSet() *v1alpha1.InstanceSet {
	return &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "orders-1", Generation: 7}, Spec: v1alpha1.InstanceSetSpec{Replicas: ptr.To[int32](2)}}
}

func roomyNode(name string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourcePods: resource.MustParse("110")}
	return n
}

func TestTargetsAreCountedWhenAllExist(t *testing.T) {
	a := newAPI(t, overTargets(), statefulSet(), roomyNode("a"), roomyNode("b"), roomyNode("c"))
	result, err := a.reconcile(t)
	if err != nil || result.RequeueAfter != lookAgain {
		t.Errorf("%v, %v: want to look again", result, err)
	}
	if s := a.status(t); s.ObservedGeneration != 0 || s.Replicas != 3 || meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionFeasible).Reason != "TargetNotFound" {
		t.Errorf("without its second target: %+v", s)
	}
	if err := a.Create(t.Context(), instanceSet()); err != nil {
		t.Fatal(err)
	}
	if result, err = a.reconcile(t); err != nil || result.RequeueAfter != lookAgain {
		t.Errorf("%v, %v: want to look again, as nothing is placed yet, and others may take the room", result, err)
	}
	if s := a.status(t); s.ObservedGeneration != 1 || s.Replicas != 5 || !meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionFeasible) {
		t.Errorf("with both targets: %+v", s)
	}
	want := []v1alpha1.ScaleTargetCount{
		{Kind: "StatefulSet", Name: "orders-0", Replicas: 3, ObservedGeneration: 4},
		{Kind: "InstanceSet", Name: "orders-1", Replicas: 2, ObservedGeneration: 7},
	}
	if s := a.status(t); !slices.Equal(s.Targets, want) {
		t.Errorf("counted %+v", s.Targets)
	}
}

func TestAStatusThatIsTrueIsNotWritten(t *testing.T) {
	a := newAPI(t, overTargets(), statefulSet(), instanceSet(), roomyNode("a"))
	for range 3 {
		if _, err := a.reconcile(t); err != nil {
			t.Fatal(err)
		}
	}
	if a.writes != 1 {
		t.Errorf("%d writes, want one", a.writes)
	}
}

func TestAPolicyThatIsDeletedMeanwhileIsNoError(t *testing.T) {
	gone := apierrors.NewNotFound(v1alpha1.Resource("placementpolicies"), orders.Name)
	a := newAPI(t, overTargets(), statefulSet(), instanceSet())
	a.fail = gone
	if _, err := a.reconcile(t); err != nil {
		t.Errorf("before the write: %v", err)
	}
	a.fail = errors.New("no network")
	if _, err := a.reconcile(t); err == nil {
		t.Error("a failed write was not reported")
	}
	if _, err := newAPI(t).reconcile(t); err != nil {
		t.Errorf("before it was read: %v", err)
	}
}

// TestClaimsWithoutLabelsHoldTheirSlots: the pod of a StatefulSet waits for its node, where its volume is. The claim has no labels, and
// holds the slot there all the same, as it does for the scheduler.
func TestClaimsWithoutLabelsHoldTheirSlots(t *testing.T) {
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "data-r-1", Annotations: map[string]string{slots.SelectedNode: "a"}}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r-1", UID: "r-1", Labels: map[string]string{v1alpha1.LabelPlacementPolicy: "orders"}}}
	pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name},
	}}}
	a := newAPI(t, overTargets(), statefulSet(), instanceSet(), roomyNode("a"), claim, pod)
	if _, err := a.reconcile(t); err != nil {
		t.Fatal(err)
	}
	if got := a.status(t); got.Instances != 1 || got.NodesUsed != 1 {
		t.Errorf("%d instances on %d nodes, want the one whose volume is on a", got.Instances, got.NodesUsed)
	}
}

func TestAVolumeLeadsToThePolicyOfItsClaim(t *testing.T) {
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "data", Labels: map[string]string{v1alpha1.LabelPlacementPolicy: "orders"}}}
	r := &reconciler{client: newAPI(t, claim)}
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv"}}
	if got := r.policyOfVolume(t.Context(), volume); len(got) > 0 {
		t.Errorf("a free volume leads to %v", got)
	}
	volume.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "ns", Name: "data"}
	if got := r.policyOfVolume(t.Context(), volume); len(got) != 1 || got[0].NamespacedName != orders {
		t.Errorf("it leads to %v, want %v", got, orders)
	}
	volume.Spec.ClaimRef.Name = "unknown"
	if got := r.policyOfVolume(t.Context(), volume); len(got) > 0 {
		t.Errorf("a volume of an unknown claim leads to %v", got)
	}
}

func TestHeartbeatsOfNodesAreLeftOut(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*corev1.Node)
		matters bool
	}{
		"a heartbeat": {func(n *corev1.Node) {
			n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, LastHeartbeatTime: metav1.NewTime(time.Unix(1, 0))}}
		}, false},
		"cordoned":     {func(n *corev1.Node) { n.Spec.Unschedulable = true }, true},
		"tainted":      {func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeOutOfService}} }, true},
		"labelled":     {func(n *corev1.Node) { n.Labels = map[string]string{"disk": "fast"} }, true},
		"made smaller": {func(n *corev1.Node) { n.Status.Allocatable[corev1.ResourceCPU] = resource.MustParse("4") }, true},
	} {
		after := roomyNode("a")
		c.change(after)
		if got := nodeMatters().Update(event.UpdateEvent{ObjectOld: roomyNode("a"), ObjectNew: after}); got != c.matters {
			t.Errorf("%s: %v, want %v", name, got, c.matters)
		}
	}
}
