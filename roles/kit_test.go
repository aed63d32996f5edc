package roles

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// harness is the two reconcilers on a fake API server, which refuses a patch of another version. That the real one also
// refuses one of another UID is tested in test/integration, for the patches of instanceset.
type harness struct {
	*reconciler
	sets    *setReconciler
	client  client.WithWatch
	told    *recorded
	naming  Naming
	clock   time.Time
	woken   []shardKey
	patches []string // name and body, in order
	refuse  func(name string) error
	lose    func(name string) error // the answer to a write that was stored
	stale   map[string]*corev1.Pod  // what the cache shows instead; nil hides a pod
}

// recorded keeps events as lines.
type recorded struct {
	mu    sync.Mutex
	lines []string
}

func (r *recorded) Eventf(_, _ runtime.Object, kind, why, _, note string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, kind+" "+why+" "+fmt.Sprintf(note, args...))
}

var shardZero = shardKey{"ns", "r", "r-0"}

func aSet() *v1alpha1.InstanceSet {
	s := &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r", UID: "set"}}
	s.Spec.Replicas, s.Spec.ShardSize = ptr.To[int32](3), ptr.To[int32](3)
	s.Spec.Roles = []v1alpha1.InstanceRole{
		{Name: v1alpha1.RoleMaster, Exclusive: true, Service: v1alpha1.RoleServicePerShard}, {Name: v1alpha1.RoleReplica, Service: v1alpha1.RoleServiceNone},
	}
	s.Spec.RoleProvider = &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderStatic}
	s.Spec.Template.Spec.Containers = []corev1.Container{{Name: "redis", Ports: []corev1.ContainerPort{{Name: "redis", ContainerPort: 6379}}}}
	return s
}

func aPod(name string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: name, UID: types.UID("8d7f1c1e-2c5b-4a53-9d0e-00000000000" + name[len(name)-1:]),
		Labels:          map[string]string{v1alpha1.LabelInstanceSet: "r", v1alpha1.LabelShard: "r-0"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "shoal.dev/v1alpha1", Kind: "InstanceSet", Name: "r", UID: "set", Controller: ptr.To(true)}},
	}}
	pod.Spec.NodeName, pod.Spec.Subdomain = "node-"+name, "r"
	pod.Status.Phase, pod.Status.PodIP = corev1.PodRunning, "10.0.0.1"+name[len(name)-1:]
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	return pod
}

func newHarness(t *testing.T, objects ...client.Object) *harness {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	h := &harness{told: &recorded{}, clock: time.Unix(1000, 0), naming: Naming{Static: true}, stale: map[string]*corev1.Pod{}}
	b := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(&v1alpha1.InstanceSet{}).WithInterceptorFuncs(interceptor.Funcs{Patch: h.patched})
	indexer := recordedIndexes{b}
	if err := Indexes(t.Context(), indexer); err != nil {
		t.Fatal(err)
	}
	h.client = b.Build()
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return h.clock }
	v := newVerdicts(func(types.NamespacedName) {})
	cache := staleCache{h.client, h}
	h.reconciler = &reconciler{
		cache: cache, live: h.client, writer: h.client, events: h.told, metrics: m, now: now, verdicts: v,
		ledger:   newLedger(cache, now, func(k shardKey) { h.woken = append(h.woken, k) }, func(string) {}),
		provider: func(*v1alpha1.InstanceSet) RoleProvider { return h }, gone: func(types.NamespacedName) {}, hushes: map[types.NamespacedName]hush{},
	}
	h.sets = &setReconciler{cache: h.client, writer: h.client, events: h.told, now: now, verdicts: v}
	h.ledger.distrusted = tellDistrust(h.told, m)
	h.ledger.listening()
	h.clock = h.clock.Add(time.Hour)
	return h
}

// Naming makes the harness a RoleProvider.
func (h *harness) Naming(context.Context, shardKey) Naming { return h.naming }

type recordedIndexes struct{ b *fake.ClientBuilder }

func (r recordedIndexes) IndexField(_ context.Context, o client.Object, field string, f client.IndexerFunc) error {
	r.b.WithIndex(o, field, f)
	return nil
}

func (h *harness) patched(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
	if h.refuse != nil {
		if err := h.refuse(o.GetName()); err != nil {
			return err
		}
	}
	body, err := p.Data(o)
	if err != nil {
		return err
	}
	h.patches = append(h.patches, o.GetName()+" "+string(body))
	if err := c.Patch(ctx, o, p, opts...); err != nil || h.lose == nil {
		return err
	}
	return h.lose(o.GetName())
}

// staleCache shows pods as they were.
type staleCache struct {
	client.Reader
	h *harness
}

func (s staleCache) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	err := s.Reader.List(ctx, list, opts...)
	if pods, ok := list.(*corev1.PodList); ok {
		var shown []corev1.Pod
		for _, pod := range pods.Items {
			if old, is := s.h.stale[pod.Name]; !is {
				shown = append(shown, pod)
			} else if old != nil {
				shown = append(shown, *old)
			}
		}
		pods.Items = shown
	}
	return err
}

func (h *harness) pod(t *testing.T, name string) *corev1.Pod {
	t.Helper()
	var pod corev1.Pod
	if err := h.client.Get(t.Context(), types.NamespacedName{Namespace: "ns", Name: name}, &pod); err != nil {
		t.Fatal(err)
	}
	return &pod
}

var sequence uint64

func (h *harness) report(t *testing.T, name string, role agent.Role, epoch int64) error {
	t.Helper()
	return h.reportOf(t, name, agent.Report{Role: role, Epoch: epoch})
}

// reportOf has one pod report, in its turn.
func (h *harness) reportOf(t *testing.T, name string, r agent.Report) error {
	t.Helper()
	sequence++
	r.Version, r.BootID, r.Sequence = agent.Version, strings.Repeat("a", 32), sequence
	return h.ledger.Accept(t.Context(), agent.Identity{Namespace: "ns", Pod: name, UID: string(h.pod(t, name).UID)}, r)
}

// hear has all three report: who is master, by which election.
func (h *harness) hear(t *testing.T, master string, epoch int64) {
	t.Helper()
	for _, name := range []string{"r-0", "r-1", "r-2"} {
		role := agent.RoleReplica
		if name == master {
			role = agent.RoleMaster
		}
		if err := h.report(t, name, role, epoch); err != nil {
			t.Fatal(err)
		}
	}
	if h.naming.Static {
		return
	}
	h.naming = Naming{Heard: true, Agreed: true, Addr: master + ".r:6379", Epoch: epoch, Since: h.clock}
}

func (h *harness) reconcile(t *testing.T) time.Duration {
	t.Helper()
	result, err := h.Reconcile(t.Context(), shardZero)
	if err != nil {
		t.Fatal(err)
	}
	return result.RequeueAfter
}

// labels are those of the pods, in order.
func (h *harness) labels(t *testing.T) string {
	t.Helper()
	var all []string
	for _, name := range []string{"r-0", "r-1", "r-2"} {
		all = append(all, h.pod(t, name).Labels[v1alpha1.LabelRole])
	}
	return strings.Join(all, ",")
}
