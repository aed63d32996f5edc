package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// PlacementPolicy limits where the instances of one placement group may live: the pods of its namespace that name it
// in the label shoal.dev/placement-policy.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=pp,categories=shoal
// +kubebuilder:printcolumn:name="Replicas",type=integer,JSONPath=`.status.replicas`,description="instances that the group wants"
// +kubebuilder:printcolumn:name="Nodes",type=integer,JSONPath=`.status.nodesUsed`,description="nodes on which the group holds a slot"
// +kubebuilder:printcolumn:name="Max nodes",type=integer,JSONPath=`.spec.maxNodes`
// +kubebuilder:printcolumn:name="Fewest",type=integer,JSONPath=`.status.fewestNodes`,description="fewest nodes that could hold the group today",priority=1
// +kubebuilder:printcolumn:name="Min/node",type=integer,JSONPath=`.status.perNode.min`,priority=1
// +kubebuilder:printcolumn:name="Max/node",type=integer,JSONPath=`.status.perNode.max`
// +kubebuilder:printcolumn:name="Feasible",type=string,JSONPath=`.status.conditions[?(@.type=="Feasible")].status`
// +kubebuilder:printcolumn:name="Within limits",type=string,JSONPath=`.status.conditions[?(@.type=="WithinLimits")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63",message="the name must have at most 63 characters: pods carry it as the value of the label shoal.dev/placement-policy"
type PlacementPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// +required
	Spec PlacementPolicySpec `json:"spec"`
	// +optional
	Status PlacementPolicyStatus `json:"status,omitempty"`
}

// PlacementPolicyList is a list of PlacementPolicies.
//
// +kubebuilder:object:root=true
type PlacementPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []PlacementPolicy `json:"items"`
}

// PlacementPolicySpec says how many instances there are and how they may be spread. All limits can be changed while
// pods run; lowering one never evicts.
//
// +kubebuilder:validation:XValidation:rule="has(self.replicas) != has(self.scaleTargetRefs)",message="set exactly one of replicas and scaleTargetRefs"
type PlacementPolicySpec struct {
	// replicas is the number of instances of the whole group. The guard against dead-locks keeps room for all of them.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=20000
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`
	// scaleTargetRefs names the workloads of this namespace whose replicas are summed into status.replicas, for example
	// one StatefulSet per shard. Pods are held until that sum has been made for the current generation.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4096
	// +listType=map
	// +listMapKey=kind
	// +listMapKey=name
	// +optional
	ScaleTargetRefs []ScaleTargetRef `json:"scaleTargetRefs,omitempty"`

	// shards is the number of shards among the replicas. The guard uses it: a node can take at most shards times
	// shardSpread.max instances. Unset, it is the number of scaleTargetRefs if all of them are StatefulSets (one
	// shard each), or else not considered.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=20000
	// +optional
	Shards *int32 `json:"shards,omitempty"`

	PlacementLimits `json:",inline"`
}

// ShardCount is the number of shards if it is known, and 0 if not.
func (s *PlacementPolicySpec) ShardCount() int {
	if s.Shards != nil {
		return int(*s.Shards)
	}
	for _, ref := range s.ScaleTargetRefs {
		if ref.Kind != "StatefulSet" { // an InstanceSet has any number of shards
			return 0
		}
	}
	return len(s.ScaleTargetRefs)
}

// ScaleTargetRef names a workload of the policy's namespace.
type ScaleTargetRef struct {
	// kind of the workload.
	// +kubebuilder:validation:Enum=InstanceSet;StatefulSet
	// +required
	Kind string `json:"kind"`
	// name of the workload.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
}

// PlacementLimits are the hard rules, except in mode BestEffort. They hold at every moment, for pods of whichever scheduler, terminating pods
// included.
type PlacementLimits struct {
	// maxInstancesPerNode (M) is the most instances of the group on one node: a number, or a percentage of the group's
	// replicas (rounded down, at least 1). Unset means no limit.
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? (int(self) >= 1 && int(self) <= 10000) : self.matches('^([1-9][0-9]?|100)%$')",message="must be a number from 1 to 10000, or a percentage from 1% to 100%"
	// +optional
	MaxInstancesPerNode *intstr.IntOrString `json:"maxInstancesPerNode,omitempty"`
	// maxNodes (K) is the most nodes on which the group may hold a slot. Unset means no limit.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=20000
	// +optional
	MaxNodes *int32 `json:"maxNodes,omitempty"`
	// shardSpread limits how many instances of one shard (label shoal.dev/shard) may share a node. The default is one.
	// +kubebuilder:default={{topologyKey:"kubernetes.io/hostname",max:1}}
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1
	// +listType=map
	// +listMapKey=topologyKey
	// +optional
	ShardSpread []ShardSpread `json:"shardSpread,omitempty"`
	// mode says how far a pod may stray from the scheduler's plan for the group. Guarded (the default): to any node that
	// keeps the limits and leaves the other instances a place. Strict: nowhere; it waits for a node of the plan. BestEffort:
	// anywhere, also beyond the limits, if the planned nodes do not suit. In every mode an absent instance of the group keeps the
	// room of one like the pod at hand where its volume is.
	// +kubebuilder:validation:Enum=Strict;Guarded;BestEffort
	// +optional
	Mode PlacementMode `json:"mode,omitempty"`
}

// PlacementMode is how far pods may stray from the plan of their group.
type PlacementMode string

const (
	// PlacementStrict keeps to the nodes of the plan.
	PlacementStrict PlacementMode = "Strict"
	// PlacementGuarded allows every node that keeps the limits and the rest of the group placeable. It is the default.
	PlacementGuarded PlacementMode = "Guarded"
	// PlacementBestEffort prefers the plan, and goes beyond the limits where there is no other way.
	PlacementBestEffort PlacementMode = "BestEffort"
)

// ShardSpread limits the instances of one shard in one topology domain.
type ShardSpread struct {
	// topologyKey is the node label whose values are the domains. Today only the node itself is supported.
	// +kubebuilder:validation:Enum="kubernetes.io/hostname"
	// +required
	TopologyKey string `json:"topologyKey"`
	// max is the most instances of one shard in one domain.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +required
	Max int32 `json:"max"`
}

// PlacementPolicyStatus is what the manager sees. Its size does not grow with the number of instances.
type PlacementPolicyStatus struct {
	// observedGeneration is the generation of the spec that the rest of the status was made from. With scaleTargetRefs,
	// pods are held until it is current.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// replicas is the number of instances that the group wants: spec.replicas, or the sum over scaleTargetRefs, of which at most 20000 are counted.
	// +optional
	Replicas int32 `json:"replicas"`
	// targets are the scaleTargetRefs that exist, with the replicas that each of them had when replicas was summed. An
	// InstanceSet creates no pods before its entry has all instances that it wants, read from its current generation.
	// +kubebuilder:validation:MaxItems=4096
	// +listType=map
	// +listMapKey=kind
	// +listMapKey=name
	// +optional
	Targets []ScaleTargetCount `json:"targets,omitempty"`
	// instances is the number of instances that hold a slot.
	// +optional
	Instances int32 `json:"instances"`
	// nodesUsed is the number of nodes on which at least one instance holds a slot (|S|).
	// +optional
	NodesUsed int32 `json:"nodesUsed"`
	// fewestNodes is the smallest number of today's usable nodes that could hold all replicas under
	// maxInstancesPerNode and the shard rule; absent when no number of them can, or when the instances ask for different amounts.
	// +optional
	FewestNodes *int32 `json:"fewestNodes,omitempty"`
	// perNode is the smallest and the largest number of instances on the nodes in use.
	// +optional
	PerNode *PerNode `json:"perNode,omitempty"`
	// lostNodes is the number of nodes from which instances are being rebuilt elsewhere.
	// +optional
	LostNodes int32 `json:"lostNodes,omitempty"`
	// blastRadius is what the loss of one node would take at worst.
	// +optional
	BlastRadius *BlastRadius `json:"blastRadius,omitempty"`
	// conditions are Feasible, WithinLimits and, for groups of shards, SurvivesNodeLoss.
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ScaleTargetCount is what one workload contributes to the sum.
type ScaleTargetCount struct {
	// kind of the workload.
	// +kubebuilder:validation:MaxLength=63
	// +required
	Kind string `json:"kind"`
	// name of the workload.
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// replicas that the workload wanted when it was counted.
	// +required
	Replicas int32 `json:"replicas"`
	// observedGeneration is the generation of the workload that these replicas are of. An InstanceSet takes no number for
	// its own that was read from another generation of it.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// PerNode is a range of instances per node in use.
type PerNode struct {
	// min is the number of instances on the emptiest node in use.
	Min int32 `json:"min"`
	// max is the number of instances on the fullest node.
	Max int32 `json:"max"`
}

// BlastRadius is the loss that one node could cause. Each number is that of the node for which it is worst.
type BlastRadius struct {
	// instances on the fullest node.
	Instances int32 `json:"instances"`
	// percent is instances as a share of the group's replicas, rounded up.
	Percent int32 `json:"percent"`
	// shards that would lose at least one instance. Their masters may all be there: roles move.
	// +optional
	Shards int32 `json:"shards,omitempty"`
	// lastInstances is the number of shards that would have no instance left.
	// +optional
	LastInstances int32 `json:"lastInstances,omitempty"`
}
