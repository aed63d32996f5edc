package kubectlshoal

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/answer"
	"github.com/shoal-dev/shoal/kubectlshoal/lint"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
)

func newDiff(o *options) *cobra.Command {
	var files []string
	cmd := &cobra.Command{
		Use:   "diff -f FILE...",
		Short: "What would applying this file do to the instances that run: in place, restarts, new pods, in which order",
		Long: `Compares InstanceSets in files with those of the cluster, and says of every field that differs what its change takes: a change in place,
the restart of a container, a new pod on the same volumes, or nothing at all since the set or the API server refuses it. It names the
instances of each template and revision, and the order in which they are disturbed. The manager's own rules are asked, so that what
is foreseen is what will come, as long as each instance comes up again. Nothing is applied.

It is compared with what 'kubectl apply' would make of the set: what the file had when it was applied last and has no more is taken
away, and what others wrote stays. A set that was applied with --server-side, or was not applied, is compared with the file as a
whole, but for replicas and paused.

For this command, exit code 1 says that something differs, as 'kubectl diff' says it; 2, that something of it would not be done; and
5, that there is no answer.`,
		Example: `  kubectl shoal diff -f cache.yaml
  kubectl shoal diff -f cache.yaml -o wide                 # why each change takes what it takes, and the whole order
  helm template redis | kubectl shoal diff -f -
  kubectl shoal diff -f cache.yaml -o json                 # the schema: docs/schemas/setdiff.v1.json`,
		Args: func(cmd *cobra.Command, args []string) error {
			return noAnswer(cmd, noArgs("name files with -f")(cmd, args))
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := o.diff(cmd.Context(), files)
			if err != nil {
				return err
			}
			return o.print(d)
		},
	}
	return o.withOutput(withFiles(cmd, &files))
}

// noAnswer marks the error of a command whose ExitError says something else.
func noAnswer(cmd *cobra.Command, err error) error {
	if code, tell := ExitCode(err); cmd.Name() != "diff" || !tell || code != ExitError {
		return err
	}
	return noAnswerError{err}
}

func (o *options) diff(ctx context.Context, files []string) (*answer.SetDiff, error) {
	namespace, err := o.namespace()
	if err != nil {
		return nil, err
	}
	sets, err := o.setsIn(ctx, files)
	if err != nil {
		return nil, err
	}
	c := &snapshot.Cluster{}
	for _, set := range sets {
		of, err := o.ofHistory(ctx, cmp.Or(set.GetNamespace(), namespace), set.GetName())
		if err != nil {
			return nil, err
		}
		for _, object := range of.Objects() {
			c.Put(object)
		}
		c.TakenAt, c.Unreadable = of.TakenAt, of.Unreadable
	}
	return answer.ChangesBy(ctx, c, sets, namespace, lint.Unchangeable)
}

// ofHistory reads what is known of the templates of a set, or the dump.
func (o *options) ofHistory(ctx context.Context, namespace, name string) (*snapshot.Cluster, error) {
	return o.readOf(ctx, namespace, name, snapshot.ReadHistory)
}

// setsIn are the InstanceSets of files, as they stand there. What the API server would not take of a file is an error.
func (o *options) setsIn(ctx context.Context, files []string) ([]*unstructured.Unstructured, error) {
	if err := o.named(files); err != nil {
		return nil, err
	}
	var sets []*unstructured.Unstructured
	for _, name := range files {
		text, err := o.readAll(name)
		if err != nil {
			return nil, fmt.Errorf("reading the set: %w", err)
		}
		if err := refused(ctx, name, text); err != nil {
			return nil, err
		}
		more, err := setsOf(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		sets = append(sets, more...)
	}
	if len(sets) == 0 {
		return nil, fmt.Errorf("%s: no InstanceSet in it: diff is about what becomes of their instances", strings.Join(files, ", "))
	}
	return sets, nil
}

func setsOf(text []byte) ([]*unstructured.Unstructured, error) {
	var sets []*unstructured.Unstructured
	for documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return sets, nil
		}
		if err == nil {
			document, err = yaml.YAMLToJSON(document)
		}
		if err == nil && string(document) != "null" {
			sets, err = appendSets(sets, document)
		}
		if err != nil {
			return nil, err
		}
	}
}

func appendSets(sets []*unstructured.Unstructured, document []byte) ([]*unstructured.Unstructured, error) {
	object, _, err := unstructured.UnstructuredJSONScheme.Decode(document, nil, nil)
	if err != nil {
		return nil, err
	}
	isSet := func(u *unstructured.Unstructured) bool {
		return u.GroupVersionKind() == v1alpha1.GroupVersion.WithKind("InstanceSet")
	}
	switch object := object.(type) {
	case *unstructured.Unstructured:
		if isSet(object) {
			sets = append(sets, object)
		}
	case *unstructured.UnstructuredList:
		for i := range object.Items {
			if isSet(&object.Items[i]) {
				sets = append(sets, &object.Items[i])
			}
		}
	}
	return sets, nil
}
