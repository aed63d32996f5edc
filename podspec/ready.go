package podspec

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// returnLag is how long the kubelet may need to say that a pod is ready again once its agent runs again.
const returnLag = 10 * time.Second

// EngineReady reports whether the engine of an instance is ready, and since when (zero if it is not). It is what the pod's
// condition Ready says, but for the agent: the kubelet counts every sidecar, and an instance serves without its agent too.
//
// While the agent alone is not ready, nobody says of the pod that its node is silent: the node lifecycle controller writes the
// same condition, which is false already. Whoever asks has to look at the node (AgentDown).
//
// Since is exact as long as the agent has run without a break. Otherwise it is the start of the container that started last: a
// probe that succeeded later is not known of.
func EngineReady(pod *corev1.Pod) (ready bool, since time.Time) {
	c := condition(pod, corev1.PodReady)
	switch {
	case c == nil:
		return false, time.Time{}
	case c.Status == corev1.ConditionTrue:
		if back := agentStarted(pod); back.After(lastStart(pod)) && c.LastTransitionTime.Sub(back) <= returnLag {
			return true, lastStart(pod)
		}
		return true, c.LastTransitionTime.Time
	case AgentDown(pod):
		return true, lastStart(pod)
	}
	return false, time.Time{}
}

// AgentDown reports whether a pod is not ready because of its agent alone: everything else that the kubelet asks for is.
func AgentDown(pod *corev1.Pod) bool {
	c := condition(pod, corev1.PodReady)
	if c == nil || c.Status == corev1.ConditionTrue || pod.Status.Phase != corev1.PodRunning || len(pod.Spec.Containers) == 0 || !HasAgent(pod) {
		return false
	}
	if s := status(pod.Status.InitContainerStatuses, AgentContainer); s == nil || s.Ready {
		return false // whoever says that the pod is not ready does not mean the agent
	}
	for _, engine := range pod.Spec.Containers {
		if s := status(pod.Status.ContainerStatuses, engine.Name); s == nil || !s.Ready {
			return false
		}
	}
	for _, sidecar := range pod.Spec.InitContainers {
		if sidecar.Name == AgentContainer || sidecar.RestartPolicy == nil || *sidecar.RestartPolicy != corev1.ContainerRestartPolicyAlways {
			continue
		}
		if s := status(pod.Status.InitContainerStatuses, sidecar.Name); s == nil || !s.Ready {
			return false
		}
	}
	return !slices.ContainsFunc(pod.Spec.ReadinessGates, func(g corev1.PodReadinessGate) bool {
		c := condition(pod, g.ConditionType)
		return c == nil || c.Status != corev1.ConditionTrue
	})
}

func condition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	if n := slices.IndexFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == kind }); n >= 0 {
		return &pod.Status.Conditions[n]
	}
	return nil
}

func status(all []corev1.ContainerStatus, name string) *corev1.ContainerStatus {
	if n := slices.IndexFunc(all, func(s corev1.ContainerStatus) bool { return s.Name == name }); n >= 0 {
		return &all[n]
	}
	return nil
}

// agentStarted is when the agent that runs now was started, zero if none runs.
func agentStarted(pod *corev1.Pod) time.Time {
	if s := status(pod.Status.InitContainerStatuses, AgentContainer); s != nil && s.State.Running != nil {
		return s.State.Running.StartedAt.Time
	}
	return time.Time{}
}

// lastStart is when the container of the engine that started last was started.
func lastStart(pod *corev1.Pod) time.Time {
	var last time.Time
	for _, s := range pod.Status.ContainerStatuses {
		if s.State.Running != nil && s.State.Running.StartedAt.After(last) {
			last = s.State.Running.StartedAt.Time
		}
	}
	return last
}

// provenAfter is for how long an agent must have run for its image to be taken for one that works: one that does not know an
// argument ends within a second.
const provenAfter = 10 * time.Second

// AgentProven reports whether the pod's agent runs, or has run, long enough to say that its image is there and that it
// understands its arguments.
func AgentProven(pod *corev1.Pod, now time.Time) bool {
	s := status(pod.Status.InitContainerStatuses, AgentContainer)
	if s == nil || !HasAgent(pod) {
		return false
	}
	for _, state := range []corev1.ContainerState{s.State, s.LastTerminationState} {
		if t := state.Terminated; t != nil && t.FinishedAt.Sub(t.StartedAt.Time) >= provenAfter {
			return true
		}
	}
	return s.State.Running != nil && now.Sub(s.State.Running.StartedAt.Time) >= provenAfter
}
