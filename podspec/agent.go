package podspec

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// AgentContainer is the name of the agent's container and of its volume.
const AgentContainer = "shoal-agent"

// Ports of the agent.
const (
	AgentActionsPort = 9720
	AgentMetricsPort = 9721
)

// AgentSigner signs the agent's certificate (as in api/agent), AgentBundle is the ClusterTrustBundle with the roots that it trusts.
const (
	AgentSigner = "shoal.dev/agent"
	AgentBundle = "shoal.dev:agent:roots"
)

const (
	agentFolder = "/var/run/shoal/agent"
	// agentUser is that of the image. A pod of another user, or of root, changes nothing about the agent.
	agentUser = 65532
	// agentLife is how long a certificate is valid, in seconds.
	agentLife = 24 * 60 * 60
)

// Agent is what the agents of a set are made of. The zero value is none.
type Agent struct {
	// Image of the container.
	Image string
	// Manager is host:port of the manager's endpoint.
	Manager string
	// Like is an instance of the same revision that gives its agent, nil for an agent of today. Image and arguments belong together:
	// an older image may not know an argument of today.
	Like *corev1.PodSpec
}

// WantsAgent reports whether the pods of a set have an agent: those with roles, as nobody else would say what they are.
func WantsAgent(set *v1alpha1.InstanceSet) bool { return len(set.Spec.Roles) > 0 }

// HasAgent reports whether a pod has an agent. A container of that name that does not run beside the others is none.
func HasAgent(pod *corev1.Pod) bool { return AgentImage(pod) != "" }

// AgentImage is the image of the pod's agent, "" if it has none.
func AgentImage(pod *corev1.Pod) string {
	if at := slices.IndexFunc(pod.Spec.InitContainers, isAgent); at >= 0 {
		return pod.Spec.InitContainers[at].Image
	}
	return ""
}

// EnginePort is where the engines of a set listen.
func EnginePort(set *v1alpha1.InstanceSet) int32 {
	if port := set.Spec.Rebuild.Port; port != 0 {
		return port
	}
	return 6379 // as the API server has it by default
}

// engineAddress is where the agent asks the engine: in its own pod.
func engineAddress(set *v1alpha1.InstanceSet) string {
	return "127.0.0.1:" + strconv.Itoa(int(EnginePort(set)))
}

// withAgent adds the agent to a pod, as the last of the containers that run beside the others. What the template has under its
// name is replaced.
//
// No probe makes the pod wait for it. The kubelet does: it starts nothing before the sidecars have started, and takes a pod whose
// sidecar does not run for not ready (EngineReady does not). Requests are limits, so that a pod that was Guaranteed still is.
func withAgent(spec *corev1.PodSpec, set *v1alpha1.InstanceSet, i Instance) {
	spec.InitContainers = slices.DeleteFunc(spec.InitContainers, func(c corev1.Container) bool { return c.Name == AgentContainer })
	spec.Volumes = slices.DeleteFunc(spec.Volumes, func(v corev1.Volume) bool { return agents(v.Name) })
	if c, volumes, ok := agentLike(i.Agent.Like); ok {
		spec.InitContainers, spec.Volumes = append(spec.InitContainers, c), append(spec.Volumes, volumes...)
		return
	}
	spec.InitContainers = append(spec.InitContainers, agentContainer(set, i))
	spec.Volumes = append(append(append(spec.Volumes, agentVolume()), accessVolumes(set)...), configurationVolumes(set)...)
}

// agents reports whether a volume of that name is the agent's. One of them the engine has as well.
func agents(volume string) bool {
	return volume == AgentContainer || volume == renderedVolume || strings.HasPrefix(volume, AgentContainer+"-")
}

// agentLike is the agent of another instance: what is of its pod alone stands in no agent. What others have added to the container,
// as the API server does with the token of a ServiceAccount, goes with volumes that are not the agent's.
func agentLike(like *corev1.PodSpec) (corev1.Container, []corev1.Volume, bool) {
	if like == nil {
		return corev1.Container{}, nil, false
	}
	like = like.DeepCopy()
	at := slices.IndexFunc(like.InitContainers, isAgent)
	if at < 0 {
		return corev1.Container{}, nil, false
	}
	c := like.InitContainers[at]
	c.VolumeMounts = slices.DeleteFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return !agents(m.Name) })
	return c, slices.DeleteFunc(like.Volumes, func(v corev1.Volume) bool { return !agents(v.Name) }), true
}

// isAgent: a container of that name that does not run beside the others is none.
func isAgent(c corev1.Container) bool {
	return c.Name == AgentContainer && c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

func agentContainer(set *v1alpha1.InstanceSet, i Instance) corev1.Container {
	size := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("32Mi")}
	c := corev1.Container{
		Name: AgentContainer, Image: i.Agent.Image, ImagePullPolicy: corev1.PullIfNotPresent,
		RestartPolicy: new(corev1.ContainerRestartPolicyAlways),
		Args:          append([]string{"--manager=" + i.Agent.Manager, "--address=" + engineAddress(set), "--revision=" + i.Revision}, slices.Concat(accessArgs(set), configurationArgs(set))...),
		Env:           agentEnv(set),
		Ports: []corev1.ContainerPort{
			{Name: "shoal-actions", ContainerPort: AgentActionsPort, Protocol: corev1.ProtocolTCP},
			{Name: "shoal-metrics", ContainerPort: AgentMetricsPort, Protocol: corev1.ProtocolTCP},
		},
		LivenessProbe: &corev1.Probe{
			ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt32(AgentMetricsPort)}},
			PeriodSeconds: 20, TimeoutSeconds: 5, FailureThreshold: 6,
		},
		Resources: corev1.ResourceRequirements{Requests: size, Limits: size.DeepCopy()},
		SecurityContext: &corev1.SecurityContext{
			RunAsNonRoot: new(true), RunAsUser: new(int64(agentUser)), RunAsGroup: new(int64(agentUser)),
			AllowPrivilegeEscalation: new(bool), ReadOnlyRootFilesystem: new(true),
			Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		VolumeMounts: append([]corev1.VolumeMount{{Name: AgentContainer, MountPath: agentFolder, ReadOnly: true}}, slices.Concat(accessMounts(set), configurationMounts(set))...),
	}
	if ConfigurationOf(set) != nil { // the engine does not start before its file is there
		c.StartupProbe = &corev1.Probe{
			ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt32(AgentMetricsPort)}},
			PeriodSeconds: 1, TimeoutSeconds: 1, FailureThreshold: startupSeconds,
		}
	}
	return c
}

// agentVolume has the key with its certificate, and the roots. Without roots the pod starts all the same: they come later.
func agentVolume() corev1.Volume {
	return corev1.Volume{Name: AgentContainer, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		Sources: []corev1.VolumeProjection{
			{PodCertificate: &corev1.PodCertificateProjection{
				SignerName: AgentSigner, KeyType: "ECDSAP256", MaxExpirationSeconds: new(int32(agentLife)), CredentialBundlePath: "credentials.pem",
			}},
			{ClusterTrustBundle: &corev1.ClusterTrustBundleProjection{Name: new(AgentBundle), Path: "roots.pem", Optional: new(true)}},
		},
	}}}
}
