package kubectlshoal

import (
	"strings"

	"github.com/spf13/cobra"
)

// commands are all of them, in the order of the help.
func commands(o *options) []*cobra.Command {
	return []*cobra.Command{newExplain(o), newWhatIf(o), newHeadroom(o), newPlan(o), newNodes(o), newGroup(o), newLint(o), newCheck(o), newDump(o)}
}

// completePods offers the kind, and then the names of pods.
func (o *options) completePods(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return []string{"pod"}, cobra.ShellCompDirectiveNoFileComp
	}
	namespace, err := o.namespace()
	if err != nil || len(args) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, err := o.snapshot(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, p := range c.Pods {
		if p.Namespace == namespace && strings.HasPrefix(p.Name, typed) {
			names = append(names, p.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
