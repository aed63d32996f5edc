//go:build integration

package integration

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
)

func amounts(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

// basePod is what trials change: a pod with volumes of two kinds, a sidecar and a container.
func basePod(ns, name string) *corev1.Pod {
	sized := corev1.ResourceRequirements{Requests: amounts("100m", "64Mi"), Limits: amounts("1", "128Mi")}
	claim := &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: map[string]string{"app": "redis", v1alpha1.LabelShard: "r-1"}},
		Spec: corev1.PodSpec{
			SchedulerName: "shoal-scheduler", Hostname: name, Subdomain: "r", AutomountServiceAccountToken: ptr.To(false),
			Volumes: []corev1.Volume{{Name: "tmp"}, {Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: claim}}},
			InitContainers: []corev1.Container{{
				Name: "side", Image: "side:1", RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways), Resources: *sized.DeepCopy(),
			}},
			Containers: []corev1.Container{{Name: "redis", Image: "redis:7", Resources: *sized.DeepCopy()}},
		},
	}
}

func trials() []trial {
	all := slices.Concat(patches(), podTrials(), nodeTrials(), listTrials())
	lists := map[string]func(*corev1.Pod) *corev1.Container{
		"spec.containers[].":     func(p *corev1.Pod) *corev1.Container { return &p.Spec.Containers[0] },
		"spec.initContainers[].": func(p *corev1.Pod) *corev1.Container { return &p.Spec.InitContainers[0] },
	}
	for _, list := range []string{"spec.containers[].", "spec.initContainers[]."} {
		for _, c := range containerTrials() {
			one := trial{row: list + c.row, class: c.class, change: func(p *corev1.Pod) { c.change(lists[list](p)) }}
			if c.from != nil {
				one.from = func(p *corev1.Pod) { c.from(lists[list](p)) }
			}
			all = append(all, one)
		}
	}
	return all
}

func patches() []trial {
	second := corev1.Toleration{Key: "gpu", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute}
	tolerant := func(p *corev1.Pod) { p.Spec.Tolerations = []corev1.Toleration{second} }
	deadline := func(n int64) func(*corev1.Pod) { return func(p *corev1.Pod) { p.Spec.ActiveDeadlineSeconds = &n } }
	gated := func(p *corev1.Pod) { p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "shoal.dev/x"}} }
	const patch, again = podspec.InPlacePatch, podspec.Recreate
	return []trial{
		{"metadata.labels[]", patch, nil, func(p *corev1.Pod) { delete(p.Labels, "app"); p.Labels["tier"] = "db" }},
		{"metadata.labels[]", podspec.Refused, nil, func(p *corev1.Pod) { p.Labels[v1alpha1.LabelShard] = "r-2" }},
		{"metadata.annotations[]", patch, nil, func(p *corev1.Pod) { p.Annotations = map[string]string{"a": "b"} }},
		{"metadata.finalizers[]", patch, nil, func(p *corev1.Pod) { p.Finalizers = []string{"shoal.dev/x"} }},
		{"metadata.finalizers[]", patch, func(p *corev1.Pod) { p.Finalizers = []string{"shoal.dev/x"} }, func(p *corev1.Pod) { p.Finalizers = nil }},
		{"spec.activeDeadlineSeconds", patch, nil, deadline(90)},
		{"spec.activeDeadlineSeconds", patch, deadline(90), deadline(80)},
		{"spec.activeDeadlineSeconds", again, deadline(90), deadline(99)},
		{"spec.activeDeadlineSeconds", again, deadline(90), func(p *corev1.Pod) { p.Spec.ActiveDeadlineSeconds = nil }},
		{"spec.tolerations[]", patch, nil, tolerant},
		{"spec.tolerations[]", again, tolerant, func(p *corev1.Pod) {
			p.Spec.Tolerations = slices.DeleteFunc(p.Spec.Tolerations, func(t corev1.Toleration) bool { return t.Key == "gpu" })
		}},
		{"spec.tolerations[].tolerationSeconds", patch, tolerant, func(p *corev1.Pod) { p.Spec.Tolerations[0].TolerationSeconds = ptr.To[int64](5) }},
		{"spec.schedulingGates[]", patch, gated, func(p *corev1.Pod) { p.Spec.SchedulingGates = nil }},
		{"spec.schedulingGates[]", podspec.NothingToDo, nil, gated},
	}
}

func again(row string, change func(*corev1.PodSpec)) trial {
	return trial{row, podspec.Recreate, nil, func(p *corev1.Pod) { change(&p.Spec) }}
}

func podTrials() []trial {
	whole := func(p *corev1.Pod) {
		p.Spec.Resources = &corev1.ResourceRequirements{Requests: amounts("2", "1Gi"), Limits: amounts("4", "2Gi")}
	}
	open := func(p *corev1.Pod) { // with limits of all containers the API server fills in that of the pod anew
		whole(p)
		p.Spec.Containers[0].Resources.Limits = nil
	}
	return []trial{
		{"spec.hostname", podspec.Refused, nil, func(p *corev1.Pod) { p.Spec.Hostname = "other" }},
		{"spec.subdomain", podspec.Refused, nil, func(p *corev1.Pod) { p.Spec.Subdomain = "other" }},
		again("spec.restartPolicy", func(s *corev1.PodSpec) { s.RestartPolicy = corev1.RestartPolicyNever }),
		again("spec.terminationGracePeriodSeconds", func(s *corev1.PodSpec) { s.TerminationGracePeriodSeconds = ptr.To[int64](60) }),
		again("spec.dnsPolicy", func(s *corev1.PodSpec) { s.DNSPolicy = corev1.DNSDefault }),
		again("spec.dnsConfig", func(s *corev1.PodSpec) { s.DNSConfig = &corev1.PodDNSConfig{Nameservers: []string{"192.0.2.1"}} }),
		again("spec.automountServiceAccountToken", func(s *corev1.PodSpec) { s.AutomountServiceAccountToken = ptr.To(true) }),
		again("spec.hostNetwork", func(s *corev1.PodSpec) { s.HostNetwork = true }),
		again("spec.hostPID", func(s *corev1.PodSpec) { s.HostPID = true }),
		again("spec.hostIPC", func(s *corev1.PodSpec) { s.HostIPC = true }),
		again("spec.hostUsers", func(s *corev1.PodSpec) { s.HostUsers = ptr.To(false) }),
		again("spec.shareProcessNamespace", func(s *corev1.PodSpec) { s.ShareProcessNamespace = ptr.To(true) }),
		again("spec.securityContext", func(s *corev1.PodSpec) { s.SecurityContext = &corev1.PodSecurityContext{RunAsUser: ptr.To[int64](5)} }),
		again("spec.setHostnameAsFQDN", func(s *corev1.PodSpec) { s.SetHostnameAsFQDN = ptr.To(true) }),
		again("spec.hostnameOverride", func(s *corev1.PodSpec) { s.HostnameOverride = ptr.To("other") }),
		again("spec.enableServiceLinks", func(s *corev1.PodSpec) { s.EnableServiceLinks = ptr.To(false) }),
		again("spec.os", func(s *corev1.PodSpec) { s.OS = &corev1.PodOS{Name: corev1.Linux} }),
		again("spec.schedulingGroup", func(s *corev1.PodSpec) { s.SchedulingGroup = &corev1.PodSchedulingGroup{PodGroupName: ptr.To("g")} }),
		again("spec.evictionResponders", func(s *corev1.PodSpec) {
			s.EvictionResponders = []corev1.EvictionResponder{{Name: "shoal.dev/x", Priority: ptr.To[int32](5000)}}
		}),
		again("spec.resources", func(s *corev1.PodSpec) { s.Resources = nil }).on(whole),
		{"spec.resources.requests[]", podspec.InPlaceResize, whole, func(p *corev1.Pod) { p.Spec.Resources.Requests = amounts("3", "1Gi") }},
		{"spec.resources.limits[]", podspec.InPlaceResize, whole, func(p *corev1.Pod) { p.Spec.Resources.Limits = amounts("5", "3Gi") }},
		again("spec.resources.requests[]", func(s *corev1.PodSpec) {
			s.Resources.Requests["hugepages-2Mi"] = resource.MustParse("2Mi")
			s.Resources.Limits["hugepages-2Mi"] = resource.MustParse("2Mi")
		}).on(whole),
		again("spec.resources.limits[]", func(s *corev1.PodSpec) { delete(s.Resources.Limits, corev1.ResourceCPU) }).on(open),
	}
}

func (t trial) on(from func(*corev1.Pod)) trial { t.from = from; return t }

// nodeTrials are about where the pod may be.
func nodeTrials() []trial {
	apart := &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
		TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "redis"}},
	}}}
	gpu := func(p *corev1.Pod) {
		p.Spec.ResourceClaims = []corev1.PodResourceClaim{{Name: "gpu", ResourceClaimName: ptr.To("gpu")}}
	}
	uses := []corev1.ResourceClaim{{Name: "gpu"}}
	return []trial{
		{"spec.resourceClaims", podspec.Recreate, nil, gpu},
		again("spec.containers[].resources.claims", func(s *corev1.PodSpec) { s.Containers[0].Resources.Claims = uses }).on(gpu),
		again("spec.initContainers[].resources.claims", func(s *corev1.PodSpec) { s.InitContainers[0].Resources.Claims = uses }).on(gpu),
		again("spec.nodeName", func(s *corev1.PodSpec) { s.NodeName = "n1" }),
		again("spec.nodeSelector", func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{"disk": "fast"} }),
		again("spec.affinity", func(s *corev1.PodSpec) { s.Affinity = &corev1.Affinity{PodAntiAffinity: apart} }),
		again("spec.schedulerName", func(s *corev1.PodSpec) { s.SchedulerName = "other" }),
		again("spec.priorityClassName", func(s *corev1.PodSpec) { s.PriorityClassName = "high"; s.Priority = nil }),
		again("spec.runtimeClassName", func(s *corev1.PodSpec) { s.RuntimeClassName = ptr.To("gvisor") }),
		again("spec.topologySpreadConstraints", func(s *corev1.PodSpec) {
			s.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: "zone", WhenUnsatisfiable: corev1.DoNotSchedule,
				LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "redis"}}}}
		}),
		again("spec.serviceAccountName", func(s *corev1.PodSpec) { s.ServiceAccountName = "other" }),
		again("spec.imagePullSecrets", func(s *corev1.PodSpec) { s.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "pull"}} }),
	}
}

// listTrials are about entries that come and go.
func listTrials() []trial {
	two := func(p *corev1.Pod) {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "two", Image: "two:1"})
		p.Spec.InitContainers = append(p.Spec.InitContainers, corev1.Container{Name: "three", Image: "three:1"})
	}
	return []trial{
		again("spec.volumes[]", func(s *corev1.PodSpec) { s.Volumes = append(s.Volumes, corev1.Volume{Name: "more"}) }),
		again("spec.volumes", func(s *corev1.PodSpec) {
			s.Volumes[0].EmptyDir = &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}
		}),
		again("spec.containers", func(s *corev1.PodSpec) { slices.Reverse(s.Containers) }).on(two),
		again("spec.initContainers", func(s *corev1.PodSpec) { slices.Reverse(s.InitContainers) }).on(two),
		again("spec.containers[]", func(s *corev1.PodSpec) { s.Containers = s.Containers[:1] }).on(two),
		again("spec.initContainers[]", func(s *corev1.PodSpec) { s.InitContainers = s.InitContainers[:1] }).on(two),
		again("spec.hostAliases", func(s *corev1.PodSpec) {
			s.HostAliases = []corev1.HostAlias{{IP: "192.0.2.1", Hostnames: []string{"x"}}}
		}),
		again("spec.readinessGates", func(s *corev1.PodSpec) { s.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "shoal.dev/x"}} }),
	}
}

type containerTrial struct {
	row    string
	class  podspec.Class
	from   func(*corev1.Container)
	change func(*corev1.Container)
}

func containerTrials() []containerTrial {
	probe := func() *corev1.Probe {
		return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromInt32(80)}}}
	}
	same := func(row string, change func(*corev1.Container)) containerTrial {
		return containerTrial{row, podspec.Recreate, nil, change}
	}
	env := func(c *corev1.Container) {
		c.Env = []corev1.EnvVar{{Name: "A", Value: "a"}, {Name: "B", Value: "$(A)"}}
	}
	always := func(c *corev1.Container) { c.RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways) }
	rule := corev1.ContainerRestartRule{Action: corev1.ContainerRestartRuleActionRestart, ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{
		Operator: corev1.ContainerRestartRuleOnExitCodesOpIn, Values: []int32{3},
	}}
	return []containerTrial{
		{"image", podspec.InPlaceImage, nil, func(c *corev1.Container) { c.Image = "other:latest" }},
		{"resources.requests[]", podspec.InPlaceResize, nil, func(c *corev1.Container) { c.Resources.Requests = amounts("200m", "32Mi") }},
		{"resources.limits[]", podspec.InPlaceResize, nil, func(c *corev1.Container) { c.Resources.Limits = amounts("2", "100Mi") }},
		{"resources.requests[]", podspec.Recreate, nil, func(c *corev1.Container) {
			c.Resources.Requests[corev1.ResourceEphemeralStorage] = resource.MustParse("1Gi")
		}},
		{"resources.limits[]", podspec.Recreate, nil, func(c *corev1.Container) { delete(c.Resources.Limits, corev1.ResourceMemory) }},
		same("resources", func(c *corev1.Container) { c.Resources = corev1.ResourceRequirements{} }),
		same("command", func(c *corev1.Container) { c.Command = []string{"a"} }),
		same("args", func(c *corev1.Container) { c.Args = []string{"a"} }),
		same("workingDir", func(c *corev1.Container) { c.WorkingDir = "/x" }),
		same("ports", func(c *corev1.Container) { c.Ports = []corev1.ContainerPort{{ContainerPort: 6379}} }),
		same("envFrom", func(c *corev1.Container) {
			c.EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "x"}}}}
		}),
		same("env[]", func(c *corev1.Container) {
			c.Env = []corev1.EnvVar{{Name: "IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}}}
		}),
		{"env", podspec.Recreate, env, func(c *corev1.Container) { slices.Reverse(c.Env) }},
		same("resizePolicy", func(c *corev1.Container) {
			c.ResizePolicy = []corev1.ContainerResizePolicy{{ResourceName: corev1.ResourceCPU, RestartPolicy: corev1.RestartContainer}}
		}),
		{"restartPolicyRules", podspec.Recreate, always, func(c *corev1.Container) { c.RestartPolicyRules = []corev1.ContainerRestartRule{rule} }},
		same("restartPolicy", func(c *corev1.Container) {
			if c.RestartPolicy == nil {
				always(c)
			} else {
				c.RestartPolicy = nil
			}
		}),
		same("volumeMounts", func(c *corev1.Container) { c.VolumeMounts = []corev1.VolumeMount{{Name: "tmp", MountPath: "/tmp"}} }),
		same("volumeDevices", func(c *corev1.Container) {
			c.VolumeDevices = []corev1.VolumeDevice{{Name: "data", DevicePath: "/dev/x"}}
		}),
		same("livenessProbe", func(c *corev1.Container) { c.LivenessProbe = probe() }),
		same("readinessProbe", func(c *corev1.Container) { c.ReadinessProbe = probe() }),
		same("startupProbe", func(c *corev1.Container) { c.StartupProbe = probe() }),
		same("lifecycle", func(c *corev1.Container) {
			c.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"x"}}}}
		}),
		same("terminationMessagePath", func(c *corev1.Container) { c.TerminationMessagePath = "/x" }),
		same("terminationMessagePolicy", func(c *corev1.Container) { c.TerminationMessagePolicy = corev1.TerminationMessageFallbackToLogsOnError }),
		same("imagePullPolicy", func(c *corev1.Container) { c.ImagePullPolicy = corev1.PullNever }),
		same("securityContext", func(c *corev1.Container) { c.SecurityContext = &corev1.SecurityContext{Privileged: ptr.To(true)} }),
		same("stdin", func(c *corev1.Container) { c.Stdin = true }),
		same("stdinOnce", func(c *corev1.Container) { c.Stdin, c.StdinOnce = true, true }),
		same("tty", func(c *corev1.Container) { c.TTY = true }),
	}
}
