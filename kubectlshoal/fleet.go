package kubectlshoal

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/kubectlshoal/answer"
)

func newNodes(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "nodes",
		Short: "How full are we: a heat map of instances and of load, measured or asked for, node by node",
		Long: `Shows how many instances each node holds, and how much of its CPU and memory is in use: measured, if --prometheus names a
server or --scheduler-config a configuration with a 'load', and what pods ask for where nothing is measured or it is too old.
The column SHOWN says which. Of more than 40 nodes, those that hold most are listed.`,
		Example: `  kubectl shoal nodes
  kubectl shoal nodes -o wide                              # every node, and bandwidth
  kubectl shoal nodes --prometheus http://localhost:9090   # measured, after: kubectl port-forward -n monitoring svc/prometheus 9090
  kubectl shoal nodes --html nodes.html                    # a page for a ticket, or to print`,
		Args: noArgs("'kubectl shoal group NAME' shows the nodes of a group"),
	}
	return o.fleet(cmd, func([]string) string { return "" })
}

func newGroup(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "group NAME",
		Short: "Where the instances of a group are, and how full their nodes",
		Long: `Shows the nodes on which a placement group holds instances. Its name is that of the PlacementPolicy, which for an InstanceSet
with limits of its own is that of the set; or that of the cluster, for pods without a policy.`,
		Example: `  kubectl shoal group cache -n redis
  kubectl shoal group cache --html cache.html`,
		Args:              oneArg("group", "group NAME"),
		ValidArgsFunction: o.completeOne(groupNames),
	}
	return o.fleet(cmd, func(args []string) string { return args[0] })
}

func (o *options) fleet(cmd *cobra.Command, group func([]string) string) *cobra.Command {
	file, groupBy, prometheus := "", corev1.LabelTopologyZone, ""
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if file != "" && o.output != "" {
			return errors.New("--html and -o are two forms of one answer: give one of them")
		}
		namespace, err := o.namespace()
		if err != nil {
			return err
		}
		c, err := o.snapshot(cmd.Context())
		if err != nil {
			return err
		}
		if err := onNodes(c, groupBy); err != nil {
			return err
		}
		f, err := answer.FleetOf(c, namespace, group(args), groupBy)
		if err != nil {
			return err
		}
		if err := o.measure(cmd.Context(), c, f, prometheus); err != nil {
			return err
		}
		if file == "" {
			return o.print(f)
		}
		title := "Nodes"
		if f.Group != "" {
			title = "Group " + namespace + "/" + f.Group
		}
		if !c.TakenAt.IsZero() {
			title += ", " + c.TakenAt.UTC().Format("2006-01-02 15:04 MST")
		}
		if err := o.page(file, title, f); err != nil {
			return err
		}
		return verdict(f)
	}
	cmd.Flags().StringVar(&groupBy, "group-by", groupBy, "node label by whose values nodes are grouped")
	cmd.Flags().StringVar(&file, "html", "", "write one self-contained page to this file instead")
	_ = cmd.MarkFlagFilename("html", "html")
	cmd.Flags().StringVar(&prometheus, "prometheus", "", "URL of a Prometheus that scrapes node-exporter: show its measured load")
	return o.withConfig(o.withOutput(cmd))
}

func (o *options) page(name, title string, f *answer.Fleet) error {
	if name == "-" {
		return f.HTML(o.Streams.Out, title)
	}
	out, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("creating the page: %w", err)
	}
	err = f.HTML(out, title)
	if closing := out.Close(); err == nil {
		err = closing
	}
	return err
}
