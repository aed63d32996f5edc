package loadbalance

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/load"
	"github.com/shoal-dev/shoal/slots"
)

const mbps = 1_000_000 // bits per second

// network is what each direction of traffic is called: the resource, and the annotation of CNI plugins.
var network = [load.Dimensions]struct {
	resource   corev1.ResourceName
	annotation string
}{
	load.Ingress: {v1alpha1.ResourceNetIngress, v1alpha1.AnnotationIngressBandwidth},
	load.Egress:  {v1alpha1.ResourceNetEgress, v1alpha1.AnnotationEgressBandwidth},
}

// demand is what a pod adds to a node.
type demand struct {
	// requested is compared with what the pods of a node request; expected with what was measured. In the units of load.
	requested, expected [load.Dimensions]int64
	// annotated is the part of requested that stands in annotations only, where NodeResourcesFit does not see it.
	annotated [load.Dimensions]int64
}

// Clone returns the demand itself: nobody changes it.
func (d *demand) Clone() fwk.StateData { return d }

// bandwidth reports whether the pod wants any.
func (d *demand) bandwidth() bool {
	return d.requested[load.Ingress] > 0 || d.requested[load.Egress] > 0
}

// asked is a pod and its demand.
type asked struct {
	pod *corev1.Pod
	demand
}

// demandOf is remembered for the pods of one template that come one after the other.
func (p *Plugin) demandOf(pod *corev1.Pod) (*demand, *fwk.Status) {
	if last := p.last.Load(); last != nil && alike(last.pod, pod) {
		return &last.demand, nil
	}
	info, err := framework.NewPodInfo(pod)
	if err != nil {
		return nil, fwk.AsStatus(fmt.Errorf("reading the requests of the pod: %w", err))
	}
	now := &asked{pod, newDemand(info)}
	p.last.Store(now)
	return &now.demand, nil
}

// alike is false if the pods may have different demands.
func alike(a, b *corev1.Pod) bool {
	for _, key := range [...]string{v1alpha1.AnnotationMaxMemory, v1alpha1.AnnotationIngressBandwidth, v1alpha1.AnnotationEgressBandwidth} {
		if a.Annotations[key] != b.Annotations[key] {
			return false
		}
	}
	if !slots.AskAlike(a, b) { // they have as many containers as well
		return false
	}
	for i := range a.Spec.Containers {
		x, y := &a.Spec.Containers[i], &b.Spec.Containers[i]
		if !slices.Equal(x.Command, y.Command) || !slices.Equal(x.Args, y.Args) {
			return false
		}
	}
	return true
}

// newDemand counts a pod that requests nothing as upstream does (100m and 200 MB), or many of them would pile up on one
// node.
func newDemand(info fwk.PodInfo) demand {
	pod, r := info.GetPod(), info.CalculateResource()
	var d demand
	d.requested[load.CPU], d.requested[load.Memory] = r.Non0CPU, r.Non0Mem
	for _, direction := range []load.Dimension{load.Ingress, load.Egress} {
		d.requested[direction] = times(r.Resource.GetScalarResources()[network[direction].resource], mbps)
		if d.requested[direction] == 0 {
			d.annotated[direction] = annotated(pod, direction)
			d.requested[direction] = d.annotated[direction]
		}
	}
	d.expected = d.requested
	d.expected[load.Memory] = max(d.expected[load.Memory], redisMemory(pod))
	return d
}

// shaped reports whether the pod has an annotation for its bandwidth.
func shaped(pod *corev1.Pod) bool {
	_, ingress := pod.Annotations[v1alpha1.AnnotationIngressBandwidth]
	_, egress := pod.Annotations[v1alpha1.AnnotationEgressBandwidth]
	return ingress || egress
}

// annotated is what CNI plugins shape the pod to, in bits per second, in whole Mbit/s like the resource. What is not
// understood is nothing: the CNI plugin will say so.
func annotated(pod *corev1.Pod, direction load.Dimension) int64 {
	text, ok := pod.Annotations[network[direction].annotation]
	if !ok {
		return 0
	}
	q, err := resource.ParseQuantity(text)
	if err != nil || q.Sign() <= 0 {
		return 0
	}
	return times((q.Value()-1)/mbps+1, mbps)
}

// redisMemory is what the Redis of a pod will use when it is full: maxmemory counts the data, and buffers and
// fragmentation come to about a tenth of it. 0 if it is not known.
func redisMemory(pod *corev1.Pod) int64 {
	limit := int64(0)
	if text, ok := pod.Annotations[v1alpha1.AnnotationMaxMemory]; ok {
		if q, err := resource.ParseQuantity(text); err == nil {
			limit = max(q.Value(), 0)
		}
	} else {
		for i := range pod.Spec.Containers {
			c := &pod.Spec.Containers[i]
			limit = max(limit, maxMemory(c.Args), maxMemory(c.Command))
		}
	}
	return limit + limit/10
}

// maxMemory finds "--maxmemory 4gb" or "--maxmemory=4gb" among the words of a command. Of several the last holds, as in
// redis-server.
func maxMemory(words []string) (bytes int64) {
	for i, word := range words {
		value, joined := strings.CutPrefix(word, "--maxmemory=")
		if word == "--maxmemory" && i+1 < len(words) {
			value, joined = words[i+1], true
		}
		if joined {
			bytes = redisBytes(value)
		}
	}
	return bytes
}

// redisUnits are those of redis.conf, longest suffix first.
var redisUnits = []struct {
	suffix string
	bytes  int64
}{{"kb", 1 << 10}, {"mb", 1 << 20}, {"gb", 1 << 30}, {"k", 1e3}, {"m", 1e6}, {"g", 1e9}, {"b", 1}, {"", 1}}

func redisBytes(text string) int64 {
	text = strings.ToLower(strings.TrimSpace(text))
	for _, unit := range redisUnits {
		if number, ok := strings.CutSuffix(text, unit.suffix); ok {
			n, err := strconv.ParseInt(number, 10, 64)
			if err != nil || n < 0 {
				return 0
			}
			return times(n, unit.bytes)
		}
	}
	return 0
}

// times multiplies amounts that are not negative, up to what an estimate with a tenth on top can hold.
func times(n, by int64) int64 {
	const most = math.MaxInt64 / 4
	if n > most/by {
		return most
	}
	return n * by
}

// runsSince is when the pod began to use what a measurement can see. The zero time if it has not begun: it was only just
// given its node, or pulls its image.
func runsSince(pod *corev1.Pod) time.Time {
	if pod.Status.Phase != corev1.PodRunning || pod.Status.StartTime == nil {
		return time.Time{}
	}
	since := pod.Status.StartTime.Time
	for i := range pod.Status.ContainerStatuses {
		// A container that was restarted has been measured before.
		c := &pod.Status.ContainerStatuses[i]
		if c.RestartCount == 0 && c.State.Running != nil && c.State.Running.StartedAt.After(since) {
			since = c.State.Running.StartedAt.Time
		}
	}
	return since
}
