package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DispersionArgs are the arguments of the plugin Dispersion.
//
// +kubebuilder:object:root=true
type DispersionArgs struct {
	metav1.TypeMeta `json:",inline"`

	// defaults are the limits of groups that have no PlacementPolicy: pods with the label shoal.dev/cluster and without
	// shoal.dev/placement-policy.
	// +optional
	Defaults GroupLimits `json:"defaults,omitempty"`
	// maxInstancesPerNode is the most instances of all groups together on one node, whichever policies they have: from
	// 1 to 10000; 0, the default, is no limit.
	// +optional
	MaxInstancesPerNode *int32 `json:"maxInstancesPerNode,omitempty"`
}

// GroupLimits are the limits of one group. Without a policy its total is the pods that exist so far: maxNodes always
// holds, but only a PlacementPolicy lets the guard against dead-locks keep room for pods that are created later.
type GroupLimits struct {
	// maxInstancesPerNode (M) is the most instances of the group on one node, from 1 to 10000. Unset is no limit. There
	// is no percentage, because the total is not known.
	// +optional
	MaxInstancesPerNode *int32 `json:"maxInstancesPerNode,omitempty"`
	// maxNodes (K) is the most nodes on which the group may hold a slot, from 1 to 20000. Unset is no limit.
	// +optional
	MaxNodes *int32 `json:"maxNodes,omitempty"`
	// maxPerShard is the most instances of one shard (label shoal.dev/shard) on one node, from 1 to 100. The default is 1.
	// +optional
	MaxPerShard *int32 `json:"maxPerShard,omitempty"`
}

// LoadBalanceArgs are the arguments of the plugin LoadBalance.
//
// +kubebuilder:object:root=true
type LoadBalanceArgs struct {
	metav1.TypeMeta `json:",inline"`

	// resources are the dimensions of load, each named once. The default is cpu and memory with weight 1.
	// +optional
	Resources []ResourceWeight `json:"resources,omitempty"`
	// worstDimensionPercent (w) is how much the fullest dimension decides, from 0 to 100, and the rest is decided by how
	// far the dimensions are apart: score = 100 * (1 - (w * max(u) + (1 - w) * stddev(u))). The default is 70.
	// +optional
	WorstDimensionPercent *int32 `json:"worstDimensionPercent,omitempty"`
}

// ResourceWeight is one dimension of load.
type ResourceWeight struct {
	// name is cpu or memory.
	Name string `json:"name"`
	// weight is how much the dimension counts, from 1 to 100. The default is 1.
	// +optional
	Weight *int32 `json:"weight,omitempty"`
}
