// Package farm plays seeds of the simulation in processes beside each other, one for each core, and makes those that fail
// smaller. A process is the test binary of the package simulation, because only a test has a bubble of testing/synctest.
// A seed that ends its process, or that does not end, is a failure like any other.
package farm

// Job is a seed to play.
type Job struct {
	Seed int64
	// Only is what may happen in it, of all that the seed would have happen; nil is everything.
	Only []string
}

// Result is how a seed ended.
type Result struct {
	Job
	// Invariant is the one that did not hold, "" when all did; Failure says how.
	Invariant, Failure string `json:",omitempty"`
	// Happened is what was done and went wrong, in order, by the names that Job.Only takes.
	Happened []string
	// Trace is what happened in the words of the world, of a seed that failed.
	Trace []string `json:",omitempty"`
}

// Failed reports whether an invariant did not hold.
func (r Result) Failed() bool { return r.Invariant != "" }

// Ended is the invariant that a seed breaks which ends its process, or does not end.
const Ended = "the process goes on"

// FirstWithRoles is the first of the seeds that all have sets with roles.
const FirstWithRoles = 2_000_000

// FirstWithUpdates is the first of those in which people also change templates.
const FirstWithUpdates = 3_000_000

// FirstWithConfigurations is the first of those in which they also change parameters of engines.
const FirstWithConfigurations = 4_000_000
