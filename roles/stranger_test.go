package roles

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// strangers are pods that a Service of the shard would select, and that are none of its instances.
var strangers = map[string]func(*corev1.Pod){
	"nobody's":                       func(p *corev1.Pod) { p.OwnerReferences = nil },
	"of a set that was deleted":      func(p *corev1.Pod) { p.OwnerReferences[0].UID = "before" },
	"of another operator":            func(p *corev1.Pod) { p.OwnerReferences[0].APIVersion = "workloads.example.com/v1" },
	"of another kind":                func(p *corev1.Pod) { p.OwnerReferences[0].Kind = "StatefulSet" },
	"not controlled":                 func(p *corev1.Pod) { p.OwnerReferences[0].Controller = ptr.To(false) },
	"by a name of no instance":       func(p *corev1.Pod) { p.Name = "evil-2" },
	"by the name of another shard's": func(p *corev1.Pod) { p.Name = "r-12" },
}

// A stranger that has the label master loses it before an instance gets it; what it reports is not heard, and nobody waits for it.
func TestStrangers(t *testing.T) {
	for name, make := range strangers {
		t.Run(name, func(t *testing.T) {
			stranger := aPod("r-2")
			stranger.Labels[v1alpha1.LabelRole] = "master"
			make(stranger)
			h := newHarness(t, aSet(), aPod("r-0"), aPod("r-1"), stranger)
			for pod, role := range map[string]agent.Role{"r-0": agent.RoleMaster, "r-1": agent.RoleReplica} {
				if err := h.report(t, pod, role, 0); err != nil {
					t.Fatal(err)
				}
			}
			if err := h.report(t, stranger.Name, agent.RoleMaster, 1<<62); !errors.Is(err, ErrStranger) {
				t.Errorf("its report: %v", err)
			}
			h.reconcile(t)
			if got := h.pod(t, stranger.Name).Labels[v1alpha1.LabelRole]; got != "" {
				t.Fatalf("the stranger has the label %s", got)
			}
			if got := h.pod(t, "r-0").Labels[v1alpha1.LabelRole]; got != "master" {
				t.Errorf("r-0 has the label %q", got)
			}
			if !strings.HasPrefix(h.patches[0], stranger.Name+" {") || !strings.HasPrefix(h.patches[len(h.patches)-1], "r-0 {") {
				t.Errorf("the stranger is not written to before r-0 has the label: %s", h.patches)
			}
			if len(h.told.lines) != 2 || !strings.HasPrefix(h.told.lines[0], "Warning StripStranger "+stranger.Name) {
				t.Errorf("events %q", h.told.lines)
			}
		})
	}
}

// The cache lacks a pod of the name of an instance that is a stranger and has the label.
func TestAStrangerThatTheCacheLacks(t *testing.T) {
	stranger := aPod("r-2")
	stranger.OwnerReferences, stranger.Labels[v1alpha1.LabelRole] = nil, "master"
	h := newHarness(t, aSet(), aPod("r-0"), aPod("r-1"), stranger)
	for pod, role := range map[string]agent.Role{"r-0": agent.RoleMaster, "r-1": agent.RoleReplica} {
		if err := h.report(t, pod, role, 0); err != nil {
			t.Fatal(err)
		}
	}
	h.stale["r-2"] = nil
	if after := h.reconcile(t); after != unseenRecheck {
		t.Errorf("looks again after %s", after)
	}
	if got := h.labels(t); got != ",replica,master" {
		t.Errorf("labels %s", got)
	}
	delete(h.stale, "r-2")
	h.reconcile(t)
	h.reconcile(t)
	if got := h.labels(t); got != "master,replica," {
		t.Errorf("labels %s", got)
	}
}

// A shard is looked at when its pods change hands.
func TestChangesOfOwnersAreHeard(t *testing.T) {
	h := three(t)
	for name, make := range map[string]func(*corev1.Pod){
		"nobody's": strangers["nobody's"], "another UID": strangers["of a set that was deleted"], "another group": strangers["of another operator"],
		"not controlled": strangers["not controlled"],
		"set":            func(p *corev1.Pod) { p.Labels[v1alpha1.LabelInstanceSet] = "q" }, "shard": func(p *corev1.Pod) { p.Labels[v1alpha1.LabelShard] = "r-1" },
	} {
		before, after := aPod("r-0"), aPod("r-0")
		make(after)
		if !h.podChanges().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}) {
			t.Errorf("%s: nobody hears", name)
		}
	}
	same := aPod("r-0")
	same.Annotations = map[string]string{"a": "b"}
	if h.podChanges().Update(event.UpdateEvent{ObjectOld: aPod("r-0"), ObjectNew: same}) {
		t.Error("an annotation decides something")
	}
}

// A shard of strangers alone has no verdict, and its set waits for none.
func TestAShardOfStrangers(t *testing.T) {
	stranger := aPod("r-2")
	stranger.OwnerReferences, stranger.Labels[v1alpha1.LabelRole] = nil, "master"
	h := newHarness(t, aSet(), stranger)
	h.reconcile(t)
	if got := h.pod(t, "r-2").Labels[v1alpha1.LabelRole]; got != "" {
		t.Errorf("it has the label %q", got)
	}
	if judged := h.verdicts.of(shardZero.owner()); len(judged) != 0 {
		t.Errorf("judged %v", judged)
	}
}

// What is not an instance any more has an address that somebody else may have got since: the master that Sentinels name is found
// all the same.
func TestAnAddressThatWasFreeAgain(t *testing.T) {
	for name, make := range map[string]func(*corev1.Pod){
		"evicted":  func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed },
		"done":     func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded },
		"lost":     func(p *corev1.Pod) { p.Labels[v1alpha1.LabelLost] = "node" },
		"stranger": func(p *corev1.Pod) { p.OwnerReferences = nil },
		"on a lost node": func(p *corev1.Pod) {
			p.Spec.NodeName = "lost"
		},
	} {
		t.Run(name, func(t *testing.T) {
			dead := aPod("r-2")
			dead.Status.PodIP = "10.0.0.10" // of r-0
			make(dead)
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "lost"}}
			node.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeOutOfService, Effect: corev1.TaintEffectNoExecute}}
			h := newHarness(t, aSet(), aPod("r-0"), aPod("r-1"), dead, node)
			h.naming = Naming{Heard: true, Agreed: true, Addr: "10.0.0.10:6379", Epoch: 3}
			for pod, role := range map[string]agent.Role{"r-0": agent.RoleMaster, "r-1": agent.RoleReplica} {
				if err := h.report(t, pod, role, 3); err != nil {
					t.Fatal(err)
				}
			}
			h.reconcile(t)
			h.reconcile(t)
			if got := h.labels(t); got != "master,replica," {
				t.Errorf("labels %s", got)
			}
		})
	}
}

// Two live pods of one address, as on the network of their node: nobody is named, and the label stays where it is.
func TestAnAddressOfTwo(t *testing.T) {
	h := three(t)
	h.naming.Static = false
	h.hear(t, "r-0", 3)
	h.reconcile(t)
	other := h.pod(t, "r-1")
	other.Status.PodIP = "10.0.0.10"
	if err := h.client.Status().Update(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	h.naming.Addr = "10.0.0.10:6379"
	h.reconcile(t)
	if got := h.labels(t); got != "master,replica,replica" {
		t.Errorf("labels %s", got)
	}
}
