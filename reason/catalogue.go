package reason

// The catalogue, in ascending order. Add a row, run `make generate`, and read the page that it makes.
const (
	// PolicyNotFound: the PlacementPolicy that the pod names does not exist yet.
	PolicyNotFound Code = 1100
	// NodeInstanceLimit: node(s) already held the most instances of the group that maxInstancesPerNode allows.
	NodeInstanceLimit Code = 1101
	// NodeCountLimit: node(s) would be one more than maxNodes allows for the group.
	NodeCountLimit Code = 1102
	// NodeTooSmall: node(s) have too little room: the instances that are still to come would not fit in the nodes that may yet be opened.
	NodeTooSmall Code = 1103
	// ShardSpreadLimit: node(s) already held the most instances of the same shard that shardSpread allows.
	ShardSpreadLimit Code = 1104
	// NodeTotalLimit: node(s) already held the most instances of all groups that the scheduler allows.
	NodeTotalLimit Code = 1105
	// PolicyOutdated: the scheduler has not yet seen the version of the PlacementPolicy under which the pod was created.
	PolicyOutdated Code = 1106
	// PolicyNotCounted: the replicas of the policy's scaleTargetRefs have not been summed yet for its current generation.
	PolicyNotCounted Code = 1107
	// VolumePinned: node(s) did not hold the pod's local volume.
	VolumePinned Code = 1108
	// VolumeLost: the pod's local volume is on a node that was declared lost.
	VolumeLost Code = 1109
	// RoomPromised: node(s) keep their room for an absent instance of the group whose volume is there.
	RoomPromised Code = 1110
	// ShardPlanned: node(s) are needed for other instances of the group: with so little room, only the planned nodes leave places for as many as can be.
	ShardPlanned Code = 1111
	// NotPlanned: node(s) are not, or no longer, wanted by the plan of the group, and its mode is Strict.
	NotPlanned Code = 1112
	// RoomNeeded: node(s) keep their room for another group whose instances are still to come.
	RoomNeeded Code = 1113
	// Held: the pod waits behind another one of its group, for which there is no node.
	Held Code = 1114
	// NodeBusy: the measured load of node(s) would be above a threshold.
	NodeBusy Code = 1115
	// BandwidthTaken: node(s) had too little network bandwidth left.
	BandwidthTaken Code = 1116
	// ClaimReplaced: the scheduler has seen the claim of the pod later than the API server replaced it.
	ClaimReplaced Code = 1117
	// NodeVacated: what held the node for the group was gone before the scheduler saw that.
	NodeVacated Code = 1118
	// Overlooked: the scheduler heard of the pod as of a change of another scheduler's.
	Overlooked Code = 1119
	// Feasible: all replicas can be placed.
	Feasible Code = 1200
	// LimitsTooTight: maxNodes times maxInstancesPerNode is less than the replicas.
	LimitsTooTight Code = 1201
	// NotEnoughRoom: the nodes of today do not have room for all replicas within the limits.
	NotEnoughRoom Code = 1202
	// WithinLimits: every limit is kept.
	WithinLimits Code = 1203
	// OverLimits: more nodes or instances per node are in use than the limits allow.
	OverLimits Code = 1204
	// TargetNotFound: a workload named by scaleTargetRefs does not exist.
	TargetNotFound Code = 1205
	// NodeLossSurvived: every shard keeps an instance when any one node is lost, and most shards keep all of theirs.
	NodeLossSurvived Code = 1206
	// LastInstances: the loss of one node would leave shards without any instance.
	LastInstances Code = 1207
	// MajorityOnNode: one node holds instances of so many shards that a majority of the masters may be there.
	MajorityOnNode Code = 1208
	// TooManyReplicas: the scale targets want more instances than a group can have.
	TooManyReplicas Code = 1209
	// LoadUnknown: the load of too many nodes could not be measured.
	LoadUnknown Code = 1301
	// LoadKnown: the load of nodes is measured again.
	LoadKnown Code = 1302
	// BandwidthInvalid: an annotation for the bandwidth of a node is not understood.
	BandwidthInvalid Code = 1303
	// CreateInstance: the ordinal is wanted and has no pod.
	CreateInstance Code = 2001
	// ScaleIn: the ordinal is no longer wanted.
	ScaleIn Code = 2002
	// TakeOffline: the ordinal is listed in offlineInstances.
	TakeOffline Code = 2003
	// ReplaceTerminal: the pod has ended and will not run again.
	ReplaceTerminal Code = 2004
	// RetireClaim: the ordinal is no longer wanted: its volume is kept and no longer counts.
	RetireClaim Code = 2005
	// ReviveClaim: the ordinal is wanted again: its volume counts again.
	ReviveClaim Code = 2006
	// DeleteClaim: the ordinal is no longer wanted, and the retention policy is Delete.
	DeleteClaim Code = 2007
	// RaisePolicy: more replicas are wanted: the policy is raised before pods are created.
	RaisePolicy Code = 2008
	// LowerPolicy: fewer replicas are wanted: the policy is lowered after the pods are gone.
	LowerPolicy Code = 2009
	// CreateService: the set has a headless Service.
	CreateService Code = 2010
	// ForeignObject: an object of that name belongs to somebody else.
	ForeignObject Code = 2011
	// WriteFailed: a write was refused by the API server.
	WriteFailed Code = 2012
	// ReleaseSet: the set is being deleted.
	ReleaseSet Code = 2013
	// ChangeLimits: the limits of the set were changed.
	ChangeLimits Code = 2014
	// HoldSet: the set is held until its volumes are treated as its retention policy says.
	HoldSet Code = 2015
	// ReplacePending: the pod has no node yet, and does not know that its volume is gone.
	ReplacePending Code = 2016
	// ReplaceStranded: the pod waits on a node for a claim that is gone, new, or elsewhere.
	ReplaceStranded Code = 2017
	// NodeOutOfService: the node was declared out of service.
	NodeOutOfService Code = 2101
	// RetainVolume: the old volume is kept until somebody deletes it.
	RetainVolume Code = 2102
	// ReplaceClaim: the claim is bound to a volume of a dead node.
	ReplaceClaim Code = 2103
	// ReplacePod: the pod is on a dead node.
	ReplacePod Code = 2104
	// RebuildManual: the instance could be rebuilt, but rebuild.mode is Manual.
	RebuildManual Code = 2105
	// RebuildNever: rebuild.mode is Never.
	RebuildNever Code = 2106
	// NodeUnreachable: the node does not answer, and nobody has vouched that it is off.
	NodeUnreachable Code = 2107
	// NodeDeleted: the Node object is gone, which does not prove that the machine is off.
	NodeDeleted Code = 2108
	// NoReadyPeer: no other instance on a healthy node is Ready.
	NoReadyPeer Code = 2109
	// ShardBusy: another instance of the shard is being rebuilt.
	ShardBusy Code = 2110
	// HolderUnproven: no other instance of the shard answered as a master that has replicated.
	HolderUnproven Code = 2111
	// RebuildDone: no instance waits for a rebuild.
	RebuildDone Code = 2112
	// Rebuilding: instances that gave up their data are being replaced, or were and are not Ready.
	Rebuilding Code = 2113
	// FencingWithdrawn: the node lost its taint out-of-service in the middle of a rebuild.
	FencingWithdrawn Code = 2114
	// VolumeUnknown: the claim names a volume that cannot be found.
	VolumeUnknown Code = 2115
	// RebuildHeld: nothing is given up while the set may create no pods.
	RebuildHeld Code = 2116
	// JustMade: a replacement is so new that its node is not judged yet.
	JustMade Code = 2117
	// CreateBudget: the set has a PodDisruptionBudget that refuses evictions.
	CreateBudget Code = 2118
	// RestoreBudget: somebody has changed the set's PodDisruptionBudget.
	RestoreBudget Code = 2119
	// RemoveBudget: the set's template allows that its instances are disrupted.
	RemoveBudget Code = 2120
	// AllReady: every wanted instance is Ready.
	AllReady Code = 2201
	// NotAllReady: some instances are not Ready.
	NotAllReady Code = 2202
	// Settled: nothing is being created or removed.
	Settled Code = 2203
	// Working: instances are being created or removed.
	Working Code = 2204
	// AllPlaced: every pod has a node.
	AllPlaced Code = 2205
	// Unschedulable: some pods have no node.
	Unschedulable Code = 2206
	// Paused: spec.paused is set.
	Paused Code = 2207
	// NotPaused: spec.paused is not set.
	NotPaused Code = 2208
	// PolicyMissing: the PlacementPolicy that the set names does not exist.
	PolicyMissing Code = 2209
	// UnknownContainer: a template names a container that spec.template does not have.
	UnknownContainer Code = 2210
	// VolumeGoneNodeDeleted: the instance has no pod, and its volume is on a node that is gone.
	VolumeGoneNodeDeleted Code = 2211
	// InstanceNotReady: the pod is not Ready.
	InstanceNotReady Code = 2212
	// PolicyBehind: the PlacementPolicy does not count all instances of the set yet.
	PolicyBehind Code = 2213
	// SetNotCounted: the PlacementPolicy sums other workloads, and does not count this set.
	SetNotCounted Code = 2214
	// HandedOver: another instance is master, and has every write.
	HandedOver Code = 2301
	// SwitchoverNotWanted: the policy for switchovers is None.
	SwitchoverNotWanted Code = 2302
	// NotInShard: the switchover names an instance that is not in the shard.
	NotInShard Code = 2303
	// NoCandidate: no replica can take over.
	NoCandidate Code = 2304
	// TargetLost: the replica that was to take over does not answer.
	TargetLost Code = 2305
	// TargetBehind: the replica that was to take over did not catch up in time.
	TargetBehind Code = 2306
	// NoSentinelMajority: too few Sentinels answer, or vote.
	NoSentinelMajority Code = 2307
	// FailoverRunning: Sentinel promotes somebody just now.
	FailoverRunning Code = 2308
	// MasterUnreachable: the master does not answer.
	MasterUnreachable Code = 2309
	// TwoMasters: two instances say that they are master.
	TwoMasters Code = 2310
	// NoMaster: no instance is known to take writes.
	NoMaster Code = 2311
	// AnotherMaster: an instance that nobody asked for is master.
	AnotherMaster Code = 2312
	// HistoriesDiffer: the new master lacks bytes of the old one.
	HistoriesDiffer Code = 2313
	// SwitchoverTooLong: the switchover took too long.
	SwitchoverTooLong Code = 2314
	// HandedOverInPart: another instance is master, and not everybody follows it yet.
	HandedOverInPart Code = 2315
	// SwitchoverRunning: a switchover that somebody asked for has begun.
	SwitchoverRunning Code = 2316
	// SwitchoverContinued: a switchover that was interrupted goes on.
	SwitchoverContinued Code = 2317
	// ShardTaken: the master of the shard is being handed over already.
	ShardTaken Code = 2318
	// NoSuchShard: there is no such set with roles, or no such shard of it.
	NoSuchShard Code = 2319
	// SwitchoverPaused: the set is paused.
	SwitchoverPaused Code = 2320
	// InstanceLost: an instance of the shard is lost.
	InstanceLost Code = 2321
	// NoLabelledMaster: nobody of the shard, or more than one, has the label master.
	NoLabelledMaster Code = 2322
	// AlreadyMaster: the instance that is to take over is master.
	AlreadyMaster Code = 2323
	// SwitchoverTooOld: the switchover was asked for long ago.
	SwitchoverTooOld Code = 2324
	// NoOrders: this manager cannot give orders to instances.
	NoOrders Code = 2325
	// StartedAnew: the old master has started again without what it had.
	StartedAnew Code = 2326
	// LabelMaster: the label master is given to the instance that is master.
	LabelMaster Code = 2401
	// LabelReplica: the label replica is given to an instance that says that it is one.
	LabelReplica Code = 2402
	// StripNotMaster: the label master is taken from an instance that says that it is none.
	StripNotMaster Code = 2403
	// StripLost: a label is taken from an instance whose pod has ended or whose node is lost.
	StripLost Code = 2404
	// StripSuperseded: the label master is taken from an instance that a later election has replaced.
	StripSuperseded Code = 2405
	// StripContested: the label master is taken because several instances claim to be master.
	StripContested Code = 2406
	// ClearRole: the label replica is taken from an instance that is none any more.
	ClearRole Code = 2407
	// ConfirmStripped: a pod is written to before another one gets the label master.
	ConfirmStripped Code = 2408
	// MasterLabelled: every shard has an instance with the label master.
	MasterLabelled Code = 2409
	// OneMaster: no shard has two masters.
	OneMaster Code = 2410
	// MasterMoving: the label master is on its way to another instance.
	MasterMoving Code = 2411
	// NoMasterClaim: no instance of the shard says that it is master.
	NoMasterClaim Code = 2412
	// MasterNotConfirmed: the HA system names an instance that does not say that it is master.
	MasterNotConfirmed Code = 2413
	// HASilent: the HA system does not say who is master.
	HASilent Code = 2414
	// MasterSilent: the instance that is master by all that is known is silent.
	MasterSilent Code = 2415
	// OthersUnheard: without an HA system, nothing is known of the other instances.
	OthersUnheard Code = 2416
	// MastersContested: several instances claim to be master, and no election decides.
	MastersContested Code = 2417
	// OutdatedMaster: an instance claims to be master beside the one that was elected.
	OutdatedMaster Code = 2418
	// MasterNotServing: the master reads its data, or its pod is being deleted.
	MasterNotServing Code = 2419
	// ClaimSuperseded: what an instance says is of an earlier election.
	ClaimSuperseded Code = 2420
	// ViewOutdated: what a Sentinel says is of an earlier election.
	ViewOutdated Code = 2421
	// StripStranger: a label of a role is taken from a pod that carries the labels of a shard and is none of its instances.
	StripStranger Code = 2422
	// ServiceNeedsPort: the Service of a role has no port that it could have.
	ServiceNeedsPort Code = 2423
	// TooManyServices: a set has more shards than have Services.
	TooManyServices Code = 2424
	// JoinMaster: a protected instance is told to follow the master of its shard.
	JoinMaster Code = 2425
	// JoinNoMaster: a protected instance waits, because its shard has no master.
	JoinNoMaster Code = 2426
	// JoinMasterEmpty: a protected instance waits, because its data would be replaced by nothing.
	JoinMasterEmpty Code = 2427
	// JoinLoading: a protected instance waits until it has read its data.
	JoinLoading Code = 2428
	// JoinHandover: a protected instance waits until a switchover of its shard is over.
	JoinHandover Code = 2429
	// JoinFailed: a protected instance was not told, or did not do it.
	JoinFailed Code = 2430
	// ReplicasInSync: every replica of a shard with a master is in sync with it.
	ReplicasInSync Code = 2431
	// ReplicaBehind: a replica has not been in sync with its master for a minute.
	ReplicaBehind Code = 2432
	// ReplicaUnheard: a replica has not been heard lately: whether it is in sync is not known.
	ReplicaUnheard Code = 2433
	// MostUnheard: most agents of the set are silent, or the manager has just begun to lead: who is in sync is not known.
	MostUnheard Code = 2434
	// ReplicaMute: an instance does not say what it is, so that nobody knows whether it is in sync.
	ReplicaMute Code = 2435
	// EngineDistrusted: an engine and its agent do not trust each other.
	EngineDistrusted Code = 2436

	// IssueCertificate: the pod is an instance with an agent, and gets a certificate.
	IssueCertificate Code = 2501
	// DenyPod: the pod of the request is not there, or is another one.
	DenyPod Code = 2502
	// DenyEnded: the pod has ended, or its instance is declared lost.
	DenyEnded Code = 2503
	// DenyNode: the pod is not on the node of the request.
	DenyNode Code = 2504
	// DenyAccount: the pod does not have the ServiceAccount of the request.
	DenyAccount Code = 2505
	// DenyOwner: the pod is no instance of an InstanceSet.
	DenyOwner Code = 2506
	// DenyWithoutAgent: the pod has no agent.
	DenyWithoutAgent Code = 2507
	// UnsupportedKeyType: the key is of a sort that is not signed. The name is Kubernetes' own.
	UnsupportedKeyType Code = 2508
	// UnverifiedAnnotations: the request has annotations. The name is Kubernetes' own.
	UnverifiedAnnotations Code = 2509
	// RefuseReports: reports of agents are refused.
	RefuseReports Code = 2510
	// AgentNotRunning: the agent of an instance does not run. The instance does.
	AgentNotRunning Code = 2511
	// CertificateWaits: a request for a certificate is left open.
	CertificateWaits Code = 2512
	// ReplicaNotServing: a replica loses its label because it is not ready, or out of sync.
	ReplicaNotServing Code = 2513
	// SentinelSecret: the manager cannot read the Secrets with which Sentinels are asked.
	SentinelSecret Code = 2514
	// UpdateMetadata: labels, annotations and tolerations follow the template, and so does the revision: nothing restarts.
	UpdateMetadata Code = 2601
	// UpdateImage: the image follows the template: its container restarts in place.
	UpdateImage Code = 2602
	// UpdateResources: the resources follow the template, in place.
	UpdateResources Code = 2603
	// UpdateRecreate: the pod is made anew from the template, on its volumes.
	UpdateRecreate Code = 2604
	// AskHandover: the master hands over before it is updated.
	AskHandover Code = 2605
	// RecordRevision: what a template asks for is recorded.
	RecordRevision Code = 2606
	// PruneRevision: no pod has the revision, and there are more than revisionHistoryLimit.
	PruneRevision Code = 2607
	// UpToDate: all instances are up to date.
	UpToDate Code = 2608
	// UpdateRunning: instances are brought to their templates.
	UpdateRunning Code = 2609
	// UpdateBlocked: the template asks for what no running instance may become: nothing is written.
	UpdateBlocked Code = 2610
	// UpdateNotByUs: updateStrategy.type is OnDelete: pods are updated when they are deleted.
	UpdateNotByUs Code = 2611
	// UpdatePartition: the rest is held back by updateStrategy.partition.
	UpdatePartition Code = 2612
	// RevisionUnknown: what the pod was made from is not known: it stays as it is.
	RevisionUnknown Code = 2613
	// MasterWaits: a master is not disturbed before it has handed over.
	MasterWaits Code = 2614
	// UpdateStopped: an instance that was updated does not come up: the update waits for it.
	UpdateStopped Code = 2615
	// ResizeDeferred: the node has no room for the new resources now.
	ResizeDeferred Code = 2616
	// ResizeInfeasible: the node can never give the new resources.
	ResizeInfeasible Code = 2617
	// ResizeFailed: the kubelet could not carry the new resources out.
	ResizeFailed Code = 2618
	// MemoryWaits: a memory limit does not come down while Redis runs.
	MemoryWaits Code = 2619
	// UpdateWaits: instances that are on their way or not available come first.
	UpdateWaits Code = 2620
	// HandingOver: the master of the shard is being handed over.
	HandingOver Code = 2621
	// HandoverFailed: the master could not hand over: its shard is not updated any further.
	HandoverFailed Code = 2622
	// ClaimGoing: somebody has deleted a claim of the instance: without its pod its data would go.
	ClaimGoing Code = 2623
	// GrowVolume: the volume grows to what its template asks for.
	GrowVolume Code = 2624
	// VolumeGrows: volumes grow to what their templates ask for.
	VolumeGrows Code = 2625
	// VolumesWait: no volume may grow now.
	VolumesWait Code = 2626
	// VolumeGrowthFailed: a volume could not grow: no other one is tried.
	VolumeGrowthFailed Code = 2627
	// VolumeFixed: the StorageClass lets no volume grow.
	VolumeFixed Code = 2628
	// VolumesNotByUs: updateStrategy.type is OnDelete: volumes are grown by whoever patches their claims.
	VolumesNotByUs Code = 2629
	// UpdateConfiguration: the configuration follows the template: the agent brings it to the engine.
	UpdateConfiguration Code = 2630
	// TakeBackConfiguration: the configuration that was refused is taken back.
	TakeBackConfiguration Code = 2631
	// ConfigurationWaits: the agent has not said yet that the engine runs with the configuration that it was given.
	ConfigurationWaits Code = 2632
	// ConfigurationTried: one instance tries the configuration before the others get it.
	ConfigurationTried Code = 2633
	// ConfigurationRefused: an engine did not take the configuration: no other one gets it.
	ConfigurationRefused Code = 2634
	// ConfigurationInvalid: the configuration asks for what no instance may have.
	ConfigurationInvalid Code = 2635
	// LeaveWaits: the instance is on a cordoned node, and waits until it may leave it.
	LeaveWaits Code = 2640
	// VolumeStays: the node of the instance is cordoned, and its volume is there: it stays.
	VolumeStays Code = 2641
	// NowhereToGo: the node of the instance is cordoned, and no other one would take it: it stays.
	NowhereToGo Code = 2642
	// LastHolder: the node of the instance is cordoned, and nobody else is known to have its data: it stays.
	LastHolder Code = 2643
	// Leaving: the node of the instance is cordoned: it leaves for another one.
	Leaving Code = 2644
	// TakeLeaveBack: the instance may not leave its node any more.
	TakeLeaveBack Code = 2645
)

type row struct {
	code Code
	Entry
}

// catalogue is a function, not a variable, so that nobody can change it.
func catalogue() []row {
	return []row{
		{PolicyNotFound, Entry{
			Name:    "PolicyNotFound",
			Text:    "the PlacementPolicy that the pod names does not exist yet",
			Meaning: "The label shoal.dev/placement-policy names a policy that the scheduler has not seen. The pod is held until it has: without the policy its limits are unknown.",
			Advice:  "Create the policy, or correct the label in the pod template. If the policy exists, check that the CRD placementpolicies.shoal.dev is installed and that the scheduler's ServiceAccount may list it.",
		}},
		{NodeInstanceLimit, Entry{
			Name:    "NodeInstanceLimit",
			Text:    "node(s) already held the most instances of the group that maxInstancesPerNode allows",
			Meaning: "Placing the pod there would break M, the limit of instances per node. Terminating pods and bound local volumes count.",
			Advice:  "Raise maxInstancesPerNode, or maxNodes, or add nodes. The policy's condition Feasible has the numbers.",
		}},
		{NodeCountLimit, Entry{
			Name:    "NodeCountLimit",
			Text:    "node(s) would be one more than maxNodes allows for the group",
			Meaning: "The group already holds slots on K nodes, so that it may only use those. A node counts until its last instance is gone or declared lost: neither NotReady nor a terminating pod frees it.",
			Advice:  "Raise maxNodes, or free room on the nodes in use. If one of them is dead for good, declare it out of service (taint node.kubernetes.io/out-of-service) so that its instances are rebuilt elsewhere.",
		}},
		{NodeTooSmall, Entry{
			Name:    "NodeTooSmall",
			Text:    "node(s) have too little room: the instances that are still to come would not fit in the nodes that may yet be opened",
			Meaning: "Only a few more nodes may be opened (maxNodes). Opening a small one now would leave too little room for the rest of the group, which would dead-lock.",
			Advice:  "Nothing, as long as other nodes are feasible. Otherwise raise maxNodes, or free room: the policy's condition Feasible has the numbers.",
		}},
		{ShardSpreadLimit, Entry{
			Name:    "ShardSpreadLimit",
			Text:    "node(s) already held the most instances of the same shard that shardSpread allows",
			Meaning: "Instances of one shard hold copies of the same data and must not be lost together.",
			Advice:  "Add nodes, raise maxNodes, or allow more instances of a shard per node with shardSpread.",
		}},
		{NodeTotalLimit, Entry{
			Name:    "NodeTotalLimit",
			Text:    "node(s) already held the most instances of all groups that the scheduler allows",
			Meaning: "DispersionArgs.maxInstancesPerNode caps the instances of all groups together on one node.",
			Advice:  "Add nodes, or raise maxInstancesPerNode in the arguments of the plugin Dispersion.",
		}},
		{PolicyOutdated, Entry{
			Name:    "PolicyOutdated",
			Text:    "the scheduler has not yet seen the version of the PlacementPolicy under which the pod was created",
			Meaning: "Policy and pods reach the scheduler by different watches. Working with an older total could dead-lock the group, so the pod waits.",
			Advice:  "Nothing: it passes within seconds. If it lasts, the scheduler's watch of placementpolicies.shoal.dev is broken: look at its log.",
		}},
		{PolicyNotCounted, Entry{
			Name:    "PolicyNotCounted",
			Text:    "the replicas of the policy's scaleTargetRefs have not been summed yet for its current generation",
			Meaning: "shoal-manager writes the sum into the policy's status. The scheduler holds the group until it is current.",
			Advice:  "Check that shoal-manager runs. If a target does not exist, the policy's condition Feasible names it.",
		}},
		{VolumePinned, Entry{
			Name:    "VolumePinned",
			Text:    "node(s) did not hold the pod's local volume",
			Meaning: "A claim of the pod is bound to a local volume, or was promised to a node, so that the pod can only run there.",
			Advice:  "Make that node schedulable again. If it is dead for good, declare it out of service, and the instance is rebuilt elsewhere if its set allows.",
		}},
		{VolumeLost, Entry{
			Name:    "VolumeLost",
			Text:    "the pod's local volume is on a node that was declared lost",
			Meaning: "The instance is being rebuilt: the claim that pins the pod to the dead node is about to be replaced.",
			Advice:  "Nothing: shoal-manager replaces the claim and the pod. If it lasts, look at the set's condition Rebuilding.",
		}},
		{RoomPromised, Entry{
			Name:    "RoomPromised",
			Text:    "node(s) keep their room for an absent instance of the group whose volume is there",
			Meaning: "An instance whose pod is being created anew can only run where its volume is. Its siblings must not take its room meanwhile.",
			Advice:  "Nothing: other nodes are used. If none is left, free room, or raise maxNodes, which counts for nothing in mode BestEffort.",
		}},
		{ShardPlanned, Entry{
			Name:    "ShardPlanned",
			Text:    "node(s) are needed for other instances of the group: with so little room, only the planned nodes leave places for as many as can be",
			Meaning: "Instances of one shard may not share a node. With hardly any room to spare, an unlucky order would leave the last instances with nodes that hold their siblings only, so the scheduler plans all shards at once and follows that plan. It does the same where instances of a group ask for different amounts and maxNodes is set: small instances would take the nodes that large ones need.",
			Advice:  "Nothing, as long as planned nodes are feasible. Otherwise add nodes, raise maxNodes, or free room: with more room the order does not matter.",
		}},
		{NotPlanned, Entry{
			Name:    "NotPlanned",
			Text:    "node(s) are not, or no longer, wanted by the plan of the group, and its mode is Strict",
			Meaning: "The scheduler plans the nodes of the whole group, and how many instances each gets. In mode Strict pods go nowhere else; a planned node that other plugins refuse is left out of the plan for a minute.",
			Advice:  "Find out why the planned nodes do not suit: the event names their reasons. Or allow other nodes with mode Guarded.",
		}},
		{RoomNeeded, Entry{
			Name:    "RoomNeeded",
			Text:    "node(s) keep their room for another group whose instances are still to come",
			Meaning: "Another group is being placed, and its plan counts on that room: its other nodes would not hold it. Taking the room would leave both groups unfinished.",
			Advice:  "Nothing, as long as other nodes are feasible. If it lasts, see why the pods of the other group wait, or add nodes.",
		}},
		{Held, Entry{
			Name:    "Held",
			Text:    "the pod waits behind another one of its group, for which there is no node",
			Meaning: "Every node is closed to a pod of the group for reasons that hold for this pod too. This pod has been tried once, and its condition PodScheduled says how each node was closed to it; from then on that other pod alone is tried again when something changes, so that thousands of pods without hope do not keep the scheduler from others; as soon as it finds a node, or is gone, all of them are tried.",
			Advice:  "See the event of the pod that is named, and the condition Feasible of the group's PlacementPolicy: it says how many nodes are missing.",
		}},
		{NodeBusy, Entry{
			Name:    "NodeBusy",
			Text:    "node(s) would be busier than a threshold of the scheduler allows",
			Meaning: "The measured load of the node, with what pods that are not yet in the measurement and this pod are expected to use, would be above one of the thresholds in the arguments of LoadBalance. Nodes whose load is not known are not refused; while that holds for more than 30 % of them, the threshold refuses none.",
			Advice:  "Add nodes, move load away, or raise the threshold in the scheduler's configuration. The pod is tried again after each measurement.",
		}},
		{BandwidthTaken, Entry{
			Name:    "BandwidthTaken",
			Text:    "node(s) had too little network bandwidth left",
			Meaning: "The bandwidth of the pods on the node, whether they request shoal.dev/net-ingress-mbps and shoal.dev/net-egress-mbps or have only the annotations kubernetes.io/ingress-bandwidth and egress-bandwidth, and that of this pod come to more than the node advertises.",
			Advice:  "Ask for less, add nodes, or correct what the nodes advertise: kubectl get nodes -o custom-columns='NAME:.metadata.name,IN:.status.allocatable.shoal\\.dev/net-ingress-mbps,OUT:.status.allocatable.shoal\\.dev/net-egress-mbps'",
		}},
		{ClaimReplaced, Entry{
			Name:    "ClaimReplaced",
			Text:    "the pod's claim is not the one that the scheduler has seen; it waits for the new one",
			Meaning: "The pod was let in because its volume holds its slot on a node, where the group has more than its limits allow today. Before it was bound, the API server said that this claim is gone, going or given up, so the slot is free, and the pod would be one more.",
			Advice:  "Nothing, if it passes within seconds: the pod is tried again when the scheduler sees the claim. If it lasts, look at the scheduler's watch of PersistentVolumeClaims (its log, and its rights).",
		}},
		{NodeVacated, Entry{
			Name:    "NodeVacated",
			Text:    "the group has left the node meanwhile, and uses as many others as maxNodes allows",
			Meaning: "The group uses more nodes than its limits allow today, so that the pod may only go to one of those. Before it was promised to this one, the API server said that the instances which held it are gone, or given up. The pod would have opened the node anew.",
			Advice:  "Nothing, if it passes within seconds: the pod is tried again when the scheduler sees what has gone. If it lasts, look at the scheduler's watches of Pods and PersistentVolumeClaims (its log, and its rights).",
		}},
		{Overlooked, Entry{
			Name:    "Overlooked",
			Text:    "the pod took the name of another scheduler's while the watch was interrupted; it is tried from now on",
			Meaning: "A pod of another scheduler was deleted and this one was made under its name, while the scheduler's watch of pods was interrupted. It heard of one change of one pod, which kube-scheduler 1.37 leaves out of its queue. The plugin writes this condition, so that the pod changes and is queued.",
			Advice:  "Nothing: the next try says more. If the condition stays for more than a minute, restart the scheduler and report it.",
		}},
		{Feasible, Entry{
			Name:    "Feasible",
			Text:    "all replicas can be placed",
			Meaning: "Within the limits, the nodes of today have room for all instances of the group.",
			Advice:  "Nothing.",
		}},
		{LimitsTooTight, Entry{
			Name:    "LimitsTooTight",
			Text:    "maxNodes times maxInstancesPerNode is less than the replicas",
			Meaning: "No cluster, however large, could place all replicas within these limits.",
			Advice:  "Raise maxNodes or maxInstancesPerNode, or lower replicas; the message says by how much.",
		}},
		{NotEnoughRoom, Entry{
			Name:    "NotEnoughRoom",
			Text:    "the nodes of today do not have room for all replicas within the limits",
			Meaning: "The limits would allow it, but too few nodes have enough free CPU, memory or pod slots, or too many are cordoned or not ready.",
			Advice:  "Add or uncordon nodes, or raise maxNodes or maxInstancesPerNode; the message has the numbers.",
		}},
		{WithinLimits, Entry{
			Name:    "WithinLimits",
			Text:    "every limit is kept",
			Meaning: "No node holds more instances than allowed, and no more nodes are used than allowed.",
			Advice:  "Nothing.",
		}},
		{OverLimits, Entry{
			Name:    "OverLimits",
			Text:    "more nodes or instances per node are in use than the limits allow",
			Meaning: "The limits were lowered while pods were running, or another scheduler placed pods of the group. Nothing is evicted.",
			Advice:  "Raise the limits again. Or cordon a surplus node and delete its pods, each annotated with shoal.dev/allow-disruption=true before: their replacements go to the others. A pod with a local volume stays with it.",
		}},
		{TargetNotFound, Entry{
			Name:    "TargetNotFound",
			Text:    "a workload named by scaleTargetRefs does not exist",
			Meaning: "The wanted replicas cannot be summed. A new group is held until all its workloads have existed once; one that runs goes on, with the sum of the others.",
			Advice:  "Create the workload, or take it out of scaleTargetRefs.",
		}},
		{NodeLossSurvived, Entry{
			Name:    "NodeLossSurvived",
			Text:    "every shard keeps an instance when any one node is lost, and most shards keep all of theirs",
			Meaning: "No node holds all instances of a shard, and none holds instances of half of the shards or more.",
			Advice:  "Nothing.",
		}},
		{LastInstances, Entry{
			Name:    "LastInstances",
			Text:    "the loss of one node would leave shards without any instance",
			Meaning: "A shard has one instance only, or only one that is placed so far, or all of them share a node because shardSpread allows it. When that node is lost, the shard and its data are gone.",
			Advice:  "Wait until the group is placed. If it lasts, give shards more instances, set shardSpread to max: 1, or see in the condition Feasible why the others have no place.",
		}},
		{MajorityOnNode, Entry{
			Name:    "MajorityOnNode",
			Text:    "one node holds instances of so many shards that a majority of the masters may be there",
			Meaning: "A Redis Cluster elects a new master only while a majority of its masters is alive. Masters move, so a node that holds instances of half of the shards or more may hold the masters of all of these; if it is lost then, nothing fails over by itself. Whether the masters are there now, and whether the shards are one Redis Cluster at all, a PlacementPolicy cannot know. Shards that Sentinel watches are not affected.",
			Advice:  "For a Redis Cluster, set maxInstancesPerNode to at most (shards - 1) / 2, rounded down, with enough nodes for it, or keep its masters on different nodes.",
		}},
		{TooManyReplicas, Entry{
			Name:    "TooManyReplicas",
			Text:    "the scale targets want more instances than a group can have",
			Meaning: "The workloads that the policy names in scaleTargetRefs ask for more than 20000 instances together, which is the largest group. The policy counts 20000, and the limits are kept; more pods than that are placed as they come, and nothing is planned for those that nobody has created yet.",
			Advice:  "Correct the replicas of the workload whose number is wrong: status.targets has what was read of each. A larger group has to be divided among several policies.",
		}},
		{LoadUnknown, Entry{
			Name:    "LoadUnknown",
			Text:    "the load of too many nodes could not be measured, so that requests decide",
			Meaning: "For more than 30 % of the nodes there is no reading of the resources that the event names, or none that is young enough. Each resource that is lost has an event; those that are lost at the same time share one. What pods request stands in for them on those nodes, and a threshold for them closes no node. The other resources count as they are measured. Pods are scheduled as before.",
			Advice:  "The event says what went wrong last. Look whether the source in the arguments of LoadBalance answers, and whether its series name the nodes by the label nodeLabel. The metrics shoal_load_fresh_nodes and shoal_load_failures_total show since when.",
		}},
		{LoadKnown, Entry{
			Name:    "LoadKnown",
			Text:    "the load of nodes is measured again",
			Meaning: "At least 70 % of the nodes have a reading of the resources that the event names that is young enough.",
			Advice:  "Nothing.",
		}},
		{BandwidthInvalid, Entry{
			Name:    "BandwidthInvalid",
			Text:    "an annotation for the bandwidth of the node is not understood",
			Meaning: "The annotation shoal.dev/net-ingress-mbps or shoal.dev/net-egress-mbps of the Node is not a whole number of Mbit/s from 0 to 10000000. The node goes on to advertise what it did before.",
			Advice:  "Correct it, for instance: kubectl annotate node NAME --overwrite shoal.dev/net-ingress-mbps=25000",
		}},
		{CreateInstance, Entry{
			Name:    "CreateInstance",
			Text:    "the ordinal is wanted and has no pod",
			Meaning: "The controller creates the claims and the pod.",
			Advice:  "Nothing.",
		}},
		{ScaleIn, Entry{
			Name:    "ScaleIn",
			Text:    "the ordinal is no longer wanted",
			Meaning: "The controller deletes the pod; the claims follow the retention policy.",
			Advice:  "Nothing.",
		}},
		{TakeOffline, Entry{
			Name:    "TakeOffline",
			Text:    "the ordinal is listed in offlineInstances",
			Meaning: "The pod is deleted; its claims, node and place in the shard are kept.",
			Advice:  "Take the ordinal out of offlineInstances to bring it back.",
		}},
		{ReplaceTerminal, Entry{
			Name:    "ReplaceTerminal",
			Text:    "the pod has ended and will not run again",
			Meaning: "A pod in phase Failed or Succeeded (evicted, preempted, completed) is deleted and created anew, with growing delays if it ends again and again.",
			Advice:  "If it repeats, look at the pod's last state and at the node.",
		}},
		{RetireClaim, Entry{
			Name:    "RetireClaim",
			Text:    "the ordinal is no longer wanted: its volume is kept and no longer counts",
			Meaning: "The claim carries shoal.dev/retired: its data is kept, and its node is free for other instances.",
			Advice:  "Delete the claim when the data is no longer needed. Scaling out again uses it again.",
		}},
		{ReviveClaim, Entry{
			Name:    "ReviveClaim",
			Text:    "the ordinal is wanted again: its volume counts again",
			Meaning: "The label shoal.dev/retired is removed once the pod is placed: the manager sets it to returning, looks whether the pod is still there, and removes it or sets it back. Until then the volume holds no slot, and the scheduler lets the pod back to it only within the limits.",
			Advice:  "Nothing.",
		}},
		{DeleteClaim, Entry{
			Name:    "DeleteClaim",
			Text:    "the ordinal is no longer wanted, and the retention policy is Delete",
			Meaning: "The claim is deleted once its pod is gone.",
			Advice:  "Nothing.",
		}},
		{RaisePolicy, Entry{
			Name:    "RaisePolicy",
			Text:    "more replicas are wanted: the policy is raised before pods are created",
			Meaning: "The scheduler must know the total before it places the first pod.",
			Advice:  "Nothing.",
		}},
		{LowerPolicy, Entry{
			Name:    "LowerPolicy",
			Text:    "fewer replicas are wanted: the policy is lowered after the pods are gone",
			Meaning: "A lower total while pods still run would understate what is needed.",
			Advice:  "Nothing.",
		}},
		{CreateService, Entry{
			Name:    "CreateService",
			Text:    "the set has a headless Service",
			Meaning: "It gives each instance a stable DNS name.",
			Advice:  "Nothing.",
		}},
		{ForeignObject, Entry{
			Name:    "ForeignObject",
			Text:    "an object of that name belongs to somebody else",
			Meaning: "The controller never takes over an object that it did not create.",
			Advice:  "Delete or rename the foreign object, or rename the set.",
		}},
		{WriteFailed, Entry{
			Name:    "WriteFailed",
			Text:    "a write was refused by the API server",
			Meaning: "Other instances go on; this one is tried again.",
			Advice:  "The message is the API server's own: a quota, an admission policy or missing rights are the usual causes.",
		}},
		{ReleaseSet, Entry{
			Name:    "ReleaseSet",
			Text:    "the set is being deleted",
			Meaning: "Pods are deleted, and claims are treated as whenDeleted says.",
			Advice:  "Nothing.",
		}},
		{ChangeLimits, Entry{
			Name:    "ChangeLimits",
			Text:    "the limits of the set were changed",
			Meaning: "The set writes its limits into its own PlacementPolicy. Running pods stay where they are.",
			Advice:  "Nothing.",
		}},
		{HoldSet, Entry{
			Name:    "HoldSet",
			Text:    "the set is held until its volumes are treated as its retention policy says",
			Meaning: "A finalizer is put on the set before anything is created, so that its deletion cannot pass by without its claims having been looked at.",
			Advice:  "Nothing. If a set cannot be deleted, look at its pods: it waits for them.",
		}},
		{ReplacePending, Entry{
			Name:    "ReplacePending",
			Text:    "the pod has no node yet, and does not know that its volume is gone",
			Meaning: "Its claim was lost or deleted before it was placed. It would tell its entrypoint that its data is still there, so it is made anew. Nothing runs in a pod without a node.",
			Advice:  "Nothing.",
		}},
		{ReplaceStranded, Entry{
			Name:    "ReplaceStranded",
			Text:    "the pod waits on its node for a claim that is gone, was made anew, or is on another node",
			Meaning: "The claim was deleted or exchanged while the scheduler placed the pod by the one before. Nobody makes a volume for a pod that has its node, so it would never start. It is deleted as any pod is, its kubelet confirms that nothing runs, and it is made anew; claims and volumes stay as they are.",
			Advice:  "Nothing.",
		}},
		{NodeOutOfService, Entry{
			Name:    "NodeOutOfService",
			Text:    "the node was declared out of service",
			Meaning: "A person or a fencing agent vouches that the machine is off (taint node.kubernetes.io/out-of-service). It is the proof that allows a rebuild.",
			Advice:  "Nothing.",
		}},
		{RetainVolume, Entry{
			Name:    "RetainVolume",
			Text:    "the old volume is kept until somebody deletes it",
			Meaning: "Before a claim is deleted, its volume is set to Retain and annotated, so that the data survives.",
			Advice:  "When the set is healthy again, delete volumes with the annotation shoal.dev/retained-for.",
		}},
		{ReplaceClaim, Entry{
			Name:    "ReplaceClaim",
			Text:    "the claim is bound to a volume of a dead node",
			Meaning: "The claim is deleted and created anew, so that a volume on another node can be made.",
			Advice:  "Nothing.",
		}},
		{ReplacePod, Entry{
			Name:    "ReplacePod",
			Text:    "the pod is on a dead node",
			Meaning: "The pod is removed without waiting for its kubelet, which is proven dead.",
			Advice:  "Nothing.",
		}},
		{RebuildManual, Entry{
			Name:    "RebuildManual",
			Text:    "the instance could be rebuilt, but rebuild.mode is Manual",
			Meaning: "Nothing is done without a person.",
			Advice:  "If the data is safe elsewhere, set rebuild.mode: Automatic on the set; back to Manual afterwards if you like.",
		}},
		{RebuildNever, Entry{
			Name:    "RebuildNever",
			Text:    "rebuild.mode is Never",
			Meaning: "The set does not want rebuilds. Its instances wait for their node.",
			Advice:  "Bring the node back, or change rebuild.mode.",
		}},
		{NodeUnreachable, Entry{
			Name:    "NodeUnreachable",
			Text:    "the node does not answer, and nobody has vouched that it is off",
			Meaning: "The process may still run and serve clients. A rebuild now could lose writes, so the instance waits.",
			Advice:  "Bring the node back, or power it off and add the taint node.kubernetes.io/out-of-service=nodeshutdown:NoExecute.",
		}},
		{NodeDeleted, Entry{
			Name:    "NodeDeleted",
			Text:    "the Node object is gone, which does not prove that the machine is off",
			Meaning: "A partitioned kubelet keeps its containers running after its Node was deleted. The instance waits.",
			Advice:  "Make sure that the machine is off, then create the Node again with the taint node.kubernetes.io/out-of-service=nodeshutdown:NoExecute; or bring it back.",
		}},
		{NoReadyPeer, Entry{
			Name:    "NoReadyPeer",
			Text:    "no other instance on a healthy node is Ready",
			Meaning: "The lost volume may be the last copy of the data.",
			Advice:  "Bring another instance of the shard back to Ready, or bring the node back.",
		}},
		{ShardBusy, Entry{
			Name:    "ShardBusy",
			Text:    "another instance of the shard is being rebuilt",
			Meaning: "One instance of a shard is rebuilt at a time, until it is Ready.",
			Advice:  "Nothing: it goes on by itself. If it lasts, look at the instance that is named.",
		}},
		{HolderUnproven, Entry{
			Name:    "HolderUnproven",
			Text:    "no other instance of the shard answered as a master that has replicated",
			Meaning: "With holderCheck: Redis a master must be acting and reachable before a volume is given up.",
			Advice:  "Check that Sentinel has promoted a replica, and that the manager may reach the Redis port.",
		}},
		{RebuildDone, Entry{
			Name:    "RebuildDone",
			Text:    "no instance waits for a rebuild",
			Meaning: "All instances are on nodes that answer.",
			Advice:  "Nothing.",
		}},
		{Rebuilding, Entry{
			Name:    "Rebuilding",
			Text:    "instances that gave up their data are being replaced, or were and are not Ready",
			Meaning: "They come back empty under their old names, with shoal.dev/rebuild-generation above 0, and get the data from another instance. Whether one has been Ready since is not recorded, so that an instance which was replaced long ago, and is not Ready today for another reason, is among them: it cannot be told from one that still fetches its data.",
			Advice:  "Nothing, if a node died a while ago. If it lasts, look at the condition Placed, and at the pod that is named: its events, its log and its readiness probe.",
		}},
		{FencingWithdrawn, Entry{
			Name:    "FencingWithdrawn",
			Text:    "the node lost its taint out-of-service in the middle of a rebuild",
			Meaning: "The instance was declared lost, and nobody vouches any more that its node is off, so nothing more is removed. The message says which of two cases it is. Nothing is removed yet: pod and volumes are as they were, and on a node that came back the instance runs on with its data. It counts nowhere, because the label shoal.dev/lost has freed its slot, another instance may have that by now, and the label is never taken back; no other instance of its shard is rebuilt meanwhile. Its replacement has begun: a claim is gone or being deleted, so that the instance cannot go on as it was. Its volumes are kept (Retain).",
			Advice:  "If the node is off, put the taint node.kubernetes.io/out-of-service=nodeshutdown:NoExecute back, and the rebuild goes on. If it came back and nothing is removed yet, delete nothing by hand: the data there may be the best copy. When the other instances of the shard are Ready and one of them is the master, shut the node down and put the taint back: the rebuild replaces the instance and keeps its volumes. If the replacement has begun and the node stays, see that another instance of the shard is Ready, then delete the pod and its claims by hand: the instance starts anew.",
		}},
		{VolumeUnknown, Entry{
			Name:    "VolumeUnknown",
			Text:    "the claim names a volume that cannot be found",
			Meaning: "Before a claim is deleted its volume is set to Retain. A volume that cannot be seen cannot be kept, so the claim stays.",
			Advice:  "Look for the PersistentVolume. If it was deleted, there is nothing left to keep: delete the claim by hand.",
		}},
		{RebuildHeld, Entry{
			Name:    "RebuildHeld",
			Text:    "nothing is given up while the set may create no pods",
			Meaning: "A pod in the place of the old one could not be created now: the set's PlacementPolicy is missing, has not counted the set, belongs to somebody else, or is just being changed; the reason is named with it. A rebuild declares nothing lost and removes nothing until it can be finished.",
			Advice:  "Follow the reason that is named. A policy that is being counted or changed takes a moment; one that is missing or belongs to somebody else needs a person.",
		}},
		{JustMade, Entry{
			Name:    "JustMade",
			Text:    "the replacement was made a moment ago, and is given up in ten seconds at the earliest",
			Meaning: "A scheduler that has not seen the taint yet places replacements on the dead node. Without a pause they would be given up and made many times a second.",
			Advice:  "Nothing: it goes on by itself. If it lasts, the scheduler does not hear of changes of Nodes: look at its log.",
		}},
		{CreateBudget, Entry{
			Name:    "CreateBudget",
			Text:    "the set has a PodDisruptionBudget that refuses evictions",
			Meaning: "Who evicts (kubectl drain, a descheduler, an autoscaler) does not know which instance is the master or has the last copy of the data. With maxUnavailable 0 the API server refuses to evict any that runs, and a drain waits.",
			Advice:  "Nothing. To empty a node, see docs/guard.md. Delete PodDisruptionBudgets of your own that select the same pods: of two, the API server obeys neither, and refuses with an error.",
		}},
		{RestoreBudget, Entry{
			Name:    "RestoreBudget",
			Text:    "somebody has changed the set's PodDisruptionBudget: it is written as it was",
			Meaning: "The budget belongs to the set, and says maxUnavailable 0 for its instances.",
			Advice:  "To let the instances of the set be evicted, put the annotation shoal.dev/allow-disruption with the value true on the set's template.",
		}},
		{RemoveBudget, Entry{
			Name:    "RemoveBudget",
			Text:    "the set's template allows that its instances are disrupted: the PodDisruptionBudget goes",
			Meaning: "spec.template has the annotation shoal.dev/allow-disruption with the value true. Instances may be evicted, also all of them at once, and deleted by others than the manager as soon as their pods have the annotation.",
			Advice:  "Nothing, if that is wanted. For data, take the annotation off the template.",
		}},
		{AllReady, Entry{
			Name:    "AllReady",
			Text:    "every wanted instance is Ready",
			Meaning: "The set is as wanted.",
			Advice:  "Nothing.",
		}},
		{NotAllReady, Entry{
			Name:    "NotAllReady",
			Text:    "some instances are not Ready",
			Meaning: "They are starting, pending or failing.",
			Advice:  "Look at the conditions Placed and Rebuilding and at status.exceptions.",
		}},
		{Settled, Entry{
			Name:    "Settled",
			Text:    "nothing is being created or removed",
			Meaning: "The set has the pods that it should have.",
			Advice:  "Nothing.",
		}},
		{Working, Entry{
			Name:    "Working",
			Text:    "instances are being created or removed",
			Meaning: "The controller is at work.",
			Advice:  "Nothing.",
		}},
		{AllPlaced, Entry{
			Name:    "AllPlaced",
			Text:    "every pod has a node",
			Meaning: "The scheduler has placed all instances.",
			Advice:  "Nothing.",
		}},
		{Unschedulable, Entry{
			Name:    "Unschedulable",
			Text:    "some pods have no node",
			Meaning: "The message is the scheduler's own.",
			Advice:  "Follow the page of the code in the message.",
		}},
		{Paused, Entry{
			Name:    "Paused",
			Text:    "spec.paused is set",
			Meaning: "No pod or claim is written; status goes on.",
			Advice:  "Set spec.paused to false to go on.",
		}},
		{NotPaused, Entry{
			Name:    "NotPaused",
			Text:    "spec.paused is not set",
			Meaning: "The controller works as usual.",
			Advice:  "Nothing.",
		}},
		{PolicyMissing, Entry{
			Name:    "PolicyMissing",
			Text:    "the PlacementPolicy that the set names does not exist",
			Meaning: "placementPolicyRef names a policy that is not there. No pods are created, as their limits are unknown.",
			Advice:  "Create the policy, or correct placementPolicyRef.",
		}},
		{UnknownContainer, Entry{
			Name:    "UnknownContainer",
			Text:    "a template names a container that spec.template does not have",
			Meaning: "The override would have no effect, so no pod of that template is created.",
			Advice:  "Correct the name in templates[].containers.",
		}},
		{VolumeGoneNodeDeleted, Entry{
			Name:    "VolumeGoneNodeDeleted",
			Text:    "the instance has no pod, and its volume is on a node that is gone",
			Meaning: "Creating the pod would leave it Pending for ever. It waits for its node or for a rebuild.",
			Advice:  "See SHOAL2108.",
		}},
		{InstanceNotReady, Entry{
			Name:    "InstanceNotReady",
			Text:    "the pod is not Ready",
			Meaning: "The instance is starting, or its readiness probe fails.",
			Advice:  "Look at the pod: its events, its log and its readiness probe.",
		}},
		{PolicyBehind, Entry{
			Name:    "PolicyBehind",
			Text:    "the PlacementPolicy does not count all instances of the set yet",
			Meaning: "The policy named by placementPolicyRef sums its scaleTargetRefs, and status.targets has fewer replicas for this set than it wants, or was made for an older generation of the policy or of the set. Pods that were created now would be placed by a total that is too small, which can dead-lock the group.",
			Advice:  "Nothing: it passes within seconds. If it lasts, look at the policy's condition Feasible: a target that does not exist is named there.",
		}},
		{SetNotCounted, Entry{
			Name:    "SetNotCounted",
			Text:    "the PlacementPolicy sums other workloads, and does not count this set",
			Meaning: "The policy named by placementPolicyRef has scaleTargetRefs, and none of them is this set. Its instances are placed within the limits, but the guard keeps no room for those that are still to come.",
			Advice:  "Add the set to the policy's scaleTargetRefs, or set the policy's replicas to the number of all instances of the group.",
		}},
		{HandedOver, Entry{
			Name:    "HandedOver",
			Text:    "another instance is master, and has every write",
			Meaning: "The switchover is complete: the old master and the other replicas follow the new one, and Sentinels name it.",
			Advice:  "Nothing.",
		}},
		{SwitchoverNotWanted, Entry{
			Name:    "SwitchoverNotWanted",
			Text:    "the policy for switchovers is None",
			Meaning: "Nobody was asked to take over. What comes next interrupts writes until Sentinel has promoted somebody.",
			Advice:  "Set the policy to Strict or BestEffort if writes should go on.",
		}},
		{NotInShard, Entry{
			Name:    "NotInShard",
			Text:    "the switchover names an instance that is not in the shard",
			Meaning: "The instance that hands over and the one that takes over have to be two instances of one shard.",
			Advice:  "Correct the names.",
		}},
		{NoCandidate, Entry{
			Name:    "NoCandidate",
			Text:    "no replica can take over",
			Meaning: "To take over, a replica must answer, follow the master, be in sync with the same history, not be too far behind, have a replica-priority above 0 and no replicas of its own. Nothing was changed.",
			Advice:  "The message names one replica and what it lacks. Wait until a replica is in sync.",
		}},
		{TargetLost, Entry{
			Name:    "TargetLost",
			Text:    "the replica that was to take over does not answer",
			Meaning: "The way went back: the master takes writes as before. The replica may still need a replica of its own to take writes (min-replicas-to-write); the next switchover sets that right.",
			Advice:  "Find out why the replica does not answer.",
		}},
		{TargetBehind, Entry{
			Name:    "TargetBehind",
			Text:    "the replica that was to take over did not catch up in time",
			Meaning: "The replica did not get all bytes of the master while writes were held, or did not even get, before that, what the master had at the beginning. The master takes writes as before.",
			Advice:  "Try again when fewer writes come, or look for what slows the replication down.",
		}},
		{NoSentinelMajority, Entry{
			Name:    "NoSentinelMajority",
			Text:    "too few Sentinels answer, or vote",
			Meaning: "A switchover needs the votes of most Sentinels, and each of them must know another one. The master takes writes as before.",
			Advice:  "Bring the Sentinels back. With a single Sentinel there is no planned switchover.",
		}},
		{FailoverRunning, Entry{
			Name:    "FailoverRunning",
			Text:    "Sentinel promotes somebody just now",
			Meaning: "Two who change the master at the same time would make two masters.",
			Advice:  "Nothing: ask again when the failover is over.",
		}},
		{MasterUnreachable, Entry{
			Name:    "MasterUnreachable",
			Text:    "the master does not answer",
			Meaning: "A planned switchover needs a master that answers. One that does not is for Sentinel to replace. Whether it is master still is not known: an earlier attempt may have come further.",
			Advice:  "See what Sentinel does (SENTINEL MASTER), and why the master does not answer.",
		}},
		{TwoMasters, Entry{
			Name:    "TwoMasters",
			Text:    "two instances say that they are master",
			Meaning: "Which of them is right is not decided here: Sentinel does, or a person. Until then nothing is changed.",
			Advice:  "Compare INFO replication of both with what Sentinel names. What was written to the wrong one is lost when it becomes a replica: copy it first.",
		}},
		{NoMaster, Entry{
			Name:    "NoMaster",
			Text:    "no instance is known to take writes",
			Meaning: "A switchover was interrupted, and neither way is safe without knowing more. Sentinel promotes somebody when it finds the master down.",
			Advice:  "See what Sentinel does. If nothing happens, promote the instance with the highest offset of the newest history.",
		}},
		{AnotherMaster, Entry{
			Name:    "AnotherMaster",
			Text:    "an instance that nobody asked for is master",
			Meaning: "Sentinel, or a person, has promoted somebody meanwhile, and that is left as it is.",
			Advice:  "Look at the shard, and ask again if the old master is still to hand over.",
		}},
		{HistoriesDiffer, Entry{
			Name:    "HistoriesDiffer",
			Text:    "the new master lacks bytes of the old one",
			Meaning: "The old master keeps what it has, and follows nobody. Whatever promoted the other one did not wait for it.",
			Advice:  "Decide whose data counts before one follows the other: it loses what the other does not have.",
		}},
		{SwitchoverTooLong, Entry{
			Name:    "SwitchoverTooLong",
			Text:    "the switchover took too long",
			Meaning: "The deadline passed before the master was demoted. It takes writes as before.",
			Advice:  "See the message of the step before, and try again.",
		}},
		{HandedOverInPart, Entry{
			Name:    "HandedOverInPart",
			Text:    "another instance is master, and not everybody follows it yet",
			Meaning: "The new master has every write. The message says what is missing: an instance that does not follow it or does not answer, its own setting min-replicas-to-write, or Sentinels that were not told and do not name it yet.",
			Advice:  "Look at what the message names, and run the same request again.",
		}},
		{SwitchoverRunning, Entry{
			Name:    "SwitchoverRunning",
			Text:    "the master is being handed over",
			Meaning: "Steps are taken, one after the other; status.steps has those that were done. It ends within twice the timeout of each attempt.",
			Advice:  "Nothing.",
		}},
		{SwitchoverContinued, Entry{
			Name:    "SwitchoverContinued",
			Text:    "a switchover that was interrupted goes on",
			Meaning: "The manager that had begun it is gone or has lost its lead, or the attempt before has left something to do. The next one looks at everybody anew, and finishes or gives the writes back.",
			Advice:  "Nothing.",
		}},
		{ShardTaken, Entry{
			Name:    "ShardTaken",
			Text:    "the master of the shard is being handed over already",
			Meaning: "Of one shard one switchover is done at a time: that which has begun, or else the oldest. Others are refused and not queued, or two people who want the same would move the master twice.",
			Advice:  "Wait for the one that the message names, see who is master then, and ask again if it is still needed.",
		}},
		{NoSuchShard, Entry{
			Name:    "NoSuchShard",
			Text:    "there is no such InstanceSet with roles, or it has no instances in the shard",
			Meaning: "A shard is named <set>-<i>, as the label shoal.dev/shard of its pods; its InstanceSet needs roles, in the namespace of the Switchover.",
			Advice:  "Correct the name: kubectl get pods -L shoal.dev/shard,shoal.dev/role.",
		}},
		{SwitchoverPaused, Entry{
			Name:    "SwitchoverPaused",
			Text:    "the InstanceSet is paused",
			Meaning: "While spec.paused is true, no switchover of the set begins. One that has begun is brought to an end.",
			Advice:  "Set spec.paused to false, and ask again.",
		}},
		{InstanceLost, Entry{
			Name:    "InstanceLost",
			Text:    "an instance of the shard is lost and not replaced yet",
			Meaning: "The instance was given up with its node, and is being rebuilt. Until then the shard has a copy less, and no switchover begins.",
			Advice:  "Wait for the rebuild (condition Rebuilding of the set), and ask again.",
		}},
		{NoLabelledMaster, Entry{
			Name:    "NoLabelledMaster",
			Text:    "it is not known which instance of the shard is master",
			Meaning: "Nobody of the shard carries the label master: a failover is under way, or the condition NoMaster of the set says why.",
			Advice:  "Look at the conditions NoMaster and TwoMasters of the set.",
		}},
		{AlreadyMaster, Entry{
			Name:    "AlreadyMaster",
			Text:    "the instance that is to take over is master",
			Meaning: "It has the label master, so there is nothing to hand over.",
			Advice:  "Nothing.",
		}},
		{SwitchoverTooOld, Entry{
			Name:    "SwitchoverTooOld",
			Text:    "the switchover was asked for long ago",
			Meaning: "It was created more than ten minutes ago, by the clock of the API server, and no manager has begun it. Who is master today, and whether it is still wanted, nobody knows.",
			Advice:  "See that shoal-manager runs, and that its clock is right; then ask again.",
		}},
		{NoOrders, Entry{
			Name:    "NoOrders",
			Text:    "this manager cannot give orders to instances",
			Meaning: "Switchovers are carried out by agents. A manager without --agent-image, or without the controller roles, has none.",
			Advice:  "Run shoal-manager with --agent-image (docs/agent.md).",
		}},
		{StartedAnew, Entry{
			Name:    "StartedAnew",
			Text:    "the old master has started again without what it had",
			Meaning: "It follows nobody, and writes are not given back to it: the others would copy it, and lose what it lacks. They keep what they have.",
			Advice: "Sentinel promotes the one that has most, those that voted after twice their failover-timeout. Where nobody does, " +
				"compare slave_repl_offset in INFO replication, and promote the one with most: REPLICAOF NO ONE.",
		}},
		{LabelMaster, Entry{
			Name:    "LabelMaster",
			Text:    "the engine of the instance says that it is master, and nothing speaks against it",
			Meaning: "Its agent reported lately that its engine is master, and most Sentinels name it; without Sentinels, all other instances said that they are not. No other pod of the shard carries the label, and each was written to before, so that an older decision about it is refused.",
			Advice:  "Nothing.",
		}},
		{LabelReplica, Entry{
			Name:    "LabelReplica",
			Text:    "the engine of the instance says that it is a replica",
			Meaning: "The Service for reads has it from now on.",
			Advice:  "Nothing.",
		}},
		{StripNotMaster, Entry{
			Name:    "StripNotMaster",
			Text:    "the engine of the instance says that it does not take writes as a master",
			Meaning: "It was demoted, by Sentinel, by a planned switchover or by a person, or it is protected. What it says of itself counts more than everything else.",
			Advice:  "Nothing. The new master gets the label when it says that it is one and Sentinels name it.",
		}},
		{StripLost, Entry{
			Name:    "StripLost",
			Text:    "the pod of the instance has ended, or its node is lost",
			Meaning: "Nothing of it takes writes any more.",
			Advice:  "Nothing: Sentinel promotes a replica if there is one in sync.",
		}},
		{StripSuperseded, Entry{
			Name:    "StripSuperseded",
			Text:    "a later election has made another instance master",
			Meaning: "The instance may be cut off and not know of it. What it is sent is lost when it hears.",
			Advice:  "If it lasts, look at why the instance still takes itself for a master: Sentinel makes it a replica as soon as it reaches it.",
		}},
		{StripContested, Entry{
			Name:    "StripContested",
			Text:    "several instances claim to be master, and no election decides between them",
			Meaning: "Writes to the wrong one are lost. Nobody has the label until one of them says that it is none, or an election decides; it is never given by age or by name.",
			Advice:  "See SHOAL2417.",
		}},
		{ClearRole, Entry{
			Name:    "ClearRole",
			Text:    "the engine of the instance does not say any more that it is a replica",
			Meaning: "It is master and has not got the label yet, or is protected, or has no role.",
			Advice:  "Nothing.",
		}},
		{ConfirmStripped, Entry{
			Name:    "ConfirmStripped",
			Text:    "the API server confirms that the pod does not carry the label master",
			Meaning: "The cache may be behind, and a manager that was suspended may have a write under way. After this one, such a write is refused because of its version.",
			Advice:  "Nothing.",
		}},
		{MasterLabelled, Entry{
			Name:    "MasterLabelled",
			Text:    "every shard has an instance with the label master",
			Meaning: "The Service for writes has an endpoint for each shard.",
			Advice:  "Nothing.",
		}},
		{OneMaster, Entry{
			Name:    "OneMaster",
			Text:    "in no shard do two instances claim to be master",
			Meaning: "As it should be.",
			Advice:  "Nothing.",
		}},
		{MasterMoving, Entry{
			Name:    "MasterMoving",
			Text:    "the label master is on its way to another instance",
			Meaning: "It was taken from one, and is given to the next when that was seen. It takes well under a second.",
			Advice:  "Nothing. If it lasts, the API server refuses writes to pods: look at the manager's log.",
		}},
		{NoMasterClaim, Entry{
			Name:    "NoMasterClaim",
			Text:    "no instance says that it is master",
			Meaning: "The engines are starting, or the master is gone and Sentinel has not promoted a replica yet. Shoal elects nobody.",
			Advice:  "If it lasts, ask a Sentinel (SENTINEL MASTER): it must know the shard, and a replica must be in sync and have a replica-priority above 0.",
		}},
		{MasterNotConfirmed, Entry{
			Name:    "MasterNotConfirmed",
			Text:    "the instance that Sentinels name does not say that it is master",
			Meaning: "The engine counts more than Sentinel. Either the report is under way, or its agent does not run, or somebody changed the master behind Sentinel's back.",
			Advice:  "If it lasts, compare ROLE of the instances with what SENTINEL MASTER names, and look at the agent of the one that is named.",
		}},
		{HASilent, Entry{
			Name:    "HASilent",
			Text:    "too few Sentinels say who is master",
			Meaning: "A label that stands stays. None is moved to another instance without their word: the one that claims to be master may be one that was replaced.",
			Advice:  "See why the manager does not reach the Sentinels named in spec.roleProvider, or why they know of no such shard.",
		}},
		{MasterSilent, Entry{
			Name:    "MasterSilent",
			Text:    "the instance that is master by all that is known has not been heard lately",
			Meaning: "It had no label when its agent fell silent, so that there is nothing that says what it is now.",
			Advice:  "Look at the container of the agent in its pod.",
		}},
		{OthersUnheard, Entry{
			Name:    "OthersUnheard",
			Text:    "an instance claims to be master, and others have not said that they are none",
			Meaning: "The set has no HA system that could say who is right, and the label of a silent instance was taken away for good reasons.",
			Advice:  "Look at the agents of the instances in the message, or delete their pods if they are dead.",
		}},
		{MastersContested, Entry{
			Name:    "MastersContested",
			Text:    "several instances claim to be master, and no election decides between them",
			Meaning: "None of them has the label: writes through the Service wait. Clients that ask Sentinel go where it points.",
			Advice:  "Compare INFO replication of both with what Sentinels name. What was written to the wrong one is lost when it becomes a replica: copy it first.",
		}},
		{OutdatedMaster, Entry{
			Name:    "OutdatedMaster",
			Text:    "an instance claims to be master, and the election that counts named another one",
			Meaning: "It does not carry the label. Either it was replaced and has not heard of it: clients that are connected to it may still write to it, and that is lost when it becomes a replica. Or it has just been promoted, and Sentinels are about to say so.",
			Advice:  "If it lasts, find out why Sentinel does not reach it. min-replicas-to-write keeps such a master from taking writes.",
		}},
		{MasterNotServing, Entry{
			Name:    "MasterNotServing",
			Text:    "the instance that is master does not take writes now",
			Meaning: "It reads its data from the disk, or its pod is being deleted.",
			Advice:  "Nothing: it passes, or Sentinel promotes another one.",
		}},
		{ClaimSuperseded, Entry{
			Name:    "ClaimSuperseded",
			Text:    "what the instance says is of an earlier election",
			Meaning: "Reports are compared by the number of the election and never by time.",
			Advice:  "Nothing.",
		}},
		{ViewOutdated, Entry{
			Name:    "ViewOutdated",
			Text:    "what the HA system says is of an earlier election",
			Meaning: "A later one is known from instances, or from another Sentinel that was asked before. This one has yet to hear of it, and names a master that may be none any more. A label that stands stays, if most Sentinels say so; none is given by that word. Sentinels that have lost what they knew, because all of them were made anew, look the same: they count again when all have said the same for 30 seconds.",
			Advice:  "Nothing. If it lasts, restart the Sentinel that is behind. If all have lost what they knew and one does not answer, bring that one back, or take it out of spec.roleProvider.",
		}},
		{StripStranger, Entry{
			Name:    "StripStranger",
			Text:    "the pod carries the labels of the shard and is none of its instances",
			Meaning: "Its owner reference is of another set, as of one of this name that was deleted, or of nobody; or it has a name that no instance of the shard has. The Service of a role would send clients to it. Nobody looks after it, and what its agent says is not heard.",
			Advice:  "See whose pod it is (kubectl get pod -o yaml), and delete it when its data is not needed: the set makes its instance anew.",
		}},
		{ServiceNeedsPort, Entry{
			Name:    "ServiceNeedsPort",
			Text:    "the Service of a role has no port that it could have",
			Meaning: "No container of spec.template has a port with a name, and the API server refuses a Service without ports. There are no Services of roles until one has.",
			Advice:  "Give the port of the engine a name: ports: [{name: redis, containerPort: 6379}].",
		}},
		{TooManyServices, Entry{
			Name:    "TooManyServices",
			Text:    "the set has more than 100 shards, and Services for the first 100",
			Meaning: "Ordinals that leave gaps put fewer than shardSize instances into a shard, so that there are more shards than replicas / shardSize.",
			Advice:  "Name ordinals that fill shards, or set service to None and have clients ask Sentinel or a proxy.",
		}},
		{JoinMaster, Entry{
			Name:    "JoinMaster",
			Text:    "a protected instance is told to follow the master of its shard",
			Meaning: "It started as a replica of nobody. Its pod, its place in the shard, the label of the master and the last election fit together.",
			Advice:  "Nothing. It gets the label replica, and is ready, when it is in sync.",
		}},
		{JoinNoMaster, Entry{
			Name:    "JoinNoMaster",
			Text:    "a protected instance waits for its shard to have a master",
			Meaning: "Nobody has the label master. Shoal makes nobody master, however long that lasts: an instance that is empty would cost the others what they hold.",
			Advice:  "See the condition NoMaster. After all instances of a shard were started anew, promote the one whose data is the latest, as docs/images.md says.",
		}},
		{JoinMasterEmpty, Entry{
			Name:    "JoinMasterEmpty",
			Text:    "a protected instance waits, because the master is empty and would replace its data by nothing",
			Meaning: "The master has no keys, or its agent is too old to say so, and the instance holds data or may do so.",
			Advice:  "If the data is needed, make the instance that holds it the master. Otherwise write a key, or empty the instance's volume.",
		}},
		{JoinLoading, Entry{
			Name:    "JoinLoading",
			Text:    "a protected instance waits until it has read its data",
			Meaning: "It reads its data from the disk. What it holds is not known before.",
			Advice:  "Nothing.",
		}},
		{JoinHandover, Entry{
			Name:    "JoinHandover",
			Text:    "a protected instance waits until the switchover of its shard is over",
			Meaning: "A switchover holds instances like this, and tells each of them whom to follow.",
			Advice:  "Nothing. If it lasts, see what the switchover waits for.",
		}},
		{JoinFailed, Entry{
			Name:    "JoinFailed",
			Text:    "a protected instance could not be told to follow the master",
			Meaning: "Its agent did not answer, refused, or found that the instance is not protected any more; the message says which. It is tried again, after 2 seconds at first and a minute at last.",
			Advice:  "If it lasts, see whether the manager reaches port 9720 of the pod, and the log of its container shoal-agent. shoal_orders_given_total counts by result.",
		}},
		{ReplicasInSync, Entry{
			Name:    "ReplicasInSync",
			Text:    "where there is a master, every replica is in sync with it",
			Meaning: "By what their agents said last, all replicas that run are connected to their masters, and have everything but what is under way. Those that have been behind for less than a minute count as well. Shards without a master are not judged: NoMaster names them.",
			Advice:  "Nothing.",
		}},
		{ReplicaBehind, Entry{
			Name:    "ReplicaBehind",
			Text:    "a replica has not been in sync with its master for a minute",
			Meaning: "It has no connection to its master or is being sent a full copy, it reads its data from the disk, or it is protected and waits for an order. The message says which, and since when this manager knows. It has no label, is no candidate for a switchover, and is no copy that an update counts on.",
			Advice:  "A full copy of a large data set takes minutes: wait. If it begins again and again, raise client-output-buffer-limit for replicas or repl-backlog-size. Otherwise see the engine's log, and whether the replica reaches its master.",
		}},
		{ReplicaUnheard, Entry{
			Name:    "ReplicaUnheard",
			Text:    "a replica has not been heard lately: whether it is in sync is not known",
			Meaning: "Its agent has sent no report for eight minutes, or none since it was made. It keeps its label.",
			Advice:  "Look at the container of the agent in its pod.",
		}},
		{MostUnheard, Entry{
			Name:    "MostUnheard",
			Text:    "most agents of the set are not heard, or the manager has just begun to lead: who is in sync is not known",
			Meaning: "Those of which somebody knows that they are not in sync are named before. A manager that begins to lead asks all agents within two minutes. Labels stay as they are.",
			Advice:  "Nothing for eight minutes after a change of leaders: those that do not answer are waited for. If it lasts, see whether pods reach port 9722 behind the Service shoal-manager, and the manager port 9720 of the pods.",
		}},
		{ReplicaMute, Entry{
			Name:    "ReplicaMute",
			Text:    "an instance does not say what it is: whether it is in sync is not known",
			Meaning: "Its agent reports, and its engine has not answered it, or has said that it has no role, for a minute. The message says which, and since when this manager knows. It keeps the label of a replica as long as the kubelet says that it is ready.",
			Advice:  "See problem in the log of the container shoal-agent: a password that is refused, TLS, or an engine that hangs.",
		}},
		{EngineDistrusted, Entry{
			Name:    "EngineDistrusted",
			Text:    "the engine and its agent do not trust each other: what it is is not known, and it is given no label",
			Meaning: "The engine wants another password than the agent has, or none though the agent was given one, or one of both speaks TLS and the other does not. The message says which.",
			Advice:  "Compare the Secret or file of the agent's password with requirepass or the ACL of the engine, and TLS of both. It is counted in shoal_roles_distrusted_engines_total, and told again after an hour.",
		}},
		{IssueCertificate, Entry{
			Name:    "IssueCertificate",
			Text:    "the pod is an instance with an agent",
			Meaning: "Pod, node, ServiceAccount and InstanceSet are what the request says. The certificate names the pod, and is valid for a day at most.",
			Advice:  "Nothing.",
		}},
		{DenyPod, Entry{
			Name:    "DenyPod",
			Text:    "the pod of the request for a certificate is not there, or is another one",
			Meaning: "The API server was asked, not only a cache. A pod that was deleted while its kubelet asked for a certificate looks like that.",
			Advice:  "Nothing, if the pod is gone. Otherwise somebody who is no kubelet makes such requests: see who may create podcertificaterequests.",
		}},
		{DenyEnded, Entry{
			Name:    "DenyEnded",
			Text:    "the pod has ended, or its instance is declared lost",
			Meaning: "Nothing of it may speak for the instance any more.",
			Advice:  "Nothing.",
		}},
		{DenyNode, Entry{
			Name:    "DenyNode",
			Text:    "the pod is not on the node of the request for a certificate",
			Meaning: "Only the kubelet of a pod's node may ask for its certificate.",
			Advice:  "See who may create podcertificaterequests. A Node that was deleted and came back has another UID: that is no denial, see SHOAL2512.",
		}},
		{DenyAccount, Entry{
			Name:    "DenyAccount",
			Text:    "the pod does not have the ServiceAccount of the request for a certificate",
			Meaning: "The pod runs as another ServiceAccount than the request says: somebody else made it. One that was deleted and made anew is no denial, see SHOAL2512.",
			Advice:  "See who may create podcertificaterequests.",
		}},
		{DenyOwner, Entry{
			Name:    "DenyOwner",
			Text:    "the pod is no instance of an InstanceSet",
			Meaning: "Its controller, by kind, name and UID, its name and its labels must be those that Shoal gives to an instance.",
			Advice:  "Pods that Shoal did not create get no certificate of shoal.dev/agent. Remove the volume from them.",
		}},
		{DenyWithoutAgent, Entry{
			Name:    "DenyWithoutAgent",
			Text:    "the pod has no agent",
			Meaning: "The certificate is for the container that Shoal puts into pods of sets with roles.",
			Advice:  "Remove the podCertificate volume with the signer shoal.dev/agent from the template.",
		}},
		{UnsupportedKeyType, Entry{
			Name:    "UnsupportedKeyType",
			Text:    "the key is of a sort that is not signed",
			Meaning: "Keys are ECDSAP256, ECDSAP384 or ED25519; those of the agents that Shoal puts into pods are.",
			Advice:  "Remove the podCertificate volume with the signer shoal.dev/agent from the template.",
		}},
		{UnverifiedAnnotations, Entry{
			Name:    "InvalidUnverifiedUserAnnotations",
			Text:    "the request for a certificate has annotations",
			Meaning: "This signer takes none: what a certificate says is found out, and not asked for.",
			Advice:  "Remove userAnnotations from the podCertificate volume.",
		}},
		{RefuseReports, Entry{
			Name:    "RefuseReports",
			Text:    "reports of agents are refused",
			Meaning: "Somebody connects to the manager's endpoint who has no certificate of an agent, or sends what is no report. The message says why; shoal_receive_refusals_total counts each.",
			Advice:  "Who scans ports looks like that. If agents are refused, compare their clock with the manager's, and see docs/agent.md.",
		}},
		{AgentNotRunning, Entry{
			Name:    "AgentNotRunning",
			Text:    "the agent of the instance does not run",
			Meaning: "The engine runs and is ready, and the instance counts as ready. The kubelet counts the agent's container, so that the pod is not Ready. What the engine is now is not known.",
			Advice:  "kubectl describe pod NAME and kubectl logs NAME -c shoal-agent say why. An image that is not there: correct --agent-image, and delete the pods that never had one that ran.",
		}},
		{CertificateWaits, Entry{
			Name:    "CertificateWaits",
			Text:    "the request for a certificate is left open",
			Meaning: "The Node or the ServiceAccount of the pod is not there, or is another one of that name: it may just be made anew. It is looked for again, and nothing is signed meanwhile. After 15 minutes Kubernetes removes the request, and the kubelet makes another one.",
			Advice:  "Nothing, if it passes. Otherwise the message says what is missing: restart the kubelet of a Node that was deleted, or make the ServiceAccount.",
		}},
		{ReplicaNotServing, Entry{
			Name:    "ReplicaNotServing",
			Text:    "the replica is not ready, or out of sync with its master",
			Meaning: "Its engine's containers are not ready, its pod is being deleted, its node is silent, it reads its data from the disk, or it has not been in sync for a minute with a master that serves. Services of the role replica lead to whoever has the label.",
			Advice:  "Nothing, if it comes back. Otherwise see the pod, its node, and the engine's log.",
		}},
		{SentinelSecret, Entry{
			Name:    "SentinelSecret",
			Text:    "the Secrets with which to ask the Sentinels cannot be read",
			Meaning: "spec.roleProvider.sentinel.access names Secrets of the set's namespace. The manager has no right to Secrets but those that a Role in that namespace names. No label moves until it can ask.",
			Advice:  "The message says which Secret. Make it, or bind the ServiceAccount shoal-manager of the manager's namespace to a Role with get on it: docs/roles.md has one. It is read again within ten seconds.",
		}},
		{UpdateMetadata, Entry{
			Name:    "UpdateMetadata",
			Text:    "labels, annotations and tolerations follow the template, and so does the revision: nothing restarts",
			Meaning: "Labels, annotations or tolerations of a running pod follow the template. Nothing restarts. The same write says which revision the pod has, or is on its way to.",
			Advice:  "Nothing.",
		}},
		{UpdateImage, Entry{
			Name:    "UpdateImage",
			Text:    "the image follows the template: its container restarts in place",
			Meaning: "The image of a container is changed in place: the kubelet restarts that container alone. Pod, address, node and volumes stay.",
			Advice:  "Nothing. The next instance follows when this one is available again.",
		}},
		{UpdateResources, Entry{
			Name:    "UpdateResources",
			Text:    "the resources follow the template, in place",
			Meaning: "CPU or memory of a container are changed in place, through the subresource resize. Whether the container restarts is in its resizePolicy.",
			Advice:  "Nothing. The next instance follows when the kubelet has carried it out.",
		}},
		{UpdateRecreate, Entry{
			Name:    "UpdateRecreate",
			Text:    "the pod is made anew from the template, on its volumes",
			Meaning: "The template asks for what a running pod cannot become (docs/updates.md), or updateStrategy.inPlace is Never. The pod is deleted, and made anew on its volumes.",
			Advice:  "Nothing. With inPlace: Only, pods are never replaced.",
		}},
		{AskHandover, Entry{
			Name:    "AskHandover",
			Text:    "the master hands over before it is updated",
			Meaning: "All other instances of the shard are up to date and available. A Switchover is created, so that one of them is master before this one is touched.",
			Advice:  "Nothing. kubectl get switchovers shows how it goes. updateStrategy.switchover says what has to come of it.",
		}},
		{RecordRevision, Entry{
			Name:    "RecordRevision",
			Text:    "what a template asks for is recorded",
			Meaning: "What a template asks for is kept as a ControllerRevision named <set>-<revision>, so that it is known later what pods were made from. One that is asked for again gets the highest number.",
			Advice:  "Nothing.",
		}},
		{PruneRevision, Entry{
			Name:    "PruneRevision",
			Text:    "no pod has the revision, and there are more than revisionHistoryLimit",
			Meaning: "No pod has the revision any more, no template asks for it, and there are more of these than spec.revisionHistoryLimit.",
			Advice:  "Nothing. Raise revisionHistoryLimit to keep more.",
		}},
		{UpToDate, Entry{
			Name:    "UpToDate",
			Text:    "all instances are up to date",
			Meaning: "Every running instance has the revision of its template.",
			Advice:  "Nothing.",
		}},
		{UpdateRunning, Entry{
			Name:    "UpdateRunning",
			Text:    "instances are brought to their templates",
			Meaning: "Instances are being brought to their templates. The message names those that are on their way.",
			Advice:  "Nothing. An update goes on when those that were changed are available again.",
		}},
		{UpdateBlocked, Entry{
			Name:    "UpdateBlocked",
			Text:    "the template asks for what no running instance may become: nothing is written",
			Meaning: "What the templates ask for cannot be brought to running instances: with updateStrategy.inPlace Only it would take new pods, or it would make other instances of them. Nothing is written to any instance.",
			Advice:  "Take the fields that are named back, or set updateStrategy.inPlace to Prefer: then pods are replaced on their volumes, one of a shard at a time. What is called refused needs a new set.",
		}},
		{UpdateNotByUs, Entry{
			Name:    "UpdateNotByUs",
			Text:    "updateStrategy.type is OnDelete: pods are updated when they are deleted",
			Meaning: "updateStrategy.type is OnDelete: an instance takes up its template when its pod is made anew, for whatever reason.",
			Advice:  "Delete pods one by one, or set type to RollingUpdate.",
		}},
		{UpdatePartition, Entry{
			Name:    "UpdatePartition",
			Text:    "the rest is held back by updateStrategy.partition",
			Meaning: "The instances that are left have ordinals below updateStrategy.partition.",
			Advice:  "Lower partition to go on.",
		}},
		{RevisionUnknown, Entry{
			Name:    "RevisionUnknown",
			Text:    "what the pod was made from is not known: it stays as it is",
			Meaning: "The pod is from before the history of revisions, or what it was made from was deleted. What would change is not known, so that nothing is changed.",
			Advice:  "When its shard can spare it, annotate the pod with shoal.dev/allow-disruption=true and delete it: the next one is made from the template.",
		}},
		{MasterWaits, Entry{
			Name:    "MasterWaits",
			Text:    "a master is not disturbed before it has handed over",
			Meaning: "The instance is master and has nobody to hand over to, or it has handed over and still carries the label, or nobody of its shard is known to be master. It is not disturbed before another one is.",
			Advice:  "A shard of one instance needs updateStrategy.switchover BestEffort or None, which stop its master. Otherwise wait, or see why no instance has the role (docs/roles.md): the update goes on by itself.",
		}},
		{UpdateStopped, Entry{
			Name:    "UpdateStopped",
			Text:    "an instance that was updated does not come up: the update waits for it",
			Meaning: "An instance that was updated does not come up, so that no other one of its shard follows, and no more of the set than maxUnavailable allow. The message names it, and why.",
			Advice:  "If the template is at fault, put the old one back: the same instances follow it first. Otherwise look at the pod.",
		}},
		{ResizeDeferred, Entry{
			Name:    "ResizeDeferred",
			Text:    "the node has no room for the new resources now",
			Meaning: "The kubelet has no room for what is asked now, and tries again by itself.",
			Advice:  "Make room on the node, or ask for less.",
		}},
		{ResizeInfeasible, Entry{
			Name:    "ResizeInfeasible",
			Text:    "the node can never give the new resources",
			Meaning: "The node can never give what is asked: it is larger than the node, or the kubelet's managers of CPU or memory refuse it.",
			Advice:  "Ask for less. An instance that needs more must move to a larger node.",
		}},
		{ResizeFailed, Entry{
			Name:    "ResizeFailed",
			Text:    "the kubelet could not carry the new resources out",
			Meaning: "The kubelet could not carry the resize out, most often because a memory limit would fall below what is in use.",
			Advice:  "See the pod's condition PodResizeInProgress.",
		}},
		{MemoryWaits, Entry{
			Name:    "MemoryWaits",
			Text:    "a memory limit comes down after Redis' maxmemory, when the agent has reported that",
			Meaning: "A memory limit that Redis may fill is not lowered, or the kernel would kill it. It comes down when the agent of the instance reports a maxmemory that is not above the new limit. A maxmemory in spec.configuration is lowered before, in the same update. Of a container that is not the engine nothing is known.",
			Advice:  "Lower maxmemory, and leave room beside it for buffers and fragmentation. Or set updateStrategy.inPlace to Never: then pods start anew with the lower limit.",
		}},
		{UpdateWaits, Entry{
			Name:    "UpdateWaits",
			Text:    "waits for instances that are on their way or not available",
			Meaning: "So many instances are unavailable that no further one may be disturbed: another one of its shard, or as many as maxUnavailable in the set.",
			Advice:  "Look at the instances that are not available. Raise maxUnavailable if more may be.",
		}},
		{HandingOver, Entry{
			Name:    "HandingOver",
			Text:    "the master of the shard is being handed over",
			Meaning: "A Switchover of the shard has not ended, whoever asked for it, or has left something undone (SHOAL2315). Until that is over no instance of the shard is disturbed.",
			Advice:  "Nothing. kubectl get switchovers shows how it goes.",
		}},
		{HandoverFailed, Entry{
			Name:    "HandoverFailed",
			Text:    "the master could not hand over: its shard is not updated any further",
			Meaning: "The Switchover that the update asked for has failed, so that the master was not touched. Others follow the template meanwhile. It is asked for again after 15 seconds, and then later and later, up to every four minutes.",
			Advice:  "The message has the cause; kubectl describe switchover has the steps. Delete that Switchover to have it tried at once. updateStrategy.switchover BestEffort or None goes on without.",
		}},
		{ClaimGoing, Entry{
			Name:    "ClaimGoing",
			Text:    "somebody has deleted a claim of the instance: without its pod its data would go",
			Meaning: "A claim of the instance was deleted, and is there only as long as the pod that uses it. What the template asks for takes a new pod. The update does not delete the old one, as the data on the claim would go with it.",
			Advice:  "See that others of the shard are in sync, annotate the pod with shoal.dev/allow-disruption=true, and delete it: the next one starts from the template, without data, and takes it from them. If nobody else has the data, copy it first.",
		}},
		{GrowVolume, Entry{
			Name:    "GrowVolume",
			Text:    "the volume grows to what its template asks for",
			Meaning: "volumeClaimTemplates ask for more than the claim does. The claim is changed; its driver and its node do the rest, while the instance runs.",
			Advice:  "Nothing. kubectl describe pvc shows how it goes.",
		}},
		{VolumeGrows, Entry{
			Name:    "VolumeGrows",
			Text:    "volumes grow to what their templates ask for",
			Meaning: "Claims ask for more than their volumes have. The first volume of a template grows alone, then one in each shard at a time.",
			Advice:  "Nothing. If it takes long, kubectl describe pvc has the driver's events.",
		}},
		{VolumesWait, Entry{
			Name:    "VolumesWait",
			Text:    "no volume can grow now",
			Meaning: "The volumes that are left are on nodes that do not answer: what is asked there is done by nobody.",
			Advice:  "See the nodes. It goes on by itself.",
		}},
		{VolumeGrowthFailed, Entry{
			Name:    "VolumeGrowthFailed",
			Text:    "a volume could not grow: no other one is tried",
			Meaning: "The driver or the node could not make the volume as large as its claim asks. The message names it, and why. Its instance goes on with the room that it had. No other volume is asked to grow.",
			Advice:  "Put a size into volumeClaimTemplates that the driver can give: less than before, but more than the volume has. The claim follows at once. Or mend the driver's trouble: it tries again by itself.",
		}},
		{VolumeFixed, Entry{
			Name:    "VolumeFixed",
			Text:    "the StorageClass does not let volumes grow",
			Meaning: "Volumes are smaller than volumeClaimTemplates ask, and their StorageClass does not have allowVolumeExpansion, or is not there. No claim is changed.",
			Advice:  "Set allowVolumeExpansion in the StorageClass if its driver can do it: this is looked at every minute. Otherwise put the old size back.",
		}},
		{VolumesNotByUs, Entry{
			Name:    "VolumesNotByUs",
			Text:    "updateStrategy.type is OnDelete: volumes grow when somebody patches their claims",
			Meaning: "updateStrategy.type is OnDelete: nothing of an instance that runs is changed. New instances get the new size.",
			Advice:  "Patch the claims one by one, or set type to RollingUpdate.",
		}},
		{UpdateConfiguration, Entry{
			Name:    "UpdateConfiguration",
			Text:    "the configuration follows the template: the agent brings it to the engine",
			Meaning: "The pod is given the parameters of spec.configuration. Its agent sets those that can be changed while the engine runs, all at once, and reads them back; for others it has the engine's container restarted in place.",
			Advice:  "Nothing: the instance counts as updated when its agent reports that the engine runs with them.",
		}},
		{TakeBackConfiguration, Entry{
			Name:    "TakeBackConfiguration",
			Text:    "the configuration that was refused is taken back",
			Meaning: "The engine of the instance did not take a configuration and runs with the one before. The pod is given that one again, so that it also starts with it.",
			Advice:  "See status.refusedConfiguration of the set for what was refused.",
		}},
		{ConfigurationWaits, Entry{
			Name:    "ConfigurationWaits",
			Text:    "the agent has not reported yet that the engine runs with its configuration",
			Meaning: "The pod was given a configuration. Its agent is bringing it to the engine, or is not heard: silence is no failure, and nobody else of the shard is disturbed meanwhile.",
			Advice:  "If it stays so, look at the log of the container shoal-agent of the instance. The controllers instanceset and roles must run in the same manager.",
		}},
		{ConfigurationTried, Entry{
			Name:    "ConfigurationTried",
			Text:    "one instance tries the configuration before the others get it",
			Meaning: "A configuration is given to one instance alone, a replica where there is one. The others follow when its agent has reported that the engine runs with it.",
			Advice:  "Nothing, as long as that instance is on its way. The message names it.",
		}},
		{ConfigurationRefused, Entry{
			Name:    "ConfigurationRefused",
			Text:    "an engine did not take the configuration: no other one gets it",
			Meaning: "The message has what the engine said. It runs as before, and its pod is given its former configuration again; a pod that was made with it stays, and runs with what the engine took of it. Nothing else of the template is brought to anybody, and it is not tried again until the template asks for something else. An image that knows the parameter has to come first, in a change of its own.",
			Advice:  "Put another value into spec.configuration, or the former one back: kubectl shoal rollout undo does it.",
		}},
		{ConfigurationInvalid, Entry{
			Name:    "ConfigurationInvalid",
			Text:    "spec.configuration asks for what no instance may have: nothing is written",
			Meaning: "A parameter is not known to Shoal, or must not be set by anybody, or cannot be changed on an instance that has data, or the container is not in spec.template. No instance that runs is touched, and pods that have to be made are made as before.",
			Advice:  "The message names it. kubectl shoal lint says so before a file is applied; docs/instanceset.md has what can be set.",
		}},
		{LeaveWaits, Entry{
			Name:    "LeaveWaits",
			Text:    "its node is cordoned, and it waits until it may leave",
			Meaning: "Instances leave a cordoned node under the limits of updates: one of a shard at a time, and no more than updateStrategy.maxUnavailable are unavailable in the set; replicas before masters, which hand over before; and none while another one has yet to get a node, or the set is paused.",
			Advice:  "The message says what it waits for. If it is an instance that is not available, look at that one; raise maxUnavailable if more may be.",
		}},
		{VolumeStays, Entry{
			Name:    "VolumeStays",
			Text:    "its node is cordoned, and its volume is there: it stays",
			Meaning: "The instance has a volume that is local to the cordoned node. A pod that is made anew could start nowhere else.",
			Advice:  "For a short stop, annotate the pod with shoal.dev/allow-disruption=true and delete it: it comes back when the node is uncordoned. For a node that goes for good, shut it down and declare it out of service: the set rebuilds the instance elsewhere, from another one of its shard.",
		}},
		{NowhereToGo, Entry{
			Name:    "NowhereToGo",
			Text:    "its node is cordoned, and no other one would take it: it stays",
			Meaning: "No node that the instance may use has enough free within the limits of its placement group (maxNodes, maxInstancesPerNode, shardSpread), or the template demands something of its neighbours that is not judged here. Deleted, it would wait for as long as the node is cordoned.",
			Advice:  "Add or uncordon a node, or raise maxNodes by one for the time of the drain: a node that is empty gives its place back. kubectl shoal headroom shows what is free.",
		}},
		{LastHolder, Entry{
			Name:    "LastHolder",
			Text:    "its node is cordoned, and nobody else is known to have its data: it stays",
			Meaning: "The instance has no volumes, so that its data goes with its pod. No other one of its shard is available and has a role beside a master that is known.",
			Advice:  "See that another instance of the shard is in sync: kubectl shoal status. If the shard has one instance, add replicas, or copy the data; if the data may go, annotate the pod with shoal.dev/allow-disruption=true and delete it.",
		}},
		{Leaving, Entry{
			Name:    "Leaving",
			Text:    "its node is cordoned: it leaves for another one",
			Meaning: "The instance may leave its node now. The budget of the set does not hold it any more, so that a drain may evict it; after ten seconds the manager deletes the pod itself. It is made anew elsewhere with the template that it had.",
			Advice:  "Nothing. Uncordon the node to have it stay.",
		}},
		{TakeLeaveBack, Entry{
			Name:    "TakeLeaveBack",
			Text:    "it may not leave its node any more",
			Meaning: "The instance was about to leave a cordoned node, and stays: the node was uncordoned or fell silent, the set was paused, or another instance has become unavailable.",
			Advice:  "Nothing.",
		}},
	}
}
