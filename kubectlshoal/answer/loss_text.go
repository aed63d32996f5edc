package answer

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// shownLosses is how many instances of a group are listed without wide.
const shownLosses = 20

// Print writes the loss for people; wide lists every instance. Its error is that of out.
func (l *Loss) Print(out io.Writer, p Paint, wide bool) error {
	lost, gone, down := 0, 0, 0
	for _, g := range l.Groups {
		lost, gone, down = lost+g.Lost, gone+g.ShardsGone, down+g.ShardsDown
	}
	verdict := p.good("no data is lost for good")
	switch {
	case gone > 0 && down > 0:
		verdict = p.bad(fmt.Sprintf("%s would have no copy left, and %d more none on a node that is up", count(gone, "shard"), down))
	case gone > 0:
		verdict = p.bad(count(gone, "shard") + " would have no copy left")
	case down > 0:
		verdict = p.bad(count(down, "shard") + " would have no copy left on a node that is up")
	}
	fmt.Fprintf(out, "Losing %s takes %s of %s, and %s of no group: %s\n",
		strings.Join(l.Nodes, ", "), count(lost, "instance"), count(len(l.Groups), "group"), count(l.OtherPods, "pod"), verdict)
	if text := l.Rivals.String(); text != "" {
		fmt.Fprintln(out, text)
	}
	for _, g := range l.Groups {
		fmt.Fprintln(out)
		if err := g.print(out, p, wide); err != nil {
			return err
		}
	}
	return printIncomplete(out, l.Incomplete)
}

// String is "" without rivals.
func (r Rivals) String() string {
	var who []string
	if r.Waiting > 0 {
		who = append(who, count(r.Waiting, "pod")+map[bool]string{true: " that waits", false: " that wait"}[r.Waiting == 1]+" already")
	}
	if r.Evicted > 0 {
		who = append(who, count(r.Evicted, "pod")+" of no group from the lost nodes")
	}
	if len(who) == 0 {
		return ""
	}
	text := fmt.Sprintf("What can be rebuilt is counted after %s, of which %d %s a node", strings.Join(who, " and "), r.Placed,
		map[bool]string{true: "finds", false: "find"}[r.Placed == 1])
	if r.Untried > 0 {
		text += fmt.Sprintf("; %d more were not tried, and may take more room", r.Untried)
	}
	return text + "."
}

func (g GroupLoss) print(out io.Writer, p Paint, wide bool) error {
	fmt.Fprintf(out, "Group %s/%s loses %d of %s (%d %%)", g.Namespace, g.Group, g.Lost, count(g.Replicas, "instance"), g.Percent)
	if g.Shards > 0 {
		fmt.Fprintf(out, ", from %d of %s", g.ShardsHit, count(g.Shards, "shard"))
	}
	fmt.Fprintln(out)
	if g.ShardsGone > 0 {
		fmt.Fprintf(out, "  %s\n", p.bad(g.goneText()))
	}
	if g.ShardsDown > 0 {
		fmt.Fprintf(out, "  %s\n", p.bad(g.downText()))
	}
	if g.MajorityHit {
		fmt.Fprintf(out, "  %s\n", p.warn("the majority of masters may be there: a Redis Cluster could not fail over (SHOAL1208)"))
	}
	fmt.Fprintf(out, "  %d of %d can be rebuilt; on the other nodes there is room for %d within the limits. %s\n", g.CanReturn, g.Lost, g.RoomLeft, g.rebuildText())
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "  INSTANCE\tNODE\tSHARD\tLOCAL VOLUMES LOST\tREBUILT ON")
	for i, lost := range g.Losses {
		if i == shownLosses && !wide {
			break
		}
		where := cmp.Or(lost.Returns, "nowhere: "+lost.Why)
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%s\n", lost.Instance, lost.Node, cmp.Or(lost.Shard, "-"), cmp.Or(strings.Join(lost.Volumes, ","), "-"), where)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if rest := len(g.Losses) - shownLosses; rest > 0 && !wide {
		fmt.Fprintf(out, "  and %d more: -o wide\n", rest)
	}
	return nil
}

func (g GroupLoss) goneText() string {
	if g.Shards == 0 {
		return "no instance of it is elsewhere: its data is lost with the nodes"
	}
	return fmt.Sprintf("%s would have no instance left: the data is lost with the nodes (SHOAL1207)", count(g.ShardsGone, "shard"))
}

// downText names the nodes that hold what is left: whoever reads it may bring them back first.
func (g GroupLoss) downText() string {
	nodes := strings.Join(g.DownNodes, ", ")
	if g.Shards == 0 {
		return "its only other instances are on nodes that are down: " + nodes
	}
	return fmt.Sprintf("%s would have no other copies than on nodes that are down: %s", count(g.ShardsDown, "shard"), nodes)
}

func (g GroupLoss) rebuildText() string {
	switch g.Rebuild {
	case "":
		return "They have no InstanceSet: their own controller creates the pods anew, once the nodes are declared out of service."
	case "Automatic":
		return "rebuild.mode is Automatic: it begins when the nodes are declared out of service."
	case "Never":
		return "rebuild.mode is Never: they wait for the nodes."
	}
	return "rebuild.mode is Manual: they wait for a person."
}
