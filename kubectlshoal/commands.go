package kubectlshoal

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
)

// commands are all of them, in the order of the help.
func commands(o *options) []*cobra.Command {
	return []*cobra.Command{newStatus(o), newExplain(o), newWhatIf(o), newHeadroom(o), newPlan(o), newNodes(o), newGroup(o), newLint(o), newCheck(o), newSwitchover(o), newDump(o)}
}

// complete offers the kind, and then the names of a cluster's objects, of which at most that many are wanted; 0 is no bound.
func (o *options) complete(kind string, most int, names func(c *snapshot.Cluster, namespace string) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		prefix, joined := "", false
		if typed, joined = strings.CutPrefix(typed, kind+"/"); joined {
			prefix, args = kind+"/", append([]string{kind}, args...)
		}
		if len(args) == 0 {
			return []string{kind}, cobra.ShellCompDirectiveNoFileComp
		}
		namespace, err := o.namespace()
		if err != nil || most > 0 && len(args) > most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		c, err := o.snapshot(cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		fits := func(name string) bool { return strings.HasPrefix(name, typed) && !slices.Contains(args[1:], name) }
		offered := slices.DeleteFunc(names(c, namespace), func(name string) bool { return !fits(name) })
		for i, name := range offered {
			offered[i] = prefix + name
		}
		return offered, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeGroup offers the groups of the namespace.
func (o *options) completeGroup(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	namespace, err := o.namespace()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, err := o.snapshot(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, p := range c.Policies {
		if p.Namespace == namespace && strings.HasPrefix(p.Name, typed) {
			names = append(names, p.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeSet offers the InstanceSets of the namespace.
func (o *options) completeSet(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	namespace, err := o.namespace()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, err := o.ofSet(cmd.Context(), namespace, "")
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	kind, name, joined := strings.Cut(typed, "/")
	if !joined {
		kind, name = "", typed
	} else {
		kind += "/"
	}
	var names []string
	for _, set := range c.Sets {
		if set.Namespace == namespace && strings.HasPrefix(set.Name, name) {
			names = append(names, kind+set.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func podNames(c *snapshot.Cluster, namespace string) []string {
	var names []string
	for _, p := range c.Pods {
		if p.Namespace == namespace {
			names = append(names, p.Name)
		}
	}
	return names
}

func nodeNames(c *snapshot.Cluster, _ string) []string {
	var names []string
	for _, n := range c.Nodes {
		names = append(names, n.Name)
	}
	return names
}
