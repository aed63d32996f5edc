package answer

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

var rolloutWords = map[RolloutPhase]string{
	RolloutComplete: "complete", RolloutHeldBack: "complete but for the partition", RolloutUnseen: "not begun", RolloutRunning: "goes on",
	RolloutWaiting: "waits", RolloutStopped: "stopped", RolloutBlocked: "blocked", RolloutPaused: "paused", RolloutOnDelete: "nobody goes on",
}

// Line is the answer in a line, without colours.
func (s *RolloutStatus) Line() string {
	text := fmt.Sprintf("%d of %s updated", s.Updated, count(s.Instances, "instance"))
	if s.UpdateRevision != "" {
		text += " to " + s.UpdateRevision
	}
	if text += ", " + rolloutWords[s.Phase]; s.Phase == RolloutComplete {
		return text
	}
	return text + ": " + s.Wait.String()
}

// Print writes how far the update is, for people; wide has every shard. Its error is that of out.
func (s *RolloutStatus) Print(out io.Writer, p Paint, wide bool) error {
	paint := p.warn
	switch {
	case s.Done:
		paint = p.good
	case s.Phase.Stands():
		paint = p.bad
	}
	fmt.Fprintf(out, "InstanceSet %s/%s: %s\n", s.Namespace, s.Set, paint(s.Line()))
	waits := []Wait{}
	if s.Phase != RolloutComplete && s.Phase != RolloutRunning {
		waits = append(waits, s.Wait)
	}
	if !s.Done || wide {
		shown, err := s.printShards(out, p, wide)
		if err != nil {
			return err
		}
		waits = append(waits, shown...)
	}
	printAdvice(out, waits)
	if s.Undo {
		fmt.Fprintf(out, "\nTo put back what the last update ended with (%s): kubectl shoal rollout undo %s -n %s\n", s.CurrentRevision, s.Set, s.Namespace)
	}
	if (s.Phase == RolloutStopped || s.Phase == RolloutBlocked) && !s.Undo && len(s.entries) > 0 {
		fmt.Fprintf(out, "\nWhat spec.templates (%s) asked for before: kubectl shoal rollout history %s -n %s\n", strings.Join(s.entries, ", "), s.Set, s.Namespace)
	}
	if s.Phase == RolloutPaused {
		fmt.Fprintf(out, "\nTo go on: kubectl shoal rollout resume %s -n %s\n", s.Set, s.Namespace)
	}
	return printIncomplete(out, s.Incomplete)
}

var shardWords = map[ShardPhase]string{ShardWorkedOn: "worked on", ShardWaits: "waits", ShardToDo: "to do", ShardUpdated: "updated"}

// printShards lists the shards that are worked on, and sums up the others; wide lists all. It gives back what is waited for in them.
func (s *RolloutStatus) printShards(out io.Writer, p Paint, wide bool) (waits []Wait, err error) {
	counts, rows := map[ShardPhase]int{}, []row{}
	for n := range s.Shards {
		shard := &s.Shards[n]
		counts[shard.Phase]++
		quiet := shard.Phase == ShardToDo || shard.Phase == ShardUpdated
		if !wide && (quiet || s.Sharded && counts[ShardWorkedOn]+counts[ShardWaits] > shownShards) {
			continue
		}
		if s.Sharded {
			rows = append(rows, row{[]string{shard.Shard, shardWords[shard.Phase], "", fmt.Sprintf("%d of %d", shard.Updated, len(shard.Instances)), ""}, false})
		}
		loose := 0
		for i := range shard.Instances {
			one := &shard.Instances[i]
			if !s.Sharded && !wide && (one.Is != ProgressGoing && len(one.Waits) == 0 || loose == shownLoose) {
				continue
			}
			loose++
			branch := ""
			if s.Sharded {
				branch = map[bool]string{true: "└─ ", false: "├─ "}[i == len(shard.Instances)-1]
			}
			is := string(one.Is)
			if wide {
				is += " " + one.Revision
			}
			rows = append(rows, row{[]string{branch + one.Instance, instanceWords[one.State], cmp.Or(one.Role, "-"), is, textsOf(one.Waits, wide)}, len(one.Waits) > 0})
			waits = append(waits, one.Waits...)
		}
	}
	if err := s.printRows(out, p, rows); err != nil {
		return nil, err
	}
	if s.Sharded {
		text := fmt.Sprintf("\n%d of %s updated", counts[ShardUpdated], count(len(s.Shards), "shard"))
		for _, phase := range shardPhases[:3] {
			if counts[phase] > 0 {
				text += fmt.Sprintf(", %d %s", counts[phase], shardWords[phase])
			}
		}
		_, err = fmt.Fprintln(out, text)
	}
	return waits, err
}

func (s *RolloutStatus) printRows(out io.Writer, p Paint, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	head := "SHARD / INSTANCE"
	if !s.Sharded {
		head = "INSTANCE"
	}
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, head+"\tSTATE\tROLE\tUPDATED\tWAITS FOR")
	for _, r := range rows {
		fmt.Fprintln(table, strings.Join(r.cells, "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	for n, line := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n") {
		if line = strings.TrimRight(line, " "); n > 0 && rows[n-1].bad {
			line = p.bad(line)
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}
