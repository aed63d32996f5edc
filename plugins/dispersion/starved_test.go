package dispersion

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
)

// The group big needs all of node a and has one pod there; small has no other node. When the rest of big is deleted before it
// was placed, it may come again: the node is kept until the policy wants less. No event of the scheduler tells small of that.
func TestStarvedPodsAreFed(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("big", 3, placement.Limits{MaxNodes: 1})
	w.limit("small", 1, placement.Limits{MaxNodes: 1})
	w.node("a", 3, 110)
	first, second, third, small := instance("b-0", "big", ""), instance("b-1", "big", ""), instance("b-2", "big", ""), instance("s-0", "small", "")
	w.arrive(first, second, third, small)
	if node, _ := w.schedule(first); node != "a" {
		t.Fatal("b-0 has no node")
	}
	if node, refused := w.schedule(small); node != "" || refused["a"].Message() != roomIsNeeded.message {
		t.Fatalf("s-0 is on %q: %v", node, refused)
	}
	for _, pod := range []*corev1.Pod{second, third} {
		if err := w.plugin.pods.Delete(pod); err != nil {
			t.Fatal(err)
		}
		w.plugin.podGone(t.Context(), pod)
	}
	if node, _ := w.schedule(small); node != "" {
		t.Errorf("s-0 is on %q, and big still wants three", node)
	}
	w.limit("big", 1, placement.Limits{MaxNodes: 1})
	policy := &v1alpha1.PlacementPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "big", Generation: 1}}
	after := policy.DeepCopy()
	after.Generation++
	w.plugin.wake(t.Context(), policy, after)
	if !w.activated(small) {
		t.Error("s-0 is not tried again")
	}
	if node, _ := w.schedule(small); node != "a" {
		t.Errorf("s-0 is on %q", node)
	}
}

func TestOnlyUsefulNodesWake(t *testing.T) {
	node := func(change func(*corev1.Node)) *corev1.Node {
		n := &corev1.Node{}
		n.Labels = map[string]string{corev1.LabelHostname: "a"}
		if change != nil {
			change(n)
		}
		return n
	}
	cordon := func(n *corev1.Node) { n.Spec.Unschedulable = true }
	off := func(n *corev1.Node) {
		n.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeOutOfService, Effect: corev1.TaintEffectNoExecute}}
	}
	for name, c := range map[string]struct {
		before, after *corev1.Node
		want          fwk.QueueingHint
	}{
		"came":                  {nil, node(nil), fwk.Queue},
		"came cordoned":         {nil, node(cordon), fwk.QueueSkip},
		"cordoned":              {node(nil), node(cordon), fwk.QueueSkip},
		"uncordoned":            {node(cordon), node(nil), fwk.Queue},
		"out of service":        {node(nil), node(off), fwk.Queue},
		"still out of service":  {node(off), node(off), fwk.QueueSkip},
		"has another host name": {node(cordon), node(func(n *corev1.Node) { cordon(n); n.Labels[corev1.LabelHostname] = "b" }), fwk.Queue},
	} {
		var before any
		if c.before != nil {
			before = c.before
		}
		if got, err := newWorld(t, config.DispersionArgs{}).plugin.nodeHelps(klog.Background(), instance("r-0", "p", ""), before, c.after); err != nil || got != c.want {
			t.Errorf("%s: %v, %v, want %v", name, got, err, c.want)
		}
	}
}
