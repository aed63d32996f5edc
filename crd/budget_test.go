package crd

import (
	"io/fs"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/manifests"
)

// TestTheAPIServerTakesOurKinds: what a CRD's rules may cost is limited, by an estimate that this repeats.
func TestTheAPIServerTakesOurKinds(t *testing.T) {
	files, err := fs.Glob(manifests.Files, "crds/shoal.dev_*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		text, err := fs.ReadFile(manifests.Files, file)
		if err != nil {
			t.Fatal(err)
		}
		var external apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(text, &external); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		apiextensionsv1.SetDefaults_CustomResourceDefinition(&external)
		apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&external.Spec)
		var internal apiextensions.CustomResourceDefinition
		if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&external, &internal, nil); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, e := range validation.ValidateCustomResourceDefinition(t.Context(), &internal) {
			if !strings.HasPrefix(e.Field, "status.") { // which the API server writes
				t.Errorf("%s: %v", file, e)
			}
		}
	}
}
