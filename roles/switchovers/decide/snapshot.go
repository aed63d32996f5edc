package decide

import "time"

// Request is a Switchover.
type Request struct {
	Name string
	// Created is by the clock of the API server; Seen is when this manager first saw it, by its own.
	Created, Seen time.Time
	// To is whom it names, "" if nobody.
	To string
	// BestEffort is its policy, otherwise Strict.
	BestEffort   bool
	Timeout, TTL time.Duration
	// From is who was master when it began, "" before that. Attempts counts how many times it was begun or continued.
	From     string
	Attempts int
	// Completed is when it ended; zero before that.
	Completed time.Time
	// Deleted: somebody has deleted it. Held: it has the finalizer, and is there until that is taken away.
	Deleted, Held bool
}

func (r Request) begun() bool { return r.From != "" }
func (r Request) ended() bool { return !r.Completed.IsZero() }

// Instance is a pod of the shard that its set controls.
type Instance struct {
	Name string
	// Master: it carries the label master. Lost: it carries the label lost.
	Master, Lost bool
}

// Snapshot is everything that is decided from.
type Snapshot struct {
	Now     time.Time
	Request Request
	// Others are the other Switchovers of the same shard.
	Others []Request
	// Set: there is such a set with roles. Paused is what its spec says.
	Set, Paused bool
	Instances   []Instance
	// Orders: this manager can give orders to agents. Taken: it is handing over the shard just now, for somebody else.
	Orders, Taken bool
}
