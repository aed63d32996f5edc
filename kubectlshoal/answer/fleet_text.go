package answer

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// shownNodes is how many nodes are listed without wide: those that hold most, then the fullest.
const shownNodes = 40

// Print writes the heat map for a terminal; wide lists every node. Its error is that of out.
func (f *Fleet) Print(out io.Writer, p Paint, wide bool) error {
	fmt.Fprintf(out, "%s: asked for are %d %% of cpu, %d %% of memory, %d %% of pods; %s of %s\n",
		count(len(f.Nodes), "node"), f.Total.CPU, f.Total.Memory, f.Total.Pods, count(f.Instances, "instance"), count(f.Groups, "group"))
	if f.Limits != nil {
		fmt.Fprintln(out, f.Limits)
	}
	if f.Measured != nil {
		fmt.Fprintln(out, f.Measured)
	}
	nodes := slices.Clone(f.Nodes)
	if len(nodes) > shownNodes && !wide {
		slices.SortStableFunc(nodes, func(a, b NodeHeat) int {
			return cmp.Or(cmp.Compare(b.Instances, a.Instances), cmp.Compare(b.Shown().fullest(), a.Shown().fullest()))
		})
		nodes = nodes[:shownNodes]
		slices.SortStableFunc(nodes, func(a, b NodeHeat) int { return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Node, b.Node)) })
	}
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	head := "\nNODE\tGROUP OF NODES\tINSTANCES\tCPU\t\tMEMORY\t\tSHOWN\tSTATE"
	if wide {
		head = "\nNODE\tGROUP OF NODES\tINSTANCES\tCPU\t\tMEMORY\t\tSHOWN\tCPU ASKED\tMEMORY ASKED\tPODS\tNET IN\tNET OUT\tSTATE"
	}
	fmt.Fprintln(table, head)
	for _, n := range nodes {
		s := n.Shown()
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%d %%\t%s\t%d %%\t%s\t%s%s\n",
			n.Node, cmp.Or(n.Group, "-"), n.Instances, bar(s.CPU), s.CPU, bar(s.Memory), s.Memory, n.From(), n.more(wide), cmp.Or(n.State, "ok"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		if _, err := io.WriteString(out, p.heat(line)); err != nil {
			return err
		}
	}
	if rest := len(f.Nodes) - len(nodes); rest > 0 {
		fmt.Fprintf(out, "and %d more: -o wide, or --html FILE\n", rest)
	}
	return printIncomplete(out, f.Incomplete)
}

// more are the cells that only the wide form has.
func (n NodeHeat) more(wide bool) string {
	if !wide {
		return ""
	}
	in, out := n.Load.network()
	return fmt.Sprintf("%d %%\t%d %%\t%d %%\t%s\t%s\t", n.Fill.CPU, n.Fill.Memory, n.Fill.Pods, in, out)
}

// network is how much of the bandwidth is in use, "-" where that is not known.
func (l *Load) network() (in, out string) {
	share := func(percent *int) string {
		if percent == nil {
			return "-"
		}
		return fmt.Sprintf("%d %%", *percent)
	}
	if l == nil || l.Stale {
		return "-", "-"
	}
	return share(l.Ingress), share(l.Egress)
}

// barWidth is the length of a full bar.
const barWidth = 10

func bar(percent int) string {
	full := min(barWidth, (percent*barWidth+99)/100)
	return strings.Repeat("█", full) + strings.Repeat("·", barWidth-full)
}

// heat colours the bars of a line by how full they are: the colours do not disturb the columns, which stand already.
func (p Paint) heat(line string) string {
	if !p {
		return line
	}
	var b strings.Builder
	for len(line) > 0 {
		i := strings.Index(line, "█")
		if i < 0 {
			break
		}
		end := i
		for strings.HasPrefix(line[end:], "█") {
			end += len("█")
		}
		full, paint := (end-i)/len("█"), p.good
		switch {
		case full >= 9:
			paint = p.bad
		case full >= 7:
			paint = p.warn
		}
		b.WriteString(line[:i])
		b.WriteString(paint(line[i:end]))
		line = line[end:]
	}
	b.WriteString(line)
	return b.String()
}
