//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/playground/history"
)

// threeSizes are 300 nodes on which 4, 8 and 16 instances of 100m fit at most.
func threeSizes() []playground.Shape {
	return []playground.Shape{
		{Prefix: "small-", Count: 100, CPU: "400m", Memory: "8Gi"},
		{Prefix: "medium-", Count: 100, CPU: "800m", Memory: "8Gi"},
		{Prefix: "large-", Count: 100, CPU: "1600m", Memory: "8Gi"},
	}
}

// TestShoal runs on one playground with two schedulers and two managers, as they are shipped.
func TestShoal(t *testing.T) {
	k := start(t, playground.Options{Nodes: threeSizes(), Install: true, Schedulers: 2, Managers: 2})
	t.Run("an installation is checked", func(t *testing.T) { testCheck(t, k) })
	t.Run("contradictions are refused", func(t *testing.T) { testContradictions(t, k) })
	t.Run("examples are accepted", func(t *testing.T) { testExamples(t, k) })
	t.Run("many sets at once", func(t *testing.T) { testManySets(t, k) })
	t.Run("StatefulSets, one per shard", func(t *testing.T) { testStatefulSets(t, k) })
	t.Run("only the manager declares instances lost", func(t *testing.T) { testLostLabel(t, k) })
	t.Run("only the manager moves slots", func(t *testing.T) { testSlotLabels(t, k) })
	t.Run("only the manager deletes instances", func(t *testing.T) { testGuard(t, k) })
	t.Run("budgets refuse evictions", func(t *testing.T) { testBudget(t, k) })
	t.Run("one drain empties a node", func(t *testing.T) { testDrain(t, k) })
	t.Run("bandwidth of nodes", func(t *testing.T) { testBandwidth(t, k) })
	t.Run("roles", func(t *testing.T) { testRoles(t, k) })
	t.Run("updates", func(t *testing.T) { testRollout(t, k) })
	t.Run("an update is taken back", func(t *testing.T) { testUndo(t, k) })
	t.Run("volumes grow", func(t *testing.T) { testGrow(t, k) })
	t.Run("signer", func(t *testing.T) { testSigner(t, k) })
	t.Run("kill -9 in the middle", func(t *testing.T) { testKill(t, k) })
}

// testManySets: two hundred sets of 3 and one of 1,000 come up together, and no limit is ever exceeded.
func testManySets(t *testing.T, k kit) {
	const small, large = 200, 1000
	ns := k.namespace(t, "many")
	check := k.record(t)
	began := time.Now()
	creating, ctx := errgroup.WithContext(t.Context())
	creating.SetLimit(16)
	for i := range small {
		creating.Go(func() error {
			return k.client.Create(ctx, set(ns, fmt.Sprintf("small-%d", i), 3, shards(3), limits(1, 3)))
		})
	}
	creating.Go(func() error { return k.client.Create(ctx, set(ns, "large", large, limits(8, 280))) })
	if err := creating.Wait(); err != nil {
		t.Fatal(err)
	}
	k.eventually(t, 5*time.Minute, "all sets to be Ready", func(ctx context.Context) error {
		errs := []error{k.ready(ns, "large")(ctx)}
		for i := range small {
			errs = append(errs, k.ready(ns, fmt.Sprintf("small-%d", i))(ctx))
		}
		return first(errs)
	})
	t.Logf("%d instances of %d sets were ready after %.0f s", 3*small+large, small+1, time.Since(began).Seconds())
	check()
	if err := k.client.DeleteAllOf(t.Context(), &v1alpha1.InstanceSet{}, client.InNamespace(ns)); err != nil {
		t.Fatal(err)
	}
	k.eventually(t, 3*time.Minute, "all pods to go", func(ctx context.Context) error {
		var list corev1.PodList
		if err := k.client.List(ctx, &list, client.InNamespace(ns)); err != nil || len(list.Items) > 0 {
			return errors.Join(err, fmt.Errorf("%d are left", len(list.Items)))
		}
		return nil
	})
}

// first keeps the message of a failure short.
func first(errs []error) error {
	failed := 0
	var one error
	for _, err := range errs {
		if err != nil {
			failed, one = failed+1, err
		}
	}
	if failed == 0 {
		return nil
	}
	return fmt.Errorf("%d are not, for example: %w", failed, one)
}

// testStatefulSets applies the shipped example: Shoal's scheduler serves sets that are not its own.
func testStatefulSets(t *testing.T, k kit) {
	check := k.record(t)
	if err := k.Apply(t.Context(), "examples/statefulset-per-shard.yaml"); err != nil {
		t.Fatal(err)
	}
	k.eventually(t, 2*time.Minute, "the StatefulSets' pods to run", func(ctx context.Context) error {
		var policies v1alpha1.PlacementPolicyList
		if err := k.client.List(ctx, &policies, client.InNamespace("default")); err != nil {
			return err
		}
		for _, p := range policies.Items {
			if len(p.Spec.ScaleTargetRefs) > 0 && p.Status.Replicas > 0 && p.Status.Instances == p.Status.Replicas {
				return nil
			}
		}
		return errors.New("no policy with scaleTargetRefs has all its instances placed")
	})
	report := history.Check(check())
	for group, peak := range report.Peak {
		if group.Namespace == "default" && peak.Instances > 0 && peak.PerShardAndNode != 1 {
			t.Errorf("%s: %d instances of one shard on a node", group, peak.PerShardAndNode)
		}
	}
}

// testLostLabel: a label that frees a slot must be in nobody's hands but the manager's. Labels also change through the
// status of an object, and a Binding hands its labels on to the pod.
func testLostLabel(t *testing.T, k kit) {
	ns := k.namespace(t, "labels")
	meta := metav1.ObjectMeta{Namespace: ns, Name: "o"}
	pod := &corev1.Pod{ObjectMeta: meta}
	pod.Spec.SchedulerName, pod.Spec.Containers = "nobody", []corev1.Container{{Name: "c", Image: "redis:7"}}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: meta}
	claim.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	k.create(t, pod, claim)
	for _, label := range []string{v1alpha1.LabelLost, v1alpha1.LabelRetired} {
		for _, o := range []client.Object{pod, claim} {
			patch := client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"metadata":{"labels":{%q:"x"}}}`, label))
			denied(t, freesSlot, label, "patching", k.client.Patch(t.Context(), o.DeepCopyObject().(client.Object), patch))
			denied(t, freesSlot, label, "patching the status of", k.client.Status().Patch(t.Context(), o.DeepCopyObject().(client.Object), patch))
			born := o.DeepCopyObject().(client.Object)
			born.SetName("born")
			born.SetResourceVersion("")
			born.SetLabels(map[string]string{label: "x"})
			denied(t, freesSlot, label, "creating", k.client.Create(t.Context(), born))
		}
		binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: "o", Labels: map[string]string{label: "x"}}, Target: corev1.ObjectReference{Kind: "Node", Name: "nowhere"}}
		denied(t, freesSlot, label, "binding", k.client.SubResource("binding").Create(t.Context(), pod.DeepCopy(), binding))
	}
	patch := []byte(`{"metadata":{"labels":{"other":"x"}}}`)
	if err := k.client.Patch(t.Context(), pod, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Errorf("another label was refused: %v", err)
	}
}

// The rules of the admission policy, in its own words; LABEL stands for the label that was written.
const (
	freesSlot   = "may set, change or remove the label LABEL: it frees the "
	holdsSlot   = "may change or remove the label LABEL of an existing object"
	addsToSet   = "may add labels that hold a slot to what has an InstanceSet"
	handsByBind = "may hand labels of Shoal to a pod by a Binding"
)

// denied wants the words of the rule that is meant: another error, or that of another rule, would prove nothing.
func denied(t *testing.T, rule, label, how string, err error) {
	t.Helper()
	want := "only the ServiceAccount shoal-system/shoal-manager " + strings.ReplaceAll(rule, "LABEL", label)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("writing %s by %s an object: want %q, got: %v", label, how, want, err)
	}
}

// testKill kills the leading scheduler and the leading manager while a set comes up: the limits hold, and no pod and no
// claim is doubled or lost.
func testKill(t *testing.T, k kit) {
	const replicas = 400
	ns := k.namespace(t, "kill")
	check := k.record(t)
	k.create(t, set(ns, "r", replicas, volumes, limits(3, 150), func(s *v1alpha1.InstanceSet) { s.Spec.ShardSize = ptr.To[int32](4) }))
	k.eventually(t, 2*time.Minute, "the first pods to exist", func(ctx context.Context) error {
		pods, err := k.pods(ctx, ns, "r")
		if err != nil || len(pods) == 0 {
			return errors.Join(err, errors.New("none does"))
		}
		return nil
	})
	waits := []func(){k.killLeader(t, "shoal-manager"), k.killLeader(t, "shoal-scheduler")}
	if pods, err := k.pods(t.Context(), ns, "r"); err != nil || ready(pods) == replicas {
		t.Fatalf("all was done before the processes were killed: the test proves nothing (%v)", err)
	} else {
		t.Logf("both were killed when %d of %d pods existed", len(pods), replicas)
	}
	for _, wait := range waits {
		wait()
	}
	k.eventually(t, 4*time.Minute, "the set to be Ready", k.ready(ns, "r"))
	onceEach(t, check(), ns, replicas)
}

func ready(pods []corev1.Pod) int {
	n := 0
	for i := range pods {
		if podReady(&pods[i]) {
			n++
		}
	}
	return n
}

// killLeader kills the leading process of a component with SIGKILL, and returns a function that waits until another one
// leads.
func (k kit) killLeader(t *testing.T, lease string) func() {
	t.Helper()
	holder := func(ctx context.Context) (string, error) {
		var l coordinationv1.Lease
		err := k.get(ctx, playground.Namespace, lease, &l)
		return ptr.Deref(l.Spec.HolderIdentity, ""), err
	}
	before, err := holder(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	leader, err := k.Process(k.leader(t, lease))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(leader.Process.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	t.Logf("killed %s, process %d", leader.Name, leader.Process.PID)
	return func() {
		k.eventually(t, 90*time.Second, "another process to lead", func(ctx context.Context) error {
			now, err := holder(ctx)
			if err != nil || now == before || now == "" {
				return errors.Join(err, fmt.Errorf("%q holds the lease", now))
			}
			return nil
		})
	}
}

// leader is the process that said that it leads; nobody has led before it in these tests.
func (k kit) leader(t *testing.T, component string) string {
	t.Helper()
	for i := range 2 {
		name := fmt.Sprintf("%s-%d", component, i)
		process, err := k.Process(name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(process.Log)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.ToLower(string(text)), "successfully acquired lease") {
			return name
		}
	}
	t.Fatalf("no process of %s says that it leads", component)
	return ""
}

// onceEach: every pod and claim was created exactly once, and none was deleted.
func onceEach(t *testing.T, events []history.Event, namespace string, replicas int) {
	t.Helper()
	uids := map[string]map[string]bool{}
	for _, e := range events {
		if e.Object.GetNamespace() != namespace {
			continue
		}
		var kind string
		switch e.Object.(type) {
		case *corev1.Pod:
			kind = "pod"
		case *corev1.PersistentVolumeClaim:
			kind = "claim"
		default:
			continue
		}
		name := kind + " " + e.Object.GetName()
		if uids[name] == nil {
			uids[name] = map[string]bool{}
		}
		uids[name][string(e.Object.GetUID())] = true
		if e.Deleted {
			t.Errorf("%s was deleted", name)
		}
	}
	for name, lives := range uids {
		if len(lives) != 1 {
			t.Errorf("%s was created %d times", name, len(lives))
		}
	}
	if len(uids) != 2*replicas {
		t.Errorf("%d pods and claims were seen, wanted %d", len(uids), 2*replicas)
	}
}
