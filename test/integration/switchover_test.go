//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/roles"
	"github.com/shoal-dev/shoal/roles/handover"
	"github.com/shoal-dev/shoal/roles/switchovers"
	"github.com/shoal-dev/shoal/switchover/decide"
)

// standIn hands over in three steps, and stops before the last one until it is let go. There are no servers: what a switchover does
// to them is the business of test/realredis. It moves the label, as the controller of roles would.
type standIn struct {
	k  kit
	ns string

	mu   sync.Mutex
	held map[string]chan struct{} // by shard
	runs map[string]int
}

func (s *standIn) Taken(handover.Shard) bool { return false }

// gate is closed when the shard may be handed over.
func (s *standIn) gate(shard string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[shard] == nil {
		s.held[shard] = make(chan struct{})
	}
	return s.held[shard]
}

func (s *standIn) letGo(shard string) {
	close(s.gate(shard))
}

func (s *standIn) Run(ctx context.Context, shard handover.Shard, r decide.Request, step func(decide.Step)) (decide.Step, error) {
	s.mu.Lock()
	s.runs[shard.Name]++
	s.mu.Unlock()
	to := r.To
	if to == "" {
		to = shard.Set.Name + "-" + "1"
	}
	step(decide.Step{Do: decide.Pause, Instance: r.From, Target: to, Text: "so that " + to + " catches up"})
	select {
	case <-ctx.Done():
		return decide.Step{}, ctx.Err()
	case <-s.gate(shard.Name):
	}
	step(decide.Step{Do: decide.Promote, Instance: to, Target: to})
	for pod, role := range map[string]v1alpha1.RoleName{r.From: v1alpha1.RoleReplica, to: v1alpha1.RoleMaster} {
		if err := s.k.label(ctx, s.ns, pod, role); err != nil {
			return decide.Step{}, err
		}
	}
	return decide.Step{Do: decide.End, Result: decide.HandedOver, Code: reason.HandedOver, Text: to + " is master"}, nil
}

// label writes a role, as the manager alone may.
func (k kit) label(ctx context.Context, ns, pod string, role v1alpha1.RoleName) error {
	config := rest.CopyConfig(k.Config())
	config.Impersonate.UserName = managerAccount
	c, err := client.New(config, client.Options{Scheme: k.client.Scheme()})
	if err != nil {
		return err
	}
	patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:%q}}}`, v1alpha1.LabelRole, role)
	return c.Patch(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: pod}}, client.RawPatch("application/merge-patch+json", patch))
}

// handsOver runs the controller of Switchovers in this process, as the manager's ServiceAccount, until it is told to end.
func (k kit) handsOver(t *testing.T, executor switchovers.Executor) (stop func()) {
	t.Helper()
	config := rest.CopyConfig(k.Config())
	config.Impersonate.UserName = managerAccount
	mgr, err := ctrl.NewManager(config, ctrl.Options{Scheme: k.client.Scheme(), Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0"})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(roles.Indexes(t.Context(), mgr.GetFieldIndexer()), switchovers.Setup(mgr, switchovers.Options{Executor: executor, SkipNameValidation: true}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	once := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(once)
	return once
}

// TestSwitchovers: requests on a real API server, under the rights that the manager is installed with. The playground's own manager
// leaves them alone here: it has no agents, and would refuse them all.
func TestSwitchovers(t *testing.T) {
	k := start(t, playground.Options{
		Nodes: []playground.Shape{{Count: 6}}, Install: true, Schedulers: 1, Managers: 1,
		Args: map[string][]string{"shoal-manager": {"--controllers=instanceset,policy"}},
	})
	ns := k.namespace(t, "switchovers")
	k.create(t, set(ns, "r", 12, shards(3), limits(3, 6), func(s *v1alpha1.InstanceSet) {
		s.Spec.Roles = []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster, Exclusive: true}, {Name: v1alpha1.RoleReplica}}
		s.Spec.RoleProvider = &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderStatic}
	}))
	k.eventually(t, 2*time.Minute, "the pods", k.ready(ns, "r"))
	for n := range 12 {
		role := v1alpha1.RoleReplica
		if n%3 == 0 {
			role = v1alpha1.RoleMaster
		}
		if err := k.label(t.Context(), ns, fmt.Sprint("r-", n), role); err != nil {
			t.Fatal(err)
		}
	}
	does := &standIn{k: k, ns: ns, held: map[string]chan struct{}{}, runs: map[string]int{}}
	stop := k.handsOver(t, does)
	t.Run("bad input", func(t *testing.T) { testBadSwitchovers(t, k, ns) })
	t.Run("one of a shard", func(t *testing.T) { testOneOfAShard(t, k, ns, does) })
	t.Run("deleted in the middle", func(t *testing.T) { testDeletedInTheMiddle(t, k, ns, does) })
	t.Run("another manager in the middle", func(t *testing.T) { testAnotherManager(t, k, ns, does, stop) })
}

func aSwitchover(ns, name string, shard int, change ...func(*v1alpha1.SwitchoverSpec)) *v1alpha1.Switchover {
	s := &v1alpha1.Switchover{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
	s.Spec.InstanceSet, s.Spec.Shard = "r", fmt.Sprint("r-", shard)
	for _, f := range change {
		f(&s.Spec)
	}
	return s
}

func takesOver(to string) func(*v1alpha1.SwitchoverSpec) {
	return func(s *v1alpha1.SwitchoverSpec) { s.To = to }
}

// testBadSwitchovers: what makes no sense is refused by the API server, and what cannot be by the manager, with a reason.
func testBadSwitchovers(t *testing.T, k kit, ns string) {
	for want, bad := range map[string]*v1alpha1.Switchover{
		"spec.instanceSet":                    aSwitchover(ns, "a", 0, func(s *v1alpha1.SwitchoverSpec) { s.InstanceSet = "" }),
		"shard must be <instanceSet>-<i>":     aSwitchover(ns, "b", 0, func(s *v1alpha1.SwitchoverSpec) { s.Shard = "s-0" }),
		"shard must be <instanceSet>-<i>, as": aSwitchover(ns, "c", 0, func(s *v1alpha1.SwitchoverSpec) { s.Shard = "r-00" }),
		"Unsupported value":                   aSwitchover(ns, "d", 0, func(s *v1alpha1.SwitchoverSpec) { s.Policy = "Maybe" }),
		"less than or equal to 300":           aSwitchover(ns, "e", 0, func(s *v1alpha1.SwitchoverSpec) { s.TimeoutSeconds = ptr.To[int32](301) }),
		"greater than or equal to 1":          aSwitchover(ns, "f", 0, func(s *v1alpha1.SwitchoverSpec) { s.TimeoutSeconds = ptr.To[int32](0) }),
		"less than or equal to 2592000":       aSwitchover(ns, "g", 0, func(s *v1alpha1.SwitchoverSpec) { s.TTLSecondsAfterFinished = ptr.To[int32](2592001) }),
	} {
		if err := k.client.Create(t.Context(), bad); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	for want, bad := range map[reason.Code]*v1alpha1.Switchover{
		reason.NoSuchShard: aSwitchover(ns, "no-shard", 9),
		reason.NotInShard:  aSwitchover(ns, "a-stranger", 0, takesOver("r-5")),
	} {
		k.create(t, bad)
		k.eventually(t, 30*time.Second, "the refusal of "+bad.Name, func(ctx context.Context) error {
			s, err := k.switchover(ctx, ns, bad.Name, v1alpha1.ConditionFailed, want)
			if err == nil && (s.Status.Result != v1alpha1.SwitchoverRefused || s.Status.Begun() || len(s.Finalizers) > 0) {
				err = fmt.Errorf("%+v", s)
			}
			return err
		})
	}
	done := aSwitchover(ns, "done-already", 0, takesOver("r-0"))
	k.create(t, done)
	k.eventually(t, 30*time.Second, "the end of what is done already", func(ctx context.Context) error {
		_, err := k.switchover(ctx, ns, done.Name, v1alpha1.ConditionComplete, reason.AlreadyMaster)
		return err
	})
	if ttl := done.Spec.TTLSecondsAfterFinished; ttl == nil || *ttl != 3600 || *done.Spec.TimeoutSeconds != 10 || done.Spec.Policy != v1alpha1.SwitchoverStrict {
		t.Errorf("defaults: %+v", done.Spec)
	}
	done.Spec.To = "r-1"
	if err := k.client.Update(t.Context(), done); !apierrors.IsInvalid(err) && !apierrors.IsConflict(err) {
		t.Errorf("it was changed: %v", err)
	}
	if err := k.client.Patch(t.Context(), done, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"to":"r-1"}}`))); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "never changes") {
		t.Errorf("it was changed: %v", err)
	}
}

// switchover is one with this condition and this reason.
func (k kit) switchover(ctx context.Context, ns, name, condition string, code reason.Code) (*v1alpha1.Switchover, error) {
	s := &v1alpha1.Switchover{}
	if err := k.get(ctx, ns, name, s); err != nil {
		return nil, err
	}
	for _, c := range s.Status.Conditions {
		if c.Type == condition && c.Status == metav1.ConditionTrue && c.Reason == code.Name() && c.ObservedGeneration == s.Generation {
			return s, nil
		}
	}
	return nil, fmt.Errorf("%s is not %s by %s: %+v", name, condition, code.Name(), s.Status)
}

func (k kit) runs(t *testing.T, ns, name string) {
	t.Helper()
	k.eventually(t, 30*time.Second, name+" to have begun", func(ctx context.Context) error {
		s, err := k.switchover(ctx, ns, name, v1alpha1.ConditionProgressing, reason.SwitchoverRunning)
		if err == nil && (!slices.Contains(s.Finalizers, v1alpha1.SwitchoverFinalizer) || s.Status.StartedAt == nil || len(s.Status.Steps) != 1 || s.Status.Steps[0].Do != string(decide.Pause)) {
			err = fmt.Errorf("%+v", s)
		}
		return err
	})
}

func (k kit) completes(t *testing.T, ns, name, from, to string, attempts int32) {
	t.Helper()
	k.eventually(t, 30*time.Second, name+" to be complete", func(ctx context.Context) error {
		s, err := k.switchover(ctx, ns, name, v1alpha1.ConditionComplete, reason.HandedOver)
		if err != nil {
			return err
		}
		last := s.Status.Steps[len(s.Status.Steps)-1]
		if s.Status.From != from || s.Status.To != to || s.Status.Result != v1alpha1.SwitchoverHandedOver || s.Status.Attempts != attempts || last.Do != string(decide.Promote) || len(s.Finalizers) > 0 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
}

// testOneOfAShard: a second one of the shard is refused while the first one runs, one of another shard is not, and the first goes
// when its time is over.
func testOneOfAShard(t *testing.T, k kit, ns string, does *standIn) {
	k.create(t, aSwitchover(ns, "first", 0, takesOver("r-1"), func(s *v1alpha1.SwitchoverSpec) { s.TTLSecondsAfterFinished = ptr.To[int32](5) }))
	k.runs(t, ns, "first")
	k.create(t, aSwitchover(ns, "second", 0, takesOver("r-2")), aSwitchover(ns, "beside", 1, takesOver("r-4")))
	k.eventually(t, 30*time.Second, "the refusal of the second", func(ctx context.Context) error {
		_, err := k.switchover(ctx, ns, "second", v1alpha1.ConditionFailed, reason.ShardTaken)
		return err
	})
	k.runs(t, ns, "beside")
	does.letGo("r-1")
	k.completes(t, ns, "beside", "r-3", "r-4", 1)
	if _, err := k.switchover(t.Context(), ns, "first", v1alpha1.ConditionProgressing, reason.SwitchoverRunning); err != nil {
		t.Error(err)
	}
	does.letGo("r-0")
	k.completes(t, ns, "first", "r-0", "r-1", 1)
	k.eventually(t, 30*time.Second, "the first to go", func(ctx context.Context) error {
		if err := k.get(ctx, ns, "first", &v1alpha1.Switchover{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is still there: %w", err)
		}
		return nil
	})
	var second v1alpha1.Switchover
	if err := k.get(t.Context(), ns, "second", &second); err != nil || second.Status.Begun() {
		t.Errorf("%+v, %v", second.Status, err)
	}
	if does.runs["r-0"] != 1 || does.runs["r-1"] != 1 {
		t.Errorf("runs: %v", does.runs)
	}
}

// testDeletedInTheMiddle: it stays until it has ended.
func testDeletedInTheMiddle(t *testing.T, k kit, ns string, does *standIn) {
	s := aSwitchover(ns, "deleted", 2, takesOver("r-7"))
	k.create(t, s)
	k.runs(t, ns, s.Name)
	if err := k.client.Delete(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	k.never(t, 3*time.Second, "one that has begun is gone", func(ctx context.Context) error { return k.get(ctx, ns, s.Name, &v1alpha1.Switchover{}) })
	does.letGo("r-2")
	k.eventually(t, 30*time.Second, "the one that was deleted to go", func(ctx context.Context) error {
		if err := k.get(ctx, ns, s.Name, &v1alpha1.Switchover{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is still there: %w", err)
		}
		return nil
	})
	var pod corev1.Pod
	if err := k.get(t.Context(), ns, "r-7", &pod); err != nil || pod.Labels[v1alpha1.LabelRole] != string(v1alpha1.RoleMaster) {
		t.Errorf("r-7 is %q, %v", pod.Labels[v1alpha1.LabelRole], err)
	}
}

// testAnotherManager: one ends in the middle, and the next one finishes what it has begun, from the same master.
func testAnotherManager(t *testing.T, k kit, ns string, before *standIn, stop func()) {
	k.create(t, aSwitchover(ns, "taken-up", 3, takesOver("r-10")))
	k.runs(t, ns, "taken-up")
	stop()
	k.never(t, 2*time.Second, "it ends without a manager", func(ctx context.Context) error {
		_, err := k.switchover(ctx, ns, "taken-up", v1alpha1.ConditionProgressing, reason.SwitchoverRunning)
		return err
	})
	after := &standIn{k: k, ns: ns, held: map[string]chan struct{}{}, runs: map[string]int{}}
	after.letGo("r-3")
	k.handsOver(t, after)
	k.completes(t, ns, "taken-up", "r-9", "r-10", 2)
	if before.runs["r-3"] != 1 || after.runs["r-3"] != 1 {
		t.Errorf("runs: %v, then %v", before.runs, after.runs)
	}
}
