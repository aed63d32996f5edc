package answer

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// SwitchoverState is how a Switchover is.
type SwitchoverState string

// States of a Switchover. Refused and Undecided ended so; who was master is master in the first, and it is not known that exactly one takes
// writes in the second.
const (
	SwitchoverWaits      SwitchoverState = "Waits"
	SwitchoverRuns       SwitchoverState = "Runs"
	SwitchoverHandedOver SwitchoverState = "HandedOver"
	SwitchoverRefused    SwitchoverState = "Refused"
	SwitchoverUndecided  SwitchoverState = "Undecided"
)

// SwitchoverStatus is a Switchover of a shard.
type SwitchoverStatus struct {
	Name  string          `json:"name"`
	State SwitchoverState `json:"state"`
	// From was master when it began, and To takes over, or is wanted to.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Since is when it began, or was asked for while it waits, or when it ended.
	Since metav1.Time `json:"since,omitzero"`
	// Attempts is more than 1 where it was interrupted.
	Attempts int `json:"attempts,omitempty"`
	// Step is the last thing that was done, StepAt when. A manager that was killed since may have done more.
	Step   string           `json:"step,omitempty"`
	StepAt metav1.MicroTime `json:"stepAt,omitzero"`
	// Reason is what it waits for, or why it ended so.
	Reason Wait `json:"reason"`
}

// failed: it ended otherwise than wanted.
func (s *SwitchoverStatus) failed() bool {
	return s != nil && (s.State == SwitchoverRefused || s.State == SwitchoverUndecided)
}

// switchovers finds for each shard the Switchover that goes on, or is the next to begin, and the one that ended last.
func (o *observer) switchovers(shards []ShardStatus) {
	of := map[string][]*v1alpha1.Switchover{}
	for _, s := range o.c.Switchovers {
		if s.Namespace == o.set.Namespace && s.Spec.InstanceSet == o.set.Name {
			of[s.Spec.Shard] = append(of[s.Spec.Shard], s)
		}
	}
	for i := range shards {
		for _, s := range of[shards[i].Shard] {
			into := &shards[i].Switchover
			if s.Status.Ended() {
				into = &shards[i].LastSwitchover
			}
			if now := switchoverOf(s); *into == nil || now.before(*into) {
				*into = now
			}
		}
	}
}

// before: of two that have not ended, the one that goes on, or was asked for earlier; of two that have, the one that ended later.
func (s *SwitchoverStatus) before(other *SwitchoverStatus) bool {
	switch {
	case s.State == SwitchoverRuns || other.State == SwitchoverRuns:
		return s.State == SwitchoverRuns
	case s.State == SwitchoverWaits:
		return s.Since.Time.Before(other.Since.Time)
	}
	return s.Since.Time.After(other.Since.Time)
}

func switchoverOf(s *v1alpha1.Switchover) *SwitchoverStatus {
	out := &SwitchoverStatus{
		Name: s.Name, From: s.Status.From, To: cmp.Or(s.Status.To, s.Spec.To), Attempts: int(s.Status.Attempts), State: SwitchoverWaits, Since: s.CreationTimestamp,
	}
	switch {
	case s.Status.Ended():
		out.State, out.Since = SwitchoverState(s.Status.Result), *s.Status.CompletedAt
	case s.Status.Begun():
		out.State = SwitchoverRuns
		if s.Status.StartedAt != nil {
			out.Since = *s.Status.StartedAt
		}
	}
	if n := len(s.Status.Steps); n > 0 {
		last := s.Status.Steps[n-1]
		out.Step, out.StepAt = last.Do+" "+cmp.Or(last.Instance, "Sentinels"), last.At
	}
	if c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionProgressing); c != nil {
		out.Reason = waitFrom(c.Message)
	} else {
		out.Reason = Wait{Text: "the manager has not looked at it yet"}
	}
	return out
}

// shownSwitchovers is how many are listed, unless all are wanted.
const shownSwitchovers = 20

// printSwitchovers lists those that go on, and those that failed last.
func (s *SetStatus) printSwitchovers(out io.Writer, p Paint, wide bool) ([]Wait, error) {
	var rows []row
	var waits []Wait
	for i := range s.Shards {
		for _, one := range []*SwitchoverStatus{s.Shards[i].Switchover, s.Shards[i].LastSwitchover} {
			if one == nil || one.State == SwitchoverHandedOver && !wide {
				continue
			}
			rows = append(rows, row{one.cells(s.Shards[i].Shard, s.taken, wide), one.State == SwitchoverUndecided})
			if one.failed() {
				waits = append(waits, one.Reason)
			}
		}
	}
	if len(rows) == 0 {
		return nil, nil
	}
	more := 0
	if len(rows) > shownSwitchovers && !s.all {
		more, rows = len(rows)-shownSwitchovers, rows[:shownSwitchovers]
	}
	fmt.Fprintln(out)
	if err := printRows(out, p, []string{"SWITCHOVER", "SHARD", "STATE", "FROM", "TO", "SINCE", "LAST STEP", "WHY"}, rows); err != nil {
		return nil, err
	}
	if more > 0 {
		fmt.Fprintf(out, "and %s: --all\n", count(more, "more switchover"))
	}
	return waits, nil
}

var switchoverWords = map[SwitchoverState]string{
	SwitchoverWaits: "waits", SwitchoverRuns: "runs", SwitchoverHandedOver: "handed over", SwitchoverRefused: "refused", SwitchoverUndecided: "undecided",
}

func (s *SwitchoverStatus) cells(shard string, now time.Time, wide bool) []string {
	state := switchoverWords[s.State]
	if s.State == SwitchoverRefused && s.From != "" {
		state = "given back"
	}
	if s.Attempts > 1 {
		state += fmt.Sprintf(", attempt %d", s.Attempts)
	}
	step := cmp.Or(s.Step, "-")
	if s.Step != "" && s.State == SwitchoverRuns {
		step += ", " + since(s.StepAt.Time, now)
	}
	return []string{s.Name, shard, state, cmp.Or(s.From, "-"), cmp.Or(s.To, "-"), since(s.Since.Time, now), step, cutText(s.Reason.String(), wide)}
}

// since says how long ago a time was where it is known when the cluster was read, or else the time itself.
func since(t, now time.Time) string {
	switch {
	case t.IsZero():
		return "-"
	case now.IsZero():
		return t.UTC().Format(time.RFC3339)
	}
	return ago(now.Sub(t)) + " ago"
}

// ago is a duration in its largest whole unit. Clocks may differ.
func ago(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// printRows prints a table whose rows are painted where they are about something that is not well.
func printRows(out io.Writer, p Paint, head []string, rows []row) error {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.Join(head, "\t"))
	for _, r := range rows {
		fmt.Fprintln(table, strings.Join(r.cells, "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for n, line := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n") {
		line = strings.TrimRight(line, " ")
		if n > 0 && rows[n-1].bad {
			line = p.bad(line)
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}

// changedSwitchovers tells what a Switchover of a shard has come to since.
func (s *ShardStatus) changedSwitchovers(before *ShardStatus) []string {
	var lines []string
	if now, was := s.Switchover, before.Switchover; now != nil && (was == nil || was.Name != now.Name || was.State != now.State || was.Step != now.Step) {
		text := fmt.Sprintf("%s: switchover %s %s", s.Shard, now.Name, switchoverWords[now.State])
		if now.State == SwitchoverRuns {
			text += fmt.Sprintf(", from %s to %s", now.From, cmp.Or(now.To, "whoever suits best"))
			if now.Step != "" {
				text += ": " + now.Step
			}
		} else {
			text += ": " + cutText(now.Reason.String(), false)
		}
		lines = append(lines, text)
	}
	if now, was := s.LastSwitchover, before.LastSwitchover; now != nil && (was == nil || was.Name != now.Name) {
		words := slices.Clone(now.cells(s.Shard, time.Time{}, false))
		lines = append(lines, fmt.Sprintf("%s: switchover %s %s: %s", s.Shard, now.Name, words[2], words[len(words)-1]))
	}
	return lines
}
