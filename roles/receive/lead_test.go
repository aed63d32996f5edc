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

func TestLeadingIsTriedAgain(t *testing.T) {
	tries := 0
	s, err := New(Options{Lead: func(context.Context) error {
		if tries++; tries < 2 {
			return errors.New("no")
		}
		return nil
	}}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	s.lead(t.Context())
	if tries != 2 || testutil.ToFloat64(s.metrics.leadFailures) != 1 {
		t.Errorf("%d tries", tries)
	}
}
