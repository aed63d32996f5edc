//go:build integration

package fidelity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/playground"
)

// TestRecordBindings has bin/shoal-scheduler place the pods of all traces, with the shipped configuration and parallelism 1.
func TestRecordBindings(t *testing.T) {
	c := start(t, playground.Options{
		Install: true,
		Args: map[string][]string{
			"kube-controller-manager": {"--controllers=" + strings.Join([]string{
				"garbage-collector-controller", "serviceaccount-controller", "persistentvolume-binder-controller",
				"persistentvolume-protection-controller", "persistentvolumeclaim-protection-controller",
			}, ",")},
			"kwok": {"--manage-nodes-with-label-selector=nobody"}, // the label says to the provisioner that the node is well
		},
	})
	r := newReal(t, c.Config())
	runScheduler(t, c)
	r.place(t, -1) // nodes that are there before the scheduler come to it in any order, and the order breaks ties
	if only := os.Getenv("TRACES"); only != "" {
		r.placeAgain(t, strings.Split(only, ","))
		return
	}
	out := map[int64][]string{}
	volumes := 0
	for seed := int64(0); len(out) < traces; seed++ {
		trace := TraceOf(seed)
		if !trace.WithVolumes() && len(out)-volumes >= traces-withVolumes {
			continue
		}
		if out[seed] = r.place(t, seed); trace.WithVolumes() {
			volumes++
		}
	}
	writeBindings(t, out)
}

func (r real) place(t *testing.T, seed int64) []string {
	t.Helper()
	trace, g := TraceOf(seed), &realGround{real: r}
	out, err := trace.Bindings(t.Context(), g)
	if err := errors.Join(err, g.clean(t.Context())); err != nil {
		t.Fatalf("trace %d: %v", seed, err)
	}
	return out
}

// placeAgain places these traces and compares them with what is recorded: does one of them depend on how fast things happen? With RECORD set,
// what differs is recorded anew.
func (r real) placeAgain(t *testing.T, seeds []string) {
	t.Helper()
	text, err := os.ReadFile(bindings)
	if err != nil {
		t.Fatal(err)
	}
	var recorded map[string][]string
	if err := json.Unmarshal(text, &recorded); err != nil {
		t.Fatal(err)
	}
	for _, name := range seeds {
		seed, err := strconv.ParseInt(name, 10, 64)
		if err != nil || recorded[name] == nil {
			t.Fatalf("TRACES: there is no recording of trace %q", name)
		}
		now := r.place(t, seed)
		if d := cmp.Diff(recorded[name], now); d != "" && os.Getenv("RECORD") == "" {
			t.Errorf("trace %s: what is recorded (-) and what the real scheduler does now (+) differ:\n%s", name, d)
		}
		recorded[name] = now
	}
	if os.Getenv("RECORD") != "" {
		byNumber := map[int64][]string{}
		for name, lines := range recorded {
			seed, err := strconv.ParseInt(name, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			byNumber[seed] = lines
		}
		writeBindings(t, byNumber)
	}
}

func writeBindings(t *testing.T, of map[int64][]string) {
	t.Helper()
	text, err := json.MarshalIndent(of, "", " ")
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

// realGround is a real cluster. It keeps what it has made, to take it away when the trace is over.
type realGround struct {
	real
	made []client.Object
}

func (g *realGround) create(ctx context.Context, o client.Object) error {
	g.made = append(g.made, o)
	if _, pod := o.(*corev1.Pod); pod { // an admission policy lets nobody else make those of a set
		return g.users["manager"].Create(ctx, o)
	}
	return g.admin.Create(ctx, o)
}

// AddNode adds a node that the provisioner serves. Nothing plays its kubelet.
func (g *realGround) AddNode(ctx context.Context, n *corev1.Node) error {
	n.Labels[playground.KubeletLabel] = "running"
	if err := g.create(ctx, n); err != nil {
		return err
	}
	n.Spec.Taints = nil
	if err := g.admin.Update(ctx, n); err != nil {
		return err
	}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	return g.admin.Status().Update(ctx, n)
}

// AddVolume has the volume controller bind the two.
func (g *realGround) AddVolume(ctx context.Context, c *corev1.PersistentVolumeClaim, v *corev1.PersistentVolume) error {
	if err := errors.Join(g.create(ctx, v), g.create(ctx, c)); err != nil {
		return err
	}
	return g.await(ctx, func(ctx context.Context) bool {
		return g.admin.Get(ctx, client.ObjectKeyFromObject(c), c) == nil && c.Status.Phase == corev1.ClaimBound
	})
}

func (g *realGround) await(ctx context.Context, done func(context.Context) bool) error {
	return wait.PollUntilContextTimeout(ctx, 2*look, time.Minute, true, func(ctx context.Context) (bool, error) { return done(ctx), nil })
}

func (g *realGround) Create(ctx context.Context, o client.Object) error { return g.create(ctx, o) }

func (g *realGround) Label(ctx context.Context, o client.Object, key string) error {
	patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:%q}}}`, key, v1alpha1.RetiredValue)
	return g.users["manager"].Patch(ctx, o.DeepCopyObject().(client.Object), client.RawPatch(types.MergePatchType, patch))
}

func (g *realGround) Remove(ctx context.Context, o client.Object) error {
	user := g.admin
	if _, pod := o.(*corev1.Pod); pod { // nor does it let anybody else delete them
		user = g.users["manager"]
	}
	if err := user.Delete(ctx, o, client.GracePeriodSeconds(0)); client.IgnoreNotFound(err) != nil {
		return err
	}
	return g.await(ctx, func(ctx context.Context) bool {
		return apierrors.IsNotFound(g.admin.Get(ctx, client.ObjectKeyFromObject(o), o))
	})
}

func (g *realGround) Settle(context.Context) error {
	<-time.After(200 * time.Millisecond)
	return nil
}

func (g *realGround) Look(ctx context.Context, name string) (*corev1.Pod, error) {
	<-time.After(look)
	pod := &corev1.Pod{}
	return pod, g.admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, pod)
}

// clean removes all, the last first: the scheduler should not plan for what is left of it.
func (g *realGround) clean(ctx context.Context) error {
	var errs []error
	for _, o := range slices.Backward(g.made) {
		errs = append(errs, g.Remove(ctx, o))
	}
	return errors.Join(errs...)
}
