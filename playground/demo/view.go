package demo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// show prints a table of the sets and a heat map of the instances per node.
func (d *demo) show(ctx context.Context) error {
	counts := map[string]map[string]int{}
	table := tabwriter.NewWriter(d.Out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "\nSET\tDESIRED\tREADY\tNODES\tFEWEST\tPER NODE\tA NODE'S LOSS TAKES")
	for _, name := range []string{sharded, cache} {
		pods, err := d.placed(ctx, name)
		if err != nil {
			return err
		}
		counts[name] = perNode(pods)
		var set v1alpha1.InstanceSet
		var policy v1alpha1.PlacementPolicy
		key := client.ObjectKey{Namespace: namespace, Name: name}
		if err := d.client.Get(ctx, key, &set); err != nil {
			return fmt.Errorf("getting set %s: %w", name, err)
		}
		if err := d.client.Get(ctx, key, &policy); err != nil {
			return fmt.Errorf("getting policy %s: %w", name, err)
		}
		each := slices.Sorted(maps.Values(counts[name]))
		fmt.Fprintf(table, "%s\t%d\t%d\t%d of %d\t%s\t%d to %d of %s\t%s\n", name, *set.Spec.Replicas, set.Status.ReadyReplicas,
			len(each), *policy.Spec.MaxNodes, optional(policy.Status.FewestNodes), each[0], each[len(each)-1], policy.Spec.MaxInstancesPerNode, blast(policy.Status.BlastRadius))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	d.say("\nInstances per node, %d nodes, \".\" for none, \"x\" for the node that failed:", Nodes)
	for _, name := range []string{sharded, cache} {
		d.heatMap(name, counts[name])
	}
	return nil
}

func optional(n *int32) string {
	if n == nil {
		return "-"
	}
	return strconv.Itoa(int(*n))
}

func blast(b *v1alpha1.BlastRadius) string {
	if b == nil {
		return "-"
	}
	return fmt.Sprintf("%d (%d %%)", b.Instances, b.Percent)
}

const perRow = 20

func (d *demo) heatMap(name string, count map[string]int) {
	for row := 0; row < Nodes; row += perRow {
		var b strings.Builder
		for i := row; i < min(row+perRow, Nodes); i++ {
			node := fmt.Sprintf("node-%03d", i)
			b.WriteString(d.cell(count[node], node == d.victim))
		}
		title := name
		if row > 0 {
			title = ""
		}
		d.say("%-8s node-%03d  %s", title, row, b.String())
	}
}

// cell is two characters wide. The darker, the fuller.
func (d *demo) cell(n int, failed bool) string {
	text := " ."
	switch {
	case failed && n == 0:
		text = " x"
	case n > 0:
		text = fmt.Sprintf("%2d", n)
	}
	if !d.Color || n == 0 {
		return text
	}
	shade := 255 - min(n, 6)*3 // the greys of a 256-colour terminal, 232 to 255
	return fmt.Sprintf("\x1b[48;5;%dm\x1b[30m%s\x1b[0m", shade, text)
}
