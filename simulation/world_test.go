// The scheduler breaks ties between nodes by the global source of chance, which must be seeded.
//
//go:debug randseednop=0
package simulation

import (
	"math/rand"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

func TestMain(m *testing.M) {
	Prepare()
	os.Exit(m.Run())
}

var assets = sync.OnceValues(func() (*Assets, error) { return Load("../manifests") })

// inWorld runs a function with a world of its own, in a bubble.
func inWorld(t *testing.T, seed int64, do func(*World)) {
	t.Helper()
	a, err := assets()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		rand.Seed(seed) //nolint:staticcheck // see the top of the file
		w, err := New(t.Context(), a, seed)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		do(w)
	})
}

func TestASetComesUp(t *testing.T) {
	inWorld(t, 1, func(w *World) {
		for _, n := range []string{"a", "b", "c"} {
			w.addNode(n, Node(8))
		}
		w.must(w.user.create(w.ctx, Set("r", 6, 2, 3)))
		if err := w.Run(time.Minute); err != nil {
			t.Error(err)
		}
		set, _ := find[*v1alpha1.InstanceSet](w, keyOf(Set("r", 0, 0, 0)))
		if set == nil || set.Status.ReadyReplicas != 6 || set.Status.Nodes != 3 {
			t.Errorf("%+v", set)
		}
		if t.Failed() || testing.Verbose() {
			t.Log("\n" + w.trace.last(400))
		}
	})
}

// The node lifecycle evicts nobody when it hears of no node at all: a taint that is gone does not mean that its node is back.
func TestNobodyIsEvictedWhenAllNodesAreSilent(t *testing.T) {
	inWorld(t, 1, func(w *World) {
		tainted := func() (names string) {
			w.must(w.Run(2 * nodeMonitorGrace))
			for _, n := range all[*corev1.Node](w) {
				if slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Effect == corev1.TaintEffectNoExecute }) {
					names += n.Name
				}
			}
			return names
		}
		w.addNode("a", Node(8))
		w.addNode("b", Node(8))
		w.silence("a", false)
		if got := tainted(); got != "a" {
			t.Errorf("a is silent: %q may be evicted", got)
		}
		w.silence("b", false)
		if got := tainted(); got != "" {
			t.Errorf("all are silent: %q may be evicted", got)
		}
		w.restore("b")
		if got := tainted(); got != "a" {
			t.Errorf("b is back: %q may be evicted", got)
		}
	})
}

// What the manager's client applies reaches the server, with its options.
func TestAControllerMayApply(t *testing.T) {
	inWorld(t, 1, func(w *World) {
		to := writer{reader: reader{w.operator.replicas}, access: w.operator.access}
		apply := func(nodes int64, opts ...client.ApplyOption) (*unstructured.Unstructured, error) {
			u := &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "shoal.dev/v1alpha1", "kind": "PlacementPolicy", "metadata": map[string]any{"name": "p", "namespace": Namespace},
				"spec": map[string]any{"replicas": int64(4), "maxNodes": nodes},
			}}
			return u, to.Apply(w.ctx, client.ApplyConfigurationFromUnstructured(u), opts...)
		}
		stored, err := apply(2, client.FieldOwner("one"))
		if err != nil || stored.GetUID() == "" {
			t.Errorf("the first apply: %v, %v", stored, err)
		}
		if _, err := apply(3, client.FieldOwner("other")); !apierrors.IsConflict(err) {
			t.Errorf("another owner: %v", err)
		}
		if _, err := apply(3, client.FieldOwner("other"), client.ForceOwnership); err != nil {
			t.Errorf("by force: %v", err)
		}
		if err := w.Run(time.Second); err != nil {
			t.Error(err)
		}
		if p, _ := find[*v1alpha1.PlacementPolicy](w, client.ObjectKey{Namespace: Namespace, Name: "p"}); p == nil || *p.Spec.MaxNodes != 3 {
			t.Errorf("%+v", p)
		}
	})
}
