package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/playground/process"
)

func newStatus(at *location) *cobra.Command {
	output := ""
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the components and the nodes; fails if a component does not run",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := playground.Status(cmd.Context(), at.dir)
			if err != nil {
				return err
			}
			switch output {
			case "json":
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				if err := encoder.Encode(report); err != nil {
					return err
				}
			case "":
				print(cmd.OutOrStdout(), report, time.Now())
			default:
				return fmt.Errorf("unknown output %q: json, or none for a table", output)
			}
			return verdict(report)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json for machines")
	return cmd
}

func verdict(report *playground.Report) error {
	switch {
	case !report.Alive:
		return fmt.Errorf("the supervisor is gone, and the cluster with it: run 'playground down', then 'playground up'")
	case len(report.Stopped) > 0:
		return fmt.Errorf("not running: %s", strings.Join(report.Stopped, ", "))
	}
	return nil
}

func print(out io.Writer, report *playground.Report, now time.Time) {
	fmt.Fprintf(out, "%s, up for %s, supervisor %d, %s\n\n", report.Dir, age(report.Started, now), report.Supervisor.PID, report.Server)
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "COMPONENT\tSTATE\tPID\tPORT\tUP\tRESTARTS\tVERSION")
	for _, c := range report.Components {
		state, up, pid := "running", age(c.Started, now), fmt.Sprint(c.Process.PID)
		if !c.Running() {
			state, up, pid = "stopped", "-", "-"
		}
		port := "-" // real nodes listen on no port of loopback
		if c.Port != 0 {
			port = fmt.Sprint(c.Port)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", c.Name, state, pid, port, up, c.Restarts, report.Versions[c.Name])
	}
	_ = table.Flush()
	fmt.Fprintln(out)
	if report.Problem != "" {
		fmt.Fprintf(out, "Nodes: unknown (%s)\n", report.Problem)
	} else {
		fmt.Fprintf(out, "Nodes: %d of %d ready\n", report.NodesReady, report.Nodes)
	}
	printNodes(out, report)
	for _, c := range report.Components {
		printExit(out, c, now)
	}
}

// printNodes tells which simulated nodes have failed, and of every real node how it is.
func printNodes(out io.Writer, report *playground.Report) {
	real := map[string]bool{}
	for _, node := range report.RealNodes {
		real[node.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(report.Failed)) {
		if !real[name] {
			fmt.Fprintf(out, "  %s is %s\n", name, report.Failed[name].State())
		}
	}
	if len(report.RealNodes) == 0 {
		return
	}
	groups := ""
	if report.CgroupVersion > 0 {
		groups = fmt.Sprintf(", on cgroups of version %d", report.CgroupVersion)
	}
	fmt.Fprintf(out, "\nReal nodes%s:\n", groups)
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "NODE\tADDRESS\tFAULT")
	for _, node := range report.RealNodes {
		fault := "none"
		if node.Fault != "" {
			fault = node.Fault.State()
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", node.Name, node.Address, fault)
	}
	_ = table.Flush()
}

// printExit tells how the last run ended, of a component that was restarted too.
func printExit(out io.Writer, c process.Status, now time.Time) {
	if c.Exit == nil {
		return
	}
	fmt.Fprintf(out, "\n%s ended %s ago (%s); the end of %s:\n", c.Name, age(c.Exit.Time, now), c.Exit.How, c.Log)
	for _, line := range c.Exit.Tail {
		fmt.Fprintf(out, "  %s\n", line)
	}
}

func age(since, now time.Time) string { return duration.HumanDuration(now.Sub(since)) }
