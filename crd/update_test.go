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
	const claims = "volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], storageClassName: %1, resources: {requests: {storage: %2}}}}]"
	claim := func(class, size string) string { return strings.NewReplacer("%1", class, "%2", size).Replace(claims) }
	const roles = "replicas: 2, shardSize: 2, roles: [{name: master, exclusive: true}], roleProvider: {type: Static}, "
	const onlySize = "of volumeClaimTemplates only resources.requests.storage can be changed"
	for _, c := range []struct{ was, becomes, want string }{
		{"replicas: 6, shardSize: 3", "replicas: 9, shardSize: 3", ""},
		{"replicas: 6, shardSize: 3", "replicas: 8, shardSize: 3", "replicas must be a multiple of shardSize"},
		{"replicas: 6, shardSize: 3", "replicas: 6, shardSize: 2", "shardSize cannot be changed"},
		{"replicas: 6, shardSize: 3", "replicas: 6", "shardSize cannot be changed"},
		{claim("fast", "1Gi"), claim("fast", "2Gi"), ""},
		{claim("fast", "2Gi"), claim("fast", "1Gi"), ""}, // the way back from a growth that failed
		{claim("fast", "1Gi"), claim("slow", "1Gi"), onlySize},
		{claim("fast", "1Gi"), strings.ReplaceAll(claim("fast", "1Gi"), "storageClassName: fast, ", ""), onlySize},
		{claim("fast", "1Gi"), strings.ReplaceAll(claim("fast", "1Gi"), "Once", "Many"), onlySize},
		{claim("fast", "1Gi"), strings.ReplaceAll(claim("fast", "1Gi"), "name: data", "name: data, labels: {a: b}"), onlySize},
		{claim("fast", "1Gi"), strings.ReplaceAll(claim("fast", "1Gi"), "name: data", "name: other"), "cannot be renamed"},
		{"placement: {maxNodes: 3}", "placement: {maxNodes: 4}", ""},
		{roles + "configuration: {parameters: [{name: hz, value: '20'}]}", roles + "configuration: {container: redis, parameters: [{name: hz, value: ''}]}", ""},
		{roles + "configuration: {container: redis}", roles + "configuration: {container: other}", "the container of configuration cannot be changed"},
		{roles + "configuration: {container: redis}", roles + "paused: true", ""},
		{"paused: false", "configuration: {}", "configuration needs roles"},
		{"paused: false", roles + "configuration: {parameters: [{name: hz, value: a}, {name: hz, value: b}]}", "Duplicate value"},
		{"paused: false", roles + "configuration: {parameters: [{name: HZ, value: a}]}", "name in body should match"},
		{"paused: false", roles + "configuration: {parameters: [{name: hz, value: \"a\\nb\"}]}", "value in body should match"},
		{"paused: false", roles + "configuration: {parameters: [{name: hz}]}", "Required value"},
		{"placement: {maxNodes: 3}", "paused: true", "a set cannot move to another policy"},
	} {
		was, becomes := object(c.was), object(c.becomes)
		got := k.JudgeUpdate(t.Context(), becomes, was)
		if c.want == "" && len(got) > 0 || c.want != "" && (got == nil || !strings.Contains(got.ToAggregate().Error(), c.want)) {
			t.Errorf("%q to %q: got %v, want %q", c.was, c.becomes, got, c.want)
		}
	}
}
