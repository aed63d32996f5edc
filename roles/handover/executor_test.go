package handover

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/redis"
	"github.com/shoal-dev/shoal/roles"
	"github.com/shoal-dev/shoal/roles/orders"
	"github.com/shoal-dev/shoal/switchover"
	"github.com/shoal-dev/shoal/switchover/decide"
)

var shard = Shard{Set: types.NamespacedName{Namespace: "shop", Name: "r"}, Name: "r-0"}

type indexer struct{ *fake.ClientBuilder }

func (i indexer) IndexField(_ context.Context, o client.Object, field string, of client.IndexerFunc) error {
	i.WithIndex(o, field, of)
	return nil
}

func anInstance(n string, change func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "r-" + n, UID: types.UID("8d7f1c1e-2c5b-4a53-9d0e-00000000000" + n),
			Labels:          map[string]string{v1alpha1.LabelInstanceSet: "r", v1alpha1.LabelShard: "r-0"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "InstanceSet", Name: "r", UID: "set", Controller: ptr.To(true)}},
		},
		Spec:   corev1.PodSpec{NodeName: "node-" + n, Subdomain: "r"},
		Status: corev1.PodStatus{PodIP: "10.0.0.1" + n, PodIPs: []corev1.PodIP{{IP: "10.0.0.1" + n}}},
	}
	if change != nil {
		change(pod)
	}
	return pod
}

func aNode(n string, change func(*corev1.Node)) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-" + n}}
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	if change != nil {
		change(node)
	}
	return node
}

func aSet() *v1alpha1.InstanceSet {
	set := &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "r", UID: "set"}}
	set.Spec.ShardSize, set.Spec.Rebuild.Port = ptr.To[int32](3), 6379
	set.Spec.Roles = []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster}}
	return set
}

// newExecutor has agents that nobody reaches.
func newExecutor(t *testing.T, objects ...client.Object) *Executor {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	b := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...)
	if err := roles.Indexes(t.Context(), indexer{b}); err != nil {
		t.Fatal(err)
	}
	c := b.Build()
	return &Executor{
		cache: c, live: c, grace: Grace, taken: map[Shard]bool{}, lock: func() (uint64, error) { return 7, nil },
		open: func(context.Context, orders.Target) (switchover.Session, error) {
			return nil, errors.New("no agent answers")
		},
	}
}

func never(t *testing.T) func(decide.Step) {
	return func(step decide.Step) { t.Errorf("a step: %+v", step) }
}

// Who is asked, by which address, and who is chosen last.
func TestDescribe(t *testing.T) {
	set := aSet()
	revised := func(pod *corev1.Pod) { pod.Labels[v1alpha1.LabelRevision] = podspec.Revision(set, nil) }
	e := newExecutor(t, set, anInstance("0", revised), anInstance("1", nil), anInstance("2", func(pod *corev1.Pod) { pod.Status = corev1.PodStatus{} }),
		anInstance("7", nil), // none of the shard's names
		aNode("0", nil), aNode("1", func(n *corev1.Node) { n.Spec.Unschedulable = true }))
	pods, err := roles.InstancesOf(t.Context(), e.cache, set, "r-0")
	if err != nil {
		t.Fatal(err)
	}
	got := e.describe(t.Context(), set, shard, pods)
	if len(got.Instances) != 3 || len(got.Sentinels) != 0 {
		t.Fatalf("%+v", got)
	}
	a, b := got.Instances[0], got.Instances[1]
	if a.Name != "r-0" || a.Addr != "10.0.0.10:6379" || a.Node != "node-0" || a.Avoid || a.Outdated {
		t.Errorf("%+v", a)
	}
	if b.Name != "r-1" || !b.Avoid || !b.Outdated {
		t.Errorf("%+v", b)
	}
	c := got.Instances[2]
	if _, err := c.Open(t.Context(), 7); c.Name != "r-2" || c.Addr != "r-2:6379" || err == nil || !strings.Contains(err.Error(), "no address yet") {
		t.Errorf("%+v, %v", c, err)
	}
	for addr, want := range map[string]bool{
		"10.0.0.10:6379": true, "r-0.r.shop.svc.cluster.local:6379": true, "r-0.r:6379": true, "r-1.r.shop.svc:6379": false, "10.0.0.11:6379": false, "nonsense": false,
	} {
		if a.Called(addr) != want {
			t.Errorf("r-0 is called %s: %t", addr, !want)
		}
	}
}

// Sentinels are logged in to as the set says, and if that cannot be known, not at all: a set may ask for TLS, and whoever answers
// without it is not believed.
func TestHowSentinelsAreAsked(t *testing.T) {
	sentinel := newSentinel(t)
	set := aSet()
	set.Spec.RoleProvider = &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderSentinel, Sentinel: &v1alpha1.SentinelProvider{
		Addresses: []string{sentinel.addr}, Monitor: "{shard}", Access: &v1alpha1.RedisAccess{Username: "shoal", Password: &v1alpha1.SecretKey{Name: "auth"}},
	}}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "auth"}, Data: map[string][]byte{"password": []byte("correct-horse\n")}}
	got := newExecutor(t, set, secret).describe(t.Context(), set, shard, nil)
	if a := got.SentinelAccess; a.Username != "shoal" || string(a.Password) != "correct-horse" || a.TLS != nil || a.Name != "" || got.Monitor != "r-0" {
		t.Errorf("%+v", got)
	}
	if said := sentinel.heard(); !strings.Contains(said, "auth") || !strings.Contains(said, "correct-horse") {
		t.Errorf("a Sentinel heard %q", said)
	}
	missing := newExecutor(t, set).describe(t.Context(), set, shard, nil)
	if said := sentinel.heard(); strings.Contains(strings.ToLower(said), "sentinel") || strings.Contains(said, "PING") {
		t.Errorf("without the Secret a Sentinel heard %q", said)
	}
	if _, err := redis.Connect(t.Context(), sentinel.addr, missing.SentinelAccess); err == nil {
		t.Error("without the Secret a Sentinel is asked")
	}
	set.Spec.RoleProvider.Sentinel.Access = nil
	if a := newExecutor(t, set).describe(t.Context(), set, shard, nil).SentinelAccess; a.Password != "" || a.Username != "" || a.TLS != nil {
		t.Errorf("%+v", a)
	}
}

// sentinel notes what it hears, and refuses everything.
type sentinel struct {
	addr string
	mu   sync.Mutex
	said strings.Builder
}

func newSentinel(t *testing.T) *sentinel {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &sentinel{addr: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.hear(conn)
		}
	}()
	return s
}

func (s *sentinel) hear(conn net.Conn) {
	defer conn.Close()
	heard := make([]byte, 4096)
	for {
		n, err := conn.Read(heard)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.said.Write(heard[:n])
		s.mu.Unlock()
		if _, err := conn.Write([]byte("-ERR no\r\n")); err != nil {
			return
		}
	}
}

// heard is what it has heard since it was asked last.
func (s *sentinel) heard() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.said.Reset()
	return s.said.String()
}

func TestNodesThatAreLeft(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*corev1.Node)
		want   bool
	}{
		"sound":          {nil, false},
		"cordoned":       {func(n *corev1.Node) { n.Spec.Unschedulable = true }, true},
		"out of service": {func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeOutOfService}} }, true},
		"not ready":      {func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown }, true},
	} {
		if got := newExecutor(t, aNode("0", c.change)).leaving(t.Context(), "node-0"); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if !newExecutor(t).leaving(t.Context(), "node-0") {
		t.Error("a node that is not there is as good as another")
	}
}

// An instance is called as Sentinels call the master.
func TestAddressOf(t *testing.T) {
	pod := anInstance("1", nil)
	for named, want := range map[string]string{
		"":                                  "10.0.0.11:6379",
		"10.0.0.10:7000":                    "10.0.0.11:7000",
		"r-0.r.shop.svc.cluster.local:7000": "r-1.r.shop.svc.cluster.local:7000",
		"r-0.r:7000":                        "r-1.r:7000",
		"redis.example.com:7000":            "10.0.0.11:7000", // not a name that its Service gives it
		"[2001:db8::1]:7000":                "10.0.0.11:7000",
		"no port":                           "10.0.0.11:6379",
	} {
		if got := addressOf(pod, named, 6379); got != want {
			t.Errorf("Sentinels name %s: %s, want %s", named, got, want)
		}
	}
}

// Nobody without the lock asks anybody for anything.
func TestWithoutTheLock(t *testing.T) {
	e := newExecutor(t, aSet(), anInstance("0", nil), anInstance("1", nil))
	e.lock = func() (uint64, error) { return 0, orders.ErrNoLease }
	e.open = func(context.Context, orders.Target) (switchover.Session, error) {
		t.Error("an agent is asked")
		return nil, errors.New("no")
	}
	if end, err := e.Run(t.Context(), shard, decide.Request{From: "r-0", Timeout: 10 * time.Millisecond}, never(t)); !errors.Is(err, orders.ErrNoLease) {
		t.Errorf("%+v, %v", end, err)
	}
}

// A pod that is being made anew in the middle, and has no address yet, is waited for, and the end is one after which it is tried again: it was
// taken for none of the shard, which is the end for ever, with the fence of the one that takes over still on.
func TestAPodWithoutAnAddress(t *testing.T) {
	nowhere := func(pod *corev1.Pod) { pod.Status = corev1.PodStatus{} }
	for name, request := range map[string]decide.Request{"From": {From: "r-0"}, "To": {From: "r-1", To: "r-0"}, "From, gone": {From: "r-2"}, "To, gone": {From: "r-1", To: "r-2"}} {
		e := newExecutor(t, aSet(), anInstance("0", nowhere), anInstance("1", nil))
		request.Timeout = 50 * time.Millisecond
		end, err := e.Run(t.Context(), shard, request, never(t))
		if err != nil || end.Code != reason.MasterUnreachable || end.Result != decide.Undecided {
			t.Errorf("%s: %+v, %v", name, end, err)
		}
		if name == "From" && !strings.Contains(end.Text, "no address yet") {
			t.Errorf("the cause is not told: %s", end.Text)
		}
	}
}

// Of one shard, one is done at a time; others are not held up.
func TestOneAtATime(t *testing.T) {
	e := newExecutor(t, aSet(), anInstance("0", nil), anInstance("1", nil))
	e.open = func(ctx context.Context, _ orders.Target) (switchover.Session, error) {
		if !e.Taken(shard) || e.Taken(Shard{shard.Set, "r-1"}) || !e.HandingOver(types.NamespacedName{Namespace: "shop", Name: "r-0"}) || e.HandingOver(types.NamespacedName{Namespace: "ns", Name: "r-0"}) {
			t.Error("who is being handed over is not known")
		}
		if _, err := e.Run(ctx, shard, decide.Request{From: "r-0"}, never(t)); !errors.Is(err, ErrTaken) {
			t.Errorf("a second one: %v", err)
		}
		return nil, errors.New("no agent answers")
	}
	end, err := e.Run(t.Context(), shard, decide.Request{From: "r-0", Timeout: 50 * time.Millisecond}, never(t))
	if err != nil || end.Code != reason.MasterUnreachable {
		t.Errorf("%+v, %v", end, err)
	}
	if e.Taken(shard) {
		t.Error("it is taken for ever")
	}
}

// Who meets a later lock ends, and says so.
func TestALaterLock(t *testing.T) {
	e := newExecutor(t, aSet(), anInstance("0", nil), anInstance("1", nil))
	e.open = func(context.Context, orders.Target) (switchover.Session, error) { return nil, redis.ErrLater }
	if _, err := e.Run(t.Context(), shard, decide.Request{From: "r-0"}, never(t)); !errors.Is(err, redis.ErrLater) {
		t.Error(err)
	}
}

// Whoever loses the lock on the way reaches nobody any more. That is not how it ended.
func TestTheLockIsLostOnTheWay(t *testing.T) {
	e := newExecutor(t, aSet(), anInstance("0", nil), anInstance("1", nil))
	asked := 0
	e.lock = func() (uint64, error) {
		if asked++; asked == 1 {
			return 7, nil
		}
		return 0, orders.ErrNoLease
	}
	if end, err := e.Run(t.Context(), shard, decide.Request{From: "r-0", Timeout: 50 * time.Millisecond}, never(t)); !errors.Is(err, orders.ErrNoLease) {
		t.Errorf("%+v, %v", end, err)
	}
}

// A process that is told to end finishes what takes a moment, and nothing that takes long.
func TestOutlasting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		longer, end := newExecutor(t).outlasting(ctx)
		stop()
		time.Sleep(Grace - time.Millisecond) //nolint:forbidigo // in a bubble, whose time this is
		synctest.Wait()
		if longer.Err() != nil {
			t.Error("it ends too soon")
		}
		time.Sleep(2 * time.Millisecond) //nolint:forbidigo // the same
		synctest.Wait()
		if longer.Err() == nil {
			t.Error("it never ends")
		}
		end()
	})
}
