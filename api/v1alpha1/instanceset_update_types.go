package v1alpha1

import "k8s.io/apimachinery/pkg/util/intstr"

// UpdateStrategyType says who brings a changed template to instances that run.
// +kubebuilder:validation:Enum=RollingUpdate;OnDelete
type UpdateStrategyType string

// Update strategies.
const (
	// RollingUpdate is the controller, a few instances at a time.
	RollingUpdate UpdateStrategyType = "RollingUpdate"
	// UpdateOnDelete is nobody: an instance takes up the template when its pod is created anew.
	UpdateOnDelete UpdateStrategyType = "OnDelete"
)

// InPlaceMode says whether a running pod is changed or replaced.
// +kubebuilder:validation:Enum=Prefer;Only;Never
type InPlaceMode string

// In-place modes. What can be changed in place is in docs/updates.md.
const (
	// InPlacePrefer changes pods in place where that can be, and otherwise replaces them on the same volume.
	InPlacePrefer InPlaceMode = "Prefer"
	// InPlaceOnly never replaces a pod. A template that would need that is not brought to any instance.
	InPlaceOnly InPlaceMode = "Only"
	// InPlaceNever replaces pods.
	InPlaceNever InPlaceMode = "Never"
)

// UpdateStrategy says how running instances take up a changed template. Whatever it says, at most one instance of a shard is
// disturbed at a time, and a master after the replicas of its shard.
type UpdateStrategy struct {
	// type says who brings the change to running instances.
	// +kubebuilder:default=RollingUpdate
	// +optional
	Type UpdateStrategyType `json:"type,omitempty"`
	// inPlace says whether a running pod is changed or replaced.
	// +kubebuilder:default=Only
	// +optional
	InPlace InPlaceMode `json:"inPlace,omitempty"`
	// maxUnavailable is the most instances of the set that may be unavailable for an update to take another one: a number, or a
	// percentage of replicas (rounded down, at least 1). All count that are unavailable, for whatever reason.
	// +kubebuilder:default=1
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? (int(self) >= 1 && int(self) <= 20000) : self.matches('^([1-9][0-9]?|100)%$')",message="must be a number from 1 to 20000, or a percentage from 1% to 100%"
	// +optional
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`
	// partition holds the instances with a lower ordinal back: they keep the template that they have, also when their pod is
	// created anew.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	// +optional
	Partition int32 `json:"partition,omitempty"`
	// switchover says what has to be before a master is disturbed. Strict: another instance of its shard is master, and has every
	// write. BestEffort: that was tried, and if nobody could take over, the master was seen to be master as before. None: nothing;
	// writes that were not replicated may be lost. Only for sets with roles.
	// +kubebuilder:default=Strict
	// +optional
	Switchover UpdateSwitchover `json:"switchover,omitempty"`
}

// UpdateSwitchover says what has to be before an update disturbs a master.
// +kubebuilder:validation:Enum=Strict;BestEffort;None
type UpdateSwitchover string

// What has to be before a master is disturbed.
const (
	// UpdateSwitchoverStrict: it has handed over. A shard whose master cannot is not updated any further.
	UpdateSwitchoverStrict UpdateSwitchover = "Strict"
	// UpdateSwitchoverBestEffort: it has handed over, or nobody could take over from it.
	UpdateSwitchoverBestEffort UpdateSwitchover = "BestEffort"
	// UpdateSwitchoverNone: nothing.
	UpdateSwitchoverNone UpdateSwitchover = "None"
)

// TemplateRevision is how far an entry of spec.templates is.
type TemplateRevision struct {
	// name of the entry.
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// updateRevision is the hash of what it asks for now.
	// +kubebuilder:validation:MaxLength=64
	UpdateRevision string `json:"updateRevision"`
	// currentRevision is the hash of what the last update ended with.
	// +kubebuilder:validation:MaxLength=64
	CurrentRevision string `json:"currentRevision"`
}

// RevisionInUse is a revision that pods have.
type RevisionInUse struct {
	// name is the hash.
	// +kubebuilder:validation:MaxLength=64
	Name string `json:"name"`
	// replicas is the number of pods.
	Replicas int32 `json:"replicas"`
	// ordinals of the pods as ranges ("0-118,120"); "..." stands for what is too much to list.
	// +kubebuilder:validation:MaxLength=1024
	Ordinals string `json:"ordinals"`
}
