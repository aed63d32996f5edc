package slots

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/component-helpers/resource"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// Room tells which nodes the instances of a group can use, and how many of them fit. It treats the instances as equal
// to one of them.
type Room struct {
	pod      *corev1.Pod
	affinity nodeaffinity.RequiredNodeAffinity
	request  Amount
}

// RoomFor is the room for further pods like this one.
func RoomFor(pod *corev1.Pod) Room {
	return Room{pod: pod, affinity: nodeaffinity.GetRequiredNodeAffinity(pod), request: RequestOf(pod)}
}

// Usable is false for a node that the pod may not use: cordoned, tainted, or excluded by its affinity. Those are the
// rules that hold for every pod of the group and last; the scheduler's other plugins have the final say on one pod.
func (r Room) Usable(node *corev1.Node) bool {
	if match, err := r.affinity.Match(node); err != nil || !match {
		return false
	}
	_, repelled := corev1helpers.FindMatchingUntoleratedTaint(logr.Discard(), taintsOf(node), r.pod.Spec.Tolerations, repels, false)
	return !repelled
}

// Discouraged is true for a node that asks pods to stay away where they can, by a taint that the pod does not tolerate.
func (r Room) Discouraged(node *corev1.Node) bool {
	if len(node.Spec.Taints) == 0 {
		return false
	}
	soft := func(t *corev1.Taint) bool { return t.Effect == corev1.TaintEffectPreferNoSchedule }
	_, discouraged := corev1helpers.FindMatchingUntoleratedTaint(logr.Discard(), node.Spec.Taints, r.pod.Spec.Tolerations, soft, false)
	return discouraged
}

// Cordoned is true for a node that the pod may not use only because somebody cordoned it.
func (r Room) Cordoned(node *corev1.Node) bool {
	if !node.Spec.Unschedulable || r.Usable(node) {
		return false
	}
	open := &corev1.Node{ObjectMeta: node.ObjectMeta}
	for _, taint := range node.Spec.Taints {
		if taint.Key != corev1.TaintNodeUnschedulable { // the node controller adds it to every cordoned node
			open.Spec.Taints = append(open.Spec.Taints, taint)
		}
	}
	return r.Usable(open)
}

// taintsOf adds the taint that spec.unschedulable stands for, as upstream's plugin NodeUnschedulable does.
func taintsOf(node *corev1.Node) []corev1.Taint {
	if !node.Spec.Unschedulable {
		return node.Spec.Taints
	}
	cordon := corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}
	return append(append([]corev1.Taint(nil), node.Spec.Taints...), cordon)
}

func repels(t *corev1.Taint) bool {
	return t.Effect == corev1.TaintEffectNoSchedule || t.Effect == corev1.TaintEffectNoExecute
}

// Covers reports whether the room is also that for another pod: it asks for the same, and may use the same nodes.
func (r Room) Covers(pod *corev1.Pod) bool {
	return r.SameNodes(pod) && (AskAlike(r.pod, pod) || r.request.Equal(RequestOf(pod)))
}

// AskAlike reports whether two pods ask for the same in the same words, as the pods of one template do. It is there to save the
// sum over their containers, which costs several microseconds; pods for which it is false may ask for the same nevertheless.
func AskAlike(a, b *corev1.Pod) bool {
	return a.Spec.Resources == nil && b.Spec.Resources == nil && sameQuantities(a.Spec.Overhead, b.Spec.Overhead) &&
		sameRequests(a.Spec.Containers, b.Spec.Containers) && sameRequests(a.Spec.InitContainers, b.Spec.InitContainers)
}

// sameRequests goes by the place of containers: one is several hundred bytes, which a function of two containers would be given copies of.
func sameRequests(a, b []corev1.Container) bool {
	if len(a) != len(b) {
		return false
	}
	always := func(c *corev1.Container) bool {
		return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
	}
	for i := range a {
		if always(&a[i]) != always(&b[i]) || !sameQuantities(a[i].Resources.Requests, b[i].Resources.Requests) {
			return false
		}
	}
	return true
}

func sameQuantities(a, b corev1.ResourceList) bool {
	return maps.EqualFunc(a, b, func(x, y apiresource.Quantity) bool { return x.Cmp(y) == 0 })
}

// SameNodes reports whether another pod may use the same nodes, whatever it asks for.
func (r Room) SameNodes(pod *corev1.Pod) bool { return SameNodes(r.pod, pod) }

// SameNodes reports whether two pods may use the same nodes, whatever they ask for.
func SameNodes(one, other *corev1.Pod) bool {
	a, b := &one.Spec, &other.Spec
	x, y := nodeAffinityOf(a), nodeAffinityOf(b)
	return slices.EqualFunc(a.Tolerations, b.Tolerations, sameToleration) && maps.Equal(a.NodeSelector, b.NodeSelector) &&
		(x == y || equality.Semantic.DeepEqual(x, y))
}

// NodesFor puts into words which nodes a pod may use: those of two pods are the same where SameNodes is true.
func NodesFor(pod *corev1.Pod) string {
	words, err := json.Marshal(struct {
		NodeSelector map[string]string    `json:",omitempty"`
		Affinity     *corev1.NodeSelector `json:",omitempty"`
		Tolerations  []corev1.Toleration  `json:",omitempty"`
	}{pod.Spec.NodeSelector, nodeAffinityOf(&pod.Spec), pod.Spec.Tolerations})
	if err != nil { // all of these can be written
		return err.Error()
	}
	return string(words)
}

// sameToleration is asked for every pod, and reflection would take microseconds.
func sameToleration(a, b corev1.Toleration) bool {
	if a.TolerationSeconds != nil && b.TolerationSeconds != nil && *a.TolerationSeconds == *b.TolerationSeconds {
		a.TolerationSeconds, b.TolerationSeconds = nil, nil
	}
	return a == b
}

func nodeAffinityOf(spec *corev1.PodSpec) *corev1.NodeSelector {
	if spec.Affinity == nil || spec.Affinity.NodeAffinity == nil {
		return nil
	}
	return spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
}

// String names the amount; equal amounts have the same name.
func (a Amount) String() string {
	text := fmt.Sprintf("cpu=%dm memory=%d ephemeral-storage=%d pods=%d", a.MilliCPU, a.Memory, a.EphemeralStorage, a.Pods)
	for _, name := range slices.Sorted(maps.Keys(a.Extended)) {
		text += fmt.Sprintf(" %s=%d", name, a.Extended[name])
	}
	return text
}

// Dimensions are the numbers of an amount in a fixed order: thousandths of a CPU, bytes of memory and of ephemeral storage, pods, and
// the extended resources of those names.
func (a Amount) Dimensions(extended []corev1.ResourceName) []int64 {
	all := []int64{a.MilliCPU, a.Memory, a.EphemeralStorage, a.Pods}
	for _, name := range extended {
		all = append(all, a.Extended[name])
	}
	return all
}

// Equal reports whether both are the same.
func (a Amount) Equal(b Amount) bool {
	return a.MilliCPU == b.MilliCPU && a.Memory == b.Memory && a.EphemeralStorage == b.EphemeralStorage && a.Pods == b.Pods &&
		maps.Equal(a.Extended, b.Extended)
}

// Fits reports whether the amount fits into what is free.
func (a Amount) Fits(free Amount) bool {
	for name, asked := range a.Extended {
		if asked > 0 && free.Extended[name] < asked {
			return false
		}
	}
	enough := func(free, asked int64) bool { return asked <= 0 || free >= asked }
	return enough(free.MilliCPU, a.MilliCPU) && enough(free.Memory, a.Memory) &&
		enough(free.EphemeralStorage, a.EphemeralStorage) && enough(free.Pods, a.Pods)
}

// Request is what one of the pods asks for.
func (r Room) Request() Amount { return r.request }

// Fit is the number of pods that fit into what is free; 0 when something is overcommitted already.
func (r Room) Fit(free Amount) int {
	n := free.Pods
	n = min(n, times(free.MilliCPU, r.request.MilliCPU))
	n = min(n, times(free.Memory, r.request.Memory))
	n = min(n, times(free.EphemeralStorage, r.request.EphemeralStorage))
	for name, asked := range r.request.Extended {
		n = min(n, times(free.Extended[name], asked))
	}
	return int(max(n, 0))
}

func times(free, request int64) int64 {
	if request <= 0 {
		return math.MaxInt32
	}
	return free / request
}

// Amount is what is asked for, or what is free: thousandths of a CPU, bytes, pods, and extended resources by name.
type Amount struct {
	MilliCPU, Memory, EphemeralStorage, Pods int64
	Extended                                 map[corev1.ResourceName]int64
}

// AmountOf reads a list of resources.
func AmountOf(list corev1.ResourceList) Amount {
	var a Amount
	for name, q := range list {
		switch name {
		case corev1.ResourceCPU:
			a.MilliCPU = q.MilliValue()
		case corev1.ResourceMemory:
			a.Memory = q.Value()
		case corev1.ResourceEphemeralStorage:
			a.EphemeralStorage = q.Value()
		case corev1.ResourcePods:
			a.Pods = q.Value()
		default:
			if a.Extended == nil {
				a.Extended = map[corev1.ResourceName]int64{}
			}
			a.Extended[name] = q.Value()
		}
	}
	return a
}

// RequestOf is what a pod asks for, counted as the scheduler does, and one pod.
func RequestOf(pod *corev1.Pod) Amount {
	a := AmountOf(resource.PodRequests(pod, resource.PodResourcesOptions{}))
	a.Pods = 1
	return a
}

// Minus is what is left.
func (a Amount) Minus(b Amount) Amount {
	left := Amount{
		MilliCPU: a.MilliCPU - b.MilliCPU, Memory: a.Memory - b.Memory,
		EphemeralStorage: a.EphemeralStorage - b.EphemeralStorage, Pods: a.Pods - b.Pods,
	}
	if len(a.Extended) > 0 {
		left.Extended = make(map[corev1.ResourceName]int64, len(a.Extended))
		for name, n := range a.Extended {
			left.Extended[name] = n - b.Extended[name]
		}
	}
	return left
}

// Plus is the sum.
func (a Amount) Plus(b Amount) Amount {
	total := Amount{
		MilliCPU: a.MilliCPU + b.MilliCPU, Memory: a.Memory + b.Memory,
		EphemeralStorage: a.EphemeralStorage + b.EphemeralStorage, Pods: a.Pods + b.Pods,
		Extended: a.Extended,
	}
	if len(b.Extended) > 0 {
		total.Extended = maps.Clone(a.Extended)
		if total.Extended == nil {
			total.Extended = map[corev1.ResourceName]int64{}
		}
		for name, n := range b.Extended {
			total.Extended[name] += n
		}
	}
	return total
}
