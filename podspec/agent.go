package podspec

import (
	"slices"
	"strconv"

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
}

// WantsAgent reports whether the pods of a set have an agent: those with roles, as nobody else would say what they are.
func WantsAgent(set *v1alpha1.InstanceSet) bool { return len(set.Spec.Roles) > 0 }

// HasAgent reports whether a pod has an agent. A container of that name that does not run beside the others is none.
func HasAgent(pod *corev1.Pod) bool { return AgentImage(pod) != "" }

// AgentImage is the image of the pod's agent, "" if it has none.
func AgentImage(pod *corev1.Pod) string {
	for _, c := range pod.Spec.InitContainers {
		if c.Name == AgentContainer && c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			return c.Image
		}
	}
	return ""
}

// engineAddress is where the agent asks the engine: in its own pod.
func engineAddress(set *v1alpha1.InstanceSet) string {
	port := set.Spec.Rebuild.Port
	if port == 0 { // as the API server has it by default
		port = 6379
	}
	return "127.0.0.1:" + strconv.Itoa(int(port))
}

// withAgent adds the agent to a pod, as the last of the containers that run beside the others. What the template has under its
// name is replaced.
//
// No probe makes the pod wait for it. The kubelet does: a pod whose sidecar does not run is not ready, and starts nothing before its
// sidecars have started (docs/agent.md, Known gaps). Requests are limits, so that a pod that was Guaranteed still is.
func withAgent(spec *corev1.PodSpec, set *v1alpha1.InstanceSet, i Instance) {
	spec.InitContainers = slices.DeleteFunc(spec.InitContainers, func(c corev1.Container) bool { return c.Name == AgentContainer })
	spec.Volumes = slices.DeleteFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == AgentContainer })
	spec.InitContainers = append(spec.InitContainers, agentContainer(set, i))
	spec.Volumes = append(spec.Volumes, agentVolume())
}

func agentContainer(set *v1alpha1.InstanceSet, i Instance) corev1.Container {
	size := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("64Mi")}
	return corev1.Container{
		Name: AgentContainer, Image: i.Agent.Image, ImagePullPolicy: corev1.PullIfNotPresent,
		RestartPolicy: new(corev1.ContainerRestartPolicyAlways),
		Args:          []string{"--manager=" + i.Agent.Manager, "--address=" + engineAddress(set), "--revision=" + i.Revision},
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
		VolumeMounts: []corev1.VolumeMount{{Name: AgentContainer, MountPath: agentFolder, ReadOnly: true}},
	}
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
