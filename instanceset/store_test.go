package instanceset

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/podspec"
)

// keeper is an informer that is given its objects.
type keeper struct{ toolscache.Indexer }

func (k keeper) GetIndexer() toolscache.Indexer { return k.Indexer }

// TestStoresTellSetsOfOneNameApart: two sets of one name in two namespaces have pods and claims of the same names and labels. Each sees its own.
func TestStoresTellSetsOfOneNameApart(t *testing.T) {
	pods := keeper{toolscache.NewIndexer(toolscache.MetaNamespaceKeyFunc, toolscache.Indexers{})}
	claims := keeper{toolscache.NewIndexer(toolscache.MetaNamespaceKeyFunc, toolscache.Indexers{})}
	s, err := newStores(func(o client.Object) (Informer, bool) {
		switch o.(type) {
		case *corev1.Pod:
			return pods, true
		case *corev1.PersistentVolumeClaim:
			return claims, true
		}
		return nil, false
	})
	if err != nil {
		t.Fatal(err)
	}
	r := &reconciler{stores: s}
	for _, namespace := range []string{"here", "there"} {
		set := testSet(1)
		set.Namespace = namespace
		pod, claim := podspec.Pod(set, podspec.Instance{}), podspec.Claim(set, &set.Spec.VolumeClaimTemplates[0], podspec.Instance{})
		if err := pods.Add(pod); err != nil {
			t.Fatal(err)
		}
		if err := claims.Add(claim); err != nil {
			t.Fatal(err)
		}
	}
	for _, namespace := range []string{"here", "there"} {
		set := testSet(1)
		set.Namespace = namespace
		got, err := r.podsOf(t.Context(), types.NamespacedName{Namespace: namespace, Name: set.Name})
		if err != nil || len(got) != 1 || got[0].Namespace != namespace {
			t.Errorf("pods of the set in %s: %v %v", namespace, got, err)
		}
		volumes, err := r.claimsBy(t.Context(), set, labelKey(set.Name))
		if err != nil || len(volumes) != 1 || volumes[0].Namespace != namespace {
			t.Errorf("claims of the set in %s: %v %v", namespace, volumes, err)
		}
	}
}
