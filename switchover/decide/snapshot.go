package decide

import (
	"slices"
	"time"

	"github.com/shoal-dev/shoal/reason"
)

// Policy says what it means for the caller when nobody could take over. It never changes how a switchover is done.
type Policy string

const (
	// Strict says that the master is left alone unless another has taken over.
	Strict Policy = "Strict"
	// BestEffort says that the caller goes on also if nobody could take over, as long as From is master still.
	BestEffort Policy = "BestEffort"
	// None says that nothing is tried.
	None Policy = "None"
)

// Request is what is wanted. Whoever starts again after a crash asks the same.
type Request struct {
	Policy Policy
	// From is the instance that is to be master no more. Once it is not, the request is done.
	From string
	// To takes over; "" chooses.
	To string
	// Static: there is no Sentinel, and nobody else promotes anybody.
	Static bool
	// Configured is what the configuration says about replicas that a master needs. nil takes what From says, or the least
	// that an instance says who answers: From may have a fence on that an earlier switchover could not take off.
	Configured *Fence
	// MaxLag is how many bytes a candidate may be behind before writes are paused.
	MaxLag int64
	// CatchUp bounds each of the two waits in which nobody's writes go on; Pause is after how long From lets them go on by
	// itself if nobody tells it to, and is cut to half of Sentinel's down-after-milliseconds, as a paused master answers
	// Sentinels late. Timeout bounds the whole.
	CatchUp, Pause, Timeout time.Duration
}

// Defaults fills in what is not given: 16 MiB, 500 ms, three times that, 10 s.
func (r Request) Defaults() Request {
	if r.Policy == "" {
		r.Policy = Strict
	}
	if r.MaxLag <= 0 {
		r.MaxLag = 16 << 20
	}
	if r.CatchUp <= 0 {
		r.CatchUp = 500 * time.Millisecond
	}
	if r.Pause <= 0 {
		r.Pause = 3 * r.CatchUp
	}
	if r.Timeout <= 0 {
		r.Timeout = 10 * time.Second
	}
	return r
}

// Fence is min-replicas-to-write and min-replicas-max-lag: a master with fewer replicas takes no writes. Either being 0
// turns it off.
type Fence struct {
	Replicas int
	Lag      time.Duration
}

// Instance is what one instance of the shard says of itself, or that it does not answer.
type Instance struct {
	Name string
	// Addr is host:port, as replicas and Sentinels call it.
	Addr string
	// Node is where it runs; on one that is to be Avoided it is chosen last. So is one that is Outdated.
	Node            string
	Avoid, Outdated bool

	// Reachable: it answered. Nothing below is known otherwise, but Trouble says why it did not.
	Reachable bool
	Trouble   string
	Master    bool
	// Of is host:port of the master that a replica follows; Held says that it was told to follow nobody.
	Of   string
	Held bool
	// LinkUp: connected to its master and in sync. Syncing: being given a full copy. Loading: reading its disk.
	LinkUp, Syncing, Loading bool
	// History names what the instance's bytes are; up to the byte before FormerEnd they are those of Former too.
	History, Former string
	FormerEnd       int64
	// Offset is the number of bytes that it has.
	Offset int64
	// Followers are connected to it, whoever they are.
	Followers int
	// Priority of 0: never to be promoted.
	Priority int
	Fence    Fence
	// FailingOver: somebody gave it the command FAILOVER.
	FailingOver bool
}

// Sentinel is what one of them says of the shard, or that it does not answer.
type Sentinel struct {
	Addr string
	// Reachable: it answered; otherwise Trouble says why it did not.
	Reachable bool
	Trouble   string
	Master    string
	Epoch     uint64
	Quorum    int
	Peers     int
	// Down: it does not reach the master, or knows that it is none. FailingOver: it promotes another just now.
	Down, FailingOver          bool
	DownAfter, FailoverTimeout time.Duration
}

// Snapshot is everything that is decided from.
type Snapshot struct {
	Now time.Time
	// Took is how long ago the first of them may have answered.
	Took      time.Duration
	Request   Request
	Instances []Instance
	Sentinels []Sentinel
	Memory    Memory
}

// Memory is what this run has done and no Redis shows. A run that knows nothing of it is slower, and as safe.
type Memory struct {
	Began time.Time
	// Target is the instance that takes over.
	Target string
	// Had is what From had when it was first seen as master.
	Had Left
	// Most is the most that From was seen to have as master, and what of that it had afterwards.
	Most Left
	// PausedAt is when the pause was asked for; Unpaused: it was ended.
	PausedAt time.Time
	Unpaused bool
	// Epoch is that of the election that was won, at ElectedAt.
	Epoch     uint64
	ElectedAt time.Time
	// Told is whom Sentinels were told of, in order. Whoever else they name was chosen by themselves, or by somebody else.
	Told []Told
	// StoppedAt is when From was demoted.
	StoppedAt time.Time
	// Left is what From had when it was last seen, if it followed nobody then and nobody has tried to make it master since. One that
	// has started again with less is not looked at for that.
	Left Left
	// Written is another master that may have taken writes, "" if there is none: its fence was to be taken off, whether anybody
	// heard that it was or not, or it was seen without it or with a replica.
	Written string
	// GivenUp is why the way goes back, and Why says it with numbers.
	GivenUp reason.Code
	Why     string
	// Old: the look took so long that what somebody said at its beginning may be so no more. The next one is taken as it is:
	// who did not answer is not waited for again so soon, or everybody is slow.
	Old bool
	// Trouble is why the last step may not have been done, "" if it was.
	Trouble string
}

// Told is an announcement: the name of an instance, and the election in which Sentinels were told of it.
type Told struct {
	Of string
	In uint64
}

// Left is what From had at a moment: a history, and how many bytes of it.
type Left struct {
	History string
	Offset  int64
}

// fresh is how long a look may take by which somebody is allowed to take writes.
const fresh = 100 * time.Millisecond

// Seen is what is remembered of a look, before a step is decided from it.
func (m Memory) Seen(s Snapshot) Memory {
	p := newPlanner(s)
	m.Old = !m.Old && s.Took > fresh
	if f := p.from; f != nil && f.Reachable && f.Master && m.Had.History != f.History {
		m.Had = Left{f.History, f.Offset}
	}
	if f := p.from; f != nil && f.Reachable && (f.Master || f.Held) {
		m.Most = m.mostOf(f)
	}
	for n := range s.Instances {
		switch i := &s.Instances[n]; {
		case !i.Reachable:
		case i.Name != s.Request.From:
			if i.Master && (i.Followers > 0 || !p.fenced(i)) {
				m.Written = i.Name
			}
		case i.Held && m.Left.History != "" && !contains(i, m.Left.instance()):
		case i.Held:
			m.Left = Left{i.History, i.Offset}
		default:
			m.Left = Left{}
		}
	}
	return m
}

// After is what is remembered when a step was tried, begun at that time. A step in trouble may have been done all the same.
func (m Memory) After(s Step, begun time.Time, epoch uint64, trouble string) Memory {
	failed := trouble != ""
	m.Trouble = trouble
	if s.Code != 0 && m.GivenUp == 0 {
		m.GivenUp, m.Why = s.Code, s.Text
	}
	if s.Target != "" {
		m.Target = s.Target
	}
	switch {
	case s.Do == Pause && m.PausedAt.IsZero():
		m.PausedAt = begun
	case s.Do == Demote && m.StoppedAt.IsZero():
		m.StoppedAt = begun
	case s.Do == Tell:
		m.Told = append(slices.Clip(m.Told), Told{s.Instance, m.Epoch})
	case s.Do == Return:
		m.Left = Left{}
	case s.Opens:
		m.Written = s.Instance
	case s.Do == Unpause && !failed:
		m.Unpaused = true
	case s.Do == Elect && !failed:
		m.Epoch, m.ElectedAt = epoch, begun
	}
	return m
}
