package instanceset

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
)

// loadSwitchovers finds those of a set with roles.
func (r *reconciler) loadSwitchovers(ctx context.Context, set *v1alpha1.InstanceSet) ([]*v1alpha1.Switchover, error) {
	if len(set.Spec.Roles) == 0 {
		return nil, nil
	}
	var list v1alpha1.SwitchoverList
	if err := r.cache.List(ctx, &list, client.InNamespace(set.Namespace), client.MatchingFields{switchoversOf: set.Name}, shared); err != nil {
		return nil, fmt.Errorf("listing switchovers: %w", err)
	}
	var all []*v1alpha1.Switchover
	for i := range list.Items {
		all = append(all, &list.Items[i])
	}
	return all, nil
}

// switchoverOf is what an update asks for before it disturbs a master. It goes with the set.
func switchoverOf(set *v1alpha1.InstanceSet, c decide.Change) *v1alpha1.Switchover {
	policy := v1alpha1.SwitchoverStrict
	if c.Policy == v1alpha1.UpdateSwitchoverBestEffort {
		policy = v1alpha1.SwitchoverBestEffort
	}
	return &v1alpha1.Switchover{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: set.Namespace, Name: c.Object,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(set, v1alpha1.GroupVersion.WithKind("InstanceSet"))},
		},
		Spec: v1alpha1.SwitchoverSpec{
			InstanceSet: set.Name, Shard: c.Shard, Policy: policy, TTLSecondsAfterFinished: ptr.To(decide.HandoverTTL),
		},
	}
}
