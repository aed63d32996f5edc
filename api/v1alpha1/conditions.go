package v1alpha1

// Condition types of an InstanceSet. Each is always set, with observedGeneration; reasons come from the catalogue in
// package reason, and each reason has a page in docs/reasons/.
const (
	// ConditionReady is True when every wanted instance (offline ones excepted) is Ready at the current generation.
	// `kubectl wait --for=condition=Ready` waits for it. When False: look at the other conditions.
	ConditionReady = "Ready"
	// ConditionProgressing is True while instances are being created or removed. When it stays True: look at Placed.
	ConditionProgressing = "Progressing"
	// ConditionUpdating is True while running instances are brought to the current templates, and False when all have them, or
	// with the reason why it does not go on.
	ConditionUpdating = "Updating"
	// ConditionLeaving is there while instances of the set are on nodes that are cordoned: True while one of them is on its way to another node, and
	// False while none is, with the reason why.
	ConditionLeaving = "Leaving"
	// ConditionPlaced is False while an instance has no node; the message is the scheduler's own. What to do stands on
	// the page of the code in the message.
	ConditionPlaced = "Placed"
	// ConditionRebuilding is True while instances that gave up their data are being replaced or, once they are, are not
	// Ready, and False with the reason why not when instances sit on nodes that do not answer.
	ConditionRebuilding = "Rebuilding"
	// ConditionNoMaster is True while a shard has no instance with the label master. Of sets with roles only. When True: look
	// at the reason, which says what is waited for.
	ConditionNoMaster = "NoMaster"
	// ConditionTwoMasters is True while two instances of a shard claim to be master. Of sets with roles only. When True:
	// writes may be lost; the page of the code in the message says what to compare.
	ConditionTwoMasters = "TwoMasters"
	// ConditionInSync is False while a replica has not been in sync with its master for a minute, or follows another replica, and
	// Unknown while that is not known of one, or a shard has no master. Of sets with roles only. When not True: the message names
	// the instances, or the shards.
	ConditionInSync = "InSync"
	// ConditionPaused is True while spec.paused holds every write to pods and claims.
	ConditionPaused = "Paused"
)

// Condition types of a PlacementPolicy.
const (
	// ConditionFeasible is False when the wanted replicas cannot all be placed within the limits on the nodes of
	// today; the message has the numbers and what would help.
	// It is Unknown when instances ask for different amounts and it cannot be told which of them are still to come, or they may use
	// different nodes.
	ConditionFeasible = "Feasible"
	// ConditionWithinLimits is False when more instances or nodes are in use than the limits allow, because the limits
	// were lowered or a pod was bound by another scheduler. Nothing is evicted.
	ConditionWithinLimits = "WithinLimits"
	// ConditionSurvivesNodeLoss is False when the loss of one node would take all instances of a shard, and Unknown when
	// one node holds instances of a majority of the shards, so that a Redis Cluster might be left without a majority of
	// its masters. Only groups of shards have it. Nothing is refused or moved because of it: it tells when to raise
	// maxNodes or to lower maxInstancesPerNode.
	ConditionSurvivesNodeLoss = "SurvivesNodeLoss"
)

// Condition types of a Switchover, beside Progressing, which is True while steps are taken. Their reason is the cause in the
// catalogue, also while the switchover waits to begin.
const (
	// ConditionComplete is True when it has ended, and the instance that was master may be stopped as far as the policy goes:
	// another one is master, or with BestEffort it is master as before. `kubectl wait --for=condition=Complete` waits for it.
	ConditionComplete = "Complete"
	// ConditionFailed is True when it has ended otherwise. status.result says whether the master is master as before; what to
	// do stands on the page of the reason.
	ConditionFailed = "Failed"
)
