//go:build integration

package fidelity

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/simulation"
	"github.com/shoal-dev/shoal/simulation/apiserver"
)

// TestRecord plays the script on a real control plane and writes the recording. Of the controllers only the garbage
// collector runs, and those without which no pod can be created: the others would change what the script looks at.
func TestRecord(t *testing.T) {
	c := start(t, playground.Options{
		Install: true,
		Args:    map[string][]string{"kube-controller-manager": {"--controllers=garbage-collector-controller,serviceaccount-controller"}},
	})
	s := newReal(t, c.Config())
	script := Script(seed, drawn)
	answers, err := Play(t.Context(), s, script)
	if err != nil {
		t.Fatal(err)
	}
	text, err := Write(script, answers)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(recording, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T, options playground.Options) *playground.Cluster {
	t.Helper()
	log.SetLogger(logr.Discard())
	options.Dir, options.Progress = filepath.Join(t.TempDir(), "cluster"), t.Output()
	c, err := playground.Up(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Down(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

// real is a real API server.
type real struct {
	admin client.Client
	users map[string]client.Client
}

func newReal(t *testing.T, config *rest.Config) real {
	t.Helper()
	scheme, err := apiserver.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst = 500, 1000
	r := real{users: map[string]client.Client{}}
	for _, as := range []string{"admin", "", "manager"} {
		own := rest.CopyConfig(config)
		if as != "admin" { // with all rights: what is compared is not authorization
			own.Impersonate = rest.ImpersonationConfig{UserName: user(as), Groups: []string{"system:masters", "system:authenticated"}}
		}
		c, err := client.New(own, client.Options{Scheme: scheme})
		if err != nil {
			t.Fatal(err)
		}
		if r.users[as] = c; as == "admin" {
			r.admin = c
		}
	}
	if err := r.admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		t.Fatal(err)
	}
	err = wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		account := &corev1.ServiceAccount{}
		return r.admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "default"}, account) == nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r real) Get(ctx context.Context, o client.Object) error {
	return r.admin.Get(ctx, client.ObjectKeyFromObject(o), o)
}

func (r real) Create(ctx context.Context, as string, o client.Object) error {
	return r.users[as].Create(ctx, o)
}

func (r real) Update(ctx context.Context, as string, o client.Object, sub string) error {
	if sub != "" {
		return r.users[as].SubResource(sub).Update(ctx, o)
	}
	return r.users[as].Update(ctx, o)
}

func (r real) Patch(ctx context.Context, as string, o client.Object, sub string, how types.PatchType, patch []byte) error {
	if sub != "" {
		return r.users[as].SubResource(sub).Patch(ctx, o, client.RawPatch(how, patch))
	}
	return r.users[as].Patch(ctx, o, client.RawPatch(how, patch))
}

func (r real) Scale(ctx context.Context, as string, o client.Object, scale *autoscalingv1.Scale) error {
	return r.users[as].SubResource("scale").Update(ctx, o, client.WithSubResourceBody(scale))
}

func (r real) Bind(ctx context.Context, as string, pod *corev1.Pod, binding *corev1.Binding) error {
	return r.users[as].SubResource("binding").Create(ctx, pod, binding)
}

func (r real) Delete(ctx context.Context, as string, o client.Object, options metav1.DeleteOptions) error {
	if options.PropagationPolicy != nil { // a dependent that the garbage collector has not seen yet would not be orphaned
		<-time.After(time.Second)
	}
	raw := client.DeleteOptions{
		GracePeriodSeconds: options.GracePeriodSeconds, Preconditions: options.Preconditions, PropagationPolicy: options.PropagationPolicy,
	}
	return r.users[as].Delete(ctx, o, &raw)
}

// Collect waits until nothing is left for the garbage collector to do.
func (r real) Collect(ctx context.Context, among []client.Object) error {
	var left []simulation.Chore
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		var there []client.Object
		for _, o := range among {
			now := o.DeepCopyObject().(client.Object)
			if r.Get(ctx, now) == nil {
				there = append(there, now)
			}
		}
		left = simulation.Chores(there)
		return len(left) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the garbage collector: %d objects wait for it, among them %s %s: %w", len(left), kindOf(left[0].Object), left[0].Object.GetName(), err)
	}
	return nil
}
