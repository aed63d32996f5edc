package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/shoal-dev/shoal/playground"
)

func newShell(at *location) *cobra.Command {
	return &cobra.Command{
		Use:   "shell NAME [COMMAND...]",
		Short: "Run a command, or a shell, on a real node",
		Long: `Runs a command in the namespaces of a real node, as if you had logged in there: it sees the node's processes, mounts,
addresses and rules of iptables.`,
		Example: `  playground node shell real-0
  playground node shell real-0 -- ctr --namespace k8s.io containers list`,
		Args: someOf("the name of a real node"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := playground.Open(at.dir, cmd.OutOrStdout())
			if err != nil {
				return err
			}
			node, err := c.NodeProcess(args[0])
			if err != nil {
				return err
			}
			nsenter, err := exec.LookPath("nsenter")
			if err != nil {
				return fmt.Errorf("finding nsenter: %w (run: make real-node-deps)", err)
			}
			command := args[1:]
			if len(command) == 0 {
				command = []string{"/bin/sh"}
			}
			enter := []string{nsenter, "--target", strconv.Itoa(node.PID), "--mount", "--uts", "--ipc", "--net", "--pid", "--"}
			return syscall.Exec(nsenter, append(enter, command...), os.Environ())
		},
		ValidArgsFunction: at.completeNodes,
	}
}
