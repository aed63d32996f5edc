package receive

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

func managerPod(namespace, name string, leads bool) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": "m"}}}
	if leads {
		p.Labels[v1alpha1.LabelLeads] = "true"
	}
	return p
}

// The Service selects who leads now, and no longer who led before.
func TestTheLeaderTakesTheLabel(t *testing.T) {
	c := fake.NewClientBuilder().WithObjects(managerPod("own", "m-0", false), managerPod("own", "m-1", true), managerPod("other", "m-2", true)).Build()
	if err := lead(t.Context(), c, c, Place{Namespace: "own", Pod: "m-0"}); err != nil {
		t.Fatal(err)
	}
	var all corev1.PodList
	if err := c.List(t.Context(), &all, client.HasLabels{v1alpha1.LabelLeads}); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, pod := range all.Items {
		names = append(names, pod.Namespace+"/"+pod.Name)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"other/m-2", "own/m-0"}) {
		t.Errorf("%v lead", names)
	}
	if err := lead(t.Context(), c, c, Place{Namespace: "own"}); err != nil {
		t.Errorf("a process that is no pod: %v", err)
	}
	if err := lead(t.Context(), c, c, Place{Namespace: "own", Pod: "gone"}); err == nil {
		t.Error("a pod that is not there leads")
	}
}

// A standby has heard nobody: were it to listen, reports would be lost in it.
func TestAStandbyDoesNotListen(t *testing.T) {
	var r manager.Runnable = &Server{}
	if says, is := r.(manager.LeaderElectionRunnable); is && !says.NeedLeaderElection() {
		t.Error("it runs in a standby, too")
	}
}

// Nothing is written while all is well, and what somebody else has changed is brought back.
func TestTheLabelIsKeptUp(t *testing.T) {
	writes := 0
	c := fake.NewClientBuilder().WithObjects(managerPod("own", "m-0", false), managerPod("own", "m-1", false)).WithInterceptorFuncs(interceptor.Funcs{
		Patch: func(ctx context.Context, to client.WithWatch, o client.Object, p client.Patch, options ...client.PatchOption) error {
			writes++
			return to.Patch(ctx, o, p, options...)
		},
	}).Build()
	at := Place{Namespace: "own", Pod: "m-0"}
	change := func(name, patch string) {
		if err := label(t.Context(), c, client.ObjectKey{Namespace: "own", Name: name}, []byte(patch)); err != nil {
			t.Fatal(err)
		}
		writes = 0
	}
	for _, step := range []struct {
		name   string
		before func()
		writes int
	}{
		{"it begins", func() {}, 1},
		{"all is well", func() { writes = 0 }, 0},
		{"somebody takes the label away", func() { change("m-0", `{"metadata":{"labels":{"shoal.dev/leads":null}}}`) }, 1},
		{"somebody changes it", func() { change("m-0", `{"metadata":{"labels":{"shoal.dev/leads":"no"}}}`) }, 1},
		{"somebody gives it to another pod", func() { change("m-1", `{"metadata":{"labels":{"shoal.dev/leads":"true"}}}`) }, 1},
	} {
		step.before()
		if err := lead(t.Context(), c, c, at); err != nil || writes != step.writes {
			t.Errorf("%s: %d writes, %v", step.name, writes, err)
		}
		var own, other corev1.Pod
		_ = c.Get(t.Context(), client.ObjectKey{Namespace: "own", Name: "m-0"}, &own)
		_ = c.Get(t.Context(), client.ObjectKey{Namespace: "own", Name: "m-1"}, &other)
		if own.Labels[v1alpha1.LabelLeads] != "true" || other.Labels[v1alpha1.LabelLeads] != "" {
			t.Errorf("%s: %v, %v", step.name, own.Labels, other.Labels)
		}
	}
}

func TestLeadingIsKeptUp(t *testing.T) {
	tries := 0
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s, err := New(Options{Lead: func(context.Context) error {
		tries++
		switch tries {
		case 1:
			return errors.New("no")
		case 3:
			stop()
		}
		return nil
	}}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	s.lead(ctx)
	if tries != 3 || testutil.ToFloat64(s.metrics.leadFailures) != 1 {
		t.Errorf("%d tries", tries)
	}
}
