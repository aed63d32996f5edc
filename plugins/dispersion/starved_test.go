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
	"github.com/shoal-dev/shoal/slots"
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

// What a group plans and plans anew keeps other groups away, and none of its own pods. If it woke those, a group whose pods
// each see another plan, because a promise is in doubt, would try them in turn for ever (seed 15556 of the simulation).
func TestAGroupDoesNotFeedItself(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	w.limit("big", 3, placement.Limits{MaxNodes: 1})
	w.node("a", 3, 110)
	first, second, own, other := instance("b-0", "big", ""), instance("b-1", "big", ""), instance("b-2", "big", ""), instance("s-0", "small", "")
	w.arrive(first, second, own, other)
	if node, _ := w.schedule(first); node != "a" {
		t.Fatal("b-0 has no node")
	}
	w.plugin.index.starved.add(own)
	w.plugin.index.starved.add(other)
	w.plugin.index.replan(slots.Group{Namespace: "ns", Policy: "big"}) // a is no longer kept, until the next cycle keeps it again
	if node, _ := w.schedule(second); node != "a" {
		t.Fatal("b-1 has no node")
	}
	if w.activated(own) {
		t.Error("big wakes its own pod")
	}
	if !w.activated(other) {
		t.Error("the pod of another group is not tried again")
	}
	w.plugin.feed(t.Context(), nil, nil)
	if !w.activated(own) {
		t.Error("the pod was forgotten")
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
		plugin, pod := newWorld(t, config.DispersionArgs{}).plugin, instance("r-0", "p", "")
		plugin.wishes.put(slots.Group{Namespace: "ns", Policy: "p"}, pod, wish{slots: true, open: true})
		if got, err := plugin.nodeHelps(klog.Background(), pod, before, c.after); err != nil || got != c.want {
			t.Errorf("%s: %v, %v, want %v", name, got, err, c.want)
		}
	}
}
