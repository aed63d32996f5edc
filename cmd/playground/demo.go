package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/playground/demo"
)

func newDemo(at *location) *cobra.Command {
	keep := os.Getenv("KEEP") == "1"
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Place two Redis clusters on 60 nodes, lose a node, and check every limit on the way",
		Long: `Starts a cluster of 60 simulated nodes with Shoal, applies two of the examples, and lets a node die: first silently, so
that nothing may be rebuilt, then declared out of service, so that exactly one node takes its place. It takes about three
minutes and fails if anything of that does not hold.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDemo(cmd, at.dir, keep) },
	}
	cmd.Flags().BoolVar(&keep, "keep", keep, "leave the cluster running; KEEP=1 in the environment does the same")
	return cmd
}

func runDemo(cmd *cobra.Command, dir string, keep bool) (err error) {
	root, err := repository()
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	options := playground.Options{
		Dir: dir, Root: root, Nodes: []playground.Shape{{Count: demo.Nodes}}, KubeScheduler: true, Install: true, Schedulers: 1, Managers: 1,
	}
	if err := options.Check(); err != nil {
		return err
	}
	if err := detach(cmd.Context(), options, out); err != nil {
		return err
	}
	if !keep {
		defer func() {
			// The logs of a run that failed are what explains it. The context may have ended with an interrupt.
			err = errors.Join(err, playground.Remove(context.WithoutCancel(cmd.Context()), dir, err != nil))
		}()
	}
	cluster, err := playground.Open(dir, out)
	if err != nil {
		return err
	}
	err = demo.Run(cmd.Context(), cluster, demo.Options{Out: out, Color: isTerminal(out) && os.Getenv("NO_COLOR") == ""})
	if err != nil && !keep {
		fmt.Fprintf(cmd.ErrOrStderr(), "\nThe logs are in %s.\n", filepath.Join(dir, "logs"))
	}
	if keep {
		next(cmd, dir)
	}
	return err
}

func isTerminal(out any) bool {
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// next says what there is to try on a cluster that was kept.
func next(cmd *cobra.Command, dir string) {
	fmt.Fprintf(cmd.OutOrStdout(), `
The cluster is still running. Try:

  export KUBECONFIG=%s
  alias kubectl=$PWD/bin/k8s/kubectl
  kubectl get iset,placementpolicy                  # what is wanted and what is there
  kubectl describe iset cache                       # conditions, exceptions, events
  kubectl get pods -l shoal.dev/instance-set=cache -o wide
  kubectl scale iset cache --replicas=44            # more than 2 * 20: look at the new pods' events
  kubectl patch placementpolicy cache --type=merge -p '{"spec":{"maxNodes":22}}'   # the set owns it and puts it back
  kubectl patch iset cache --type=merge -p '{"spec":{"placement":{"maxNodes":22}}}'
  bin/playground node fail node-007 --mode unreachable
  bin/playground node recover node-007
  bin/playground down
`, filepath.Join(dir, "kubeconfig"))
}
