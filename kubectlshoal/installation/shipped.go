package installation

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubeyaml "sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/manifests"
)

// shipped are the objects in folders of manifests/.
func shipped(folders ...string) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	for _, folder := range folders {
		files, err := fs.Glob(manifests.Files, folder+"/*.yaml")
		if err != nil {
			return nil, fmt.Errorf("looking for manifests: %w", err)
		}
		for _, file := range files {
			if path.Base(file) == "kustomization.yaml" {
				continue
			}
			text, err := fs.ReadFile(manifests.Files, file)
			if err != nil {
				return nil, fmt.Errorf("reading a manifest: %w", err)
			}
			objects, err := parse(text)
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", file, err)
			}
			all = append(all, objects...)
		}
	}
	return all, nil
}

func parse(text []byte) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		object, err := kubeyaml.YAMLToJSON(document)
		if err != nil {
			return nil, err
		}
		u := &unstructured.Unstructured{}
		if err := u.UnmarshalJSON(object); err != nil {
			return nil, err
		}
		all = append(all, u)
	}
}

// live reads an object as it is in the cluster.
func (c Cluster) live(ctx context.Context, o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(o.GroupVersionKind())
	return u, c.Client.Get(ctx, client.ObjectKeyFromObject(o), u)
}

// named is "ClusterRole shoal-manager".
func named(o *unstructured.Unstructured) string { return o.GetKind() + " " + o.GetName() }

// folder checks that all objects of a folder are there as they ship. What the API server adds to them does not count.
func folder(name string, worst State) func(Cluster, context.Context) []Result {
	return func(c Cluster, ctx context.Context) []Result {
		objects, err := shipped(name)
		if err != nil {
			return []Result{failure("", "%v", err)}
		}
		var results []Result
		var gone []string
		hidden := map[string]int{} // by kind: a line for each would hide the rest
		for _, o := range objects {
			live, err := c.live(ctx, o)
			switch {
			case err == nil:
				if text := differences(o, live); text != "" {
					results = append(results, Result{State: worst, Text: fmt.Sprintf("%s is not as it ships: %s", named(o), text), Next: install})
				}
			case missing(err):
				gone = append(gone, named(o))
			case apierrors.IsForbidden(err):
				hidden[o.GetKind()]++
			default:
				results = append(results, unread(named(o), err))
			}
		}
		if len(hidden) > 0 {
			var kinds []string
			for _, kind := range slices.Sorted(maps.Keys(hidden)) {
				kinds = append(kinds, fmt.Sprintf("%s (%d)", kind, hidden[kind]))
			}
			results = append(results, Result{State: NotChecked, Text: "you may not read " + strings.Join(kinds, ", "), Next: ask})
		}
		if len(gone) > 0 {
			results = append(results, Result{State: worst, Text: "missing: " + strings.Join(gone, ", "), Next: install})
		}
		if len(results) == 0 {
			results = append(results, ok("as shipped (%d of %d)", len(objects), len(objects)))
		}
		return results
	}
}
