package answer

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Print writes the explanation for people; wide adds what each rule advises. Its error is that of out.
func (e *Explanation) Print(out io.Writer, p Paint, wide bool) error {
	fmt.Fprintf(out, "Pod %s/%s: %s, %s\n", e.Namespace, e.Pod, p.state(e.State), e.Summary)
	if e.Group != nil {
		fmt.Fprintln(out, e.Group)
	}
	if e.LastTold != "" {
		fmt.Fprintf(out, "shoal-scheduler last said: %s\n", e.LastTold)
	}
	if e.Evicts != "" {
		fmt.Fprintf(out, "Pods of lower priority would be evicted from %s to make room.\n", e.Evicts)
	}
	if err := e.printRules(out); err != nil {
		return err
	}
	if e.Nearest != nil {
		fmt.Fprintf(out, "\nNearest: %s%s\n", e.Nearest.Node, in(e.Nearest.Group))
		for _, why := range e.Nearest.Why {
			fmt.Fprintf(out, "  %s\n", why)
		}
	}
	if len(e.Changes) > 0 {
		fmt.Fprintf(out, "\nWhat would let it be placed, the smallest change first (each was tried, and is enough alone):\n")
		for _, c := range e.Changes {
			fmt.Fprintf(out, "  %s (it goes to %s)\n", c.Text, c.Node)
		}
	}
	if e.Advice != "" {
		fmt.Fprintf(out, "\nThe whole group: %s\n", e.Advice)
	}
	e.printAdvice(out, wide)
	return printIncomplete(out, e.Incomplete)
}

func (e *Explanation) printRules(out io.Writer) error {
	if len(e.Rules) == 0 || e.State != Waiting {
		return nil
	}
	columns := len(e.NodeGroups) > 1 && e.LastTold == "" // which does not say which nodes
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintf(table, "\nRULE\tNODES")
	for _, g := range e.NodeGroups {
		if columns {
			fmt.Fprintf(table, "\t%s", cmp.Or(strings.ToUpper(g.Group), "(NONE)"))
		}
	}
	fmt.Fprintln(table, "\tWHY")
	for _, r := range e.Rules {
		fmt.Fprintf(table, "%s\t%d", cmp.Or(r.Code, r.Plugin), r.Nodes)
		for _, g := range e.NodeGroups {
			if columns {
				fmt.Fprintf(table, "\t%d", nodesOf(r.ByGroup, g.Group))
			}
		}
		fmt.Fprintf(table, "\t%s\n", r.Text)
	}
	return table.Flush()
}

func nodesOf(list []NodeCount, group string) int {
	for _, n := range list {
		if n.Group == group {
			return n.Nodes
		}
	}
	return 0
}

// printAdvice says what to do about the rule that refuses most, and with wide about each.
func (e *Explanation) printAdvice(out io.Writer, wide bool) {
	for i, r := range e.Rules {
		if i > 0 && !wide || r.Advice == "" {
			continue
		}
		fmt.Fprintf(out, "\nAbout %s: %s\n", cmp.Or(r.Code, r.Plugin), r.Advice)
		if r.Page != "" {
			fmt.Fprintf(out, "  %s\n", r.Page)
		}
	}
}

// String is the group in a line.
func (g *Group) String() string {
	if !g.HasPolicy {
		return fmt.Sprintf("Group %s, without a PlacementPolicy: %s on %s", g.Name, count(g.Instances, "instance"), count(g.Nodes, "node"))
	}
	text := fmt.Sprintf("Group %s: %d of %s on %s", g.Name, g.Instances, count(g.Replicas, "instance"), count(g.Nodes, "node"))
	var limits []string
	if g.MaxInstancesPerNode > 0 {
		limits = append(limits, fmt.Sprintf("%d per node", g.MaxInstancesPerNode))
	}
	if g.MaxNodes > 0 {
		limits = append(limits, count(g.MaxNodes, "node"))
	}
	if len(limits) > 0 {
		text += "; at most " + strings.Join(limits, " and ")
	}
	if g.Mode != "" {
		text += "; mode " + g.Mode
	}
	return text
}

func in(group string) string {
	if group == "" {
		return ""
	}
	return " (" + group + ")"
}

// printIncomplete is the last part of every answer: its error stands for that of the answer.
func printIncomplete(out io.Writer, missing []string) error {
	text := ""
	for _, m := range missing {
		text += fmt.Sprintf("\nNot read: %s. The answer may be incomplete.\n", m)
	}
	_, err := io.WriteString(out, text)
	return err
}
