package reason

// The reasons of the scheduler, of the state of placement groups, and of what is known about nodes. In ascending order.
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
)

func ofPlacement() []row {
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
	}
}
