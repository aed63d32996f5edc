package podspec

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// Pod builds the pod of an instance.
func Pod(set *v1alpha1.InstanceSet, i Instance) *corev1.Pod {
	set, i = i.of(set)
	spec := effective(set, i.Template)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:       set.Namespace,
			Name:            Name(set.Name, i.Ordinal),
			Labels:          podLabels(set, i.Template),
			Annotations:     podAnnotations(set, i.Template),
			Finalizers:      slices.Clone(set.Spec.Template.Finalizers),
			OwnerReferences: []metav1.OwnerReference{owner(set)},
		},
		Spec: spec,
	}
	identity(set, i, pod.Labels)
	pod.Labels[v1alpha1.LabelRevision] = i.Revision
	pod.Annotations[v1alpha1.AnnotationRebuildGeneration] = strconv.FormatInt(i.RebuildGeneration, 10)
	if i.Policy != "" {
		pod.Annotations[v1alpha1.AnnotationPolicyVersion] = i.PolicyVersion
	}
	if i.TerminalFailures > 0 {
		pod.Annotations[v1alpha1.AnnotationTerminalFailures] = strconv.Itoa(i.TerminalFailures)
	}
	pod.Spec.Hostname = pod.Name
	pod.Spec.Subdomain = set.Name
	if pod.Spec.SchedulerName == "" {
		pod.Spec.SchedulerName = v1alpha1.SchedulerName
	}
	if pod.Spec.AutomountServiceAccountToken == nil { // a Redis has no business with the API server
		pod.Spec.AutomountServiceAccountToken = new(bool)
	}
	pod.Spec.Volumes = withClaims(set, i.Ordinal, pod.Spec.Volumes)
	pod.Spec.Tolerations = withTolerations(pod.Spec.Tolerations)
	if c := ConfigurationOf(set); c != nil {
		pod.Annotations[v1alpha1.AnnotationConfiguration] = EncodedConfiguration(c)
	}
	if i.Agent.Image != "" && WantsAgent(set) {
		withAgent(&pod.Spec, set, i)
		mountConfiguration(&pod.Spec, set)
	}
	return pod
}

func podLabels(set *v1alpha1.InstanceSet, template *v1alpha1.InstanceTemplate) map[string]string {
	if template == nil {
		return merge(set.Spec.Template.Labels)
	}
	return merge(set.Spec.Template.Labels, template.Labels)
}

func podAnnotations(set *v1alpha1.InstanceSet, template *v1alpha1.InstanceTemplate) map[string]string {
	if template == nil {
		return merge(set.Spec.Template.Annotations)
	}
	return merge(set.Spec.Template.Annotations, template.Annotations)
}

// effective is a copy of the pod spec of spec.template with the overrides of a template.
func effective(set *v1alpha1.InstanceSet, template *v1alpha1.InstanceTemplate) corev1.PodSpec {
	spec := *set.Spec.Template.Spec.DeepCopy()
	if template == nil {
		return spec
	}
	for _, override := range template.Containers {
		for c := range spec.Containers {
			if spec.Containers[c].Name != override.Name {
				continue
			}
			if override.Image != "" {
				spec.Containers[c].Image = override.Image
			}
			if override.Resources != nil {
				spec.Containers[c].Resources = *override.Resources.DeepCopy()
			}
		}
	}
	return spec
}

// UnknownContainers are the containers that a template overrides and spec.template does not have.
func UnknownContainers(set *v1alpha1.InstanceSet, template *v1alpha1.InstanceTemplate) []string {
	var unknown []string
	for _, override := range template.Containers {
		known := func(c corev1.Container) bool { return c.Name == override.Name }
		if !slices.ContainsFunc(set.Spec.Template.Spec.Containers, known) {
			unknown = append(unknown, override.Name)
		}
	}
	return unknown
}

// withClaims adds a volume for each claim template. A volume of the same name in the pod template is replaced, so that a
// template that was written for emptyDir works with claims too.
func withClaims(set *v1alpha1.InstanceSet, ordinal int32, volumes []corev1.Volume) []corev1.Volume {
	var all []corev1.Volume
	for _, template := range set.Spec.VolumeClaimTemplates {
		name := template.Metadata.Name
		claim := &corev1.PersistentVolumeClaimVolumeSource{ClaimName: ClaimName(name, set.Name, ordinal)}
		all = append(all, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: claim}})
	}
	replaced := all
	for _, v := range volumes {
		if !slices.ContainsFunc(replaced, func(r corev1.Volume) bool { return r.Name == v.Name }) {
			all = append(all, v)
		}
	}
	return all
}

// withTolerations lets the pod stay on a node that does not answer for as long as it takes: whether the instance moves
// is decided by the rebuild and not by an eviction timer. A toleration of the same taint with a time limit is dropped,
// because the shortest limit of all matching tolerations is the one that evicts. The taint out-of-service is not
// tolerated: it is how a person says that the node is off.
func withTolerations(given []corev1.Toleration) []corev1.Toleration {
	taints := []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable}
	var all []corev1.Toleration
	for _, t := range given {
		if t.TolerationSeconds == nil || !slices.Contains(taints, t.Key) {
			all = append(all, t)
		}
	}
	for _, key := range taints {
		forEver := corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute}
		if !slices.Contains(all, forEver) {
			all = append(all, forEver)
		}
	}
	return all
}

func owner(set *v1alpha1.InstanceSet) metav1.OwnerReference {
	return *metav1.NewControllerRef(set, v1alpha1.GroupVersion.WithKind("InstanceSet"))
}
