package kubectlshoal

import (
	"fmt"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/kubectlshoal/switchover"
)

func newSwitchover(o *options) *cobra.Command {
	cmd := switchover.New(switchover.Environment{
		Out: o.Streams.Out, ErrOut: o.Streams.ErrOut, Now: o.Now, Namespace: o.namespace, Connect: func() (client.Client, error) { return o.writer("switchover") }, Complete: o.completeOne(shardNames), Bad: errBad,
	})
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return hinted(run(cmd, args)) }
	return cmd
}

// writer is a client of the cluster, for commands that change something.
func (o *options) writer(command string) (client.Client, error) {
	if o.writes != nil {
		return o.writes, nil
	}
	if o.dump != "" {
		return nil, fmt.Errorf("%s asks a cluster, not a dump: leave out --cluster-dump", command)
	}
	config, err := o.cluster.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the cluster: %w (set KUBECONFIG or --kubeconfig)", err)
	}
	config.QPS, config.Burst = -1, -1 // a look five times a second
	scheme, err := snapshot.Scheme()
	if err != nil {
		return nil, err
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", config.Host, err)
	}
	return c, nil
}
