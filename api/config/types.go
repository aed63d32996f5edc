package config

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DispersionArgs are the arguments of the plugin Dispersion.
//
// +kubebuilder:object:root=true
type DispersionArgs struct {
	metav1.TypeMeta

	// Defaults are the limits of groups that have no PlacementPolicy.
	Defaults GroupLimits
	// MaxInstancesPerNode is the most instances of all groups together on one node, from 1 to 10000; 0 is no limit.
	MaxInstancesPerNode int32
}

// GroupLimits are the limits of one group. Nil is no limit.
type GroupLimits struct {
	// MaxInstancesPerNode (M) is the most instances of the group on one node, from 1 to 10000.
	MaxInstancesPerNode *int32
	// MaxNodes (K) is the most nodes on which the group may hold a slot, from 1 to 20000.
	MaxNodes *int32
	// MaxPerShard is the most instances of one shard on one node, from 1 to 100.
	MaxPerShard *int32
}

// LoadBalanceArgs are the arguments of the plugin LoadBalance.
//
// +kubebuilder:object:root=true
type LoadBalanceArgs struct {
	metav1.TypeMeta

	// Resources are the dimensions of load, each named once.
	Resources []ResourceWeight
	// WorstDimensionPercent is how much the fullest dimension decides, from 0 to 100. The rest is decided by how far
	// the dimensions are apart.
	WorstDimensionPercent int32
}

// ResourceWeight is one dimension of load.
type ResourceWeight struct {
	// Name is cpu or memory.
	Name string
	// Weight is how much the dimension counts, from 1 to 100.
	Weight int32
}
