package kubectlshoal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/kubectlshoal/answer"
	"github.com/shoal-dev/shoal/kubectlshoal/lint"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
)

func newPlan(o *options) *cobra.Command {
	var files []string
	oneByOne := false
	cmd := &cobra.Command{
		Use:   "plan -f FILE...",
		Short: "What would become of this set: nodes used, instances per node, who would wait and why",
		Long: `Says where the instances of InstanceSets or StatefulSets would go if they were applied now: the pods are given to the
scheduler's own plugins one by one, on a snapshot of the cluster. A file may also have PlacementPolicies. Instances that have a
node stay where they are, and those that wait for one come first. Nothing is applied.`,
		Example: `  kubectl shoal plan -f cache.yaml
  kubectl shoal plan -f cache.yaml -o wide                 # every instance with its node
  helm template redis | kubectl shoal plan -f -`,
		Args: noArgs("name files with -f"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := o.schedulerConfig()
			if err != nil {
				return err
			}
			return o.aboutSet(cmd.Context(), files, func(c, set *snapshot.Cluster, namespace string) (printable, error) {
				return answer.PlanSets(cmd.Context(), c, config, set, namespace, oneByOne)
			})
		},
	}
	cmd.Flags().BoolVar(&oneByOne, "one-by-one", false, "each pod is created when the one before has its answer, and not all at once")
	return o.withConfig(o.withOutput(withFiles(cmd, &files)))
}

func newHeadroom(o *options) *cobra.Command {
	var files []string
	groupBy, tries := corev1.LabelTopologyZone, 0
	cmd := &cobra.Command{
		Use:   "headroom -f FILE...",
		Short: "How many more instances of this set fit, in each zone, and what limits first",
		Long: `Says how many more instances like those of a set fit within the limits of its group, what limits first, and how many fit
in each zone alone, with an answer for each group of a file. Copies are placed one by one with the scheduler's own plugins on a
snapshot of the cluster, up to a number that bounds the time; then it is "at least". It counts on the room that is free now;
what other sets are still to create is not taken off.`,
		Example: `  kubectl shoal headroom -f cache.yaml
  kubectl shoal headroom -f cache.yaml --group-by node.kubernetes.io/instance-type
  kubectl get iset cache -o yaml | kubectl shoal headroom -f -`,
		Args: noArgs("name files with -f"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if tries < 0 {
				return fmt.Errorf("--tries: %d is less than 0", tries)
			}
			config, err := o.schedulerConfig()
			if err != nil {
				return err
			}
			return o.aboutSet(cmd.Context(), files, func(c, set *snapshot.Cluster, namespace string) (printable, error) {
				if err := onNodes(c, groupBy); err != nil {
					return nil, err
				}
				return answer.HeadroomFor(cmd.Context(), c, config, set, namespace, groupBy, tries)
			})
		},
	}
	cmd.Flags().StringVar(&groupBy, "group-by", groupBy, "node label by whose values nodes are grouped")
	cmd.Flags().IntVar(&tries, "tries", 0, "place at most so many instances one by one; what is beyond is counted, where no rule of the scheduler but room and limits "+
		"is in the way, and else the answer is \"at least\"; 0: as many as take about a minute")
	return o.withConfig(o.withOutput(withFiles(cmd, &files)))
}

func withFiles(cmd *cobra.Command, files *[]string) *cobra.Command {
	cmd.Flags().StringArrayVarP(files, "file", "f", nil, "file with InstanceSets, StatefulSets and PlacementPolicies; may be given several times; - is standard input")
	_ = cmd.MarkFlagFilename("file", "yaml", "json")
	return cmd
}

// aboutSet answers a question about the sets of files.
func (o *options) aboutSet(ctx context.Context, files []string, ask func(c, set *snapshot.Cluster, namespace string) (printable, error)) error {
	set, namespace, err := o.setFiles(ctx, files)
	if err != nil {
		return err
	}
	c, err := o.snapshot(ctx)
	if err != nil {
		return err
	}
	a, err := ask(c, set, namespace)
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(files, ", "), err)
	}
	return o.print(a)
}

// named refuses what -f cannot mean.
func (o *options) named(files []string) error {
	switch {
	case len(files) == 0:
		return errors.New("which set? Name its file with -f; - is standard input")
	case slices.Contains(files, "-") && o.dump == "-":
		return errors.New("-f and --cluster-dump cannot both be standard input")
	}
	return nil
}

// setFiles reads the files of -f, all of them as if they were one.
func (o *options) setFiles(ctx context.Context, names []string) (*snapshot.Cluster, string, error) {
	if err := o.named(names); err != nil {
		return nil, "", err
	}
	namespace, err := o.namespace()
	if err != nil {
		return nil, "", err
	}
	all := &snapshot.Cluster{}
	for _, name := range names {
		text, err := o.readAll(name)
		if err != nil {
			return nil, "", fmt.Errorf("reading the set: %w", err)
		}
		if err := refused(ctx, name, text); err != nil {
			return nil, "", err
		}
		part, err := snapshot.Load(bytes.NewReader(text))
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", name, err)
		}
		for _, object := range part.Objects() {
			all.Put(object)
		}
	}
	return all, namespace, nil
}

// refused says what the API server has against a file. Nothing is foretold of one: its pods would never be, and numbers out of
// bounds are none to count with.
func refused(ctx context.Context, name string, text []byte) error {
	findings, err := lint.Refusals(ctx, lint.Source{Name: name, Text: text})
	if err != nil || len(findings) == 0 {
		return err
	}
	lines := make([]string, 0, len(findings)+1)
	for _, f := range findings {
		lines = append(lines, f.String())
	}
	return errors.New("the API server would not take this as it stands:\n" + strings.Join(lines, "\n"))
}
