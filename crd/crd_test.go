package crd

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/manifests"
)

func TestJudge(t *testing.T) {
	kinds, err := Load(manifests.Files)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(kinds, func(k *Kind) bool { return k.GVK.Kind == "PlacementPolicy" })
	for text, want := range map[string]string{
		"spec: {replicas: 1}":                       "",
		"spec: {replicas: 1, node: {x: 1}}":         "unknown spec.node",
		"spec: {replicas: -1}":                      "should be greater than or equal to 0",
		"spec: {maxNodes: 1}":                       "set exactly one of replicas and scaleTargetRefs",
		"spec: {replicas: 1}\nstatus: {nothing: 1}": "unknown status.nothing",
	} {
		u := &unstructured.Unstructured{}
		object, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(object, &u.Object); err != nil { // not yaml's: it makes floats of all numbers
			t.Fatal(err)
		}
		u.SetGroupVersionKind(kinds[i].GVK)
		u.SetName("p")
		u.SetNamespace("ns")
		unknown, wrong := kinds[i].Judge(t.Context(), u)
		got := strings.Join(unknown, ", ")
		if got != "" {
			got = "unknown " + got
		}
		if wrong != nil {
			got += wrong.ToAggregate().Error()
		}
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
