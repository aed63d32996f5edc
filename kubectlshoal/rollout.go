package kubectlshoal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shoal-dev/shoal/kubectlshoal/answer"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/spelling"
)

func newRollout(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rollout",
		Short: "The update of a set: how far it is, its history, and how to stop it or take it back",
		Long:  `Updates of InstanceSets, as 'kubectl rollout' has them for the workloads of Kubernetes. What an update would do before it begins, 'diff' says.`,
		Example: `  kubectl shoal rollout status cache -w --timeout 30m      # wait for the end of an update
  kubectl shoal rollout history cache -n redis             # what was asked for, when, and who has it
  kubectl shoal rollout undo cache -n redis --dry-run      # what would come of putting back the last good template`,
	}
	cmd.AddCommand(newRolloutStatus(o), newHistory(o), newPause(o), newResume(o), newUndo(o))
	var names []string
	for _, below := range cmd.Commands() {
		names = append(names, below.Name())
	}
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return fmt.Errorf("rollout has no command %q%s", args[0], cmp.Or(spelling.Guess(args[0], names), ": it has "+strings.Join(names, ", ")))
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

func newHistory(o *options) *cobra.Command {
	var number int64
	cmd := &cobra.Command{
		Use:   "history SET",
		Short: "What the templates of a set have asked for, when, why, and how many instances have it",
		Long: `Lists the revisions of a set's templates, by number; what was asked for last has the highest. The change cause is what stood in the
annotation kubernetes.io/change-cause of the set when it came. With --revision, it shows what is different in one from what is asked
for now, and with -o yaml the whole of it. Values that may be secrets are in the whole alone.`,
		Example: `  kubectl shoal rollout history cache -n redis
  kubectl shoal rollout history cache --revision 3         # what is different in it from now
  kubectl shoal rollout history cache --revision 3 -o yaml # the whole of it
  kubectl shoal rollout history cache -o json              # the schema: docs/schemas/sethistory.v1.json`,
		ValidArgsFunction: o.completeSet,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("revision") && number < 1 {
				return errors.New("--revision: they count from 1")
			}
			c, namespace, name, err := o.historyOf(cmd.Context(), "rollout history", args)
			if err != nil {
				return err
			}
			h, err := answer.HistoryOf(c, namespace, name, number, o.Now())
			if err != nil {
				return err
			}
			return o.print(h)
		},
	}
	cmd.Flags().Int64Var(&number, "revision", 0, "show this revision")
	return o.withOutput(cmd)
}

// historyOf reads what is known of the templates of the set that the arguments of a command name.
func (o *options) historyOf(ctx context.Context, command string, args []string) (c *snapshot.Cluster, namespace, name string, err error) {
	if namespace, err = o.namespace(); err != nil {
		return nil, "", "", err
	}
	if name, err = setOf(command, args); err != nil {
		return nil, "", "", err
	}
	c, err = o.ofHistory(ctx, namespace, name)
	return c, namespace, name, err
}
