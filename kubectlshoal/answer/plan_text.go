package answer

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Print writes the plan for people; wide lists every instance. Its error is that of out.
func (p *Plan) Print(out io.Writer, paint Paint, wide bool) error {
	verdict := paint.good("all of them find a node")
	switch {
	case p.Refused > 0:
		verdict = paint.bad(fmt.Sprintf("%d of them would wait", p.Refused))
	case p.Waiting+p.New == 0:
		verdict = "none is to be placed"
	}
	waiting := ""
	if p.Waiting > 0 {
		waiting = fmt.Sprintf("%d wait for a node, ", p.Waiting)
	}
	ours := ""
	if len(p.Foreign) > 0 {
		ours = " for shoal-scheduler"
	}
	fmt.Fprintf(out, "%s: %d exist and stay where they are, %s%d would be created%s: %s\n", strings.Join(p.Sets, ", "), p.Existing, waiting, p.New, ours, verdict)
	for _, f := range p.Foreign {
		fmt.Fprintf(out, "%s\n", paint.bad(f.String()))
	}
	if err := p.printNodes(out); err != nil {
		return err
	}
	for _, r := range p.Refusals {
		fmt.Fprintf(out, "\n%s: %s\n", short(r.Instances)+" would wait", r.Why)
	}
	if p.Advice != "" {
		fmt.Fprintf(out, "\nThe whole group: %s\n", p.Advice)
	}
	if wide && len(p.Instances) > 0 {
		table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
		fmt.Fprintln(table, "\nINSTANCE\tSHARD\tNODE")
		for _, i := range p.Instances {
			fmt.Fprintf(table, "%s\t%s\t%s\n", i.Instance, cmp.Or(i.Shard, "-"), cmp.Or(i.Node, "(waits)"))
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	for _, why := range p.Uncertain {
		fmt.Fprintf(out, "\n%s\n", why)
	}
	return printIncomplete(out, p.Incomplete)
}

// printNodes groups the nodes by what they hold in the end.
func (p *Plan) printNodes(out io.Writer) error {
	if len(p.PerNode) == 0 {
		return nil
	}
	byFill := map[int][]string{}
	for _, n := range p.PerNode {
		name := n.Node
		if n.Before > 0 && n.Before != n.After {
			name += fmt.Sprintf(" (%d now)", n.Before)
		}
		byFill[n.After] = append(byFill[n.After], name)
	}
	fmt.Fprintf(out, "\n%s in use in the end\n", count(p.NodesUsed, "node"))
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "INSTANCES\tNODES\tNAMES")
	fills := sortedKeys(byFill)
	slices.Reverse(fills)
	for _, n := range fills {
		fmt.Fprintf(table, "%d\t%d\t%s\n", n, len(byFill[n]), short(byFill[n]))
	}
	return table.Flush()
}

// shownNames is how many names stand in a line.
const shownNames = 8

func short(names []string) string {
	if len(names) <= shownNames {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shownNames], ", "), len(names)-shownNames)
}
