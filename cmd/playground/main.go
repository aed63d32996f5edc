// Command playground runs a Kubernetes cluster with simulated nodes and Shoal in it, on this machine, without root and
// without containers; as root it can also have nodes on which containers run. See docs/playground.md.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	kubernetes "k8s.io/component-base/version"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// version is set by the linker.
var version = "dev"

func main() {
	log.SetLogger(logr.Discard()) // clients have nothing to say that their errors do not, and complain without one
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "playground:", err)
		os.Exit(1)
	}
}

// location is the flag that all commands share.
type location struct {
	dir string
}

func newCommand() *cobra.Command {
	at := &location{}
	cmd := &cobra.Command{
		Use:   "playground",
		Short: "Run a local Kubernetes cluster with simulated nodes and Shoal in it",
		Long: `Runs a Kubernetes cluster on loopback: a real control plane, nodes simulated by kwok, local volumes, and Shoal
installed from its manifests. As root it can also have nodes with real kubelets, on which containers run. Nodes can be
made to fail. Everything lives in one directory and ends with 'down'.`,
		Example: `  playground up --nodes 60
  export KUBECONFIG=.playground/kubeconfig
  kubectl get nodes
  playground node fail node-007 --mode out-of-service
  playground node recover node-007
  sudo playground up --nodes 5 --real-nodes 3
  playground down`,
		Version:       fmt.Sprintf("%s, %s\nKubernetes %s", version, runtime.Version(), kubernetes.Get().GitVersion),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w (see '%s --help')", err, cmd.CommandPath())
	})
	cmd.PersistentFlags().StringVar(&at.dir, "dir", ".playground", "directory of the cluster")
	_ = cmd.MarkPersistentFlagDirname("dir")
	cmd.AddCommand(newUp(at), newDown(at), newStatus(at), newNode(at), newDemo(at), newImage(at), newSupervise(), newProvision(),
		newForward(), newJanitor(), newNodeInit(), newNodeAgent())
	return cmd
}
