package kubectlshoal

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/kubectlshoal/installation"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
)

func newCheck(o *options) *cobra.Command {
	before := false
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Does Shoal work here: what is installed against what ships, who leads, what is missing",
		Long: `Checks an installation, or with --pre a cluster before one: the API server's version, your rights, the kinds field by field,
the rights of Shoal, the protected labels, the scheduler's configuration, who leads, storage classes, bandwidth and monitoring.
Each line says ok, warning or failure, and what to do; or not checked, where you may
not read what is needed (the ClusterRole shoal-kubectl may). It asks the API server and writes nothing.`,
		Example: `  kubectl shoal check --pre        # before the installation
  kubectl shoal check              # after it, or after an upgrade
  kubectl shoal check -o json | jq -r '.results[] | select(.state != "ok") | .text'`,
		Args: noArgs("check asks about the whole cluster"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.toCheck()
			if err != nil {
				return err
			}
			return o.print(installation.Check(cmd.Context(), c, before))
		},
	}
	cmd.Flags().BoolVar(&before, "pre", false, "before the installation: may it be installed here")
	return o.withOutput(cmd)
}

// toCheck connects to the cluster.
func (o *options) toCheck() (installation.Cluster, error) {
	c := installation.Cluster{Now: o.Now(), Program: o.Version}
	if o.dump != "" {
		return c, errors.New("check asks a cluster, not a dump: leave out --cluster-dump")
	}
	config, err := o.cluster.ToRESTConfig()
	if err != nil {
		return c, fmt.Errorf("finding the cluster: %w (set KUBECONFIG or --kubeconfig)", err)
	}
	config.QPS, config.Burst = -1, -1 // a hundred small questions
	scheme, err := snapshot.Scheme()
	if err != nil {
		return c, err
	}
	about, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return c, fmt.Errorf("connecting to %s: %w", config.Host, err)
	}
	server, err := about.ServerVersion()
	if err != nil {
		return c, fmt.Errorf("asking %s for its version: %w (is the cluster up, and the kubeconfig the right one?)", config.Host, err)
	}
	c.Server = *server
	if c.Client, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return c, fmt.Errorf("connecting to %s: %w", config.Host, err)
	}
	return c, nil
}
