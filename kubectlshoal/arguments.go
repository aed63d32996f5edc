package kubectlshoal

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/spelling"
)

// noArgs takes no arguments, and says to whoever gives some what to do instead.
func noArgs(instead string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("unexpected %q: %s", args[0], instead)
		}
		return nil
	}
}

// oneArg wants one name.
func oneArg(what, usage string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return fmt.Errorf("which %s? Write '%s'", what, usage)
		case 1:
			return nil
		}
		return fmt.Errorf("expected one %s, got %d: write '%s'", what, len(args), usage)
	}
}

// onNodes refuses a label by which nodes are to be grouped and that none of them has. That of zones needs none: it is the default.
func onNodes(c *snapshot.Cluster, label string) error {
	if wrong := validation.IsQualifiedName(label); len(wrong) > 0 {
		return fmt.Errorf("--group-by: %q is no name of a label: %s", label, wrong[0])
	}
	var known []string
	for _, n := range c.Nodes {
		for name := range n.Labels {
			known = append(known, name)
		}
	}
	if label == corev1.LabelTopologyZone || len(c.Nodes) == 0 || slices.Contains(known, label) {
		return nil
	}
	slices.Sort(known)
	return fmt.Errorf("--group-by: no node has the label %s%s", label, spelling.Guess(label, slices.Compact(known)))
}

// oneOf wants the kind and one name: "pod NAME" or "pod/NAME".
func oneOf(kind string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		names, err := namesOf(kind, args)
		if err == nil && len(names) != 1 {
			err = fmt.Errorf("expected one %s, got %d: %s NAME", kind, len(names), kind)
		}
		return err
	}
}

// namesOf are the names in "kind NAME NAME" or "kind/NAME kind/NAME".
func namesOf(kind string, args []string) ([]string, error) {
	var names []string
	for i, arg := range args {
		given, name, joined := strings.Cut(arg, "/")
		switch {
		case joined && !isKind(given, kind), i == 0 && !joined && !isKind(arg, kind):
			return nil, fmt.Errorf("expected a %s, got %q: write '%s NAME' or '%s/NAME'", kind, arg, kind, kind)
		case joined:
			names = append(names, name)
		case i > 0:
			names = append(names, arg)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("which %s? Write '%s NAME'", kind, kind)
	}
	return names, nil
}

func isKind(given, kind string) bool {
	return given == kind || given == kind+"s" || kind == "pod" && given == "po" || kind == "node" && given == "no"
}
