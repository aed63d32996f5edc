//go:build integration

package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal"
)

// kubectlShoal runs a command of kubectl-shoal in a namespace, and gives back its exit code and what it printed.
func (k kit) kubectlShoal(t *testing.T, namespace, command string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	cmd := kubectlshoal.New(kubectlshoal.Environment{Streams: genericiooptions.IOStreams{Out: &out, ErrOut: &out}, Version: "dev", Now: time.Now})
	cmd.SetArgs(append(strings.Fields(command), "--kubeconfig", k.Kubeconfig(), "-n", namespace))
	err := cmd.ExecuteContext(t.Context())
	code, tell := kubectlshoal.ExitCode(err)
	if tell {
		fmt.Fprintln(&out, err)
	}
	return code, out.String()
}

// testUndo is the day of whoever updates a set: what a file would do is foreseen and comes, it is paused, goes on, and is taken back, with what
// was said of it, and the history has it.
func testUndo(t *testing.T, k kit) {
	ns := k.namespace(t, "undo")
	s := set(ns, "u", 6, shards(3), limits(2, 3))
	s.Annotations = map[string]string{v1alpha1.AnnotationChangeCause: "first"}
	k.create(t, s)
	k.eventually(t, time.Minute, "the pods", k.updated(ns, "u"))
	wants := func(command string, code int, words ...string) {
		t.Helper()
		got, text := k.kubectlShoal(t, ns, command)
		if got != code {
			t.Errorf("%s: exit %d, want %d:\n%s", command, got, code, text)
		}
		for _, word := range words {
			if !strings.Contains(text, word) {
				t.Errorf("%s: no %q in\n%s", command, word, text)
			}
		}
	}
	file := filepath.Join(t.TempDir(), "u.yaml")
	if err := os.WriteFile(file, []byte(`
apiVersion: shoal.dev/v1alpha1
kind: InstanceSet
metadata: {name: u}
spec:
  replicas: 6
  shardSize: 3
  placement: {maxInstancesPerNode: 2, maxNodes: 3}
  template: {spec: {containers: [{name: redis, image: "redis:8", resources: {requests: {cpu: 100m, memory: 64Mi}}}]}}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	wants("diff -f "+file, 1, "6 instances would be changed in place, none recreated", "redis:7   redis:8   in place (image), restarts redis", "u-5, ")
	wants("rollout status u", 0, "6 of 6 instances updated", "complete")
	wants("rollout undo u", 1, "no other revision")
	wants("rollout pause u", 0, "is paused")
	k.edit(t, ns, "u", func(s *v1alpha1.InstanceSet) {
		s.Spec.Template.Spec.Containers[0].Image = "redis:8"
		s.Annotations[v1alpha1.AnnotationChangeCause] = "second"
	})
	wants("diff -f "+file, 0, "nothing differs; an update is under way")
	k.eventually(t, 10*time.Second, "the pause", k.updating(ns, "u", "Paused"))
	wants("rollout status u", 2, "0 of 6 instances updated", "paused")
	wants("rollout resume u", 0, "not paused any more")
	wants("rollout status u -w --timeout 1m", 0, "6 of 6 instances updated", "complete")
	wants("rollout history u", 0, "first", "6 (0-5)", "second")
	wants("rollout undo u --dry-run", 0, "Back to revision 1", "the API server would take it")
	wants("rollout status u", 0, "complete")
	wants("rollout undo u", 0, "Back to revision 1", "first", "asks for it now")
	wants("rollout status u -w --timeout 1m", 0, "complete")
	wants("rollout history u --revision 3", 0, "asked for now", "instances 6 (0-5), change cause first")
	wants("rollout undo u --to-revision 3", 1, "what the set asks for already")
}
