package decide

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/slots"
)

// Snapshot is all that Decide knows. Decide reads it and changes nothing in it.
type Snapshot struct {
	Now time.Time
	Set *v1alpha1.InstanceSet
	// Agent is what agents are made of today.
	Agent   podspec.Agent
	Service Presence
	Budget  Budget
	Policy  Policy
	// Rest are instances that are not among Pods and Claims because nothing is to be done about them; nil for none. See Thin.
	Rest    *Rest
	Pods    []Pod
	Claims  []Claim
	Volumes []Volume
	// Nodes are those on which the set has pods or volumes. One that is named by a pod or claim and is not among them was
	// deleted.
	Nodes []Node
	// Revisions are the history of the set's templates.
	Revisions []Revision
	// Switchovers are those of the set's shards, whoever asked for them.
	Switchovers []Switchover
	// Expandable are the StorageClasses that let volumes grow, of those whose volumes are smaller than they should be.
	Expandable []string
	// Places are the nodes that count when an instance looks for another one: those on which the set's placement group holds slots, and those that would take
	// it. There are none while no instance is on a node that is cordoned.
	Places []Place
	// Queued are pods of that group, and of the set, that have no node yet, so that the next place may be theirs: one of each kind.
	Queued []Waiting
	// Answers to Probes. An instance that was asked and did not answer is an Answer with Unreachable; one that was not
	// asked has none.
	Answers []Answer
}

// Presence says whether an object is there, and whose it is.
type Presence int

// Presences.
const (
	Absent Presence = iota
	Ours
	Foreign // the name is taken by an object that the set did not make
)

// Budget is the PodDisruptionBudget with the name of the set.
type Budget struct {
	Presence
	UID     types.UID
	Version string // resourceVersion
	Changed bool   // it says something else than the set's does
}

// Policy is the PlacementPolicy that the set uses.
type Policy struct {
	Presence // a policy named by placementPolicyRef is never ours
	UID      types.UID
	Version  string // resourceVersion
	Spec     *v1alpha1.PlacementPolicySpec
	// Counted reports whether the status was made from the Spec of today, and Targets what it counted.
	Counted bool
	Targets []v1alpha1.ScaleTargetCount
}

// Pod is a pod with the name of an instance.
type Pod struct {
	Ordinal     int32
	Foreign     bool
	UID         types.UID
	Node        string // "" while it is not bound
	Bound       time.Time
	IP          string
	Phase       corev1.PodPhase
	Ready       bool // its engine, whatever becomes of the agent
	ReadySince  time.Time
	Terminating bool
	Lost        bool
	Template    string // "" for spec.template
	Revision    string
	Agent       bool  // it has one
	AgentProven bool  // which runs, or has run for long enough to say that it works
	AgentDown   bool  // which alone keeps the pod from being ready: the instance is
	Generation  int64 // rebuild generation
	Failures    int   // pods of the instance that ended one soon after the other before this one
	Created     time.Time
	Ended       time.Time // when it reached a terminal phase, as well as it can be told
	// Unscheduled is why it has no node, in the scheduler's words.
	Unscheduled string

	Target string            // the revision that it is on its way to in place, "" if it has arrived
	Passed string            // all that it has been on its way to since it arrived last, with blanks between them; Target is the last
	Role   v1alpha1.RoleName // of the label, "" while that is not known
	// Unsettled: what was written to it last has not been carried out by its kubelet yet.
	Unsettled bool
	// Resize is what keeps its kubelet from a resize, 0 for nothing; Trouble is why a container does not run, or the kubelet's words
	// about the resize.
	Resize  reason.Code
	Trouble string
	// Idle: no container runs, so that it serves nobody. Down are containers that do not run while others do, and Stuck those whose image
	// cannot be had, each with blanks between them. Restarts: one that does not run had run for long before it ended.
	Idle        bool
	Down, Stuck string
	Restarts    bool
	// Configuration is the revision of the configuration that it was given, "" for none. Reported is what its agent said last.
	Configuration string
	Reported      Reported
	// Unapplied: an update has changed the configuration, and the agent has not reported that the engine runs with it.
	Unapplied bool
	// MayLeave is since when it may leave its node, the zero time if it may not.
	MayLeave time.Time
	// Move is where it could go, nil if that was not looked for.
	Move *Move
	// Live is the pod as the cache has it, which need not be all of it (see podspec.Diff). It is only read.
	Live *corev1.Pod
}

func (p *Pod) ended() bool { return p.Phase == corev1.PodFailed || p.Phase == corev1.PodSucceeded }

// Reported is what an agent has reported of the configuration of its engine; the zero value if it was not heard.
type Reported struct {
	// Revision of the configuration that the engine runs with.
	Revision string
	// Wanted is another one, and State what becomes of it: one of the words of agent.ConfigurationState, "" for nothing.
	Wanted, State string
	// Problem is what the engine said about that, for people.
	Problem string
	// MaxMemory of the engine in bytes, 0 for none, or if it is not known.
	MaxMemory int64
}

// Claim is a claim with the name of one of an instance.
type Claim struct {
	Ordinal     int32
	Volumes     string // the name of its entry in volumeClaimTemplates
	Foreign     bool
	UID         types.UID
	Version     string // resourceVersion
	Terminating bool
	Retired     bool
	Returning   bool // retired, and about to hold its slot again
	Lost        bool
	Volume      string // the PersistentVolume that it is bound to, "" while unbound
	Node        string // the node that it pins its pod to, "" if none
	Stays       bool   // and holds there wherever a pod of the instance is (see package slots)
	Template    string
	Generation  int64
	Created     time.Time
	Class       string            // StorageClass, "" for none
	Asked, Has  resource.Quantity // sizes: what the claim asks for, and what its volume has
	// Growth is what is known of a growth that is not through, for people; GrowthFailed: its driver or its node could not do it, and may
	// never.
	Growth       string
	GrowthFailed bool
}

// Revision is what a template asked for once, as the history keeps it.
type Revision struct {
	Object string // the name of the ControllerRevision
	UID    types.UID
	Name   string // as in the label of pods
	Number int64  // the higher, the later it was asked for
	Text   []byte // an encoded podspec.Asked
}

// Switchover is an order to hand over the master of a shard.
type Switchover struct {
	Name  string
	Shard string // as the label of pods has it
	Ours  bool   // an update has asked for it
	// Ended: nothing more is done. Complete: the old master may be stopped, as far as the policy goes. HandedOver: another one is master.
	Ended, Complete, HandedOver bool
	// EndedAt is when it has ended.
	EndedAt time.Time
	// Words are how it ended.
	Words string
}

// Volume is a PersistentVolume that a claim names, or that an earlier rebuild kept.
type Volume struct {
	Name        string
	UID         types.UID
	Version     string
	Retain      bool   // reclaim policy
	RetainedFor string // <namespace>/<instance>, "" if no rebuild has kept it
	Generation  int64  // of the data on it
	// OfNode: it is what its pod's node has at a path, and does not say of which node. On another one there is something else.
	OfNode bool
}

// NodeState is what is known of a node.
type NodeState int

// Node states. Only OutOfService is a proof that nothing runs there.
const (
	NodeGone         NodeState = iota // there is no such Node, which proves nothing
	NodeHealthy                       // Ready, and not tainted otherwise
	NodeSilent                        // not Ready or unreachable: something may still run there
	NodeOutOfService                  // somebody vouches that it is off
)

// Node is a node on which the set has pods or volumes.
type Node struct {
	Name  string
	UID   types.UID
	State NodeState
	// Cordoned: nothing new is to come to it, by what somebody has said of it (spec.unschedulable).
	Cordoned bool
}

// Place is a node to which an instance could go, or on which the set's placement group holds slots.
type Place struct {
	Node string
	// Free is what no pod asks for.
	Free slots.Amount
	// Held are the slots of the group there, and Shards those of each shard.
	Held   int
	Shards map[string]int
}

// Move is where an instance could go if it had to leave its node.
type Move struct {
	Asks slots.Amount
	// To has the names of places that its pod and its volumes may use, each with enough free for it. Instances that are alike share it.
	To map[string]bool
	// Alone: it shares a node with no other one that asks for that.
	Alone bool
	// Tied says what keeps it where it is, beside the volumes of the set, or from being judged; "" for nothing.
	Tied string
}

// Waiting is a pod that has no node yet.
type Waiting struct {
	Pod string
	// Move is where it could go, nil if that is not known.
	Move *Move
}

// Probe is an instance that should be asked for its role.
type Probe struct {
	Pod  types.UID
	Name string
	Addr string // host:port
}

// Answer is what came of a Probe.
type Answer struct {
	Pod         types.UID
	Unreachable bool
	Master      bool
	Offset      int64
}
