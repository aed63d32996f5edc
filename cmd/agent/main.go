// Command shoal-agent is the sidecar of an instance: it reports the engine's role to shoal-manager, and does what the manager
// asks for. See docs/agent.md.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		// One line, whatever a library put into its message.
		fmt.Fprintln(os.Stderr, "shoal-agent:", strings.Join(strings.Fields(err.Error()), " "))
		os.Exit(1)
	}
}

func command() *cobra.Command {
	o := defaults()
	c := &cobra.Command{
		Use:   "shoal-agent --manager HOST:PORT [flags] [-- PROGRAM ARGUMENT...]",
		Short: "Reports what an instance is, and does what shoal-manager asks for",
		Long: "shoal-agent is the sidecar of an instance. It asks the engine for its role, reports each change to shoal-manager, and does what the\n" +
			"manager asks for, out of a fixed list. It has no access to the Kubernetes API. Its certificate says which pod it is.",
		Version:           fmt.Sprintf("%s, %s", version, runtime.Version()),
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		SilenceErrors:     true,
		SilenceUsage:      true,
		RunE: func(c *cobra.Command, args []string) error {
			o.program = args
			return run(c.Context(), o)
		},
	}
	c.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	c.Flags().SortFlags = false
	o.addFlags(c.Flags())
	return c
}
