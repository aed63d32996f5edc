package instanceset

import (
	"slices"
	"testing"

	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
)

// A budget is made with the set, put back as it was, left alone where it is somebody else's, and goes when the template says so.
func TestTheBudgetOfASet(t *testing.T) {
	set := testSet(0)
	h := newHarness(t, set)
	name := types.NamespacedName{Namespace: "ns", Name: "r"}
	reconcile := func() {
		t.Helper()
		if _, err := h.Reconcile(t.Context(), ctrl.Request{NamespacedName: name}); err != nil {
			t.Fatal(err)
		}
	}
	budget := func() *policyv1.PodDisruptionBudget {
		t.Helper()
		b := &policyv1.PodDisruptionBudget{}
		if err := h.client.Get(t.Context(), name, b); err != nil {
			t.Fatal(err)
		}
		return b
	}
	reconcile()
	b := budget()
	if b.Spec.MaxUnavailable.String() != "0" {
		t.Fatalf("%+v", b.Spec)
	}

	one, always := intstr.FromInt32(1), policyv1.AlwaysAllow
	b.Spec.MaxUnavailable, b.Spec.UnhealthyPodEvictionPolicy, b.Spec.Selector.MatchLabels["a"] = &one, &always, "b"
	b.Labels["other"] = "x"
	if err := h.client.Update(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	reconcile()
	b = budget()
	if want := podspec.Budget(set).Spec; b.Spec.MaxUnavailable.String() != "0" || b.Spec.UnhealthyPodEvictionPolicy != nil || b.Spec.Selector.String() != want.Selector.String() || b.Labels["other"] != "x" {
		t.Errorf("it is not as it was: %+v", b)
	}
	h.writes = nil
	reconcile()
	if len(h.writes) > 0 {
		t.Errorf("a budget that is as it should be is written to: %v", h.writes)
	}

	if err := h.client.Get(t.Context(), name, set); err != nil {
		t.Fatal(err)
	}
	set.Spec.Template.Annotations = map[string]string{v1alpha1.AnnotationAllowDisruption: v1alpha1.AllowDisruption}
	if err := h.client.Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	reconcile()
	if err := h.client.Get(t.Context(), name, &policyv1.PodDisruptionBudget{}); !apierrors.IsNotFound(err) {
		t.Errorf("the budget is there: %v", err)
	}
	if options := h.deletes["r"]; options.Preconditions == nil || options.Preconditions.UID == nil || *options.Preconditions.UID != b.UID {
		t.Errorf("a deletion that names nobody: %+v", options)
	}

	stranger := podspec.Budget(set)
	stranger.OwnerReferences, stranger.Spec.MaxUnavailable = nil, &one
	if err := h.client.Create(t.Context(), stranger); err != nil {
		t.Fatal(err)
	}
	if err := h.client.Get(t.Context(), name, set); err != nil {
		t.Fatal(err)
	}
	set.Spec.Template.Annotations = nil
	if err := h.client.Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	h.writes = nil
	reconcile()
	if b := budget(); b.Spec.MaxUnavailable.String() != "1" || slices.Contains(h.writes, "patch PodDisruptionBudget r") {
		t.Errorf("somebody else's budget was written to: %v, %v", b.Spec, h.writes)
	}
}
