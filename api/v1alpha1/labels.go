package v1alpha1

// Labels. They stand on pods and on claims (PVCs) alike, because only a change of a label raises an event that
// wakes the scheduler's queue: an annotation would be seen too late.
//
// Those that hold a slot (LabelPlacementPolicy, LabelCluster, LabelShard, LabelInstanceSet, LabelOrdinal) can be changed
// and removed by nobody but shoal-manager once they are set on a pod or claim; an admission policy enforces it.
const (
	// LabelPlacementPolicy names the PlacementPolicy of the same namespace whose limits hold for the instance.
	// Pods with the same value in one namespace are one placement group. Written by users (on StatefulSets' pod
	// templates and claim templates) and by the InstanceSet controller.
	LabelPlacementPolicy = GroupName + "/placement-policy"
	// LabelCluster names the Redis cluster that the instance belongs to. Pods with this label and without
	// LabelPlacementPolicy form the group (namespace, cluster) under the defaults of the scheduler's DispersionArgs.
	LabelCluster = GroupName + "/cluster"
	// LabelComponent names the component of the cluster (server, sentinel, proxy). For people and dashboards.
	LabelComponent = GroupName + "/component"
	// LabelInstanceSet names the InstanceSet. Written by the InstanceSet controller alone.
	LabelInstanceSet = GroupName + "/instance-set"
	// LabelOrdinal is the instance's ordinal in its set, in decimal. Written by the InstanceSet controller alone.
	LabelOrdinal = GroupName + "/ordinal"
	// LabelShard names the shard: instances of one group with the same value hold copies of the same data. Written by
	// the InstanceSet controller as <set>-<i> when shardSize is set, and by users on StatefulSets (one per shard).
	LabelShard = GroupName + "/shard"
	// LabelTemplate names the entry of spec.templates that the instance was made from, or that a ControllerRevision is of; absent for
	// spec.template. Of a claim it follows its pod, and is empty where that has come back to spec.template.
	LabelTemplate = GroupName + "/template"
	// LabelRevision is the hash of the template that the pod was made from. Pods only; written by the controller.
	LabelRevision = GroupName + "/revision"
	// LabelLost marks the pod and the claims of an instance whose node is proven dead; the value is that Node's UID.
	// A lost instance holds no slot. Written by shoal-manager alone (an admission policy enforces it), the first write
	// of a rebuild, and never taken back.
	LabelLost = GroupName + "/lost"
	// LabelRetired marks a retained claim whose ordinal is no longer wanted. It holds no slot. Written and removed by
	// shoal-manager alone (an admission policy enforces it). The value is RetiredValue, or ReturningValue before it is removed.
	LabelRetired = GroupName + "/retired"
	// LabelRole is what the instance is in its shard: master, replica, or absent while that is not known. Pods only. Written
	// by shoal-manager alone (an admission policy enforces it): a Service would send writes to whoever has it. A hint:
	// nothing destructive rests on it.
	LabelRole = GroupName + "/role"
	// LabelMayLeave stands on the pod of an instance that may leave its node now, because somebody has cordoned that: no budget selects the pod
	// any more, so that a drain gets on. The value is since when, in seconds of Unix time. Pods only. Written and removed by shoal-manager
	// alone (an admission policy enforces it).
	LabelMayLeave = GroupName + "/may-leave"
	// LabelLeads stands on the pod of the manager that leads: the Service for agents selects it. Written by the manager that
	// leads, which takes it from the others.
	LabelLeads = GroupName + "/leads"
)

// Values of LabelRetired. Two objects cannot be changed at once: while shoal-manager takes the label from a claim, the pod may go for
// whose sake it does. So it writes ReturningValue first, and looks for the pod after that. A claim with either value holds no slot.
const (
	RetiredValue = "true"
	// ReturningValue says that the claim is about to hold its slot again: while it stands there, the scheduler gives the place of
	// a pod that goes to nobody. It is removed with the label if the pod is there, and becomes RetiredValue again if not.
	ReturningValue = "returning"
)

// Annotations.
const (
	// AnnotationPolicyVersion is the resourceVersion of the PlacementPolicy that the controller had seen when it created
	// the pod. The scheduler holds the pod until it has seen that version or a later one: policy and pods arrive by
	// different watches, and a guard that works with an outdated total can dead-lock. On pods.
	AnnotationPolicyVersion = GroupName + "/placement-policy-version"
	// AnnotationRebuildGeneration counts how often the instance's data was replaced: "0" for a first start. A positive
	// value means that the instance held data before and starts empty now, so that an entrypoint must join as a replica
	// and never start as a master: an empty master wipes its replicas. On pods, claims and retained volumes.
	AnnotationRebuildGeneration = GroupName + "/rebuild-generation"
	// AnnotationTerminalFailures counts how many pods of the instance ended (phase Failed or Succeeded) one soon after the
	// other before this one. It lengthens the wait before the next replacement. Written by the InstanceSet controller on
	// pods that replace one that ended.
	AnnotationTerminalFailures = GroupName + "/terminal-failures"
	// AnnotationRetainedFor is <namespace>/<instance> on a PersistentVolume that was set to Retain by a rebuild. It finds
	// the data again.
	AnnotationRetainedFor = GroupName + "/retained-for"
	// AnnotationRoleClaim names the instance that was about to be labelled as master when this pod was written to last, and
	// the version that this pod had then. It is written so that the pod has another version: whoever still wants to label
	// it because of an older one is refused. On pods.
	AnnotationRoleClaim = GroupName + "/role-claim"
	// AnnotationTargetRevision is the revision that the pod is being changed to in place, while more than one write is needed for
	// it: LabelRevision follows with the last one. Others before it, with blanks between them, are those that it was being changed to
	// before that; it may have parts of each. Written by the InstanceSet controller. On pods.
	AnnotationTargetRevision = GroupName + "/target-revision"
	// AnnotationRestarting names the containers whose image was changed last, each with the ID that it had then and the image that it runs
	// ("redis=containerd://4f1c...@redis:7.0"): the change is done when another one runs, or that image was put back. Written by the InstanceSet controller. On pods.
	AnnotationRestarting = GroupName + "/restarting"
	// AnnotationConfiguration is the configuration that the pod's agent brings to the engine: JSON, see Configuration in package api/agent.
	// Written by the InstanceSet controller. On pods.
	AnnotationConfiguration = GroupName + "/configuration"
	// AnnotationRestartMaster is the revision of the configuration for which the agent may restart an engine that is master. Without it, a
	// master is not restarted. Written by the InstanceSet controller together with that configuration, where updateStrategy.switchover lets
	// it disturb a master that has not handed over. On pods.
	AnnotationRestartMaster = GroupName + "/restart-master"
	// AnnotationAllowDisruption, AllowDisruption as its value, lets others than shoal-manager delete the instance, and change labels of
	// Shoal on it that hold no slot; an admission policy asks for it. Written by users, on pods, or on a template for all of its
	// instances. The pod that comes after it does not have it from the one before.
	AnnotationAllowDisruption = GroupName + "/allow-disruption"
	// AnnotationChangeCause is what a person says of a change, on InstanceSets, as on Kubernetes' own workloads. The controller copies it
	// to the ControllerRevision of the templates that came with it.
	AnnotationChangeCause = "kubernetes.io/change-cause"
	// AnnotationMaxMemory is the maxmemory of the pod's Redis, as a Kubernetes quantity ("12Gi"). Written by users, on pod
	// templates, where it does not stand in the arguments of a container. The scheduler expects the pod to fill it.
	AnnotationMaxMemory = GroupName + "/maxmemory"
	// AnnotationIngressBandwidth and AnnotationEgressBandwidth are what CNI plugins shape a pod to, in bits per second as
	// a quantity ("100M"). On pods without a request for ResourceNetIngress or ResourceNetEgress they count as one.
	AnnotationIngressBandwidth = "kubernetes.io/ingress-bandwidth"
	AnnotationEgressBandwidth  = "kubernetes.io/egress-bandwidth"
)

// AllowDisruption is the value of AnnotationAllowDisruption that counts.
const AllowDisruption = "true"

// Extended resources of nodes, in Mbit/s: what network devices can receive and send. Pods request them in resources of
// their containers. Advertised by shoal-manager.
const (
	ResourceNetIngress = GroupName + "/net-ingress-mbps"
	ResourceNetEgress  = GroupName + "/net-egress-mbps"
)

// SchedulerName is the scheduler that enforces Shoal's placement rules.
const SchedulerName = "shoal-scheduler"

// Finalizer is held by an InstanceSet until its volumes were treated as its retention policy says.
const Finalizer = GroupName + "/instance-set"

// SwitchoverFinalizer is held by a Switchover that has begun until it has ended: somebody has to finish it, or to give the
// writes back.
const SwitchoverFinalizer = GroupName + "/switchover"
