package reason

// The reasons of InstanceSets and of rebuilds. In ascending order.
const (
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
)

func ofInstances() []row {
	return []row{
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
	}
}
