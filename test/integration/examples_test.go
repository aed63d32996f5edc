//go:build integration

package integration

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// testExamples: every example is what the API server takes, without a field that it does not know.
func testExamples(t *testing.T, k kit) {
	ns := k.namespace(t, "examples")
	var files []string
	for _, folder := range []string{".", "redis"} {
		found, err := filepath.Glob(filepath.Join(root(t), "examples", folder, "*.yaml"))
		if err != nil || len(found) == 0 {
			t.Fatalf("no examples in %s: %v", folder, err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
			for {
				o := &unstructured.Unstructured{}
				if err := decoder.Decode(o); errors.Is(err, io.EOF) {
					return
				} else if err != nil {
					t.Fatal(err)
				}
				o.SetNamespace(ns)
				if err := client.WithFieldValidation(k.client, "Strict").Create(t.Context(), o, client.DryRunAll); err != nil {
					t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
				}
			}
		})
	}
}
