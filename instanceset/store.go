package instanceset

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// Informer is where the cache keeps the objects of one kind.
type Informer interface {
	AddIndexers(indexers toolscache.Indexers) error
	GetIndexer() toolscache.Indexer
}

// stores give pods and claims of sets by pointer. A list of the cache copies each object's outermost struct, whatever it is asked for: 12 MB for each
// look at 10,000 pods. The zero value has nothing, and lists are read.
type stores struct {
	pods, claims, volumes toolscache.Indexer
}

// keysOfStores are what stores are asked by: the cache's indexes, with the namespace before each key.
const keysOfStores = "instanceset/pointers"

func newStores(informer func(client.Object) (Informer, bool)) (s stores, err error) {
	if informer == nil {
		return s, nil
	}
	for _, i := range indexes() {
		into := &s.pods
		switch i.object.(type) {
		case *corev1.Pod:
		case *corev1.PersistentVolumeClaim:
			into = &s.claims
		default:
			continue
		}
		if i.name != podsBySet && i.name != claimsBySet {
			continue
		}
		found, ok := informer(i.object)
		if !ok {
			return stores{}, nil
		}
		if err := found.AddIndexers(toolscache.Indexers{keysOfStores: namespaced(i.keys)}); err != nil {
			return stores{}, fmt.Errorf("indexing %T by set: %w", i.object, err)
		}
		*into = found.GetIndexer()
	}
	if volumes, ok := informer(&corev1.PersistentVolume{}); ok {
		s.volumes = volumes.GetIndexer()
	}
	return s, nil
}

func namespaced(keys client.IndexerFunc) toolscache.IndexFunc {
	return func(o any) ([]string, error) {
		object, ok := o.(client.Object)
		if !ok {
			return nil, fmt.Errorf("no object: %T", o)
		}
		all := keys(object)
		for n := range all {
			all[n] = object.GetNamespace() + "/" + all[n]
		}
		return all, nil
	}
}

// stored are the objects of one key.
func stored[T any](from toolscache.Indexer, namespace, key string) ([]T, error) {
	found, err := from.ByIndex(keysOfStores, namespace+"/"+key)
	if err != nil {
		return nil, err
	}
	all := make([]T, 0, len(found))
	for _, o := range found {
		if object, ok := o.(T); ok {
			all = append(all, object)
		}
	}
	return all, nil
}

// volume is the volume with a name, nil for none.
func (r *reconciler) volume(ctx context.Context, name string) (*corev1.PersistentVolume, error) {
	if r.stores.volumes != nil {
		found, _, err := r.stores.volumes.GetByKey(name)
		if err != nil {
			return nil, fmt.Errorf("reading volume %s: %w", name, err)
		}
		volume, _ := found.(*corev1.PersistentVolume)
		return volume, nil
	}
	volume := new(corev1.PersistentVolume)
	found, err := r.find(ctx, types.NamespacedName{Name: name}, volume)
	if err != nil || !found {
		return nil, err
	}
	return volume, nil
}

// podsOf are the pods that carry the set's label, or the name of one of its instances.
func (r *reconciler) podsOf(ctx context.Context, set types.NamespacedName) ([]*corev1.Pod, error) {
	if r.stores.pods != nil {
		return stored[*corev1.Pod](r.stores.pods, set.Namespace, set.Name)
	}
	var list corev1.PodList
	if err := r.cache.List(ctx, &list, client.InNamespace(set.Namespace), client.MatchingFields{podsBySet: set.Name}, shared); err != nil {
		return nil, err
	}
	return pointers(list.Items), nil
}

// claimsBy are the claims of a key of the index claimsBySet.
func (r *reconciler) claimsBy(ctx context.Context, set *v1alpha1.InstanceSet, key string) ([]*corev1.PersistentVolumeClaim, error) {
	if r.stores.claims != nil {
		return stored[*corev1.PersistentVolumeClaim](r.stores.claims, set.Namespace, key)
	}
	var list corev1.PersistentVolumeClaimList
	if err := r.cache.List(ctx, &list, client.InNamespace(set.Namespace), client.MatchingFields{claimsBySet: key}, shared); err != nil {
		return nil, err
	}
	return pointers(list.Items), nil
}

func pointers[T any](items []T) []*T {
	all := make([]*T, len(items))
	for n := range items {
		all[n] = &items[n]
	}
	return all
}
