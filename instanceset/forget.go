package instanceset

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	k8slabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/podspec"
)

// keepRecord gives a status back what its plan would take out of the record of those that held data, if the API server still has
// a pod or a claim of their shards, or does not answer. That nothing is left is what the plan has from the cache, to which sets,
// pods and claims come by different watches: a manager that was suspended while another one led may know today's set, and not
// the claims that were made and retired meanwhile. Their shard would be started again by an empty master.
//
// The status is refused if the set has changed since it was loaded, so that nobody wants those ordinals again between this look
// and the write.
func (r *reconciler) keepRecord(ctx context.Context, set *v1alpha1.InstanceSet, status *decideStatus) error {
	stored, kept := decide.ParseOrdinals(set.Status.Bootstrapped), decide.ParseOrdinals(status.Bootstrapped)
	forgotten := slices.DeleteFunc(slices.Clone(stored), func(o int32) bool {
		_, found := slices.BinarySearch(kept, o)
		return found
	})
	if len(forgotten) == 0 {
		return nil
	}
	left, err := r.anyLeft(ctx, set, forgotten)
	if left || err != nil {
		all := slices.Concat(stored, kept)
		slices.Sort(all)
		status.Bootstrapped = decide.FormatOrdinals(slices.Compact(all))
	}
	return err
}

// anyLeft reports whether the API server has a pod or a claim of the shards of these ordinals, or of a set without shards.
func (r *reconciler) anyLeft(ctx context.Context, set *v1alpha1.InstanceSet, ordinals []int32) (bool, error) {
	selector := k8slabels.SelectorFromSet(k8slabels.Set{v1alpha1.LabelInstanceSet: set.Name})
	if set.Spec.ShardSize != nil {
		var shards []string
		for _, o := range ordinals {
			index, _ := podspec.Shard(set, o)
			shards = append(shards, podspec.Name(set.Name, index))
		}
		in, err := k8slabels.NewRequirement(v1alpha1.LabelShard, selection.In, slices.Compact(shards))
		if err != nil {
			return false, fmt.Errorf("asking for what is left of the shards: %w", err)
		}
		selector = selector.Add(*in)
	}
	for _, list := range []client.ObjectList{&corev1.PodList{}, &corev1.PersistentVolumeClaimList{}} {
		if left, err := r.anyOf(ctx, list, set.Namespace, selector); left || err != nil {
			return left, err
		}
	}
	return false, nil
}

func (r *reconciler) anyOf(ctx context.Context, list client.ObjectList, namespace string, of k8slabels.Selector) (bool, error) {
	err := r.live.List(ctx, list, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: of}, client.Limit(1))
	if err != nil {
		return false, fmt.Errorf("asking for what is left of the shards: %w", err)
	}
	switch l := list.(type) {
	case *corev1.PodList:
		return len(l.Items) > 0, nil
	case *corev1.PersistentVolumeClaimList:
		return len(l.Items) > 0, nil
	}
	return false, fmt.Errorf("no list of pods or claims: %T", list)
}
