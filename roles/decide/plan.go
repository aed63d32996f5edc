package decide

import (
	"fmt"
	"strings"
	"time"

	"github.com/shoal-dev/shoal/reason"
)

// Kind is what a step does.
type Kind string

// The kinds of steps, in the order in which a plan has them.
const (
	// Strip takes the label master away from a pod. That the API server did it is its confirmation.
	Strip Kind = "strip"
	// Relabel changes a label that is not master into another one that is not.
	Relabel Kind = "relabel"
	// Census asks the API server whether the shard has pods that the snapshot does not. If it has, the plan ends.
	Census Kind = "census"
	// Confirm writes to a pod that carries no label master, so that an older decision about the pod, which may still be on
	// its way, is refused because of its version. It is refused itself if the pod has changed.
	Confirm Kind = "confirm"
	// Set gives a pod the label master.
	Set Kind = "set"
)

// Step is one write, or for Census a question. A step is done only if all before it were done, and with its
// preconditions: the pod with this UID, at this version.
type Step struct {
	Do           Kind
	Instance     string // "" for Census
	UID, Version string
	From, To     Role
	// For is the instance on behalf of which a step confirms.
	For    string
	Reason reason.Code
	Text   string // the reason in words, with its code
}

// String is the line of a scenario.
func (s Step) String() string {
	what := s.Instance
	switch s.Do {
	case Strip, Relabel, Set:
		what += fmt.Sprintf(" %s -> %s", s.From.text(), s.To.text())
	case Confirm, Census:
		what = strings.TrimSpace(what + " for " + s.For)
	}
	return fmt.Sprintf("%-8s %-24s %s", s.Do, what, s.Text)
}

func (r Role) text() string {
	if r == NoLabel {
		return "nothing"
	}
	return string(r)
}

// Verdict is the state of a condition for one shard.
type Verdict struct {
	True   bool
	Reason reason.Code
	Text   string // with names, without the code
}

// Ignored is something that was said and does not count, and why.
type Ignored struct {
	Who    string // an instance, or the HA system
	Reason reason.Code
	Text   string
}

// Plan is what Decide wants.
type Plan struct {
	Steps []Step
	// Joins are orders to agents. They rest on the snapshot and not on Steps: each may be carried out, or not, by itself.
	Joins []Join
	// Waits are the protected instances that get no order, and why not.
	Waits []Wait
	// Master is who carries the label when the plan is carried out, "" for nobody.
	Master               string
	NoMaster, TwoMasters Verdict
	// Behind is True where a replica is not in sync with its master.
	Behind Verdict
	// Empty are the masters that have come up without data beside instances that hold some.
	Empty []Empty
	// Unknown are the instances that run and of which nobody can say what they are now.
	Unknown []string
	Ignored []Ignored
	// RequeueAfter is when to decide again even if nothing changes; 0 means never.
	RequeueAfter time.Duration
}
