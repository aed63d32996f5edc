package reason

// The reasons of planned switchovers. In ascending order.
const (
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
)

func ofSwitchovers() []row {
	return []row{
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
				"compare slave_repl_offset in INFO replication among those with the same master_replid, and promote the one with most: REPLICAOF NO ONE. " +
				"Where it takes no writes then (NOREPLICAS), set min-replicas-to-write back to what its configuration has.",
		}},
	}
}
