package bandwidth

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

type bench struct {
	t *testing.T
	*reconciler
	events *events.FakeRecorder
}

func newBench(t *testing.T, node *corev1.Node, texts ...string) *bench {
	c := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithObjects(node).WithStatusSubresource(node).WithReturnManagedFields().Build()
	recorder := events.NewFakeRecorder(10)
	return &bench{t, &reconciler{client: c, recorder: recorder, asks: Options{Rules: rules(t, texts...)}}, recorder}
}

// reconcile returns the node afterwards.
func (b *bench) reconcile() *corev1.Node {
	b.t.Helper()
	request := ctrl.Request{NamespacedName: client.ObjectKey{Name: "n"}}
	if _, err := b.Reconcile(b.t.Context(), request); err != nil {
		b.t.Fatal(err)
	}
	node := &corev1.Node{}
	if err := b.client.Get(b.t.Context(), request.NamespacedName, node); err != nil {
		b.t.Fatal(err)
	}
	return node
}

func (b *bench) writeStatus(node *corev1.Node) {
	b.t.Helper()
	if err := b.client.Status().Update(b.t.Context(), node); err != nil {
		b.t.Fatal(err)
	}
}

func someNode() *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", Labels: map[string]string{"type": "large"}}}
	node.Status.Capacity = corev1.ResourceList{"cpu": resource.MustParse("8"), "example.com/gpu": resource.MustParse("2")}
	node.Status.Allocatable = node.Status.Capacity.DeepCopy()
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	return node
}

func expect(t *testing.T, what string, node *corev1.Node, in int64) {
	t.Helper()
	for _, list := range []corev1.ResourceList{node.Status.Capacity, node.Status.Allocatable} {
		got, there := list[ingress]
		if there != (in >= 0) || there && got.Value() != in {
			t.Errorf("%s: %s, want %d", what, got.String(), in)
		}
		if list.Cpu().Value() != 8 || list.Name("example.com/gpu", resource.DecimalSI).Value() != 2 {
			t.Errorf("%s: other resources changed: %v", what, list)
		}
	}
	if len(node.Status.Conditions) != 1 {
		t.Errorf("%s: conditions changed: %v", what, node.Status.Conditions)
	}
}

func TestAdvertisedAndRestored(t *testing.T) {
	b := newBench(t, someNode(), "type=large=25000")
	node := b.reconcile()
	expect(t, "by rule", node, 25000)
	version := node.ResourceVersion
	if node = b.reconcile(); node.ResourceVersion != version {
		t.Error("it writes although nothing is different")
	}
	// A kubelet that starts anew sets extended resources to zero, or writes a status without them.
	node.Status.Capacity[ingress], node.Status.Allocatable[ingress] = resource.MustParse("0"), resource.MustParse("0")
	b.writeStatus(node)
	node = b.reconcile()
	expect(t, "after zero", node, 25000)
	delete(node.Status.Capacity, ingress)
	delete(node.Status.Allocatable, ingress)
	b.writeStatus(node)
	node = b.reconcile()
	expect(t, "after it was dropped", node, 25000)
	// A typo takes nothing away, and is said.
	node.Annotations = map[string]string{v1alpha1.ResourceNetIngress: "40G"}
	if err := b.client.Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	node = b.reconcile()
	expect(t, "with a typo", node, 25000)
	if said := <-b.events.Events; !strings.Contains(said, "BandwidthInvalid") || !strings.Contains(said, "SHOAL1303") {
		t.Errorf("it says %q", said)
	}
	node.Annotations[v1alpha1.ResourceNetIngress] = "40000"
	if err := b.client.Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	node = b.reconcile()
	expect(t, "by annotation", node, 40000)
	// Nothing says it any more.
	node.Annotations, node.Labels = nil, nil
	if err := b.client.Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	expect(t, "withdrawn", b.reconcile(), -1)
}

func TestWhatOthersAdvertiseStays(t *testing.T) {
	node := someNode()
	node.Status.Capacity[ingress], node.Status.Allocatable[ingress] = resource.MustParse("700"), resource.MustParse("700")
	expect(t, "by hand", newBench(t, node).reconcile(), 700)
}

func TestANodeThatIsGone(t *testing.T) {
	b := newBench(t, someNode())
	if _, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Name: "gone"}}); err != nil {
		t.Error(err)
	}
}

func TestHeartbeatsArePassedOver(t *testing.T) {
	before := someNode()
	for name, c := range map[string]struct {
		change func(*corev1.Node)
		want   bool
	}{
		"a heartbeat": {func(n *corev1.Node) {
			n.Status.Conditions[0].LastHeartbeatTime = metav1.NewTime(time.Unix(1, 0))
			n.Status.Images = []corev1.ContainerImage{{SizeBytes: 1}}
		}, false},
		"a label":      {func(n *corev1.Node) { n.Labels["zone"] = "a" }, true},
		"a capacity":   {func(n *corev1.Node) { n.Status.Capacity[ingress] = resource.MustParse("0") }, true},
		"what may be":  {func(n *corev1.Node) { n.Status.Allocatable[egress] = resource.MustParse("0") }, true},
		"ours":         {func(n *corev1.Node) { n.Annotations = map[string]string{v1alpha1.ResourceNetEgress: ""} }, true},
		"another note": {func(n *corev1.Node) { n.Annotations = map[string]string{"x": "y"} }, false},
	} {
		after := before.DeepCopy()
		c.change(after)
		if got := matters().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
