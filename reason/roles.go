package reason

// The reasons of roles, and of agents and their certificates. In ascending order.
const (
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
	// NothingToFollow: a shard has no master, so that nobody is in sync with it.
	NothingToFollow Code = 2437
	// ReplicaOfReplica: a replica follows another replica.
	ReplicaOfReplica Code = 2438
	// EmptyMaster: an instance runs as a master that holds nothing, beside others that hold data.
	EmptyMaster Code = 2439
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
)

func ofRoles() []row {
	return []row{
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
			Text:    "every shard has a master, and every replica is in sync with it",
			Meaning: "By what their agents said last, all replicas that run are connected to their masters, and have everything but what is under way. Those that have been behind for less than a minute count as well.",
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
		{NothingToFollow, Entry{
			Name:    "NothingToFollow",
			Text:    "a shard has no master: nobody can be in sync with it",
			Meaning: "The condition NoMaster says why, and what is waited for. Replicas keep what they have, and their label.",
			Advice:  "See NoMaster.",
		}},
		{ReplicaOfReplica, Entry{
			Name:    "ReplicaOfReplica",
			Text:    "a replica follows another replica, and is as late as both of them",
			Meaning: "It says that it is linked, but not to the master: what the master acknowledges with WAIT need not be on it, and it is lost with the replica between. The message says which, and since when this manager knows. It keeps its label.",
			Advice:  "Nothing if a switchover is asked for, which begins by telling it to follow the master. Otherwise tell it yourself: REPLICAOF with the address of the master. Shoal tells nobody who follows somebody: with another history its data would be replaced.",
		}},
		{EmptyMaster, Entry{
			Name:    "EmptyMaster",
			Text:    "an instance runs as a master that holds nothing, beside others that hold data",
			Meaning: "It has started, or was promoted, without data, and takes writes. Whoever follows it replaces its data by nothing. An instance whose template starts it protected does not do so. Shoal has neither promoted it nor told anybody to follow it, and gives it no label: as the reason of NoMaster it says that the Services of the master lead nowhere because of this. One that has the label already keeps it.",
			Advice:  "If the data matters, act before the others follow: promote one that holds it (REPLICAOF NO ONE), and tell Sentinels where they name the empty one. If the shard is to begin with nothing, write a key to the empty one, or empty the others: it gets the label when the agents have said so, within five minutes. Then have the template start instances protected: docs/roles.md, Joining.",
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
	}
}
