package simulation

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// What a kubelet makes of a resize: more than its node has at all is infeasible, more than is free just now is deferred and looked at
// again, and everything else is done in a moment, without a restart.

const retryResize = 20 * time.Second

// room is what a node has, and what the other pods on it ask for.
func (w *World) room(m *machine, but types.UID, of corev1.ResourceName) (has, free int64) {
	node, there := find[*corev1.Node](w, types.NamespacedName{Name: m.name})
	if !there {
		return 0, 0
	}
	quantity := node.Status.Allocatable[of]
	has = quantity.MilliValue()
	free = has
	for _, pod := range all[*corev1.Pod](w) {
		if pod.Spec.NodeName == m.name && pod.UID != but && !ended(pod) {
			free -= asks(pod, of)
		}
	}
	return has, free
}

// asks is what the containers of a pod request, in thousandths.
func asks(pod *corev1.Pod, of corev1.ResourceName) (n int64) {
	for i := range pod.Spec.Containers {
		q := pod.Spec.Containers[i].Resources.Requests[of]
		n += q.MilliValue()
	}
	return n
}

// judgeResize is why a resize cannot be done now, "" if it can.
func (w *World) judgeResize(m *machine, pod *corev1.Pod) (why, words string) {
	for _, of := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		has, free := w.room(m, pod.UID, of)
		switch want := asks(pod, of); {
		case want > has:
			return corev1.PodReasonInfeasible, fmt.Sprintf("Node didn't have enough capacity: %s", of)
		case want > free:
			why, words = corev1.PodReasonDeferred, fmt.Sprintf("Node didn't have enough resource: %s", of)
		}
	}
	return why, words
}

// resizing are the containers whose resources are not as the pod has them.
func (p *process) resizing(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.Containers, func(want corev1.Container) bool {
		return slices.ContainsFunc(p.containers, func(c *container) bool {
			return c.name == want.Name && !equality.Semantic.DeepEqual(c.has, want.Resources)
		})
	})
}

// resize carries out a resize that can be.
func (w *World) resize(m *machine, pod *corev1.Pod, p *process) {
	if !p.resizing(pod) {
		return
	}
	if why, _ := w.judgeResize(m, pod); why != "" {
		w.once("resize "+string(p.pod), retryResize, func() { w.kubelet(m.name, p.name) })
		return
	}
	w.once("resize "+string(p.pod), w.between(100*time.Millisecond, 2*time.Second), func() {
		now, there := find[*corev1.Pod](w, p.name)
		if !there || now.UID != p.pod || !m.alive(p) {
			return
		}
		if why, _ := w.judgeResize(m, now); why == "" {
			for _, want := range now.Spec.Containers {
				for _, c := range p.containers {
					if c.name == want.Name {
						c.has = want.Resources
					}
				}
			}
		}
		w.kubelet(m.name, p.name)
	})
}

// reportResize writes the conditions of a resize.
func (w *World) reportResize(pod *corev1.Pod, p *process, to *corev1.Pod) {
	s := &to.Status
	was := slices.Clone(s.Conditions)
	s.Conditions = slices.DeleteFunc(slices.Clone(s.Conditions), func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodResizePending || c.Type == corev1.PodResizeInProgress
	})
	m := w.machines[pod.Spec.NodeName]
	if !p.resizing(pod) || m == nil {
		return
	}
	c := corev1.PodCondition{Type: corev1.PodResizeInProgress, Status: corev1.ConditionTrue, ObservedGeneration: pod.Generation}
	if why, words := w.judgeResize(m, pod); why != "" {
		c.Type, c.Reason, c.Message = corev1.PodResizePending, why, words
	}
	c.LastTransitionTime = metav1.NewTime(time.Now().Truncate(time.Second))
	for _, old := range was {
		if old.Type == c.Type && old.Status == c.Status {
			c.LastTransitionTime, c.LastProbeTime = old.LastTransitionTime, old.LastProbeTime
		}
	}
	s.Conditions = append(s.Conditions, c)
}
