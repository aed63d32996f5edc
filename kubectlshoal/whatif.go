package kubectlshoal

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/shoal-dev/shoal/kubectlshoal/answer"
)

func newWhatIf(o *options) *cobra.Command {
	lost := false
	cmd := &cobra.Command{
		Use:   "whatif node NAME... --lost",
		Short: "What dies with these nodes: instances, volumes, last copies; and what can be rebuilt where",
		Long: `Says what the loss of nodes, all at once and for ever, would take: which instances and local volumes, which shards lose
a copy or their last one; and where the scheduler would place what may be rebuilt. Copies on nodes that are down already (not
ready, out of service, deleted) count as lost too, and are named. Nothing is touched.`,
		Example: `  kubectl shoal whatif node node-7 --lost
  kubectl shoal whatif node node-7 node-8 --lost -o wide       # every instance
  kubectl shoal whatif node node-7 --lost -o json | jq '.groups[] | select(.shardsGone > 0)'`,
		Args: func(_ *cobra.Command, args []string) error {
			_, err := namesOf("node", args)
			return err
		},
		ValidArgsFunction: o.complete("node", 0, nodeNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !lost {
				return errors.New("what should happen to the nodes? Today there is one answer: --lost")
			}
			names, err := namesOf("node", args)
			if err != nil {
				return err
			}
			c, config, err := o.withScheduler(cmd.Context())
			if err != nil {
				return err
			}
			loss, err := answer.LoseNodes(cmd.Context(), c, config, names)
			if err != nil {
				return err
			}
			return o.print(loss)
		},
	}
	cmd.Flags().BoolVar(&lost, "lost", false, "the nodes never come back, and their local volumes are gone")
	return o.withConfig(o.withOutput(cmd))
}
