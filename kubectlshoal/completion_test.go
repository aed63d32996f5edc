package kubectlshoal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCompletion(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cluster.yaml")
	objects := strings.Join([]string{
		"apiVersion: v1\nkind: Node\nmetadata: {name: n1}",
		"apiVersion: v1\nkind: Pod\nmetadata: {name: cache-0, namespace: default}",
		"apiVersion: v1\nkind: Pod\nmetadata: {name: queue-0, namespace: default}",
		"apiVersion: v1\nkind: Pod\nmetadata: {name: bare-0, namespace: default, labels: {shoal.dev/cluster: bare, shoal.dev/instance-set: s, shoal.dev/shard: s-0}}",
		"apiVersion: shoal.dev/v1alpha1\nkind: PlacementPolicy\nmetadata: {name: cache, namespace: default}",
		"apiVersion: shoal.dev/v1alpha1\nkind: PlacementPolicy\nmetadata: {name: other, namespace: elsewhere}",
		"apiVersion: shoal.dev/v1alpha1\nkind: InstanceSet\nmetadata: {name: orders, namespace: default}",
		"apiVersion: shoal.dev/v1alpha1\nkind: InstanceSet\nmetadata: {name: others, namespace: elsewhere}",
	}, "\n---\n")
	if err := os.WriteFile(file, []byte(objects), 0o600); err != nil {
		t.Fatal(err)
	}
	for typed, want := range map[string]string{
		"explain ":      "pod",
		"explain pod c": "cache-0",
		"explain pod/":  "pod/bare-0 pod/cache-0 pod/queue-0",
		"explain pod/q": "pod/queue-0",
		"whatif node/n": "node/n1",
		"group ":        "bare cache",
		"switchover ":   "s/s-0",
		"group x":       "",
		"group cache ":  "",
		"status ":       "orders",
		"status iset/o": "iset/orders",

		"rollout history o": "orders",
		"status x":          "",
	} {
		words := strings.Split(typed, " ")
		last := len(words) - 1
		args := append(append([]string{"__complete"}, words[:last]...), "--cluster-dump", file, words[last])
		offered, _, _ := strings.Cut(run(t, "", args...), ":4")
		if got := strings.Join(strings.Fields(offered), " "); got != want {
			t.Errorf("%q: offered %q, want %q", typed, got, want)
		}
	}
}
