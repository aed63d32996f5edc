package answer

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// shownShards is how many shards that are not well are listed, and shownLoose how many instances of a set without shards, unless all are
// wanted. shownText is how much of a text stands in a cell without wide.
const (
	shownShards = 20
	shownLoose  = 60
	shownText   = 140
)

// Print writes the status for people; wide has whole texts, revisions and times. Its error is that of out.
func (s *SetStatus) Print(out io.Writer, p Paint, wide bool) error {
	fmt.Fprintf(out, "InstanceSet %s/%s: %s\n", s.Namespace, s.Set, s.summary(p))
	for _, w := range s.Waits {
		fmt.Fprintf(out, "  %s\n", p.bad(w.String()))
	}
	if err := s.printConditions(out, p, wide); err != nil {
		return err
	}
	shown, err := s.printShards(out, p, wide)
	if err != nil {
		return err
	}
	s.printRest(out, p)
	failed, err := s.printSwitchovers(out, p, wide)
	if err != nil {
		return err
	}
	printAdvice(out, slices.Concat(s.Waits, shown, failed))
	return printIncomplete(out, s.Incomplete)
}

// summary is the answer in a line.
func (s *SetStatus) summary(p Paint) string {
	online := s.Replicas - s.Offline
	paint := p.good
	if s.Ready < online {
		paint = p.bad
	}
	text := paint(fmt.Sprintf("%d of %s ready", s.Ready, count(online, "instance")))
	if s.Offline > 0 {
		text += fmt.Sprintf(", %d held offline", s.Offline)
	}
	if s.Leaving > 0 {
		text += fmt.Sprintf(", %d on the way out", s.Leaving)
	}
	if s.UpdateRevision != "" {
		text += fmt.Sprintf("; revision %s", s.UpdateRevision)
		if s.Old > 0 {
			text += p.warn(fmt.Sprintf(", %d still of an older one", s.Old))
		}
	}
	if s.Nodes > 0 {
		text += fmt.Sprintf("; on %s, at most %d on one", count(s.Nodes, "node"), s.MaxPerNode)
	}
	return text
}

func (s *SetStatus) printConditions(out io.Writer, p Paint, wide bool) error {
	if len(s.Conditions) == 0 {
		return nil
	}
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	since := func(text string) string { return map[bool]string{true: text + "\t"}[wide] }
	fmt.Fprintln(table, "\nCONDITION\tSTATUS\tREASON\t"+since("SINCE")+"MESSAGE")
	for _, c := range s.Conditions {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s%s\n", c.Type, c.Status, c.Reason, since(c.Since.UTC().Format(time.RFC3339)), cutText(c.Message, wide))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for n, line := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n") {
		if n >= 2 && s.Conditions[n-2].Bad { // the first two are empty and the head
			line = p.bad(line)
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}

// row is a line of the tree: its cells, and whether it is about something that is not well.
type row struct {
	cells []string
	bad   bool
}

// printShards writes the tree, and gives back what is waited for in it.
func (s *SetStatus) printShards(out io.Writer, p Paint, wide bool) ([]Wait, error) {
	rows, waits := s.tree(wide)
	if len(rows) == 0 {
		return nil, nil
	}
	head := "SHARD / INSTANCE"
	if !s.Sharded {
		head = "INSTANCE"
	}
	fmt.Fprintln(out)
	return waits, printRows(out, p, append([]string{head}, s.columns()...), rows)
}

func (s *SetStatus) columns() []string {
	if !s.Roles {
		return []string{"STATE", "NODE", "REVISION", "RESTARTS", "WAITS FOR"}
	}
	return []string{"STATE", "ROLE", "LAG", "NODE", "REVISION", "RESTARTS", "WAITS FOR"}
}

// tree are the rows for the shards that are shown, with what they wait for.
func (s *SetStatus) tree(wide bool) (rows []row, waits []Wait) {
	shards, loose := 0, 0
	for i := range s.Shards {
		shard := &s.Shards[i]
		if shard.Healthy && !s.all || s.Sharded && shards == shownShards && !s.all {
			break
		}
		if shards++; s.Sharded {
			rows, waits = append(rows, s.rowOf(shard, wide)), append(waits, shard.Waits...)
		}
		for n := range shard.Instances {
			one := &shard.Instances[n]
			if !s.Sharded && !s.all {
				if !one.wanting() || loose == shownLoose {
					continue
				}
				loose++
			}
			branch := ""
			if s.Sharded {
				branch = map[bool]string{true: "└─ ", false: "├─ "}[n == len(shard.Instances)-1]
			}
			rows, waits = append(rows, s.rowOfInstance(one, branch, wide)), append(waits, one.Waits...)
		}
	}
	return rows, waits
}

func (s *SetStatus) rowOf(shard *ShardStatus, wide bool) row {
	ready, online := 0, 0
	for _, i := range shard.Instances {
		if i.State != InstanceOffline && i.State != InstanceLeaving {
			online++
		}
		if i.State == InstanceReady {
			ready++
		}
	}
	cells := append([]string{shard.Shard, fmt.Sprintf("%d of %d ready", ready, online)}, make([]string, len(s.columns())-1)...)
	cells[len(cells)-1] = textsOf(shard.Waits, wide)
	return row{cells, len(shard.Waits) > 0 || ready < online}
}

// words of the states.
var instanceWords = map[InstanceState]string{
	InstanceReady: "ready", InstanceNotReady: "not ready", InstanceNoNode: "no node", InstanceNoPod: "no pod", InstanceGoing: "going",
	InstanceEnded: "ended", InstanceOffline: "offline", InstanceLeaving: "leaving",
}

func (s *SetStatus) rowOfInstance(i *InstanceStatus, branch string, wide bool) row {
	node := cmp.Or(i.Node, "-")
	if i.NodeState != "" {
		node += " (" + i.NodeState + ")"
	}
	revision := cmp.Or(i.RevisionIs, "-")
	if wide && i.Revision != "" {
		revision += " " + i.Revision
	}
	cells := []string{branch + i.Instance, instanceWords[i.State]}
	if s.Roles {
		cells = append(cells, cmp.Or(i.Role, "-"), i.lag(s.taken))
	}
	return row{append(cells, node, revision, fmt.Sprint(i.Restarts), textsOf(i.Waits, wide)), i.wanting()}
}

func textsOf(waits []Wait, wide bool) string {
	var texts []string
	for _, w := range waits {
		texts = append(texts, cutText(w.String(), wide))
	}
	return strings.Join(texts, "; ")
}

// cutText shortens a text, unless wide; its code stays.
func cutText(text string, wide bool) string {
	text = strings.Join(strings.Fields(text), " ")
	if wide || utf8.RuneCountInString(text) <= shownText {
		return text
	}
	code := ""
	if found := catalogued.FindString(text); found != "" {
		code = " (" + strings.TrimSuffix(found, ")") + ")"
	}
	return string([]rune(text)[:shownText-len(code)-3]) + "..." + code
}

// printRest says how many are not listed.
func (s *SetStatus) printRest(out io.Writer, p Paint) {
	if s.all {
		return
	}
	if !s.Sharded {
		unwell, instances := 0, 0
		for _, shard := range s.Shards {
			for i := range shard.Instances {
				instances++
				if shard.Instances[i].wanting() {
					unwell++
				}
			}
		}
		if rest := unwell - shownLoose; rest > 0 {
			fmt.Fprintf(out, "and %d more that are not well: --all\n", rest)
		}
		if well := instances - unwell; well > 0 {
			fmt.Fprintf(out, "\n%s as wanted: --all lists them\n", p.good(areOf(well, instances, "instance")))
		}
		return
	}
	healthy := 0
	for i := range s.Shards {
		if s.Shards[i].Healthy {
			healthy++
		}
	}
	if rest := len(s.Shards) - healthy - shownShards; rest > 0 {
		fmt.Fprintf(out, "and %s that %s not well: --all\n", count(rest, "more shard"), map[bool]string{true: "is", false: "are"}[rest == 1])
	}
	if healthy == 0 {
		return
	}
	what := "every instance is ready"
	if s.Roles {
		what += fmt.Sprintf(", and one is %s", v1alpha1.RoleMaster)
	}
	fmt.Fprintf(out, "\n%s healthy (%s): --all lists them\n", p.good(areOf(healthy, len(s.Shards), "shard")), what)
}

// areOf is "3 of 4 shards are".
func areOf(n, all int, noun string) string {
	return fmt.Sprintf("%d of %s %s", n, count(all, noun), map[bool]string{true: "is", false: "are"}[n == 1])
}

// shownAdvice is for how many codes advice is printed.
const shownAdvice = 3

// printAdvice says of each code what to do, once.
func printAdvice(out io.Writer, waits []Wait) {
	told := map[string]bool{}
	for _, w := range waits {
		if w.Code == "" || told[w.Code] || len(told) == shownAdvice {
			continue
		}
		told[w.Code] = true
		fmt.Fprintf(out, "\nAbout %s: %s\n  %s\n", w.Code, w.Advice, w.Page)
	}
}
