// Command shoal-scheduler is kube-scheduler with Shoal's plugins. It takes kube-scheduler's flags and configuration.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // metrics of the client
	_ "k8s.io/component-base/metrics/prometheus/version"  // metric of the version
	"k8s.io/kubernetes/cmd/kube-scheduler/app"

	"github.com/shoal-dev/shoal/api/config/scheme"
	"github.com/shoal-dev/shoal/plugins/registry"
)

// version is set by the linker.
var version = "dev"

func main() {
	if err := run(); err != nil {
		// One line, whatever a library put into its message.
		fmt.Fprintln(os.Stderr, "shoal-scheduler:", strings.Join(strings.Fields(err.Error()), " "))
		os.Exit(1)
	}
}

func run() error {
	if err := scheme.Register(); err != nil {
		return err
	}
	return cli.RunNoErrOutput(command())
}

// registered are the plugins beside upstream's.
func registered() []app.Option {
	var all []app.Option
	for name, factory := range registry.OutOfTree() {
		all = append(all, app.WithPlugin(name, factory))
	}
	return all
}

func command() *cobra.Command {
	c := app.NewSchedulerCommand(registered()...)
	c.Use = "shoal-scheduler"
	c.Short = "kube-scheduler with the plugins of Shoal"
	c.Long = "shoal-scheduler " + version + ` is kube-scheduler with the plugins Dispersion and LoadBalance, and
Trimaran's TargetLoadPacking, LoadVariationRiskBalancing and LowRiskOverCommitment for profiles that name them. It runs beside the
cluster's own scheduler and places the pods that name it in spec.schedulerName. Which plugins it runs, and with which
arguments, stands in the file named by --config.`
	c.SilenceUsage, c.SilenceErrors = true, true
	schedule := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if c.Flags().Changed("version") {
			fmt.Printf("shoal-scheduler %s, %s\n", version, runtime.Version()) // and below it, upstream prints the version of Kubernetes
		}
		if file := c.Flags().Lookup("config").Value.String(); file != "" {
			if err := checkConfig(file); err != nil {
				return err
			}
		}
		return schedule(c, args)
	}
	return c
}
