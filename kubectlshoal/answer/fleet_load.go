package answer

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/load"
)

// Measured is where load was measured, and of how many of the nodes that take pods.
type Measured struct {
	// Source is the type of source, with its address if it has one.
	Source string `json:"source"`
	// MaxAgeSeconds is the age up to which a reading counts; for nodes without such a one, requests are shown.
	MaxAgeSeconds int `json:"maxAgeSeconds"`
	// Nodes that take pods, and how many of them have a reading of CPU or memory that counts.
	Nodes int `json:"nodes"`
	Fresh int `json:"fresh"`
	// Error is why something could not be measured.
	Error string `json:"error,omitempty"`
}

// Load is what is measured on a node, in percent of what is allocatable, rounded down. It can exceed 100. Nil: not known, too
// old while another one counts, or for bandwidth, not advertised.
type Load struct {
	CPU     *int `json:"cpu,omitempty"`
	Memory  *int `json:"memory,omitempty"`
	Ingress *int `json:"ingress,omitempty"`
	Egress  *int `json:"egress,omitempty"`
	// AgeSeconds of the newest sample; where they differ, of the oldest of these.
	AgeSeconds int `json:"ageSeconds"`
	// Stale: all of it is too old to count, and requests are shown.
	Stale bool `json:"stale"`
}

// Reading is what a source of load said.
type Reading struct {
	Source   string
	Snapshot *load.Snapshot
	// At is when it was asked, and MaxAge how old a reading may be.
	At     time.Time
	MaxAge time.Duration
	Err    error
}

// Measure adds what was measured. A reading that is too old is kept, marked as stale.
func (f *Fleet) Measure(c *snapshot.Cluster, r Reading) {
	f.Measured = &Measured{Source: r.Source, MaxAgeSeconds: int(r.MaxAge.Seconds())}
	if r.Err != nil {
		f.Measured.Error = r.Err.Error()
	}
	for i := range f.Nodes {
		n := &f.Nodes[i]
		node := snapshot.Find(c.Nodes, "", n.Node)
		if node == nil {
			continue // it was deleted: what is measured there now is another machine's
		}
		if reading, ok := r.Snapshot.Of(n.Node); ok {
			n.Load = loadOf(node, reading, r)
		}
		if n.State == "" {
			f.Measured.Nodes++
			if n.Load.counts() {
				f.Measured.Fresh++
			}
		}
	}
}

func loadOf(node *corev1.Node, reading load.Reading, r Reading) *Load {
	can := node.Status.Allocatable
	advertised := func(name string) int64 {
		mbps := can[corev1.ResourceName(name)]
		return mbps.Value() * 1_000_000
	}
	has := [load.Dimensions]int64{
		load.CPU: can.Cpu().MilliValue(), load.Memory: can.Memory().Value(),
		load.Ingress: advertised(v1alpha1.ResourceNetIngress), load.Egress: advertised(v1alpha1.ResourceNetEgress),
	}
	for d := range has {
		if has[d] <= 0 {
			reading[d] = load.Value{} // a share of nothing
		}
	}
	if reading == (load.Reading{}) {
		return nil
	}
	fresh := func(v load.Value) bool { return v.Known() && r.At.Sub(v.At) <= r.MaxAge }
	l := &Load{Stale: !slices.ContainsFunc(reading[:], fresh)}
	for d, share := range [load.Dimensions]**int{load.CPU: &l.CPU, load.Memory: &l.Memory, load.Ingress: &l.Ingress, load.Egress: &l.Egress} {
		if v := reading[d]; fresh(v) || l.Stale && v.Known() {
			*share = new(percentOf(v.Amount, has[d]))
			l.AgeSeconds = max(l.AgeSeconds, int(r.At.Sub(v.At).Seconds()))
		}
	}
	return l
}

// counts is true if CPU or memory is known, and not too old.
func (l *Load) counts() bool { return l != nil && !l.Stale && (l.CPU != nil || l.Memory != nil) }

// Shown is what a heat map shows of a node: for CPU and memory the measured share if it counts, and what is asked for where not.
func (n NodeHeat) Shown() Fill {
	shown := n.Fill
	if !n.Load.counts() {
		return shown
	}
	if n.Load.CPU != nil {
		shown.CPU = *n.Load.CPU
	}
	if n.Load.Memory != nil {
		shown.Memory = *n.Load.Memory
	}
	return shown
}

// From says what Shown is: "requests", or "measured 12s ago".
func (n NodeHeat) From() string {
	switch {
	case n.Load.counts() && n.Load.CPU == nil:
		return fmt.Sprintf("cpu requests, memory measured %s ago", n.Load.age())
	case n.Load.counts() && n.Load.Memory == nil:
		return fmt.Sprintf("cpu measured %s ago, memory requests", n.Load.age())
	case n.Load.counts():
		return fmt.Sprintf("measured %s ago", n.Load.age())
	case n.Load != nil && n.Load.Stale:
		return fmt.Sprintf("requests, measured %s ago", n.Load.age())
	}
	return "requests"
}

func (l *Load) age() string { return (time.Duration(l.AgeSeconds) * time.Second).String() }

// String says how much of the fleet is measured.
func (m *Measured) String() string {
	text := fmt.Sprintf("Load of %d of %s is measured (%s); the rest shows requests", m.Fresh, count(m.Nodes, "node"), m.Source)
	if m.Fresh == m.Nodes && m.Fresh > 0 {
		text = fmt.Sprintf("Load is measured (%s)", m.Source)
	}
	if m.Error != "" {
		text += ": " + m.Error
	}
	return text
}
