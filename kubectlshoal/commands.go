package kubectlshoal

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/answer"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
)

// commands are all of them, in the order of the help.
func commands(o *options) []*cobra.Command {
	return []*cobra.Command{newStatus(o), newExplain(o), newWhatIf(o), newHeadroom(o), newPlan(o), newDiff(o), newRollout(o), newNodes(o), newGroup(o), newLint(o), newCheck(o), newSwitchover(o), newDump(o)}
}

// lister is what has names to offer: those of objects of a namespace.
type lister func(c *snapshot.Cluster, namespace string) []string

// offer completes with the names that begin as typed, but those that are given already, each behind a prefix.
func (o *options) offer(ctx context.Context, read func(ctx context.Context, namespace string) (*snapshot.Cluster, error), names lister, prefix, typed string, given []string) ([]string, cobra.ShellCompDirective) {
	namespace, err := o.namespace()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, err := read(ctx, namespace)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var offered []string
	for _, name := range names(c, namespace) {
		if strings.HasPrefix(name, typed) && !slices.Contains(given, name) && !slices.Contains(offered, prefix+name) {
			offered = append(offered, prefix+name)
		}
	}
	return offered, cobra.ShellCompDirectiveNoFileComp
}

func (o *options) all(ctx context.Context, _ string) (*snapshot.Cluster, error) {
	return o.snapshot(ctx)
}

// complete offers the kind, and then the names of a cluster's objects, of which at most that many are wanted; 0 is no bound.
func (o *options) complete(kind string, most int, names lister) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		prefix, joined := "", false
		if typed, joined = strings.CutPrefix(typed, kind+"/"); joined {
			prefix, args = kind+"/", append([]string{kind}, args...)
		}
		switch {
		case len(args) == 0:
			return []string{kind}, cobra.ShellCompDirectiveNoFileComp
		case most > 0 && len(args) > most:
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return o.offer(cmd.Context(), o.all, names, prefix, typed, args[1:])
	}
}

// completeOne offers names for the only argument.
func (o *options) completeOne(names lister) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return o.offer(cmd.Context(), o.all, names, "", typed, nil)
	}
}

// completeSet offers the InstanceSets of the namespace, with the right to read no more than those.
func (o *options) completeSet(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	read := func(ctx context.Context, namespace string) (*snapshot.Cluster, error) {
		return o.ofSet(ctx, namespace, "")
	}
	prefix := ""
	if kind, name, joined := strings.Cut(typed, "/"); joined {
		prefix, typed = kind+"/", name
	}
	return o.offer(cmd.Context(), read, setNames, prefix, typed, nil)
}

func setNames(c *snapshot.Cluster, namespace string) []string {
	var names []string
	for _, s := range c.Sets {
		if s.Namespace == namespace {
			names = append(names, s.Name)
		}
	}
	return names
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

// shardNames are SET/SHARD for the shards of sets.
func shardNames(c *snapshot.Cluster, namespace string) []string {
	var names []string
	for _, p := range c.Pods {
		if set, shard := p.Labels[v1alpha1.LabelInstanceSet], p.Labels[v1alpha1.LabelShard]; p.Namespace == namespace && set != "" && shard != "" {
			names = append(names, set+"/"+shard)
		}
	}
	return names
}

func groupNames(c *snapshot.Cluster, namespace string) []string {
	return answer.GroupNames(c, namespace)
}

func nodeNames(c *snapshot.Cluster, _ string) []string {
	var names []string
	for _, n := range c.Nodes {
		names = append(names, n.Name)
	}
	return names
}
