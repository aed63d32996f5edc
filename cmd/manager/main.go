// Command shoal-manager runs Shoal's controllers: instanceset, which manages pods and claims, policy, which writes the status of
// PlacementPolicies, roles, which says who is master, with the endpoint for agents and their certificates, and bandwidth.
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
	kubernetes "k8s.io/component-base/version"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		// One line, whatever a library put into its message.
		fmt.Fprintln(os.Stderr, "shoal-manager:", strings.Join(strings.Fields(err.Error()), " "))
		os.Exit(1)
	}
}

func command() *cobra.Command {
	o := defaults()
	c := &cobra.Command{
		Use:           "shoal-manager",
		Short:         "Runs the controllers of Shoal",
		Long:          "shoal-manager runs the controllers of Shoal. Several may run at once: one leads, the others wait for its lease.",
		Version:       fmt.Sprintf("%s, %s\nKubernetes %s", version, runtime.Version(), kubernetes.Get().GitVersion),
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return run(c.Context(), o) },
	}
	c.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	o.addFlags(c.Flags())
	return c
}
