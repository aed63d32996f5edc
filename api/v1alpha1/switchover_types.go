package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Switchover asks for one handing over of the master of one shard to a replica of it, while clients write. The manager does it
// once, and deletes the object a while after it has ended. One that has begun is brought to an end, also when it is deleted.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=shoal
// +kubebuilder:selectablefield:JSONPath=`.spec.shard`
// +kubebuilder:printcolumn:name="Shard",type=string,JSONPath=`.spec.shard`
// +kubebuilder:printcolumn:name="From",type=string,JSONPath=`.status.from`,description="instance that was master"
// +kubebuilder:printcolumn:name="To",type=string,JSONPath=`.status.to`,description="instance that takes over"
// +kubebuilder:printcolumn:name="Result",type=string,JSONPath=`.status.result`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Progressing")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Switchover struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// +required
	Spec SwitchoverSpec `json:"spec"`
	// +optional
	Status SwitchoverStatus `json:"status,omitempty"`
}

// SwitchoverList is a list of Switchovers.
//
// +kubebuilder:object:root=true
type SwitchoverList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Switchover `json:"items"`
}

// SwitchoverSpec says which master is to be handed over. It never changes.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a Switchover never changes: make another one"
// +kubebuilder:validation:XValidation:rule="self.shard.startsWith(self.instanceSet + '-') && self.shard.substring(self.instanceSet.size() + 1).matches('^(0|[1-9][0-9]{0,8})$')",message="shard must be <instanceSet>-<i>, as the label shoal.dev/shard has it"
type SwitchoverSpec struct {
	// instanceSet is the name of an InstanceSet with roles, in the same namespace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	InstanceSet string `json:"instanceSet"`
	// shard is <instanceSet>-<i>, as the label shoal.dev/shard of its pods has it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Shard string `json:"shard"`
	// to is the instance that takes over, such as orders-4. Unset, one is chosen: that is in sync, on another node than the
	// master, on one that is not about to go, of the newest revision, and least behind.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +optional
	To string `json:"to,omitempty"`
	// policy says what counts as success when no replica could take over. Strict: nothing, the master is to be left alone.
	// BestEffort: that the master is master as before, so that whoever waits for this object may stop it all the same. It
	// never changes what is done.
	// +kubebuilder:default=Strict
	// +kubebuilder:validation:Enum=Strict;BestEffort
	// +optional
	Policy SwitchoverPolicy `json:"policy,omitempty"`
	// timeoutSeconds bounds the time until it begins, and then the time that it may take: after that it gives the writes back, or
	// finishes within as long again.
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=300
	// +optional
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`
	// ttlSecondsAfterFinished is how long the object stays when it has ended, for whoever wants to know how.
	// +kubebuilder:default=3600
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2592000
	// +optional
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`
}

// SwitchoverPolicy is what counts as success when nobody could take over.
type SwitchoverPolicy string

const (
	// SwitchoverStrict is the default: only that another instance is master.
	SwitchoverStrict SwitchoverPolicy = "Strict"
	// SwitchoverBestEffort is also that the master was seen to be master as before.
	SwitchoverBestEffort SwitchoverPolicy = "BestEffort"
)

// SwitchoverResult is how a switchover ended.
// +kubebuilder:validation:Enum=HandedOver;Refused;Undecided
type SwitchoverResult string

const (
	// SwitchoverHandedOver says that another instance is master, and has every write.
	SwitchoverHandedOver SwitchoverResult = "HandedOver"
	// SwitchoverRefused says that nothing was begun, or the writes were given back. Who was master is master.
	SwitchoverRefused SwitchoverResult = "Refused"
	// SwitchoverUndecided says that it is not known that exactly one master takes writes. Sentinel decides, or a person.
	SwitchoverUndecided SwitchoverResult = "Undecided"
)

// MaxSwitchoverSteps is how many steps a status has at most; of more, the last ones.
const MaxSwitchoverSteps = 64

// SwitchoverStatus is what the manager did.
type SwitchoverStatus struct {
	// observedGeneration is the generation of the spec that the rest was made from.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// from is the instance that was master when it began. Once it is set, the switchover has begun.
	// +optional
	From string `json:"from,omitempty"`
	// to is the instance that takes over.
	// +optional
	To string `json:"to,omitempty"`
	// attempts is how many times it was begun or continued: more than one after a change of the manager's leader, or where
	// something was left to do.
	// +optional
	Attempts int32 `json:"attempts,omitempty"`
	// result is how it ended.
	// +optional
	Result SwitchoverResult `json:"result,omitempty"`
	// startedAt is when it began, completedAt when it ended.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// +optional
	CompletedAt *metav1.Time `json:"completedAt,omitempty"`
	// steps are what was done, the last ones at the end. Those at which the manager was killed may be missing.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	Steps []SwitchoverStep `json:"steps,omitempty"`
	// conditions are Progressing, Complete and Failed.
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// SwitchoverStep is one thing that was done.
type SwitchoverStep struct {
	// at is when.
	// +required
	At metav1.MicroTime `json:"at"`
	// do is the action: SetFence, Pause, Unpause, Elect, Demote, Promote, Return, Tell or Follow.
	// +kubebuilder:validation:MaxLength=32
	// +required
	Do string `json:"do"`
	// instance is what it was done to; the Sentinels where there is none.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Instance string `json:"instance,omitempty"`
	// reason is why the way goes back, if it does.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Reason string `json:"reason,omitempty"`
	// message says why, with numbers.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Message string `json:"message,omitempty"`
}

// Begun reports whether steps may have been taken.
func (s *SwitchoverStatus) Begun() bool { return s.From != "" }

// Ended reports whether nothing more will be done.
func (s *SwitchoverStatus) Ended() bool { return s.CompletedAt != nil }
