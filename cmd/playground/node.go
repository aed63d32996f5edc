package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/shoal-dev/shoal/playground"
)

func newNode(at *location) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Let a node fail, bring it back, or look into it",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newFail(at), newRecover(at), newShell(at))
	return cmd
}

func newFail(at *location) *cobra.Command {
	mode := string(playground.Unreachable)
	wait := true
	cmd := &cobra.Command{
		Use:   "fail NAME",
		Short: "Let a node fail",
		Long: `Lets a node fail. In every mode but disk its kubelet is silent: its lease is not renewed, and a pod that is deleted
there stays Terminating.

  unreachable     nobody knows more than that the node does not answer; a real one is cut off, and its containers run on
  out-of-service  it is off, and an operator says so: the taint node.kubernetes.io/out-of-service is set as soon as the
                  node is NotReady, which lets the control plane remove its pods for good
  deleted         it is off, and the Node object is deleted, as a cloud does when the machine is gone

Real nodes only:

  disk            every access to its volumes fails with an I/O error; the node stays ready
  kubelet-stop    the kubelet is gone, containers run on and are reached
  power-off       everything on it is killed at once; what was written to its disk is kept`,
		Example: "  playground node fail node-007 --mode out-of-service",
		Args:    oneNode,
		RunE: func(cmd *cobra.Command, args []string) error {
			return fail(cmd, at.dir, args[0], playground.Fault(mode), wait)
		},
		ValidArgsFunction: at.completeNodes,
	}
	cmd.Flags().StringVar(&mode, "mode", mode, "how it fails: "+joinFaults(", "))
	cmd.Flags().BoolVar(&wait, "wait", wait, "return when the control plane has noticed")
	_ = cmd.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions(strings.Split(joinFaults(","), ","), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func fail(cmd *cobra.Command, dir, name string, fault playground.Fault, wait bool) error {
	c, err := playground.Open(dir, cmd.OutOrStdout())
	if err != nil {
		return err
	}
	if err := c.FailNode(cmd.Context(), name, fault); err != nil {
		return err
	}
	if wait && fault.Silences() && fault != playground.Deleted {
		if err := c.WaitNotReady(cmd.Context(), name); err != nil {
			return err
		}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Node %s is %s.\n", name, fault.State())
	return nil
}

func newRecover(at *location) *cobra.Command {
	return &cobra.Command{
		Use:   "recover NAME",
		Short: "Bring a failed node back",
		Long: `Brings a failed node back and returns when it is ready. A deleted node is registered again under its name, the
out-of-service taint is removed. Pods that are still there run again; those that were deleted meanwhile go. A real node
that was off, or lost its disk, is started again.`,
		Args: oneNode,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := playground.Open(at.dir, cmd.OutOrStdout())
			if err != nil {
				return err
			}
			if err := c.RecoverNode(cmd.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Node %s is ready.\n", args[0])
			return nil
		},
		ValidArgsFunction: at.completeNodes,
	}
}

func oneNode(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%d nodes are named, one is needed (see '%s --help')", len(args), cmd.CommandPath())
	}
	return nil
}

// someOf refuses a command that does not say what it is for.
func someOf(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("%s is missing (see '%s --help')", what, cmd.CommandPath())
		}
		return nil
	}
}

func joinFaults(separator string) string {
	var names []string
	for _, fault := range playground.Faults() {
		names = append(names, string(fault))
	}
	return strings.Join(names, separator)
}

// completeNodes offers the nodes of the cluster to the shell.
func (at *location) completeNodes(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, err := nodeNames(cmd.Context(), at.dir)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func nodeNames(ctx context.Context, dir string) ([]string, error) {
	c, err := playground.Open(dir, nil)
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(c.Config())
	if err != nil {
		return nil, err
	}
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names, nil
}
