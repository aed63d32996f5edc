package podspec

import (
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// Budget builds the PodDisruptionBudget that has the API server refuse to evict instances which run, but for those that may leave their node
// now. How many there are to be, the
// disruption controller of Kubernetes asks the subresource scale of the set.
func Budget(set *v1alpha1.InstanceSet) *policyv1.PodDisruptionBudget {
	none := intstr.FromInt32(0)
	return &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:       set.Namespace,
			Name:            set.Name,
			Labels:          map[string]string{v1alpha1.LabelInstanceSet: set.Name},
			OwnerReferences: []metav1.OwnerReference{owner(set)},
		},
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable: &none,
			Selector: &metav1.LabelSelector{
				MatchLabels:      map[string]string{v1alpha1.LabelInstanceSet: set.Name},
				MatchExpressions: []metav1.LabelSelectorRequirement{{Key: v1alpha1.LabelMayLeave, Operator: metav1.LabelSelectorOpDoesNotExist}},
			},
		},
	}
}

// AllowsDisruption reports whether the template of a set lets others than the manager disrupt its instances.
func AllowsDisruption(set *v1alpha1.InstanceSet) bool {
	return set.Spec.Template.Annotations[v1alpha1.AnnotationAllowDisruption] == v1alpha1.AllowDisruption
}
