package kubectlshoal

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/kubectlshoal/switchover"
)

func newSwitchover(o *options) *cobra.Command {
	return switchover.New(switchover.Environment{
		Out: o.Streams.Out, ErrOut: o.Streams.ErrOut, Now: o.Now, Namespace: o.namespace, Connect: o.writer, Complete: o.completeShard, Bad: errBad,
	})
}

// writer is a client of the cluster, for the one command that changes something.
func (o *options) writer() (client.Client, error) {
	if o.dump != "" {
		return nil, errors.New("switchover asks a cluster, not a dump: leave out --cluster-dump")
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

// completeShard offers the shards of sets with roles.
func (o *options) completeShard(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	namespace, err := o.namespace()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, err := o.snapshot(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var offered []string
	for _, pod := range c.Pods {
		set, shard := pod.Labels[v1alpha1.LabelInstanceSet], pod.Labels[v1alpha1.LabelShard]
		if name := set + "/" + shard; pod.Namespace == namespace && set != "" && shard != "" && strings.HasPrefix(name, typed) && !slices.Contains(offered, name) {
			offered = append(offered, name)
		}
	}
	return offered, cobra.ShellCompDirectiveNoFileComp
}
