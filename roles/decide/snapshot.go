package decide

import "time"

// Role is what an engine says that it is, and what the label says.
type Role string

// The roles. An engine that answers and has none says None; one that does not answer is Unknown, and may be anything.
const (
	NoLabel Role = ""
	Master  Role = "master"
	Replica Role = "replica"
	None    Role = "none"
	Unknown Role = "unknown"
)

// NodeState is what is known of the node of an instance.
type NodeState int

// Node states. NodeLost is proven; one that does not answer is NodeSilent, and what runs there may go on.
const (
	NodeHealthy NodeState = iota
	NodeSilent
	NodeLost
)

// Report is what an agent said of its engine, the latest that was accepted.
type Report struct {
	Role Role
	// Epoch is the election by which it has the role; 0 if that is not known, or if there was none yet.
	Epoch int64
	// Loading: the data is being read from the disk. Protected: it takes no writes on purpose. Unlinked: it was told to follow a
	// master, and is not in sync with it.
	Loading, Protected, Unlinked bool
	// Holds is what is in its data set.
	Holds Holding
	// Of is the address of the master that it was told to follow.
	Of string
}

// Instance is one pod of the shard, as the cache shows it, with what its agent said.
type Instance struct {
	Name string
	// UID and Version are preconditions of each write: a pod of the same name with another UID is another instance.
	UID, Version string
	Label        Role
	// Running: a container may be running. Going: the pod is being deleted. Ended: nothing of it runs any more.
	Running, Going, Ended bool
	// Ready: the kubelet says that the engine's containers are ready, whatever it says of the agent.
	Ready bool
	// Stranger: the pod carries the labels of the shard and is none of its instances, as one that lost its owner or was made
	// by somebody else. A Service would select it. Nobody hears it, and it is given no label.
	Stranger bool
	Node     NodeState
	// Heard: a report of this pod was accepted, the last one at HeardAt by the clock of whoever decides.
	Heard   bool
	HeardAt time.Time
	Report  Report
	// ClaimedAt is when it was first heard that it is master, by the clock of HeardAt: zero if its last word is another one.
	ClaimedAt time.Time
	// EmptyAt is when it was first heard that it has become a master without data, as far as is known still without: it may have been silent, or
	// unable to answer, since. FullAt is when it was first heard that it holds data. Both are by the clock of HeardAt.
	EmptyAt, FullAt time.Time
	// UnlinkedAt is when it was first heard that it is Unlinked, by the clock of HeardAt.
	UnlinkedAt time.Time
	// BehindAt is when it was first heard that it is Behind or Mute, by the clock of HeardAt. BegunAt is when its agent has started.
	BehindAt, BegunAt time.Time
	// Follows is the instance of the shard at Report.Of, "" for none, or several. FollowsAt is when that was first heard, by the clock of HeardAt.
	Follows   string
	FollowsAt time.Time
}

// Behind: it says that it is not in sync with a master.
func (r Report) Behind() bool { return r.Role == Replica && (r.Unlinked || r.Loading || r.Protected) }

// Mute: what it says tells nobody whether it is in sync with a master.
func (r Report) Mute() bool { return r.Role == Unknown || r.Role == None }

// View is what the HA system says of the shard.
type View struct {
	// Static: there is none. Nobody promotes anybody but people and planned switchovers.
	Static bool
	// Heard: it answered; otherwise Trouble says why not.
	Heard   bool
	Trouble string
	// Master is the instance that it names, "" if Addr is the address of none of them.
	Master, Addr string
	// Epoch is the election that made it so; 0 means that there was none, and that somebody configured it.
	Epoch int64
	// Since is when whoever decides first heard of it, by the clock of HeardAt.
	Since time.Time
	// Agreed: most Sentinels name the same one by the same election.
	Agreed bool
	// Sure: all Sentinels that anybody knows of have answered, and have named this one by this election for long enough that
	// none of them has yet to hear. If somebody knows of a later election, the Sentinels have lost it.
	Sure bool
	// Floor is the latest election that was heard of. A view from below it is of a Sentinel that has yet to hear.
	Floor int64
}

// Snapshot is all that is known of one shard.
type Snapshot struct {
	Now time.Time
	// Silence is after how long without a report an instance is silent.
	Silence time.Duration
	// Hushed: most instances of the set are silent, or this process has listened for less than Silence. Then silence says
	// something of the network or of this process, and nothing of an instance.
	Hushed bool
	// Dark: most instances of the set are on nodes that are silent. Then it is the network, or the API server, that has trouble.
	Dark bool
	HA   View
	// HandingOver: somebody hands over the master of this shard, and tells each instance whom to follow.
	HandingOver bool
	// Complete: every name that a pod of the shard can have is among the instances.
	Complete  bool
	Instances []Instance
}

// Hush reports whether so many instances are silent that silence says nothing: more than half of those that run.
// listening is for how long this process has heard reports.
func Hush(silent, running int, listening, silence time.Duration) bool {
	return listening < silence || 2*silent > running
}

// Dark reports whether so many instances are on silent nodes that it says nothing of an instance: more than half of those that run.
func Dark(silent, running int) bool { return 2*silent > running }

// out: it gets no label, whatever it says.
func (i *Instance) out() bool { return i.Stranger || i.lost() }

// lost: nothing of the instance takes writes any more.
func (i *Instance) lost() bool { return i.Ended || i.Node == NodeLost }

// denies: its last word is that it takes no writes as a master.
func (i *Instance) denies() bool {
	return !i.Stranger && i.Heard && (i.Report.Role == Replica || i.Report.Role == None || i.Report.Protected)
}

// claims: its last word is that it is master.
func (i *Instance) claims() bool {
	return !i.out() && i.Heard && i.Report.Role == Master && !i.Report.Protected
}

// fresh: it was heard lately, so that what it says is what its engine says.
func (s *Snapshot) fresh(i *Instance) bool {
	return !i.Stranger && i.Heard && s.Now.Sub(i.HeardAt) < s.Silence
}
