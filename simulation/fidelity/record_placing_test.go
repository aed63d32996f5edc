//go:build integration

package fidelity

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/playground"
)

// TestRecordBindings records traces without volumes only: without a volume controller, what a real cluster makes of a claim
// that is bound by hand is not what it makes of its own.
//
// It has bin/shoal-scheduler place the pods of all traces, with the shipped configuration and parallelism 1.
func TestRecordBindings(t *testing.T) {
	c := start(t, playground.Options{
		Install: true,
		Args:    map[string][]string{"kube-controller-manager": {"--controllers=garbage-collector-controller,serviceaccount-controller"}},
	})
	r := newReal(t, c.Config())
	runScheduler(t, c)
	out := map[int64]map[string]string{}
	for seed := int64(0); len(out) < traces; seed++ {
		if trace := TraceOf(seed); len(trace.Volumes) == 0 {
			out[seed] = r.place(t, trace)
		}
	}
	text, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bindings, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func runScheduler(t *testing.T, c *playground.Cluster) {
	t.Helper()
	text, err := os.ReadFile("../../manifests/scheduler-config/scheduler-config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	config["parallelism"] = 1
	config["leaderElection"] = map[string]any{"leaderElect": false}
	config["clientConnection"] = map[string]any{"kubeconfig": c.Kubeconfig(), "qps": 500, "burst": 1000}
	if text, err = yaml.Marshal(config); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("../../bin/shoal-scheduler", "--config="+path, "--secure-port=0")
	command.Stdout, command.Stderr = t.Output(), t.Output()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
}

func (r real) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// place makes a cluster, places the pods one by one, and removes everything.
func (r real) place(t *testing.T, trace Trace) map[string]string {
	t.Helper()
	ctx := t.Context()
	var made []client.Object
	create := func(o client.Object) {
		r.must(t, r.admin.Create(ctx, o))
		made = append(made, o)
	}
	for _, n := range trace.Nodes {
		create(n)
		n.Spec.Taints = nil
		r.must(t, r.admin.Update(ctx, n))
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
		r.must(t, r.admin.Status().Update(ctx, n))
	}
	for _, p := range trace.Policies {
		create(p)
	}
	for _, v := range trace.Volumes {
		create(v.Claim)
		v.bind()
		status := v.Claim.Status
		create(v.PV)
		v.Claim.Status = status
		r.must(t, r.admin.Status().Update(ctx, v.Claim))
	}
	<-time.After(200 * time.Millisecond) // the scheduler sees it
	out := map[string]string{}
	for _, p := range trace.Pods {
		r.must(t, r.admin.Create(ctx, p))
		out[p.Name] = r.placed(t, p)
	}
	for _, p := range trace.Pods {
		_ = r.admin.Delete(ctx, p, client.GracePeriodSeconds(0))
	}
	for _, o := range made {
		if len(o.GetFinalizers()) > 0 {
			_ = r.admin.Patch(ctx, o, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`)))
		}
		r.must(t, r.admin.Delete(ctx, o))
	}
	return out
}

// placed is where a pod is placed; one that is refused is deleted.
func (r real) placed(t *testing.T, p *corev1.Pod) string {
	t.Helper()
	const step = 10 * time.Millisecond
	for refused, waited := time.Duration(0), time.Duration(0); refused < 150*time.Millisecond; waited += step {
		r.must(t, r.admin.Get(t.Context(), client.ObjectKeyFromObject(p), p))
		if p.Spec.NodeName != "" {
			return p.Spec.NodeName
		}
		if slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodScheduled }) {
			refused += step
		}
		if waited > time.Minute {
			t.Fatalf("nobody looks at pod %s", p.Name)
		}
		<-time.After(step)
	}
	r.must(t, r.admin.Delete(context.WithoutCancel(t.Context()), p, client.GracePeriodSeconds(0)))
	return ""
}
