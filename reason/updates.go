package reason

// The reasons of updates and of configurations. In ascending order.
const (
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
	// OnlyCopy: the instance does not serve, and nobody else is known to have what goes with its pod.
	OnlyCopy Code = 2636
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

func ofUpdates() []row {
	return []row{
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
			Advice:  "Make room on the node, or ask for less. There is no deadline: the kubelet tries for as long as it is asked.",
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
			Meaning: "A memory limit that Redis may fill is not lowered, or the kernel would kill it. It comes down when the agents of the instance and of its master report a maxmemory that is not above the new limit: a replica holds what its master sends, whatever its own maxmemory. Everything else of the update goes on, but for a master, which is the last of its shard. A maxmemory in spec.configuration is lowered before, in the same update, that of the master when its replicas wait for nothing else. A limit of the whole pod counts as the engine's. Containers beside the engine do not wait: their kubelet refuses to take what they use. Where no container is known as the engine (that of spec.configuration, the only one, or redis), or no agent reports, as in sets without roles, nothing is known.",
			Advice:  "Lower maxmemory, and leave room beside it for buffers and fragmentation. Do so before, in a change of its own, where another part of the update takes new pods or updateStrategy.inPlace is Never: pods that are made anew have the lower limit at once, and a replica beside a master that holds more is killed in each full sync.",
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
			Advice:  "Put a size into volumeClaimTemplates that the driver can give: less than before, but more than the volume has. The claim follows at once, unless the set is paused. Or mend the driver's trouble: it tries again by itself.",
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
		{OnlyCopy, Entry{
			Name:    "OnlyCopy",
			Text:    "it does not serve, and nobody else is known to have what would go with its pod",
			Meaning: "The instance has no volumes, and what the template asks for takes a new pod. Its engine does not run, or is not Ready, but what it has may be the only copy that is whole. No other one of its shard (of the set, if that has no shards) is available and, in a set with roles, has one beside a master that is known. Or it is the master itself, and cannot hand over: labels may be older than its last writes.",
			Advice:  "See why the others of the shard do not serve: kubectl shoal status. When one does, or another one is master, the update goes on. If the data may go, annotate the pod with shoal.dev/allow-disruption=true and delete it. Where no instance of a set has anything to lose, as Sentinels, proxies and caches, annotate spec.template with shoal.dev/allow-disruption: \"true\": the update goes on by itself. While that stands there, the set has no budget, and evictions and deletions are not refused; take it away again if that is only for now.",
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
			Meaning: "The instance has a volume that is local to the cordoned node, or a PersistentVolume of type hostPath, which on another node would be another one. A pod that is made anew could start nowhere else, or would start without its data.",
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
