package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// InstanceSet runs instances with stable names <set>-<ordinal>, each with its own volumes.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas,selectorpath=.status.selector
// +kubebuilder:resource:shortName=iset,categories=shoal
// +kubebuilder:printcolumn:name="Desired",type=integer,JSONPath=`.spec.replicas`
// +kubebuilder:printcolumn:name="Ready",type=integer,JSONPath=`.status.readyReplicas`
// +kubebuilder:printcolumn:name="Nodes",type=integer,JSONPath=`.status.nodes`,description="nodes on which the set holds a slot"
// +kubebuilder:printcolumn:name="Max/node",type=integer,JSONPath=`.status.maxPerNode`,description="instances on the fullest node"
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="In sync",type=string,JSONPath=`.status.conditions[?(@.type=="InSync")].status`,description="of sets with roles: every replica is in sync with its master"
// +kubebuilder:printcolumn:name="Placed",type=string,JSONPath=`.status.conditions[?(@.type=="Placed")].reason`,priority=1
// +kubebuilder:printcolumn:name="Rebuilding",type=string,JSONPath=`.status.conditions[?(@.type=="Rebuilding")].reason`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 52",message="the name must have at most 52 characters: pods are named <set>-<ordinal>, and labels carry both"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="the name must be a DNS label that starts with a letter, without dots: it becomes the hostname of the pods and the name of the Service"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.roles) || !self.spec.roles.exists(r, r.service == 'PerShard') || self.metadata.name.size() <= 45",message="the name must have at most 45 characters where roles have Services: they are named <set>-<shard>-<role>"
type InstanceSet struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// +required
	Spec InstanceSetSpec `json:"spec"`
	// +optional
	Status InstanceSetStatus `json:"status,omitempty"`
}

// InstanceSetList is a list of InstanceSets.
//
// +kubebuilder:object:root=true
type InstanceSetList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []InstanceSet `json:"items"`
}

// InstanceSetSpec is what a user wants.
//
// +kubebuilder:validation:XValidation:rule="!has(self.shardSize) || self.replicas % self.shardSize == 0",message="replicas must be a multiple of shardSize: every shard has shardSize instances"
// +kubebuilder:validation:XValidation:rule="has(self.shardSize) == has(oldSelf.shardSize) && (!has(self.shardSize) || self.shardSize == oldSelf.shardSize)",message="shardSize cannot be changed: ordinals would move to other shards. Create a new set"
// +kubebuilder:validation:XValidation:rule="!has(self.ordinals) || (has(self.ordinals.ranges) ? self.ordinals.ranges.map(r, r.end - r.start + 1).sum() : 0) + (has(self.ordinals.discrete) ? self.ordinals.discrete.size() : 0) >= self.replicas",message="ordinals names fewer ordinals than replicas: widen a range, or lower replicas"
// +kubebuilder:validation:XValidation:rule="!has(self.volumeClaimTemplates) || !has(oldSelf.volumeClaimTemplates) || self.volumeClaimTemplates.map(v, v.metadata.name) != oldSelf.volumeClaimTemplates.map(v, v.metadata.name) || self.volumeClaimTemplates.map(v, v.metadata) == oldSelf.volumeClaimTemplates.map(v, v.metadata) && self.volumeClaimTemplates.map(v, v.spec.?accessModes) == oldSelf.volumeClaimTemplates.map(v, v.spec.?accessModes) && self.volumeClaimTemplates.map(v, v.spec.?selector) == oldSelf.volumeClaimTemplates.map(v, v.spec.?selector) && self.volumeClaimTemplates.map(v, v.spec.?storageClassName) == oldSelf.volumeClaimTemplates.map(v, v.spec.?storageClassName) && self.volumeClaimTemplates.map(v, v.spec.?volumeMode) == oldSelf.volumeClaimTemplates.map(v, v.spec.?volumeMode) && self.volumeClaimTemplates.map(v, v.spec.?volumeName) == oldSelf.volumeClaimTemplates.map(v, v.spec.?volumeName) && self.volumeClaimTemplates.map(v, v.spec.?dataSource) == oldSelf.volumeClaimTemplates.map(v, v.spec.?dataSource) && self.volumeClaimTemplates.map(v, v.spec.?dataSourceRef) == oldSelf.volumeClaimTemplates.map(v, v.spec.?dataSourceRef) && self.volumeClaimTemplates.map(v, v.spec.?volumeAttributesClassName) == oldSelf.volumeClaimTemplates.map(v, v.spec.?volumeAttributesClassName) && self.volumeClaimTemplates.map(v, v.spec.?resources.?limits) == oldSelf.volumeClaimTemplates.map(v, v.spec.?resources.?limits)",message="of volumeClaimTemplates only resources.requests.storage can be changed: existing volumes would not follow. Create a new set"
// +kubebuilder:validation:XValidation:rule="!(has(self.placement) && has(self.placementPolicyRef))",message="set placement (the set's own limits) or placementPolicyRef (somebody else's policy), not both"
// +kubebuilder:validation:XValidation:rule="has(self.placement) == has(oldSelf.placement) && has(self.placementPolicyRef) == has(oldSelf.placementPolicyRef) && (!has(self.placementPolicyRef) || self.placementPolicyRef == oldSelf.placementPolicyRef)",message="a set cannot move to another policy: running pods carry its label. Change the limits inside placement or in the policy itself, or create a new set"
// +kubebuilder:validation:XValidation:rule="!has(self.templates) || self.templates.map(t, t.replicas).sum() <= self.replicas",message="the replicas of templates add up to more than replicas: lower them, or raise replicas"
// +kubebuilder:validation:XValidation:rule="has(self.volumeClaimTemplates) == has(oldSelf.volumeClaimTemplates) && (!has(self.volumeClaimTemplates) || self.volumeClaimTemplates.map(v, v.metadata.name) == oldSelf.volumeClaimTemplates.map(v, v.metadata.name))",message="volumeClaimTemplates cannot be renamed, added, removed or reordered: claims are named after them. Create a new set"
// +kubebuilder:validation:XValidation:rule="!has(self.templates) || self.templates.all(t, !has(t.volumes) || t.volumes.all(v, has(self.volumeClaimTemplates) && self.volumeClaimTemplates.exists(c, c.metadata.name == v.name)))",message="volumes of templates must have the names of entries of volumeClaimTemplates"
// +kubebuilder:validation:XValidation:rule="!has(self.roles) || has(self.shardSize)",message="roles need shardSize: an exclusive role is one of the instances that hold copies of the same data"
// +kubebuilder:validation:XValidation:rule="has(self.roles) == has(self.roleProvider)",message="roles and roleProvider come together: set both, or none"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.roles) || has(self.roles)",message="roles cannot be removed: pods would keep labels that nobody looks after. Create a new set"
// +kubebuilder:validation:XValidation:rule="!has(self.configuration) || has(self.roles)",message="configuration needs roles: the agents of a set with roles apply it"
// +kubebuilder:validation:XValidation:rule="!has(self.configuration) || !has(oldSelf.configuration) || self.configuration.container == oldSelf.configuration.container",message="the container of configuration cannot be changed: the file would be in another one. Remove configuration, and add it again, which takes new pods"
// +kubebuilder:validation:XValidation:rule="!has(self.roles) || !has(self.shardSize) || !self.roles.exists(r, r.service == 'PerShard') || self.replicas / self.shardSize <= 100",message="roles have Services in sets of at most 100 shards: set service to None, and have clients ask Sentinel or a proxy"
type InstanceSetSpec struct {
	// replicas is the number of instances.
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=20000
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`
	// ordinals says which ordinals the instances may have; the lowest ones are used first. The default is 0 and up.
	// +optional
	Ordinals *Ordinals `json:"ordinals,omitempty"`
	// shardSize is the number of instances that hold copies of the same data: ordinals i*shardSize to
	// i*shardSize+shardSize-1 are shard i. Unset means that the set has no shards.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	ShardSize *int32 `json:"shardSize,omitempty"`
	// roles are what the instances of a shard are to each other, as their agents report it. The controller writes it to the
	// label shoal.dev/role of the pods. Unset means that they have none.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:XValidation:rule="self.exists(r, r.name == 'master')",message="roles need the role master"
	// +listType=map
	// +listMapKey=name
	// +optional
	Roles []InstanceRole `json:"roles,omitempty"`
	// roleProvider says who decides which instance is master. Shoal does not.
	// +optional
	RoleProvider *RoleProvider `json:"roleProvider,omitempty"`
	// redis is how the agent of an instance logs in to the Redis beside it. Unset means without a password and without TLS. The
	// manager reads none of these Secrets.
	// +optional
	Redis *RedisAccess `json:"redis,omitempty"`
	// configuration is what the engines are configured with. Only for sets with roles, as their agents apply it. To add or to remove it as a
	// whole takes new pods; parameters are changed in place.
	// +optional
	Configuration *Configuration `json:"configuration,omitempty"`
	// offlineInstances are ordinals that keep their volumes, their node and their place in the shard, but have no pod.
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:Minimum=0
	// +kubebuilder:validation:items:Maximum=999999
	// +listType=set
	// +optional
	OfflineInstances []int32 `json:"offlineInstances,omitempty"`
	// template is the pod template. The controller adds names, labels, volumes and tolerations. How running pods take up a
	// changed template is in updateStrategy.
	// +required
	Template corev1.PodTemplateSpec `json:"template"`
	// templates make some instances different from the rest.
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:XValidation:rule="self.all(t, self.exists_one(u, u.name == t.name))",message="two templates have the same name: names must be unique"
	// +listType=atomic
	// +optional
	Templates []InstanceTemplate `json:"templates,omitempty"`
	// volumeClaimTemplates are the claims of each instance, named <template>-<set>-<ordinal>. Of those that exist, only the size
	// can be changed: volumes grow to it where their StorageClass allows it, and never shrink.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.all(v, self.exists_one(w, w.metadata.name == v.metadata.name))",message="two volumeClaimTemplates have the same name: names must be unique"
	// +listType=atomic
	// +optional
	VolumeClaimTemplates []VolumeClaimTemplate `json:"volumeClaimTemplates,omitempty"`
	// persistentVolumeClaimRetentionPolicy says what happens to the claims of instances that are no longer wanted.
	// +kubebuilder:default={}
	// +optional
	PersistentVolumeClaimRetentionPolicy PersistentVolumeClaimRetentionPolicy `json:"persistentVolumeClaimRetentionPolicy,omitempty"`
	// updateStrategy says how running instances take up a changed template.
	// +kubebuilder:default={}
	// +optional
	UpdateStrategy UpdateStrategy `json:"updateStrategy,omitempty"`
	// revisionHistoryLimit is how many revisions of the templates are kept beside those that are in use, to go back to.
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +optional
	RevisionHistoryLimit *int32 `json:"revisionHistoryLimit,omitempty"`
	// minReadySeconds is how long a pod must be Ready before it counts as available.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600
	// +optional
	MinReadySeconds int32 `json:"minReadySeconds,omitempty"`
	// placement are the set's own limits; the controller writes them into a PlacementPolicy named like the set.
	// +optional
	Placement *PlacementLimits `json:"placement,omitempty"`
	// placementPolicyRef names somebody else's PlacementPolicy in this namespace.
	// +optional
	PlacementPolicyRef *PlacementPolicyRef `json:"placementPolicyRef,omitempty"`
	// rebuild says whether and how an instance whose node died is rebuilt on another node.
	// +kubebuilder:default={}
	// +optional
	Rebuild RebuildPolicy `json:"rebuild,omitempty"`
	// paused stops every write to pods and claims of the set. Status goes on.
	// +optional
	Paused bool `json:"paused,omitempty"`
}

// Ordinals is a set of ordinals.
//
// +kubebuilder:validation:XValidation:rule="has(self.ranges) || has(self.discrete)",message="ordinals must have ranges or discrete, or be left out"
// +kubebuilder:validation:XValidation:rule="!has(self.ranges) || self.ranges.all(a, self.ranges.exists_one(b, a.start <= b.end && b.start <= a.end))",message="ranges overlap: each ordinal may be named once"
// +kubebuilder:validation:XValidation:rule="!has(self.ranges) || !has(self.discrete) || self.discrete.all(d, !self.ranges.exists(r, r.start <= d && d <= r.end))",message="a discrete ordinal also lies in a range: each ordinal may be named once"
type Ordinals struct {
	// ranges of ordinals, both ends included.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	Ranges []OrdinalRange `json:"ranges,omitempty"`
	// discrete ordinals.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:Minimum=0
	// +kubebuilder:validation:items:Maximum=999999
	// +listType=set
	// +optional
	Discrete []int32 `json:"discrete,omitempty"`
}

// OrdinalRange is the ordinals from start to end, both included.
//
// +kubebuilder:validation:XValidation:rule="self.start <= self.end",message="start must not be greater than end"
type OrdinalRange struct {
	// start is the first ordinal of the range.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=999999
	// +required
	Start int32 `json:"start"`
	// end is the last ordinal of the range.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=999999
	// +required
	End int32 `json:"end"`
}

// InstanceTemplate makes some instances different from spec.template. Which ordinals it got is recorded in the label
// shoal.dev/template.
type InstanceTemplate struct {
	// name of the template.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=63
	// +required
	Name string `json:"name"`
	// replicas is the number of the set's instances that use this template.
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=20000
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`
	// labels are added to the pods.
	// +kubebuilder:validation:MaxProperties=32
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// annotations are added to the pods.
	// +kubebuilder:validation:MaxProperties=32
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
	// containers replace the image or the resources of containers of spec.template, by name.
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	// +optional
	Containers []ContainerOverride `json:"containers,omitempty"`
	// volumes replace the size of claims, by the name of their entry in volumeClaimTemplates. The volume of an instance that
	// comes to this template grows to it; one that leaves it keeps its size.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	Volumes []VolumeOverride `json:"volumes,omitempty"`
}

// VolumeOverride replaces the size of one claim.
type VolumeOverride struct {
	// name of the entry in volumeClaimTemplates.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +required
	Name string `json:"name"`
	// storage is the size that the claim asks for. The API server makes no claim of 0 or less.
	// +required
	Storage resource.Quantity `json:"storage"`
}

// ContainerOverride replaces parts of one container of spec.template.
type ContainerOverride struct {
	// name of the container in spec.template. An unknown name is reported in the condition Progressing.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +required
	Name string `json:"name"`
	// image replaces the image.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Image string `json:"image,omitempty"`
	// resources replace the resources as a whole.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`
}

// VolumeClaimTemplate is one claim of each instance.
type VolumeClaimTemplate struct {
	// metadata of the claims.
	// +required
	Metadata VolumeClaimMeta `json:"metadata"`
	// spec of the claims. The StorageClass should bind when the first consumer is placed (WaitForFirstConsumer):
	// with Immediate the volume picks the node before the scheduler does.
	// +required
	Spec corev1.PersistentVolumeClaimSpec `json:"spec"`
}

// VolumeClaimMeta is the metadata of a claim that a user may set.
type VolumeClaimMeta struct {
	// name of the volume in the pod.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=63
	// +required
	Name string `json:"name"`
	// labels are added to the claims.
	// +kubebuilder:validation:MaxProperties=32
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// annotations are added to the claims.
	// +kubebuilder:validation:MaxProperties=32
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// RetentionType says what happens to a claim that is no longer wanted.
// +kubebuilder:validation:Enum=Retain;Delete
type RetentionType string

// Retention types.
const (
	// RetainClaims keeps claims and their data.
	RetainClaims RetentionType = "Retain"
	// DeleteClaims deletes the claims; the volume's reclaim policy decides about the data.
	DeleteClaims RetentionType = "Delete"
)

// PersistentVolumeClaimRetentionPolicy says what happens to claims that are no longer wanted.
type PersistentVolumeClaimRetentionPolicy struct {
	// whenScaled is for ordinals that a scale-in removes.
	// +kubebuilder:default=Retain
	// +optional
	WhenScaled RetentionType `json:"whenScaled,omitempty"`
	// whenDeleted is for the deletion of the whole set.
	// +kubebuilder:default=Retain
	// +optional
	WhenDeleted RetentionType `json:"whenDeleted,omitempty"`
}

// PlacementPolicyRef names a PlacementPolicy of the same namespace.
type PlacementPolicyRef struct {
	// name of the policy.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +required
	Name string `json:"name"`
}

// RebuildMode says who may start a rebuild.
// +kubebuilder:validation:Enum=Automatic;Manual;Never
type RebuildMode string

// Rebuild modes.
const (
	// RebuildAutomatic rebuilds by itself once the node carries the taint node.kubernetes.io/out-of-service.
	RebuildAutomatic RebuildMode = "Automatic"
	// RebuildManual reports what could be rebuilt and waits.
	RebuildManual RebuildMode = "Manual"
	// RebuildNever neither rebuilds nor reports.
	RebuildNever RebuildMode = "Never"
)

// HolderCheck says how Shoal makes sure that the data lives elsewhere before it gives up a volume.
// +kubebuilder:validation:Enum=Redis;None
type HolderCheck string

// Holder checks.
const (
	// HolderCheckRedis asks the other instances of the shard: one must answer the command ROLE as a master that has
	// replicated before.
	HolderCheckRedis HolderCheck = "Redis"
	// HolderCheckNone asks nobody. Only for sets whose data may be lost, such as a cache.
	HolderCheckNone HolderCheck = "None"
)

// RebuildPolicy says whether and how instances of dead nodes are rebuilt.
type RebuildPolicy struct {
	// mode says who may start a rebuild.
	// +kubebuilder:default=Manual
	// +optional
	Mode RebuildMode `json:"mode,omitempty"`
	// holderCheck says how it is made sure that another instance holds the data.
	// +kubebuilder:default=Redis
	// +optional
	HolderCheck HolderCheck `json:"holderCheck,omitempty"`
	// port on which the instances answer the holder check.
	// +kubebuilder:default=6379
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +optional
	Port int32 `json:"port,omitempty"`
}

// InstanceSetStatus is what the controller sees: counters and ordinal ranges. Its size does not grow with the set.
type InstanceSetStatus struct {
	// observedGeneration is the generation of the spec that the rest of the status was made from.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// replicas is the number of pods of wanted ordinals, terminating ones excepted.
	// +optional
	Replicas int32 `json:"replicas"`
	// readyReplicas is the number of those that are Ready.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas"`
	// availableReplicas is the number of those that have been Ready for minReadySeconds.
	// +optional
	AvailableReplicas int32 `json:"availableReplicas"`
	// updatedReplicas is the number of those that were made from the current templates.
	// +optional
	UpdatedReplicas int32 `json:"updatedReplicas"`
	// offlineReplicas is the number of wanted ordinals that are held offline.
	// +optional
	OfflineReplicas int32 `json:"offlineReplicas,omitempty"`
	// nodes is the number of nodes on which the set holds a slot.
	// +optional
	Nodes int32 `json:"nodes"`
	// maxPerNode is the number of instances on the fullest node.
	// +optional
	MaxPerNode int32 `json:"maxPerNode"`
	// updateRevision is the hash of the current spec.template.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	UpdateRevision string `json:"updateRevision,omitempty"`
	// currentRevision is the hash of the spec.template that the last update ended with: instances that are not updated yet keep
	// it, also when their pod is created anew.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	CurrentRevision string `json:"currentRevision,omitempty"`
	// templateRevisions are the same two of each entry of spec.templates.
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	// +optional
	TemplateRevisions []TemplateRevision `json:"templateRevisions,omitempty"`
	// revisions are those that pods have, the most frequent 20.
	// +kubebuilder:validation:MaxItems=20
	// +listType=map
	// +listMapKey=name
	// +optional
	Revisions []RevisionInUse `json:"revisions,omitempty"`
	// replacing are the ordinals whose pod was removed to be made from the current template, as ranges ("3,5-7").
	// +kubebuilder:validation:MaxLength=131072
	// +optional
	Replacing string `json:"replacing,omitempty"`
	// leaving are the ordinals that may leave nodes that are cordoned, or whose pods have, as ranges behind the revision that they keep:
	// "2f62762057=3,5-7", with blanks between revisions.
	// +kubebuilder:validation:MaxLength=131072
	// +optional
	Leaving string `json:"leaving,omitempty"`
	// refusedConfiguration is the configuration that an engine did not take, while a template asks for it.
	// +optional
	RefusedConfiguration *RefusedConfiguration `json:"refusedConfiguration,omitempty"`
	// bootstrapped are the ordinals that have been Ready once, as ranges ("0-118,120"). It is the record, outside of the
	// volumes, by which the replacement of a lost volume is told from a first start.
	// +kubebuilder:validation:MaxLength=131072
	// +optional
	Bootstrapped string `json:"bootstrapped,omitempty"`
	// exceptions are up to 50 instances that are not as wanted, worst first.
	// +kubebuilder:validation:MaxItems=50
	// +listType=atomic
	// +optional
	Exceptions []InstanceException `json:"exceptions,omitempty"`
	// selector selects the pods of the set, for the scale subresource.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Selector string `json:"selector,omitempty"`
	// conditions are Ready, Progressing, Updating, Placed, Rebuilding and Paused, and of sets with roles NoMaster, TwoMasters and InSync.
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// InstanceException is one instance that is not as wanted.
type InstanceException struct {
	// ordinal of the instance.
	Ordinal int32 `json:"ordinal"`
	// reason is a code of the catalogue, such as SHOAL2105.
	// +kubebuilder:validation:MaxLength=16
	Reason string `json:"reason"`
	// message says what is wrong, in one line.
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message"`
}
