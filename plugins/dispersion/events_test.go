package dispersion

import (
	"fmt"
	"maps"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/slots"
)

// happening is an event as the scheduler's queue gets it.
type happening struct {
	resource      fwk.EventResource
	action        fwk.ActionType
	before, after any
}

func podGoes(pod *corev1.Pod) happening { return happening{fwk.AssignedPod, fwk.Delete, pod, nil} }

func podComes(pod *corev1.Pod) happening { return happening{fwk.AssignedPod, fwk.Add, nil, pod} }

func nodeComes(n *corev1.Node) happening { return happening{fwk.Node, fwk.Add, nil, n} }

func nodeGoes(n *corev1.Node) happening { return happening{fwk.Node, fwk.Delete, n, nil} }

func claimGoes(c *corev1.PersistentVolumeClaim) happening {
	return happening{fwk.PersistentVolumeClaim, fwk.Delete, c, nil}
}

// changes is an object that changes, with the events that the scheduler makes of it.
func changes[T any](before *T, change func(*T)) []happening {
	var all []happening
	copied := func() *T {
		switch o := any(before).(type) {
		case *corev1.Pod:
			return any(o.DeepCopy()).(*T)
		case *corev1.Node:
			return any(o.DeepCopy()).(*T)
		case *corev1.PersistentVolumeClaim:
			return any(o.DeepCopy()).(*T)
		case *corev1.PersistentVolume:
			return any(o.DeepCopy()).(*T)
		}
		panic(fmt.Sprintf("not an object: %T", before))
	}
	after := copied()
	change(after)
	add := func(events ...fwk.ClusterEvent) {
		for _, e := range events {
			all = append(all, happening{e.Resource, e.ActionType, before, after})
		}
	}
	switch o := any(before).(type) {
	case *corev1.Pod:
		add(framework.PodSchedulingPropertiesChange(any(after).(*corev1.Pod), o, false)...)
	case *corev1.Node:
		add(framework.NodeSchedulingPropertiesChange(any(after).(*corev1.Node), o)...)
	case *corev1.PersistentVolumeClaim:
		add(fwk.ClusterEvent{Resource: fwk.PersistentVolumeClaim, ActionType: fwk.Update})
	case *corev1.PersistentVolume:
		add(fwk.ClusterEvent{Resource: fwk.PersistentVolume, ActionType: fwk.Update})
	}
	return all
}

// wakes asks the registered hints, as the queue does.
func (w *world) wakes(pod *corev1.Pod, events ...happening) bool {
	w.t.Helper()
	registered, err := w.plugin.EventsToRegister(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range events {
		for _, r := range registered {
			if r.Event.Resource != e.resource || r.Event.ActionType&e.action == 0 {
				continue
			}
			if r.QueueingHintFn == nil {
				return true
			}
			got, err := r.QueueingHintFn(klog.Background(), pod, e.before, e.after)
			if err != nil {
				w.t.Fatal(err)
			}
			if got == fwk.Queue {
				return true
			}
		}
	}
	return false
}

func nodeOf(name string, cpu int64) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}}}
	n.Status.Allocatable = corev1.ResourceList{
		corev1.ResourceCPU: *resource.NewQuantity(cpu, resource.DecimalSI), corev1.ResourcePods: *resource.NewQuantity(110, resource.DecimalSI),
	}
	return n
}

func on(pod *corev1.Pod, node string) *corev1.Pod {
	pod.Spec.NodeName = node
	return pod
}

func claimOn(name, group, node string) *corev1.PersistentVolumeClaim {
	c := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, Labels: map[string]string{}}}
	if group != "" {
		c.Labels[v1alpha1.LabelPlacementPolicy] = group
	}
	if node != "" {
		c.Annotations = map[string]string{slots.SelectedNode: node}
	}
	return c
}

func mountingClaim(pod *corev1.Pod, claim string) *corev1.Pod {
	pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
	}}}
	return pod
}

func label(key, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Labels[key] = value }
}

func labelClaim(key, value string) func(*corev1.PersistentVolumeClaim) {
	return func(c *corev1.PersistentVolumeClaim) { c.Labels[key] = value }
}

func cpus(n int64) func(*corev1.Node) {
	return func(node *corev1.Node) {
		node.Status.Allocatable[corev1.ResourceCPU] = *resource.NewQuantity(n, resource.DecimalSI)
	}
}

func cordon(n *corev1.Node) { n.Spec.Unschedulable = true }

// waking is a pod that a rule refuses, and what wakes it.
type waking struct {
	code    reason.Code
	pod     *corev1.Pod
	make    func(*world)
	wish    *wish // that of a pod which it is hard to bring into that state
	helps   map[string][]happening
	ignored map[string][]happening
}

func one(h happening) []happening { return []happening{h} }

// wakings has a case for each refusal of a node and of a pod.
func wakings() []waking {
	elsewhere := on(instance("x", "", ""), "elsewhere")
	small := placement.Limits{MaxPerNode: 1, MaxNodes: 1}
	return []waking{
		{
			code: reason.PolicyNotFound, pod: instance("r-0", "p", ""),
			make:    func(w *world) { w.node("a", 4, 110) },
			ignored: map[string][]happening{"a node comes": one(nodeComes(nodeOf("b", 4))), "a pod goes": one(podGoes(elsewhere)), "a sibling goes": one(podGoes(on(instance("r-1", "p", ""), "a")))},
		},
		{
			code: reason.NodeInstanceLimit, pod: instance("r-1", "p", ""),
			make: func(w *world) {
				w.limit("p", 2, small)
				w.node("a", 4, 110)
				w.bind(instance("r-0", "p", ""), "a")
			},
			helps: map[string][]happening{
				"the sibling goes":              one(podGoes(on(instance("r-0", "p", ""), "a"))),
				"the sibling is declared lost":  changes(on(instance("r-0", "p", ""), "a"), label(v1alpha1.LabelLost, "uid")),
				"a claim of the group goes":     one(claimGoes(claimOn("data-r-0", "p", "a"))),
				"a claim is declared lost":      changes(claimOn("data-r-0", "p", "a"), labelClaim(v1alpha1.LabelLost, "uid")),
				"a claim is retired":            changes(claimOn("data-r-0", "p", "a"), labelClaim(v1alpha1.LabelRetired, "true")),
				"a promise is taken back":       changes(claimOn("data-r-0", "p", "a"), func(c *corev1.PersistentVolumeClaim) { c.Annotations = nil }),
				"the node is out of service":    changes(nodeOf("a", 4), func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeOutOfService}} }),
				"a claim that may be ours goes": one(claimGoes(claimOn("data-r-0", "", "a"))),
			},
			ignored: map[string][]happening{
				"a foreign pod goes from the full node": one(podGoes(on(instance("x", "", ""), "a"))),
				"a foreign pod goes from another node":  one(podGoes(on(instance("x", "q", ""), "b"))),
				"the full node grows":                   changes(nodeOf("a", 4), cpus(8)),
				"a node comes, one more than K":         one(nodeComes(nodeOf("b", 4))),
				"a sibling gets a role":                 changes(on(instance("r-0", "p", ""), "a"), label("shoal.dev/role", "master")),
				"a claim gets a condition":              changes(claimOn("data-r-0", "p", "a"), func(c *corev1.PersistentVolumeClaim) { c.Status.Phase = corev1.ClaimBound }),
				"a claim of another group goes":         one(claimGoes(claimOn("data-q-0", "q", "a"))),
				"the node's heartbeat":                  changes(nodeOf("a", 4), func(n *corev1.Node) { n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady}} }),
				"a sibling is placed":                   one(podComes(on(instance("r-2", "p", ""), "a"))),
				"a node goes":                           one(nodeGoes(nodeOf("b", 4))),
			},
		},
		{
			code: reason.NodeCountLimit, pod: instance("r-1", "p", ""),
			make: func(w *world) {
				w.limit("p", 2, placement.Limits{MaxNodes: 1})
				w.node("a", 1, 110)
				w.node("b", 4, 110)
				w.bind(instance("r-0", "p", ""), "a")
			},
			helps: map[string][]happening{
				"the node in use grows":         changes(nodeOf("a", 1), cpus(2)),
				"the node in use is uncordoned": changes(cordoned(nodeOf("a", 1)), func(n *corev1.Node) { n.Spec.Unschedulable = false }),
				"a foreign pod goes from it":    one(podGoes(on(instance("x", "", ""), "a"))),
				"a foreign pod on it asks for less": changes(on(sized("x", "", "2"), "a"), func(p *corev1.Pod) {
					p.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("1")
				}),
				"a foreign pod goes, nobody says from": one(podGoes(instance("x", "q", ""))),
			},
			ignored: map[string][]happening{
				"another node grows":               changes(nodeOf("b", 4), cpus(8)),
				"a node comes":                     one(nodeComes(nodeOf("c", 4))),
				"a foreign pod goes from another":  one(podGoes(on(instance("x", "q", ""), "b"))),
				"the node in use shrinks":          changes(nodeOf("a", 2), cpus(1)),
				"the node in use gets a new label": changes(nodeOf("a", 1), func(n *corev1.Node) { n.Labels["x"] = "y" }),
			},
		},
		{
			code: reason.ShardPlanned, pod: sized("r-0", "", "4"),
			make: func(w *world) {
				w.limit("p", 3, placement.Limits{MaxNodes: 1})
				w.node("a", 4, 110)
				w.node("b", 3, 110)
				w.arrive(sized("r-1", "", "1"), sized("r-2", "", "1"))
			},
			helps:   keptIsHelpedBy(),
			ignored: map[string][]happening{"a cordoned node comes": one(nodeComes(cordoned(nodeOf("c", 4)))), "a sibling gets a role": changes(on(instance("r-9", "p", ""), "a"), label("shoal.dev/role", "master"))},
		},
		{
			code: reason.NodeTooSmall, pod: instance("r-1", "p", ""), // of what is left, all would fit on b alone, where others are nominated
			make: func(w *world) {
				w.plugin.args.MaxInstancesPerNode = 3
				w.limit("p", 4, placement.Limits{MaxNodes: 2})
				w.node("a", 1, 110)
				w.node("b", 4, 110)
				w.node("c", 1, 110)
				w.bind(instance("r-0", "p", ""), "a")
				for i := range 3 {
					other := instance(fmt.Sprintf("s-%d", i), "q", "")
					other.Status.NominatedNodeName = "b"
					w.arrive(other)
				}
			},
			helps:   keptIsHelpedBy(),
			ignored: cordonedComes(),
		},
		{
			code: reason.NotPlanned, pod: instance("r-1", "p", "s"), // a has its sibling, and b all that is planned for it
			make: func(w *world) {
				w.limit("p", 4, placement.Limits{MaxNodes: 3, MaxPerShard: 1})
				w.mode("p", v1alpha1.PlacementStrict)
				w.node("a", 4, 110)
				w.node("b", 4, 110)
				w.bind(instance("r-0", "p", "s"), "a")
				w.bind(instance("r-2", "p", "t"), "b")
				w.bind(instance("r-3", "p", "u"), "b")
			},
			helps:   keptIsHelpedBy(),
			ignored: cordonedComes(),
		},
		{
			code: reason.RoomNeeded, pod: instance("s-0", "small", ""),
			make: func(w *world) {
				w.limit("big", 3, placement.Limits{MaxNodes: 1})
				w.limit("small", 1, placement.Limits{MaxNodes: 1})
				w.node("a", 3, 110)
				first := instance("b-0", "big", "")
				w.arrive(first, instance("b-1", "big", ""), instance("b-2", "big", ""))
				w.schedule(first)
			},
			helps: map[string][]happening{
				"an instance of the other group goes":   one(podGoes(on(instance("b-0", "big", ""), "a"))),
				"the node grows":                        changes(nodeOf("a", 3), cpus(4)),
				"a claim of the other group goes":       one(claimGoes(claimOn("data-b-1", "big", "a"))),
				"a claim of the other group is retired": changes(claimOn("data-b-1", "big", "a"), labelClaim(v1alpha1.LabelRetired, "true")),
				"a volume of the other group goes":      one(happening{fwk.PersistentVolume, fwk.Delete, volumeOf("data-b-1"), nil}),
			},
			ignored: both(cordonedComes(), map[string][]happening{
				"a claim of the other group is bound": changes(claimOn("data-b-1", "big", "a"), func(c *corev1.PersistentVolumeClaim) { c.Spec.VolumeName = "pv" }),
				"a volume of the other group comes":   one(happening{fwk.PersistentVolume, fwk.Add, nil, volumeOf("data-b-1")}),
			}),
		},
		{
			code: reason.ShardSpreadLimit, pod: instance("r-1", "p", "s"),
			make: func(w *world) {
				w.limit("p", 2, placement.Limits{MaxPerShard: 1})
				w.node("a", 4, 110)
				w.bind(instance("r-0", "p", "s"), "a")
			},
			helps: map[string][]happening{
				"the sibling goes":      one(podGoes(on(instance("r-0", "p", "s"), "a"))),
				"a node comes":          one(nodeComes(nodeOf("b", 4))),
				"a node grows":          changes(nodeOf("b", 0), cpus(8)),
				"a node is uncordoned":  changes(cordoned(nodeOf("b", 1)), func(n *corev1.Node) { n.Spec.Unschedulable = false }),
				"a node loses a taint":  changes(tainted(nodeOf("b", 1)), func(n *corev1.Node) { n.Spec.Taints = nil }),
				"a foreign pod is gone": one(podGoes(on(instance("x", "", ""), "b"))),
			},
			ignored: map[string][]happening{
				"a cordoned node comes": one(nodeComes(cordoned(nodeOf("b", 4)))),
				"a node is tainted":     changes(nodeOf("b", 4), func(n *corev1.Node) { *n = *tainted(n) }),
				"a sibling is placed":   one(podComes(on(instance("r-2", "p", "t"), "b"))),
			},
		},
		{
			code: reason.NodeTotalLimit, pod: instance("r-1", "p", ""),
			make: func(w *world) {
				w.plugin.args.MaxInstancesPerNode = 1
				w.limit("p", 2, placement.Limits{})
				w.node("a", 4, 110)
				w.bind(instance("s-0", "q", ""), "a")
			},
			helps: map[string][]happening{
				"an instance of another group goes":    one(podGoes(on(instance("s-0", "q", ""), "a"))),
				"a claim of another group is retired":  changes(claimOn("data-s-0", "q", "a"), labelClaim(v1alpha1.LabelRetired, "true")),
				"an instance of another group is lost": changes(on(instance("s-0", "q", ""), "a"), label(v1alpha1.LabelLost, "uid")),
			},
			ignored: cordonedComes(),
		},
		{
			code: reason.VolumePinned, pod: mountingClaim(instance("r-1", "p", ""), "data-r-1"),
			make: func(w *world) {
				w.limit("p", 2, placement.Limits{})
				w.node("a", 4, 110)
				w.node("b", 4, 110)
				w.blocked["b"] = true
				w.add(w.plugin.claims, claimOn("data-r-1", "p", "b"))
			},
			helps: map[string][]happening{
				"its claim goes":                    one(claimGoes(claimOn("data-r-1", "p", "b"))),
				"its claim is promised to nobody":   changes(claimOn("data-r-1", "p", "b"), func(c *corev1.PersistentVolumeClaim) { c.Annotations = nil }),
				"its volume comes, and is where":    {{fwk.PersistentVolume, fwk.Add, nil, volumeOf("data-r-1")}},
				"its volume goes":                   {{fwk.PersistentVolume, fwk.Delete, volumeOf("data-r-1"), nil}},
				"a node has its volume's host name": changes(nodeOf("a", 1), func(n *corev1.Node) { n.Labels[corev1.LabelHostname] = "b" }),
				"its node comes back":               one(nodeComes(nodeOf("b", 4))),
				"its node may be used again":        changes(cordoned(nodeOf("b", 4)), func(n *corev1.Node) { n.Spec.Unschedulable = false }),
			},
			ignored: map[string][]happening{
				"a foreign pod goes":             one(podGoes(on(instance("x", "", ""), "a"))),
				"a node comes":                   one(nodeComes(nodeOf("c", 4))),
				"a sibling goes":                 one(podGoes(on(instance("r-0", "p", ""), "a"))),
				"another volume goes":            {{fwk.PersistentVolume, fwk.Delete, volumeOf("data-x"), nil}},
				"its volume gets another status": changes(volumeOf("data-r-1"), func(v *corev1.PersistentVolume) { v.Status.Phase = corev1.VolumeBound }),
			},
		},
		{
			code: reason.VolumeLost, pod: mountingClaim(instance("r-1", "p", ""), "data-r-1"),
			make: func(w *world) {
				w.limit("p", 2, placement.Limits{})
				w.node("a", 4, 110)
				claim := claimOn("data-r-1", "p", "b")
				claim.Labels[v1alpha1.LabelLost] = "uid"
				w.add(w.plugin.claims, claim)
			},
			helps:   map[string][]happening{"its claim goes": one(claimGoes(claimOn("data-r-1", "p", "b")))},
			ignored: map[string][]happening{"a node comes": one(nodeComes(nodeOf("c", 4))), "a foreign pod goes": one(podGoes(elsewhere)), "another claim goes": one(claimGoes(claimOn("data-r-0", "p", "b")))},
		},
		{
			code: reason.RoomPromised, pod: instance("r-1", "p", ""),
			make: func(w *world) {
				w.limit("p", 2, placement.Limits{MaxNodes: 1})
				w.node("a", 1, 110)
				w.add(w.plugin.claims, claimOn("data-r-0", "p", "a"))
			},
			helps: map[string][]happening{
				"the claim is retired": changes(claimOn("data-r-0", "p", "a"), labelClaim(v1alpha1.LabelRetired, "true")),
				"the node grows":       changes(nodeOf("a", 1), cpus(2)),
			},
			ignored: map[string][]happening{"a node comes, one more than K": one(nodeComes(nodeOf("b", 4)))},
		},
		{
			code: reason.RoomPromised, pod: sized("r-1", "", "2"), // what is kept is room for one like it, and r-0 is smaller
			make: func(w *world) {
				w.limit("p", 2, placement.Limits{})
				w.node("a", 3, 110)
				w.add(w.plugin.claims, claimOn("data-r-0", "p", "a"))
			},
			helps:   map[string][]happening{"the sibling comes": one(podComes(on(instance("r-0", "p", ""), "a")))},
			ignored: cordonedComes(),
		},
		{
			code: reason.RoomPromised, pod: instance("r-1", "p", ""),
			make: func(w *world) {
				w.limit("p", 2, placement.Limits{MaxPerNode: 1, MaxNodes: 1})
				w.bestEffort("p")
				w.node("a", 1, 110)
				w.add(w.plugin.claims, claimOn("data-r-0", "p", "a"))
			},
			helps: map[string][]happening{
				"a node comes, one more than K":        one(nodeComes(nodeOf("b", 4))),
				"the node grows, which holds M":        changes(nodeOf("a", 1), cpus(2)),
				"a foreign pod leaves a node":          one(podGoes(on(instance("x", "", ""), "a"))),
				"the claim is retired":                 changes(claimOn("data-r-0", "p", "a"), labelClaim(v1alpha1.LabelRetired, "true")),
				"a pod goes from a node of no sibling": one(podGoes(on(instance("x", "", ""), "b"))),
			},
			ignored: cordonedComes(),
		},
	}
}

// cordonedComes is what helps nobody who may not use the node.
func cordonedComes() map[string][]happening {
	return map[string][]happening{"a cordoned node comes": one(nodeComes(cordoned(nodeOf("z", 4))))}
}

// keptIsHelpedBy is what can change the guard or the plan for which nodes are kept from a pod.
func both(a, b map[string][]happening) map[string][]happening {
	maps.Copy(a, b)
	return a
}

func keptIsHelpedBy() map[string][]happening {
	return map[string][]happening{
		"a sibling is placed":     one(podComes(on(instance("r-9", "p", ""), "a"))),
		"a sibling goes":          one(podGoes(on(instance("r-9", "p", ""), "a"))),
		"a foreign pod goes":      one(podGoes(on(instance("x", "", ""), "a"))),
		"a node comes":            one(nodeComes(nodeOf("c", 4))),
		"a node goes":             one(nodeGoes(nodeOf("a", 4))),
		"a node grows":            changes(nodeOf("a", 4), cpus(8)),
		"a node shrinks":          changes(nodeOf("a", 4), cpus(2)),
		"a node cannot be used":   changes(nodeOf("a", 4), func(n *corev1.Node) { *n = *tainted(n) }),
		"a claim of the group go": one(claimGoes(claimOn("data-r-9", "p", "a"))),
	}
}

func cordoned(n *corev1.Node) *corev1.Node {
	cordon(n)
	return n
}

func tainted(n *corev1.Node) *corev1.Node {
	n.Spec.Taints = []corev1.Taint{{Key: "x", Effect: corev1.TaintEffectNoSchedule}}
	return n
}

func volumeOf(claim string) *corev1.PersistentVolume {
	v := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv-" + claim}}
	v.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "ns", Name: claim}
	return v
}

// TestEveryRefusalIsWoken: for each reason for which a pod is refused, what can make it disappear wakes the pod, and what cannot
// does not. SHOAL1106, 1107, 1113 and 1114 have no events of the scheduler's: see TestWake, TestStarvedPodsAreFed, and hold_test.go.
func TestEveryRefusalIsWoken(t *testing.T) {
	for _, c := range wakings() {
		t.Run(c.code.String(), func(t *testing.T) {
			w := newWorld(t, config.DispersionArgs{})
			c.wait(w)
			for what, events := range c.helps {
				if !w.wakes(c.pod, events...) {
					t.Errorf("%s: the pod goes on waiting", what)
				}
			}
			for what, events := range c.ignored {
				if w.wakes(c.pod, events...) {
					t.Errorf("%s: the pod is woken for nothing", what)
				}
			}
			if w.plugin.PreEnqueue(t.Context(), c.pod); w.plugin.knows(c.pod) {
				t.Error("the pod is about to be tried, and its wish is that of before")
			}
		})
	}
}

// wait brings the pod to where it is refused.
func (c waking) wait(w *world) {
	w.t.Helper()
	w.arrive(c.pod)
	if c.wish != nil {
		w.plugin.wishes.put(slots.Group{Namespace: "ns", Policy: "p"}, c.pod, *c.wish)
		return
	}
	c.make(w)
	node, refused := w.schedule(c.pod)
	found := false
	for _, status := range refused {
		found = found || status.Message() == c.code.Message()
	}
	if node != "" || !found {
		w.t.Fatalf("on %q, refused %v, want %s", node, refused, c.code)
	}
	if !w.plugin.knows(c.pod) {
		w.t.Error("nobody knows what the pod waits for")
	}
}

func (p *Plugin) knows(pod *corev1.Pod) bool {
	_, known := p.wishes.get(pod)
	return known
}

// Two small instances and a large one are to share the only node that the group may use, which the small ones get. When they are
// deleted before they were placed, it is free for the large one, and no event of the scheduler's says so.
func TestWhoIsKeptForASiblingIsTriedWhenItIsDeleted(t *testing.T) {
	for name, deleted := range map[string]*corev1.Pod{
		"a sibling that waited":        sized("r-1", "", "1"),
		"a pod of another group":       instance("s-0", "q", ""),
		"a sibling that was on a node": on(sized("r-1", "", "1"), "a"),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, config.DispersionArgs{})
			large := sized("r-0", "", "4")
			for _, c := range wakings() {
				if c.code == reason.ShardPlanned {
					c.pod = large
					c.wait(w)
				}
			}
			w.activated(nil)
			w.plugin.podGone(t.Context(), deleted)
			if got, want := w.activated(large), name == "a sibling that waited"; got != want {
				t.Errorf("the large one is tried again: %v, want %v", got, want)
			}
			w.activated(nil)
			w.plugin.podGone(t.Context(), deleted)
			if w.activated(large) {
				t.Error("it is tried again before it has failed again")
			}
		})
	}
}

// The sibling is deleted while the large one is tried: it is not among those yet that the deletion helps.
func TestWhatHappensDuringACycleIsNotMissed(t *testing.T) {
	for name, happens := range map[string]func(*world){
		"a sibling that waited is deleted": func(w *world) { w.plugin.podGone(t.Context(), sized("r-1", "", "1")) },
		"a policy comes": func(w *world) {
			w.plugin.wake(t.Context(), nil, &v1alpha1.PlacementPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "q"}})
		},
		"nothing": func(*world) {},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, config.DispersionArgs{})
			large := sized("r-0", "", "4")
			for _, c := range wakings() {
				if c.code == reason.ShardPlanned {
					c.pod = large
					c.wait(w)
				}
			}
			cs, _ := w.cycle(large)
			happens(w)
			w.activated(nil)
			w.plugin.PostFilter(t.Context(), cs, large, framework.NewDefaultNodeToStatus())
			if got, want := w.activated(large), name != "nothing"; got != want {
				t.Errorf("the pod is tried again: %v, want %v", got, want)
			}
		})
	}
}

// More pods than are remembered are woken by everything, rather than by nothing.
func TestUnknownWishesAreWoken(t *testing.T) {
	w := newWorld(t, config.DispersionArgs{})
	pod := instance("r-0", "p", "")
	for what, h := range map[string]happening{
		"a foreign pod goes": podGoes(on(instance("x", "", ""), "a")), "a sibling is placed": podComes(on(instance("r-1", "p", ""), "a")),
		"a node comes": nodeComes(nodeOf("a", 4)), "a claim goes": claimGoes(claimOn("data-r-1", "p", "a")),
		"a node goes": nodeGoes(nodeOf("a", 4)), "a node is tainted": changes(nodeOf("a", 4), func(n *corev1.Node) { *n = *tainted(n) })[0], "a node shrinks": changes(nodeOf("a", 4), cpus(2))[0],
	} {
		if !w.wakes(pod, h) {
			t.Errorf("%s: the pod goes on waiting", what)
		}
	}
	group := slots.Group{Namespace: "ns", Policy: "p"}
	for i := range maxWishes {
		w.plugin.wishes.put(group, instance(fmt.Sprintf("x-%d", i), "p", ""), wish{})
	}
	w.plugin.wishes.put(group, pod, wish{kept: true})
	w.plugin.podGone(t.Context(), instance("r-1", "p", ""))
	if !w.activated(pod) {
		t.Error("a sibling that waited is deleted: the pod goes on waiting")
	}
	if w.plugin.wishes.put(group, pod, wish{kept: true}); len(w.plugin.wishes.siblings[group]) != 1 {
		t.Error("it is not remembered again")
	}
	if w.plugin.wishes.drop(pod); len(w.plugin.wishes.siblings[group]) != 0 {
		t.Error("what is gone is remembered")
	}
}

// TestWhatReplans: the manager writes the status of a policy while its pods are being placed, and the plan must not change by that.
func TestWhatReplans(t *testing.T) {
	policy := func(change func(*v1alpha1.PlacementPolicy)) *v1alpha1.PlacementPolicy {
		p := &v1alpha1.PlacementPolicy{ObjectMeta: metav1.ObjectMeta{UID: "u", Generation: 1}}
		change(p)
		return p
	}
	sized := func(p *v1alpha1.PlacementPolicy) { p.Spec.Replicas = ptr.To[int32](3) }
	plain := func(*v1alpha1.PlacementPolicy) {}
	for what, c := range map[string]struct {
		base, change func(*v1alpha1.PlacementPolicy)
		want         bool
	}{
		"the first status of one that says how many there are": {sized, func(p *v1alpha1.PlacementPolicy) { p.Status.ObservedGeneration, p.Status.Replicas = 1, 3 }, false},
		"a count that the status found":                        {plain, func(p *v1alpha1.PlacementPolicy) { p.Status.Replicas = 3 }, true},
		"a status that has caught up":                          {plain, func(p *v1alpha1.PlacementPolicy) { p.Status.ObservedGeneration = 1 }, true},
		"other limits":                                         {sized, func(p *v1alpha1.PlacementPolicy) { p.Generation = 2 }, true},
		"another one of the same name":                         {sized, func(p *v1alpha1.PlacementPolicy) { p.UID = "v" }, true},
		"other conditions":                                     {plain, func(p *v1alpha1.PlacementPolicy) { p.Status.Conditions = []metav1.Condition{{Type: "Feasible"}} }, false},
	} {
		if got := replans(policy(c.base), policy(func(p *v1alpha1.PlacementPolicy) { c.base(p); c.change(p) })); got != c.want {
			t.Errorf("%s replans: %v", what, got)
		}
	}
}
