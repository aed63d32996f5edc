package dispersion

import (
	"context"
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// room tells how many more pods like this one a node could take: the guard treats the instances of a group as equal.
type room struct {
	logger   klog.Logger
	pod      *corev1.Pod
	affinity nodeaffinity.RequiredNodeAffinity
	request  *framework.Resource
}

func newRoom(ctx context.Context, pod *corev1.Pod) room {
	return room{
		logger:   loggerOf(ctx),
		pod:      pod,
		affinity: nodeaffinity.GetRequiredNodeAffinity(pod),
		request:  framework.NewResource(resource.PodRequests(pod, resource.PodResourcesOptions{})),
	}
}

// on is 0 for a node that the pod may not use: cordoned, tainted, or excluded by its affinity. Those are the rules that
// hold for every pod of the group and last; the other plugins have the final say on this pod.
func (r room) on(info fwk.NodeInfo) int {
	node := info.Node()
	if match, err := r.affinity.Match(node); err != nil || !match {
		return 0
	}
	if _, repelled := corev1helpers.FindMatchingUntoleratedTaint(r.logger, taintsOf(node), r.pod.Spec.Tolerations, repels, false); repelled {
		return 0
	}
	return fits(info.GetAllocatable(), info.GetRequested(), r.request, len(info.GetPods()))
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

// fits is the number of times that the request fits into what is free.
func fits(allocatable, requested, request fwk.Resource, pods int) int {
	n := int64(allocatable.GetAllowedPodNumber() - pods)
	n = min(n, times(allocatable.GetMilliCPU()-requested.GetMilliCPU(), request.GetMilliCPU()))
	n = min(n, times(allocatable.GetMemory()-requested.GetMemory(), request.GetMemory()))
	n = min(n, times(allocatable.GetEphemeralStorage()-requested.GetEphemeralStorage(), request.GetEphemeralStorage()))
	for name, amount := range request.GetScalarResources() {
		n = min(n, times(allocatable.GetScalarResources()[name]-requested.GetScalarResources()[name], amount))
	}
	return int(max(n, 0))
}

func times(free, request int64) int64 {
	if request <= 0 {
		return math.MaxInt32
	}
	return free / request
}
