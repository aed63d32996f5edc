//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/roles"
)

// testRoles: the label follows what agents report, under the rights that the manager is installed with, while another
// manager, which hears no agents, runs beside it. At no version of the pods do two carry the label master.
func testRoles(t *testing.T, k kit) {
	ns := k.namespace(t, "roles")
	ledger := k.listen(t)
	k.create(t, set(ns, "r", 3, shards(3), limits(1, 3), func(s *v1alpha1.InstanceSet) {
		s.Spec.Roles = []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster, Exclusive: true, Service: v1alpha1.RoleServicePerShard}, {Name: v1alpha1.RoleReplica}}
		s.Spec.RoleProvider = &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderStatic}
		s.Spec.Template.Spec.Containers[0].Ports = []corev1.ContainerPort{{Name: "redis", ContainerPort: 6379}}
	}))
	k.eventually(t, time.Minute, "the pods", k.ready(ns, "r"))
	violations := k.watchMasters(t, ns)
	for sequence, master := range []string{"r-0", "r-1", "r-2", "r-0", "r-1"} {
		began := time.Now()
		k.eventually(t, 30*time.Second, "the label on "+master, func(ctx context.Context) error {
			return errors.Join(k.report(ctx, ledger, ns, master, uint64(sequence+1)), k.labelled(ctx, ns, master))
		})
		t.Logf("%s has the label after %s", master, time.Since(began).Round(time.Millisecond))
	}
	if bad := violations(); bad != "" {
		t.Error(bad)
	}
	var service corev1.Service
	k.eventually(t, 10*time.Second, "the Service of the master", func(ctx context.Context) error { return k.get(ctx, ns, "r-0-master", &service) })
	k.eventually(t, 30*time.Second, "the conditions", func(ctx context.Context) error {
		var s v1alpha1.InstanceSet
		if err := k.get(ctx, ns, "r", &s); err != nil {
			return err
		}
		for _, kind := range []string{v1alpha1.ConditionNoMaster, v1alpha1.ConditionTwoMasters, v1alpha1.ConditionInSync} {
			if c := meta.FindStatusCondition(s.Status.Conditions, kind); c == nil {
				return fmt.Errorf("%s is not there: %+v", kind, s.Status.Conditions)
			}
		}
		return nil
	})
}

// listen runs the controllers of roles in this process, as the manager's ServiceAccount.
func (k kit) listen(t *testing.T) *roles.Ledger {
	t.Helper()
	config := rest.CopyConfig(k.Config())
	config.Impersonate.UserName = "system:serviceaccount:shoal-system:shoal-manager"
	mgr, err := ctrl.NewManager(config, ctrl.Options{Scheme: k.client.Scheme(), Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0"})
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := roles.Setup(mgr, roles.Options{SkipNameValidation: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if !mgr.GetCache().WaitForCacheSync(ctx) {
		t.Fatal("the cache was not filled")
	}
	return ledger
}

// report is what the three agents say, each time anew. What was said already is old, which is no error here.
func (k kit) report(ctx context.Context, ledger *roles.Ledger, ns, master string, sequence uint64) error {
	pods, err := k.pods(ctx, ns, "r")
	if err != nil {
		return err
	}
	for _, pod := range pods {
		r := agent.Report{Version: agent.Version, Role: agent.RoleReplica, BootID: strings.Repeat("a", 32), Sequence: sequence}
		if pod.Name == master {
			r.Role = agent.RoleMaster
		}
		err := ledger.Accept(ctx, agent.Identity{Namespace: ns, Pod: pod.Name, UID: string(pod.UID)}, r)
		if err != nil && !errors.Is(err, roles.ErrOld) {
			return err
		}
	}
	return nil
}

func (k kit) labelled(ctx context.Context, ns, master string) error {
	pods, err := k.pods(ctx, ns, "r")
	if err != nil {
		return err
	}
	for _, pod := range pods {
		want := "replica"
		if pod.Name == master {
			want = "master"
		}
		if got := pod.Labels[v1alpha1.LabelRole]; got != want {
			return fmt.Errorf("%s has the label %q, want %q", pod.Name, got, want)
		}
	}
	return nil
}

// watchMasters follows every version of the pods, in the order of the API server, and tells of two masters.
func (k kit) watchMasters(t *testing.T, ns string) func() string {
	t.Helper()
	watching, err := client.NewWithWatch(k.Config(), client.Options{Scheme: k.client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	w, err := watching.Watch(t.Context(), &corev1.PodList{}, client.InNamespace(ns), &client.ListOptions{Raw: &metav1.ListOptions{}})
	if err != nil {
		t.Fatal(err)
	}
	found := make(chan string, 1)
	go func() {
		labels, seen, bad := map[string]string{}, 0, ""
		for e := range w.ResultChan() {
			pod, ok := e.Object.(*corev1.Pod)
			if !ok {
				continue
			}
			seen++
			labels[pod.Name] = pod.Labels[v1alpha1.LabelRole]
			if masters := strings.Count(fmt.Sprint(labels), ":master"); masters > 1 && bad == "" {
				bad = fmt.Sprintf("at version %s: %v", pod.ResourceVersion, labels)
			}
		}
		if seen < 10 {
			bad = fmt.Sprintf("only %d versions of pods were seen", seen)
		}
		found <- bad
	}()
	return func() string { w.Stop(); return <-found }
}
