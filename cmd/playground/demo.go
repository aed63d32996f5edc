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
	keep, real := os.Getenv("KEEP") == "1", os.Getenv("REAL") == "1"
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Place two Redis clusters on 60 nodes, lose a node, and check every limit on the way",
		Long: `Starts a cluster of 60 simulated nodes with Shoal, applies two of the examples, and lets a node die: first silently, so
that nothing may be rebuilt, then declared out of service, so that exactly one node takes its place. It takes about three
minutes and fails if anything of that does not hold.

With --real a second cluster follows, of four nodes with real kubelets, in the directory with "-real" at its end: a Redis
with two replicas loses the node of a replica and then that of its master, and no key. That needs root.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			acts, err := demoActs(at.dir, real)
			if err != nil {
				return err
			}
			for _, act := range acts {
				if err := runAct(cmd, act, keep); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", keep, "leave the cluster running; KEEP=1 in the environment does the same")
	cmd.Flags().BoolVar(&real, "real", real, "show a Redis on real nodes too; REAL=1 in the environment does the same")
	return cmd
}

// act is one part of the demo, on a cluster of its own.
type act struct {
	options playground.Options
	run     func(context.Context, *playground.Cluster, demo.Options) error
	next    string // what there is to try on its cluster
}

// demoActs are the parts, each checked in advance: what is missing for the second should be told before the first.
func demoActs(dir string, real bool) ([]act, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
	acts := []act{{
		options: playground.Options{
			Dir: dir, Root: root, Nodes: []playground.Shape{{Count: demo.Nodes}}, KubeScheduler: true, Install: true, Schedulers: 1, Managers: 1,
		},
		run: demo.Run, next: nextSimulated,
	}}
	if real {
		acts = append(acts, act{
			options: playground.Options{Dir: dir + "-real", Root: root, RealNodes: demo.RealNodes, KubeScheduler: true, Install: true},
			run:     demo.RunReal, next: nextReal,
		})
	}
	for _, a := range acts {
		if err := a.options.Check(); err != nil {
			return nil, err
		}
	}
	return acts, nil
}

func runAct(cmd *cobra.Command, a act, keep bool) (err error) {
	out, dir := cmd.OutOrStdout(), a.options.Dir
	if err := detach(cmd.Context(), a.options, out); err != nil {
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
	err = a.run(cmd.Context(), cluster, demo.Options{Out: out, Color: isTerminal(out) && os.Getenv("NO_COLOR") == ""})
	if err != nil && !keep {
		fmt.Fprintf(cmd.ErrOrStderr(), "\nThe logs are in %s.\n", filepath.Join(dir, "logs"))
	}
	if keep {
		fmt.Fprintf(out, a.next, filepath.Join(dir, "kubeconfig"), dir)
	}
	return err
}

func isTerminal(out any) bool {
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

const nextSimulated = `
The cluster is still running. Try:

  export KUBECONFIG=%[1]s
  alias kubectl=$PWD/bin/k8s/kubectl
  kubectl get iset,placementpolicy                  # what is wanted and what is there
  kubectl describe iset cache                       # conditions, exceptions, events
  kubectl get pods -l shoal.dev/instance-set=cache -o wide
  kubectl scale iset cache --replicas=44            # more than 2 * 20: look at the new pods' events
  kubectl patch placementpolicy cache --type=merge -p '{"spec":{"maxNodes":22}}'   # the set owns it and puts it back
  kubectl patch iset cache --type=merge -p '{"spec":{"placement":{"maxNodes":22}}}'
  bin/playground --dir %[2]s node fail node-007 --mode unreachable
  bin/playground --dir %[2]s node recover node-007
  bin/playground --dir %[2]s down
`

const nextReal = `
The cluster is still running. Try:

  export KUBECONFIG=%[1]s
  alias kubectl=$PWD/bin/k8s/kubectl
  kubectl get pods -A -o wide                       # Shoal's own are among them
  kubectl exec orders-0 -- redis-cli INFO replication
  kubectl get pv -o wide                            # two are kept: what the instances left behind
  bin/playground --dir %[2]s node shell real-0 -- ps aux
  bin/playground --dir %[2]s node recover real-0    # or whichever is still out of service
  bin/playground --dir %[2]s down
`
