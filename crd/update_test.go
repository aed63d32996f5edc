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

// What cannot be changed, and what an update may be as little as a creation.
func TestJudgeUpdate(t *testing.T) {
	kinds, err := Load(manifests.Files)
	if err != nil {
		t.Fatal(err)
	}
	k := kinds[slices.IndexFunc(kinds, func(k *Kind) bool { return k.GVK.Kind == "InstanceSet" })]
	object := func(spec string) *unstructured.Unstructured {
		text, err := yaml.YAMLToJSON([]byte("metadata: {name: r, namespace: ns, uid: u, resourceVersion: '7'}\nspec: {template: {spec: {containers: [{name: redis}]}}, " + spec + "}"))
		u := &unstructured.Unstructured{}
		if err == nil {
			err = json.Unmarshal(text, &u.Object)
		}
		if err != nil {
			t.Fatal(err)
		}
		u.SetGroupVersionKind(k.GVK)
		k.Complete(u)
		return u
	}
	const claims = "volumeClaimTemplates: [{metadata: {name: data}, spec: {resources: {requests: {storage: %}}}}]"
	for _, c := range []struct{ was, becomes, want string }{
		{"replicas: 6, shardSize: 3", "replicas: 9, shardSize: 3", ""},
		{"replicas: 6, shardSize: 3", "replicas: 8, shardSize: 3", "replicas must be a multiple of shardSize"},
		{"replicas: 6, shardSize: 3", "replicas: 6, shardSize: 2", "shardSize cannot be changed"},
		{"replicas: 6, shardSize: 3", "replicas: 6", "shardSize cannot be changed"},
		{strings.ReplaceAll(claims, "%", "1Gi"), strings.ReplaceAll(claims, "%", "2Gi"), "volumeClaimTemplates cannot be changed"},
		{"placement: {maxNodes: 3}", "placement: {maxNodes: 4}", ""},
		{"placement: {maxNodes: 3}", "paused: true", "a set cannot move to another policy"},
	} {
		was, becomes := object(c.was), object(c.becomes)
		got := k.JudgeUpdate(t.Context(), becomes, was)
		if c.want == "" && len(got) > 0 || c.want != "" && (got == nil || !strings.Contains(got.ToAggregate().Error(), c.want)) {
			t.Errorf("%q to %q: got %v, want %q", c.was, c.becomes, got, c.want)
		}
	}
}
