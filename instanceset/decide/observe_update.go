package decide

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
)

// observeUpdate reads how far a pod is with what was written to it last.
func observeUpdate(pod *corev1.Pod, out *Pod) {
	out.Live = pod
	out.Passed = pod.Annotations[v1alpha1.AnnotationTargetRevision]
	out.Target = out.Passed[strings.LastIndexByte(out.Passed, ' ')+1:]
	out.Role = v1alpha1.RoleName(pod.Labels[v1alpha1.LabelRole])
	out.Idle, out.Trouble = idle(pod)
	if !out.Idle {
		out.Down = down(pod)
	}
	out.Stuck, out.Restarts = observeDown(pod)
	out.Resize, out.Unsettled = observeResize(pod, out)
	out.Unsettled = out.Unsettled || !observed(pod) || len(restarting(pod)) > 0
	for i := range pod.Status.ContainerStatuses { // a restart may be so quick that nobody saw the pod unready
		if r := pod.Status.ContainerStatuses[i].State.Running; r != nil && r.StartedAt.After(out.ReadySince) && out.Ready {
			out.ReadySince = r.StartedAt.Time
		}
	}
}

// idle reports whether none of the containers runs, and what keeps one from it. What is only being started has no trouble. Which of
// them is the engine is not known here: while any runs, it may be that one.
func idle(pod *corev1.Pod) (bool, string) {
	trouble := ""
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for i := range list {
			w := list[i].State.Waiting
			if w != nil && trouble == "" && w.Reason != "" && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
				trouble = "container " + list[i].Name + ": " + w.Reason
			}
		}
	}
	running := slices.ContainsFunc(pod.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool { return c.State.Running != nil })
	if len(pod.Status.ContainerStatuses) == 0 {
		running = pod.Status.Phase == corev1.PodRunning
	}
	return !running, trouble
}

// down are the containers that do not run, and that the kubelet has tried to start.
func down(pod *corev1.Pod) string {
	var names []string
	for i := range pod.Status.ContainerStatuses {
		if c := &pod.Status.ContainerStatuses[i]; c.State.Running == nil && c.State.Waiting != nil {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, " ")
}

// noImage are the kubelet's words for a container whose image cannot be had (package images of the kubelet). As a rule only another image, or a person, ends that.
var noImage = []string{
	"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed",
}

// ranLong is for how long a container must have run to be taken for one that will again.
const ranLong = time.Minute

// observeDown reads of the containers that do not run whose image cannot be had, and whether one of those that do not run had run for
// long. An init container that has ended has done its work.
func observeDown(pod *corev1.Pod) (stuck string, restarts bool) {
	var names []string
	all := slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
	for i := range all {
		last := all[i].State.Terminated
		if w := all[i].State.Waiting; w != nil {
			last = all[i].LastTerminationState.Terminated
			if slices.Contains(noImage, w.Reason) {
				names = append(names, all[i].Name)
			}
		}
		restarts = restarts || i >= len(pod.Status.InitContainerStatuses) && last != nil && ranForLong(last)
	}
	return strings.Join(names, " "), restarts
}

// lostContainer is the kubelet's word for a container that is not there any more and of which it knows no times, as after a reboot.
const lostContainer = "ContainerStatusUnknown"

// ranForLong reports whether a container ran for long, as far as that is known. One that could not be started has 1970 for its start.
func ranForLong(c *corev1.ContainerStateTerminated) bool {
	if c.Reason == lostContainer {
		return true
	}
	return c.StartedAt.Unix() > 0 && c.FinishedAt.Sub(c.StartedAt.Time) >= ranLong
}

// observed reports whether the kubelet has seen the pod as it is. One that never says what it has seen is not asked.
func observed(pod *corev1.Pod) bool {
	return pod.Status.ObservedGeneration == 0 || pod.Status.ObservedGeneration >= pod.Generation
}

// restarting are the containers that run with their former image, and are to get another. The ID of the image says nothing: two tags may be
// one image. One that is down has been stopped for the new image, which may never come: its status goes on naming the container that ran
// last. One whose former image was put back before its kubelet had seen the other is not started anew.
func restarting(pod *corev1.Pod) (names []string) {
	if pod.Annotations[v1alpha1.AnnotationRestarting] == "" { // most pods
		return nil
	}
	before := formerly(pod)
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if had := before[c.Name]; c.State.Running != nil && c.ContainerID != "" && had.id == c.ContainerID && had.image != imageOf(pod, c.Name) {
			names = append(names, c.Name)
		}
	}
	return names
}

// former is a container that ran when its image was changed: its ID, and the image that it was started with.
type former struct{ id, image string }

// formerly reads AnnotationRestarting.
func formerly(pod *corev1.Pod) map[string]former {
	all := map[string]former{}
	for part := range strings.SplitSeq(pod.Annotations[v1alpha1.AnnotationRestarting], " ") {
		if name, ran, ok := strings.Cut(part, "="); ok && ran != "" {
			id, image, _ := strings.Cut(ran, "@")
			all[name] = former{id, image}
		}
	}
	return all
}

// imageOf is the image that a container is to have.
func imageOf(pod *corev1.Pod, container string) string {
	for _, all := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for n := range all {
			if all[n].Name == container {
				return all[n].Image
			}
		}
	}
	return ""
}

// containerIDs is what AnnotationRestarting says of some containers, before their images are changed.
func containerIDs(pod *corev1.Pod, names []string) string {
	var parts []string
	before := formerly(pod)
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if !slices.Contains(names, c.Name) || c.ContainerID == "" {
			continue
		}
		image := imageOf(pod, c.Name)
		if had := before[c.Name]; had.id == c.ContainerID { // it was not started anew since
			image = had.image
		}
		parts = append(parts, c.Name+"="+c.ContainerID+"@"+image)
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// observeResize reads the conditions of a resize. One about an older generation says nothing about what is asked now, which is then
// still to be looked at.
func observeResize(pod *corev1.Pod, out *Pod) (code reason.Code, pending bool) {
	for _, c := range pod.Status.Conditions {
		if c.Status != corev1.ConditionTrue || c.Type != corev1.PodResizePending && c.Type != corev1.PodResizeInProgress {
			continue
		}
		pending = true
		if c.ObservedGeneration != 0 && c.ObservedGeneration < pod.Generation {
			continue
		}
		switch {
		case c.Type == corev1.PodResizePending && c.Reason == corev1.PodReasonDeferred:
			code, out.Trouble = reason.ResizeDeferred, c.Message
		case c.Type == corev1.PodResizePending && c.Reason == corev1.PodReasonInfeasible:
			code, out.Trouble = reason.ResizeInfeasible, c.Message
		case c.Reason == corev1.PodReasonError:
			code, out.Trouble = reason.ResizeFailed, c.Message
		}
	}
	return code, pending
}

// observeSwitchovers leaves out those of other sets: the name of a set may be the beginning of another one's.
func observeSwitchovers(set *v1alpha1.InstanceSet, all []*v1alpha1.Switchover) []Switchover {
	var out []Switchover
	for _, s := range all {
		if s.Spec.InstanceSet != set.Name {
			continue
		}
		seen := Switchover{
			Name: s.Name, Shard: s.Spec.Shard, Ours: metav1.IsControlledBy(s, set), Ended: s.Status.Ended(),
			Complete:   meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionComplete),
			HandedOver: s.Status.Result == v1alpha1.SwitchoverHandedOver,
		}
		if s.Status.CompletedAt != nil {
			seen.EndedAt = s.Status.CompletedAt.Time
		}
		if c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionFailed); seen.Ended && c != nil {
			seen.Words = cut(c.Message, maxDetails)
		}
		out = append(out, seen)
	}
	return out
}
