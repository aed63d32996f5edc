package load

import (
	"context"
	"math"
	"time"
)

// Dimension is one kind of load.
type Dimension int

// The dimensions, and in brackets the unit of their amounts.
const (
	CPU        Dimension = iota // time on processors [thousandths of a CPU]
	Memory                      // what is not available to programs [bytes]
	Ingress                     // received by physical network devices [bits per second]
	Egress                      // sent by physical network devices [bits per second]
	Dimensions = 4
)

// String is the name of the dimension in messages and metrics.
func (d Dimension) String() string {
	return [Dimensions]string{"cpu", "memory", "ingress", "egress"}[d]
}

// perUnit is how much of the amounts one unit of the source is: cores, bytes, bytes per second.
var perUnit = [Dimensions]float64{CPU: 1000, Memory: 1, Ingress: 8, Egress: 8}

// Value is how much of one dimension is in use on a node. The zero value is: not known.
type Value struct {
	Amount int64
	// At is when the newest sample was taken.
	At time.Time
	// Covers says which pods are in the amount in full: those that ran before. What began later is only partly in a
	// percentile or a rate.
	Covers time.Time
}

// Known reports whether it was ever measured.
func (v Value) Known() bool { return !v.At.IsZero() }

// Reading is the load of one node. Each dimension keeps the age that its source gave it: one that could not be measured again
// gets older while the others stay fresh. The source may have one age for all that it measures of a node at a time.
type Reading [Dimensions]Value

// amount is a value of the source in the unit of the dimension; false if it is no amount of load (NaN, infinite, negative).
func (d Dimension) amount(value float64) (int64, bool) {
	amount := value * perUnit[d]
	if math.IsNaN(amount) || amount < 0 || amount >= math.MaxInt64 {
		return 0, false
	}
	return int64(amount), true
}

// Source measures all nodes at once.
type Source interface {
	// Measure returns readings by the names that the source has for nodes. Readings and an error may come together: what
	// could be measured, and why the rest could not.
	Measure(ctx context.Context) (map[string]Reading, error)
	// Measures are the dimensions that the source has.
	Measures() []Dimension
}

// Snapshot is what is known about all nodes. It is never changed.
type Snapshot struct {
	nodes map[string]Reading
}

// NewSnapshot makes a snapshot of readings by the names of Nodes.
func NewSnapshot(nodes map[string]Reading) *Snapshot { return &Snapshot{nodes: nodes} }

// Of returns the reading of a node; false if its source has never named it. One that it has named, and of which it gave no amounts,
// has the zero Reading, in which nothing is Known. Of a nil snapshot there is none.
func (s *Snapshot) Of(node string) (Reading, bool) {
	if s == nil {
		return Reading{}, false
	}
	r, ok := s.nodes[node]
	return r, ok
}

// merge keeps the values of before for nodes that are still there, where there is no new one: one scrape or one query that
// failed makes a dimension of a node older, not unknown.
func (s *Snapshot) merge(fresh map[string]Reading, exists func(string) bool) *Snapshot {
	merged := make(map[string]Reading, len(fresh))
	if s != nil {
		for node, r := range s.nodes {
			if exists(node) {
				merged[node] = r
			}
		}
	}
	for node, r := range fresh {
		known := merged[node]
		for d, v := range r {
			if v.Known() {
				known[d] = v
			}
		}
		merged[node] = known
	}
	return NewSnapshot(merged)
}
