package kubectlshoal

import (
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/kubectlshoal/answer"
)

func newExplain(o *options) *cobra.Command {
	groupBy := corev1.LabelTopologyZone
	cmd := &cobra.Command{
		Use:   "explain pod NAME",
		Short: "Why is this pod pending: per rule, the nearest node, and what would help",
		Long: `Says why a pod waits: how many nodes each rule refuses, in each zone; the node that lacks the least; and the changes
that would let the pod be placed, the smallest first. The scheduler's own plugins are asked, on a snapshot of the cluster,
and each change was tried with them. Every code (SHOAL1102) has a page that says what it means and what to do.`,
		Example: `  kubectl shoal explain pod cache-5
  kubectl shoal explain pod/cache-5 -n redis -o wide      # with advice for each rule
  kubectl shoal explain pod cache-5 -o json               # the schema: docs/schemas/explanation.v1.json
  kubectl shoal explain pod cache-5 --cluster-dump case.json.gz`,
		Args:              oneOf("pod"),
		ValidArgsFunction: o.complete("pod", 1, podNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := namesOf("pod", args)
			if err != nil {
				return err
			}
			namespace, err := o.namespace()
			if err != nil {
				return err
			}
			c, config, err := o.withScheduler(cmd.Context())
			if err != nil {
				return err
			}
			if err := onNodes(c, groupBy); err != nil {
				return err
			}
			e, err := answer.Explain(cmd.Context(), c, config, namespace, names[0], groupBy)
			if err != nil {
				return err
			}
			return o.print(e)
		},
	}
	cmd.Flags().StringVar(&groupBy, "group-by", groupBy, "node label whose values are the columns")
	return o.withConfig(o.withOutput(cmd))
}
