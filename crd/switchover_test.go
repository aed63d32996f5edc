package crd

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/manifests"
)

// What the API server takes as a Switchover. That one never changes is asked of a real API server (test/integration).
func TestSwitchover(t *testing.T) {
	kinds, err := Load(manifests.Files)
	if err != nil {
		t.Fatal(err)
	}
	k := kinds[slices.IndexFunc(kinds, func(k *Kind) bool { return k.GVK.Kind == "Switchover" })]
	const shard = "shard must be <instanceSet>-<i>"
	for text, want := range map[string]string{
		"instanceSet: r, shard: r-0":                      "",
		"instanceSet: r-1, shard: r-1-20, to: r-1-41":     "",
		"instanceSet: r, shard: r-0, policy: BestEffort":  "",
		"instanceSet: r, shard: s-0":                      shard,
		"instanceSet: r, shard: r-":                       shard,
		"instanceSet: r, shard: r-01":                     shard,
		"instanceSet: r, shard: r-x":                      shard,
		"instanceSet: r-1, shard: r-1":                    shard,
		"shard: r-0":                                      "spec.instanceSet: Required",
		"instanceSet: r, shard: r-0, policy: None":        "spec.policy: Unsupported",
		"instanceSet: r, shard: r-0, timeoutSeconds: 0":   "spec.timeoutSeconds",
		"instanceSet: r, shard: r-0, timeoutSeconds: 301": "spec.timeoutSeconds",
		"instanceSet: r, shard: r-0, from: r-1":           "unknown spec.from",
	} {
		u := &unstructured.Unstructured{}
		object, err := yaml.YAMLToJSON([]byte("spec: {" + text + "}"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(object, &u.Object); err != nil {
			t.Fatal(err)
		}
		u.SetGroupVersionKind(k.GVK)
		u.SetName("x")
		u.SetNamespace("ns")
		unknown, wrong := k.Judge(t.Context(), u)
		got := ""
		if len(unknown) > 0 {
			got = "unknown " + strings.Join(unknown, ", ")
		}
		if wrong != nil {
			got += wrong.ToAggregate().Error()
		}
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
