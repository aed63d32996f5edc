// Command trimcrd shortens generated CustomResourceDefinitions. A pod template brings the whole documentation of
// Kubernetes' pod with it, some 600 KB, which is too much for one object and of no use to a reader who wants to know
// about Shoal. Below the fields listed in embedded, descriptions are removed; everything else stays as generated, so
// that `kubectl explain` still describes Shoal's own fields.
//
//	trimcrd manifests/crds/*.yaml
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

// maxBytes limits a definition as it is stored, in JSON without indentation: far from etcd's 1.5 MiB for a request, and
// small enough for client-side apply, which stores the object once more in an annotation of at most 256 KiB.
const maxBytes = 200_000

// embedded are the fields whose schema comes from Kubernetes, as paths from the root of the object. [] enters the items
// of a list. The description of the field itself is ours and stays.
var embedded = []string{
	"spec.template",
	"spec.templates[].containers[].resources",
	"spec.volumeClaimTemplates[].spec",
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: trimcrd FILE...")
		os.Exit(2)
	}
	var errs []error
	for _, name := range os.Args[1:] {
		errs = append(errs, trimFile(name))
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func trimFile(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	trimmed, err := trim(text)
	if err != nil {
		return fmt.Errorf("trimming %s: %w", name, err)
	}
	if bytes.Equal(text, trimmed) {
		return nil
	}
	return os.WriteFile(name, trimmed, 0o644)
}

// trim returns the definition in text without the descriptions below the embedded fields. Keys are sorted, as
// controller-gen leaves them, so that the result depends on the content alone; trimming twice changes nothing.
func trim(text []byte) ([]byte, error) {
	var crd map[string]any
	if err := yaml.Unmarshal(text, &crd); err != nil {
		return nil, err
	}
	if crd["kind"] != "CustomResourceDefinition" {
		return nil, fmt.Errorf("kind is %v, want CustomResourceDefinition", crd["kind"])
	}
	for _, version := range list(child(crd, "spec")["versions"]) {
		root := child(child(object(version), "schema"), "openAPIV3Schema")
		if root == nil {
			return nil, errors.New("a version has no schema")
		}
		for _, field := range embedded {
			if schema := find(root, field); schema != nil {
				own, described := schema["description"]
				removeDescriptions(schema)
				if described {
					schema["description"] = own
				}
			}
		}
	}
	stored, err := json.Marshal(crd)
	if err != nil {
		return nil, err
	}
	if len(stored) > maxBytes {
		return nil, fmt.Errorf("%d bytes are left, the limit is %d: add the field that embeds a Kubernetes type to `embedded` in hack/trimcrd", len(stored), maxBytes)
	}
	body, err := yaml.JSONToYAML(stored)
	if err != nil {
		return nil, err
	}
	return append([]byte("---\n"), body...), nil
}
