package kubectlshoal

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

const manyOnTwo = `{apiVersion: v1, kind: Node, metadata: {name: a}, status: {allocatable: {cpu: "64", memory: 64Gi, pods: "110"}}}
---
{apiVersion: v1, kind: Node, metadata: {name: b}, status: {allocatable: {cpu: "64", memory: 64Gi, pods: "110"}}}`

const manyWanted = `{apiVersion: shoal.dev/v1alpha1, kind: InstanceSet, metadata: {name: s, namespace: default}, spec: {replicas: 20,
  template: {spec: {containers: [{name: c, image: i, resources: {requests: {cpu: "1"}}}]}}}}`

// headroomOf runs the command where each look at the clock is step later than the one before.
func headroomOf(ctx context.Context, t *testing.T, terminal bool, step time.Duration) (out, said string, err error) {
	t.Helper()
	cluster, set := inFile(t, manyOnTwo), inFile(t, manyWanted)
	now := time.Unix(1_700_000_000, 0)
	var stdout, stderr bytes.Buffer
	cmd := New(Environment{
		Streams: genericiooptions.IOStreams{In: strings.NewReader(""), Out: &stdout, ErrOut: &stderr}, Version: "test", Terminal: terminal,
		Now: func() time.Time { now = now.Add(step); return now },
	})
	cmd.SetArgs([]string{"headroom", "-f", set, "--cluster-dump", cluster})
	err = cmd.ExecuteContext(ctx)
	return stdout.String(), stderr.String(), err
}

// A line says that it goes on, on a terminal alone and only when it takes long; the answer is the same.
func TestProgressIsShownWhereSomebodyWaits(t *testing.T) {
	quiet, said, err := headroomOf(t.Context(), t, false, 200*time.Millisecond)
	if err != nil || said != "" || quiet == "" {
		t.Fatalf("%v, %q, %q", err, said, quiet)
	}
	for step, shown := range map[time.Duration]bool{200 * time.Millisecond: true, time.Millisecond: false} {
		out, said, err := headroomOf(t.Context(), t, true, step)
		if err != nil || out != quiet {
			t.Errorf("%v, and another answer: %s", err, out)
		}
		if got := strings.Contains(said, "instances tried in 1 s"); got != shown {
			t.Errorf("at %s for each: %q", step, said)
		}
		if shown && !strings.HasSuffix(said, "\r\x1b[K") {
			t.Errorf("the line stays: %q", said)
		}
	}
}

// Ctrl-C ends it, without an answer.
func TestACommandThatIsInterruptedHasNoAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out, _, err := headroomOf(ctx, t, true, time.Second)
	if code, tell := ExitCode(err); out != "" || code != ExitError || !tell {
		t.Errorf("exit %d, %v, %q", code, err, out)
	}
}

func inFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
