package podspec

import (
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// filled is a copy of a pod with the defaults that the API server would fill in, so that saying a default and leaving it out is the
// same. Of the agent is left what makes another agent of it: what a manager adds of its own changes nothing about pods that run.
func filled(pod *corev1.Pod) *corev1.Pod {
	pod = pod.DeepCopy()
	fill(reflect.ValueOf(&pod.Spec))
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			fillContainer(&pod.Spec, &list[i])
		}
	}
	pod.Spec.Volumes = slices.DeleteFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == AgentContainer })
	for i, c := range pod.Spec.InitContainers {
		if c.Name == AgentContainer {
			pod.Spec.InitContainers[i] = corev1.Container{Name: c.Name, Args: slices.DeleteFunc(c.Args, isManagers)}
		}
	}
	return pod
}

// isManagers reports whether an argument of the agent follows the manager and not the set.
func isManagers(arg string) bool {
	return strings.HasPrefix(arg, "--revision=") || strings.HasPrefix(arg, "--manager=")
}

// fillContainer does what depends on more than one field: requests are limits where they are not said, and ports are those of the
// host in its network.
func fillContainer(pod *corev1.PodSpec, c *corev1.Container) {
	for name, limit := range c.Resources.Limits {
		if _, said := c.Resources.Requests[name]; said {
			continue
		}
		if c.Resources.Requests == nil {
			c.Resources.Requests = corev1.ResourceList{}
		}
		c.Resources.Requests[name] = limit.DeepCopy()
	}
	for i := range c.Ports {
		if pod.HostNetwork {
			orDefault(&c.Ports[i].HostPort, c.Ports[i].ContainerPort)
		}
	}
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func orPointer[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

// fill gives every part of a value its defaults, from the outside in.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fillSpec(v.Interface())
			fillPart(v.Interface())
			fill(v.Elem())
		}
	case reflect.Struct:
		if !v.CanSet() || !ofPods(v.Type()) {
			return
		}
		for i := range v.NumField() {
			field := v.Field(i)
			if field.Kind() == reflect.Struct {
				field = field.Addr()
			}
			fill(field)
		}
	case reflect.Slice:
		for i := range v.Len() {
			if v.Index(i).Kind() == reflect.Struct {
				fill(v.Index(i).Addr())
			}
		}
	}
}

// ofPods keeps fill out of quantities and times, whose fields are not ours.
func ofPods(t reflect.Type) bool { return t.PkgPath() == reflect.TypeFor[corev1.Pod]().PkgPath() }

// fillSpec has the defaults of pods and containers (SetDefaults_PodSpec, _Pod and _Container of Kubernetes). imagePullPolicy is
// left out: it follows the image, see fillPullPolicy.
func fillSpec(part any) {
	switch p := part.(type) {
	case *corev1.PodSpec:
		orDefault(&p.ServiceAccountName, p.DeprecatedServiceAccount) // the API server keeps the two in step
		orDefault(&p.ServiceAccountName, "default")
		p.DeprecatedServiceAccount = "" // the same field once more
		orDefault(&p.DNSPolicy, corev1.DNSClusterFirst)
		orDefault(&p.RestartPolicy, corev1.RestartPolicyAlways)
		orDefault(&p.SchedulerName, corev1.DefaultSchedulerName)
		orPointer(&p.SecurityContext, corev1.PodSecurityContext{})
		orPointer(&p.TerminationGracePeriodSeconds, corev1.DefaultTerminationGracePeriodSeconds)
		orPointer(&p.EnableServiceLinks, corev1.DefaultEnableServiceLinks)
	case *corev1.Container:
		orDefault(&p.TerminationMessagePath, corev1.TerminationMessagePathDefault)
		orDefault(&p.TerminationMessagePolicy, corev1.TerminationMessageReadFile)
	case *corev1.ContainerPort:
		orDefault(&p.Protocol, corev1.ProtocolTCP)
	case *corev1.Probe:
		orDefault(&p.TimeoutSeconds, 1)
		orDefault(&p.PeriodSeconds, 10)
		orDefault(&p.SuccessThreshold, 1)
		orDefault(&p.FailureThreshold, 3)
	case *corev1.HTTPGetAction:
		orDefault(&p.Path, "/")
		orDefault(&p.Scheme, corev1.URISchemeHTTP)
	case *corev1.GRPCAction:
		orPointer(&p.Service, "")
	}
}

// fillPart has the defaults of volumes and of references.
func fillPart(part any) {
	switch p := part.(type) {
	case *corev1.Volume:
		if p.VolumeSource == (corev1.VolumeSource{}) {
			p.EmptyDir = &corev1.EmptyDirVolumeSource{}
		}
	case *corev1.HostPathVolumeSource:
		orPointer(&p.Type, corev1.HostPathUnset)
	case *corev1.SecretVolumeSource:
		orPointer(&p.DefaultMode, corev1.SecretVolumeSourceDefaultMode)
	case *corev1.ConfigMapVolumeSource:
		orPointer(&p.DefaultMode, corev1.ConfigMapVolumeSourceDefaultMode)
	case *corev1.DownwardAPIVolumeSource:
		orPointer(&p.DefaultMode, corev1.DownwardAPIVolumeSourceDefaultMode)
	case *corev1.ProjectedVolumeSource:
		orPointer(&p.DefaultMode, corev1.ProjectedVolumeSourceDefaultMode)
	case *corev1.ServiceAccountTokenProjection:
		orPointer(&p.ExpirationSeconds, 60*60)
	case *corev1.ObjectFieldSelector:
		orDefault(&p.APIVersion, "v1")
	case *corev1.PersistentVolumeClaimSpec:
		orPointer(&p.VolumeMode, corev1.PersistentVolumeFilesystem)
	}
}

// fillPullPolicy fills in imagePullPolicy where only one of two pods says it. Where neither does, it is what it was when the pod
// was made: a new image must not take a new pod because its tag is "latest".
func fillPullPolicy(a, b *corev1.Pod) {
	for _, pair := range [][2][]corev1.Container{{a.Spec.InitContainers, b.Spec.InitContainers}, {a.Spec.Containers, b.Spec.Containers}} {
		for i := range pair[0] {
			one := &pair[0][i]
			n := slices.IndexFunc(pair[1], func(c corev1.Container) bool { return c.Name == one.Name })
			if n < 0 || one.ImagePullPolicy == "" && pair[1][n].ImagePullPolicy == "" {
				continue
			}
			other := &pair[1][n]
			orDefault(&one.ImagePullPolicy, pullPolicy(one.Image))
			orDefault(&other.ImagePullPolicy, pullPolicy(other.Image))
		}
	}
}

func pullPolicy(image string) corev1.PullPolicy {
	name := image[strings.LastIndexByte(image, '/')+1:]
	_, tag, tagged := strings.Cut(name, ":")
	if tag == "latest" || !tagged && !strings.Contains(name, "@") {
		return corev1.PullAlways
	}
	return corev1.PullIfNotPresent
}
