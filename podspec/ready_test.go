package podspec

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var (
	noon   = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	always = corev1.ContainerRestartPolicyAlways
)

// ready is a pod with an agent, another sidecar and an engine, as the kubelet reports it: all was started at noon and is ready since
// then plus a minute.
func ready() *corev1.Pod {
	pod := &corev1.Pod{}
	pod.Spec.InitContainers = []corev1.Container{{Name: "first"}, {Name: "logs", RestartPolicy: &always}, {Name: AgentContainer, Image: "agent:v1", RestartPolicy: &always}}
	pod.Spec.Containers = []corev1.Container{{Name: "redis"}, {Name: "exporter"}}
	runs := func(name string, since time.Time) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: name, Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(since)}}}
	}
	pod.Status.Phase = corev1.PodRunning
	pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "first", Ready: true}, runs("logs", noon.Add(-2*time.Second)), runs(AgentContainer, noon.Add(-time.Second))}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{runs("redis", noon), runs("exporter", noon.Add(-time.Second))}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(noon.Add(time.Minute))}}
	return pod
}

func broken(pod *corev1.Pod, container string) {
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for n := range list {
			if list[n].Name == container {
				list[n].Ready, list[n].State = false, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
			}
		}
	}
	pod.Status.Conditions[0].Status, pod.Status.Conditions[0].LastTransitionTime = corev1.ConditionFalse, metav1.NewTime(noon.Add(time.Hour))
}

func TestEngineReady(t *testing.T) {
	for name, c := range map[string]struct {
		change    func(*corev1.Pod)
		ready     bool
		since     time.Time
		agentDown bool
	}{
		"all is well":                       {func(*corev1.Pod) {}, true, noon.Add(time.Minute), false},
		"nobody has said anything":          {func(p *corev1.Pod) { p.Status.Conditions = nil }, false, time.Time{}, false},
		"the agent does not run":            {func(p *corev1.Pod) { broken(p, AgentContainer) }, true, noon, true},
		"the engine does not run":           {func(p *corev1.Pod) { broken(p, "redis") }, false, time.Time{}, false},
		"another container does not run":    {func(p *corev1.Pod) { broken(p, "exporter") }, false, time.Time{}, false},
		"another sidecar does not run":      {func(p *corev1.Pod) { broken(p, "logs") }, false, time.Time{}, false},
		"neither agent nor engine":          {func(p *corev1.Pod) { broken(p, AgentContainer); broken(p, "redis") }, false, time.Time{}, false},
		"neither agent nor other sidecar":   {func(p *corev1.Pod) { broken(p, AgentContainer); broken(p, "logs") }, false, time.Time{}, false},
		"the node lifecycle controller":     {func(p *corev1.Pod) { p.Status.Conditions[0].Status = corev1.ConditionFalse }, false, time.Time{}, false},
		"the pod has ended":                 {func(p *corev1.Pod) { broken(p, AgentContainer); p.Status.Phase = corev1.PodFailed }, false, time.Time{}, false},
		"the engine was never started":      {func(p *corev1.Pod) { broken(p, AgentContainer); p.Status.ContainerStatuses = nil }, false, time.Time{}, false},
		"the container is no agent of ours": {func(p *corev1.Pod) { broken(p, AgentContainer); p.Spec.InitContainers[2].RestartPolicy = nil }, false, time.Time{}, false},
		"a gate is shut": {func(p *corev1.Pod) {
			broken(p, AgentContainer)
			p.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "load-balancer"}}
		}, false, time.Time{}, false},
		"a gate is open": {func(p *corev1.Pod) {
			broken(p, AgentContainer)
			p.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "load-balancer"}}
			p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: "load-balancer", Status: corev1.ConditionTrue})
		}, true, noon, true},
		// The time since the engine is ready does not begin anew with each start of the agent.
		"the agent came back": {func(p *corev1.Pod) {
			p.Status.InitContainerStatuses[2].State.Running.StartedAt = metav1.NewTime(noon.Add(time.Hour))
			p.Status.Conditions[0].LastTransitionTime = metav1.NewTime(noon.Add(time.Hour + 2*time.Second))
		}, true, noon, false},
		"the agent came back, and later the engine's probe failed for a while": {func(p *corev1.Pod) {
			p.Status.InitContainerStatuses[2].State.Running.StartedAt = metav1.NewTime(noon.Add(time.Hour))
			p.Status.Conditions[0].LastTransitionTime = metav1.NewTime(noon.Add(2 * time.Hour))
		}, true, noon.Add(2 * time.Hour), false},
	} {
		pod := ready()
		c.change(pod)
		if got, since := EngineReady(pod); got != c.ready || !since.Equal(c.since) || AgentDown(pod) != c.agentDown {
			t.Errorf("%s: ready %t since %s, agent down %t; want %t, %s, %t", name, got, since, AgentDown(pod), c.ready, c.since, c.agentDown)
		}
	}
}

func TestAgentProven(t *testing.T) {
	terminated := func(pod *corev1.Pod, last bool, ran time.Duration) {
		ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{StartedAt: metav1.NewTime(noon), FinishedAt: metav1.NewTime(noon.Add(ran))}}
		s := &pod.Status.InitContainerStatuses[2]
		if s.State = ended; last {
			s.State, s.LastTerminationState = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}, ended
		}
	}
	for name, c := range map[string]struct {
		change func(*corev1.Pod)
		proven bool
	}{
		"it runs": {func(*corev1.Pod) {}, true},
		"it has just been started": {func(p *corev1.Pod) {
			p.Status.InitContainerStatuses[2].State.Running.StartedAt = metav1.NewTime(noon.Add(59 * time.Second))
		}, false},
		"its image cannot be pulled":          {func(p *corev1.Pod) { broken(p, AgentContainer) }, false},
		"it ends at once, again and again":    {func(p *corev1.Pod) { terminated(p, true, time.Second) }, false},
		"it has just ended at once":           {func(p *corev1.Pod) { terminated(p, false, time.Second) }, false},
		"it ran for an hour, and then ended":  {func(p *corev1.Pod) { terminated(p, false, time.Hour) }, true},
		"it ran for an hour, and now crashes": {func(p *corev1.Pod) { terminated(p, true, time.Hour) }, true},
		"nothing was reported":                {func(p *corev1.Pod) { p.Status.InitContainerStatuses = nil }, false},
		"it is no agent of ours":              {func(p *corev1.Pod) { p.Spec.InitContainers[2].RestartPolicy = nil }, false},
	} {
		pod := ready()
		c.change(pod)
		if got := AgentProven(pod, noon.Add(time.Minute)); got != c.proven {
			t.Errorf("%s: %t, want %t", name, got, c.proven)
		}
	}
}

// An image of another version takes the arguments of its version. What others have put into the sibling is not the agent's.
func TestAnAgentLikeASiblings(t *testing.T) {
	set := withRoles()
	sibling := Pod(set, Instance{Ordinal: 1, Revision: "abc", Agent: Agent{Image: "agent:v0", Manager: "old:1"}})
	old := &sibling.Spec.InitContainers[len(sibling.Spec.InitContainers)-1]
	old.Args = []string{"--only-v0-knows-this"}
	old.VolumeMounts = append(old.VolumeMounts, corev1.VolumeMount{Name: "kube-api-access-x1", MountPath: "/var/run/secrets/kubernetes.io/serviceaccount"}, corev1.VolumeMount{Name: "shoal-agent-access", MountPath: "/a"})
	sibling.Spec.Volumes = append(sibling.Spec.Volumes, corev1.Volume{Name: "kube-api-access-x1"}, corev1.Volume{Name: "shoal-agent-access"})

	today := Agent{Image: "agent:v1", Manager: "new:1", Like: &sibling.Spec}
	pod := Pod(set, Instance{Ordinal: 2, Revision: "abc", Agent: today})
	c := pod.Spec.InitContainers[len(pod.Spec.InitContainers)-1]
	if c.Image != "agent:v0" || len(c.Args) != 1 || c.Args[0] != "--only-v0-knows-this" {
		t.Errorf("image %s, arguments %q", c.Image, c.Args)
	}
	if len(c.VolumeMounts) != 2 || c.VolumeMounts[0].Name != AgentContainer || c.VolumeMounts[1].Name != "shoal-agent-access" {
		t.Errorf("mounts %+v", c.VolumeMounts)
	}
	has := map[string]bool{}
	for _, v := range pod.Spec.Volumes {
		has[v.Name] = true
	}
	if !has[AgentContainer] || !has["shoal-agent-access"] || has["kube-api-access-x1"] {
		t.Errorf("volumes %v", has)
	}
	if len(old.VolumeMounts) != 3 {
		t.Error("the sibling was changed")
	}

	none := &corev1.PodSpec{InitContainers: []corev1.Container{{Name: AgentContainer, Image: "mine"}}}
	pod = Pod(set, Instance{Agent: Agent{Image: "agent:v1", Manager: "m:1", Like: none}})
	if got := AgentImage(pod); got != "agent:v1" {
		t.Errorf("like a sibling without an agent: %s", got)
	}
}
