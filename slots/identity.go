package slots

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// Group is a placement group: the pods and claims of a namespace that name the same PlacementPolicy, or, without
// that, the same cluster. Exactly one of Policy and Cluster is set.
type Group struct {
	Namespace string
	Policy    string
	Cluster   string
}

// String is namespace/policy, or namespace/cluster with a mark.
func (g Group) String() string {
	if g.Policy != "" {
		return g.Namespace + "/" + g.Policy
	}
	return g.Namespace + "/" + g.Cluster + " (by cluster)"
}

// GroupOf is the group of an object with these labels; false when it belongs to none.
func GroupOf(namespace string, labels map[string]string) (Group, bool) {
	if policy := labels[v1alpha1.LabelPlacementPolicy]; policy != "" {
		return Group{Namespace: namespace, Policy: policy}, true
	}
	if cluster := labels[v1alpha1.LabelCluster]; cluster != "" {
		return Group{Namespace: namespace, Cluster: cluster}, true
	}
	return Group{}, false
}

// Instance identifies an instance over the lives of its pods.
type Instance struct {
	Namespace string
	Name      string
}

// InstanceOfPod is the instance of a pod: instances of an InstanceSet and of a StatefulSet keep the name of their pod.
func InstanceOfPod(pod *corev1.Pod) Instance {
	return Instance{Namespace: pod.Namespace, Name: pod.Name}
}

// instanceOfClaim is the instance of a claim: by the labels of its InstanceSet, by the pod that mounts it (nil for none),
// or, when it has neither, an instance of its own.
func instanceOfClaim(claim *corev1.PersistentVolumeClaim, mountedBy *corev1.Pod) Instance {
	set, ordinal := claim.Labels[v1alpha1.LabelInstanceSet], claim.Labels[v1alpha1.LabelOrdinal]
	if set != "" && ordinal != "" {
		return Instance{Namespace: claim.Namespace, Name: set + "-" + ordinal}
	}
	if mountedBy != nil {
		return InstanceOfPod(mountedBy)
	}
	return Instance{Namespace: claim.Namespace, Name: "claim/" + claim.Name}
}

// ClaimNames are the names of the claims that a pod mounts.
func ClaimNames(pod *corev1.Pod) []string {
	var names []string
	for i := range pod.Spec.Volumes {
		if name, is := claimOf(pod, &pod.Spec.Volumes[i]); is {
			names = append(names, name)
		}
	}
	return names
}

// Mounts reports whether a claim is among ClaimNames.
func Mounts(pod *corev1.Pod, claim string) bool {
	for i := range pod.Spec.Volumes {
		if name, is := claimOf(pod, &pod.Spec.Volumes[i]); is && name == claim {
			return true
		}
	}
	return false
}

func claimOf(pod *corev1.Pod, v *corev1.Volume) (name string, is bool) {
	switch {
	case v.PersistentVolumeClaim != nil:
		return v.PersistentVolumeClaim.ClaimName, true
	case v.Ephemeral != nil: // the API server names the claim of a generic ephemeral volume like this
		return pod.Name + "-" + v.Name, true
	}
	return "", false
}
