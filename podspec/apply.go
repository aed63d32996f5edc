package podspec

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// Applied is a copy of a pod with those differences of one class done that leave it in place; want is what they were found against.
// Each class is another request to the API server, so that there is one call for each.
func Applied(live, want *corev1.Pod, all []Difference, class Class) *corev1.Pod {
	pod, want := live.DeepCopy(), filled(want)
	for _, d := range all {
		if d.Class != class {
			continue
		}
		switch class {
		case InPlacePatch:
			applyPatch(pod, want, d)
		case InPlaceConfiguration:
			follow(&pod.Annotations, want.Annotations, v1alpha1.AnnotationConfiguration)
		case InPlaceImage:
			if to, from := container(&pod.Spec, d.Path, d.keys[0]), container(&want.Spec, d.Path, d.keys[0]); to != nil && from != nil {
				to.Image = from.Image
			}
		case InPlaceResize:
			applyResize(pod, want, d)
		}
	}
	return pod
}

func applyPatch(pod, want *corev1.Pod, d Difference) {
	switch root, _, _ := strings.Cut(d.Path, "["); root {
	case "metadata.labels":
		follow(&pod.Labels, want.Labels, d.keys[0])
	case "metadata.annotations":
		follow(&pod.Annotations, want.Annotations, d.keys[0])
	case "metadata.finalizers":
		follows(&pod.Finalizers, want.Finalizers, func(name string) bool { return name == d.keys[0] })
	case "spec.tolerations":
		follows(&pod.Spec.Tolerations, want.Spec.Tolerations, func(t corev1.Toleration) bool { return keyOf(t) == d.keys[0] })
	case "spec.schedulingGates":
		follows(&pod.Spec.SchedulingGates, want.Spec.SchedulingGates, func(g corev1.PodSchedulingGate) bool { return g.Name == d.keys[0] })
	case "spec.activeDeadlineSeconds":
		pod.Spec.ActiveDeadlineSeconds = want.Spec.ActiveDeadlineSeconds
	}
}

// follow makes an entry of a map what it is in another.
func follow(to *map[string]string, from map[string]string, key string) {
	value, has := from[key]
	if !has {
		delete(*to, key)
		return
	}
	if *to == nil {
		*to = map[string]string{}
	}
	(*to)[key] = value
}

// follows makes the entries of a list that are meant what they are in another.
func follows[T any](to *[]T, from []T, meant func(T) bool) {
	n := slices.IndexFunc(*to, meant)
	*to = slices.DeleteFunc(slices.Clone(*to), meant)
	for _, entry := range from {
		if meant(entry) {
			*to = slices.Insert(*to, min(max(n, 0), len(*to)), entry)
			n++
		}
	}
}

func applyResize(pod, want *corev1.Pod, d Difference) {
	var to, from *corev1.ResourceRequirements
	if strings.HasPrefix(d.Path, "spec.resources.") {
		if pod.Spec.Resources == nil {
			pod.Spec.Resources = &corev1.ResourceRequirements{}
		}
		to, from = pod.Spec.Resources, want.Spec.Resources
	} else if a, b := container(&pod.Spec, d.Path, d.keys[0]), container(&want.Spec, d.Path, d.keys[0]); a != nil && b != nil {
		to, from = &a.Resources, &b.Resources
	}
	if to == nil || from == nil {
		return
	}
	list, source := &to.Requests, from.Requests
	if strings.Contains(d.Path, ".limits[") {
		list, source = &to.Limits, from.Limits
	}
	if *list == nil {
		*list = corev1.ResourceList{}
	}
	name := corev1.ResourceName(d.keys[len(d.keys)-1])
	(*list)[name] = source[name].DeepCopy()
}

// qos is the class of a pod as the API server computes it: that of its own resources if it has them, or that which all containers
// agree on.
func qos(spec *corev1.PodSpec) corev1.PodQOSClass {
	if r := spec.Resources; r != nil && len(r.Requests)+len(r.Limits) > 0 {
		return qosOf(*r)
	}
	class := corev1.PodQOSClass("")
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		switch is := qosOf(c.Resources); {
		case class == "":
			class = is
		case class != is:
			return corev1.PodQOSBurstable
		}
	}
	return class
}

func qosOf(r corev1.ResourceRequirements) corev1.PodQOSClass {
	class := corev1.PodQOSBestEffort
	guaranteed := true
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		request, limit := r.Requests[name], r.Limits[name]
		if !request.IsZero() || !limit.IsZero() {
			class = corev1.PodQOSBurstable
		}
		if _, said := r.Requests[name]; !said { // as the API server fills it in
			request = limit
		}
		guaranteed = guaranteed && !limit.IsZero() && request.Cmp(limit) == 0
	}
	if guaranteed {
		return corev1.PodQOSGuaranteed
	}
	return class
}
