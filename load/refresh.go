package load

import (
	"context"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// jitter spreads the refreshes of several schedulers, and of one after a restart of all, by up to a fifth of the interval.
const jitter = 0.2

// Refresher keeps a Snapshot up to date.
type Refresher struct {
	source Source
	asks   RefreshOptions
	latest atomic.Pointer[Snapshot]
	now    func() time.Time
}

// RefreshOptions say how often, and who wants to know.
type RefreshOptions struct {
	// Interval between the end of one refresh and the begin of the next; Timeout of one.
	Interval, Timeout time.Duration
	// MaxAge is how old a reading may be to count as fresh in the Report.
	MaxAge time.Duration
	// Nodes are those of the cluster, from a cache.
	Nodes func() ([]*corev1.Node, error)
	// Report is called after each refresh.
	Report func(Report)
}

// Report is how a refresh went.
type Report struct {
	// Nodes of the cluster, and how many of them have a reading per dimension that is young enough.
	Nodes int
	Fresh [Dimensions]int
	// Measures are the dimensions that the source has.
	Measures []Dimension
	// Oldest is the age of the oldest reading per dimension; 0 without any.
	Oldest [Dimensions]time.Duration
	// Err is why something could not be measured.
	Err error
}

// NewRefresher makes a refresher that has measured nothing yet.
func NewRefresher(source Source, o RefreshOptions) *Refresher {
	return &Refresher{source: source, asks: o, now: time.Now}
}

// Latest is what is known; nil before anything was measured. It does not block.
func (r *Refresher) Latest() *Snapshot { return r.latest.Load() }

// Run refreshes until ctx ends.
func (r *Refresher) Run(ctx context.Context) {
	wait.JitterUntilWithContext(ctx, r.Refresh, r.asks.Interval, jitter, true)
}

// Refresh measures once. What could not be measured stays as it was, and gets older.
func (r *Refresher) Refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.asks.Timeout)
	defer cancel()
	nodes, err := r.asks.Nodes()
	if err != nil {
		r.asks.Report(Report{Measures: r.source.Measures(), Err: err})
		return
	}
	directory := NewDirectory(nodes)
	measured, err := r.source.Measure(ctx)
	found := make(map[string]Reading, len(measured))
	for called, reading := range measured {
		node, known := directory.Find(called)
		if !known {
			continue // a machine that is no node of this cluster
		}
		if other, twice := found[node]; twice {
			reading = highest(reading, other)
		}
		found[node] = reading
	}
	snapshot := r.latest.Load().merge(found, directory.Has)
	r.latest.Store(snapshot)
	r.asks.Report(r.report(snapshot, directory.Len(), err))
}

// highest joins two readings of one node under two names: the higher amounts, and the older times.
func highest(a, b Reading) Reading {
	for d, v := range b {
		switch {
		case !a[d].Known():
			a[d] = v
		case v.Known():
			v.Amount = max(v.Amount, a[d].Amount)
			if a[d].At.Before(v.At) {
				v.At, v.Covers = a[d].At, a[d].Covers
			}
			a[d] = v
		}
	}
	return a
}

func (r *Refresher) report(s *Snapshot, nodes int, err error) Report {
	report, now := Report{Nodes: nodes, Measures: r.source.Measures(), Err: err}, r.now()
	for _, reading := range s.nodes {
		for d, v := range reading {
			if !v.Known() {
				continue
			}
			age := now.Sub(v.At)
			report.Oldest[d] = max(report.Oldest[d], age)
			if age <= r.asks.MaxAge {
				report.Fresh[d]++
			}
		}
	}
	return report
}
