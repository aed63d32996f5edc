package main

import (
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// The manager caches every pod of the cluster, because the room on a node depends on all of them. The transforms keep
// what is read, so that the cache stays small.

func stripPod(o any) (any, error) {
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return o, nil
	}
	pod.ManagedFields = nil
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			list[i] = corev1.Container{Name: list[i].Name, Image: list[i].Image, Resources: list[i].Resources, RestartPolicy: list[i].RestartPolicy}
		}
	}
	var claims []corev1.Volume
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim != nil || v.Ephemeral != nil {
			claims = append(claims, v)
		}
	}
	pod.Spec.Volumes = claims
	return pod, nil
}

func stripNode(o any) (any, error) {
	if node, ok := o.(*corev1.Node); ok {
		node.ManagedFields = nil
		maps.DeleteFunc(node.Annotations, func(key, _ string) bool {
			return key != v1alpha1.ResourceNetIngress && key != v1alpha1.ResourceNetEgress
		})
		node.Status.Images, node.Status.VolumesInUse, node.Status.VolumesAttached = nil, nil, nil
	}
	return o, nil
}

func stripStatefulSet(o any) (any, error) {
	if set, ok := o.(*appsv1.StatefulSet); ok {
		set.ManagedFields, set.Annotations = nil, nil
		set.Spec.Template = corev1.PodTemplateSpec{}
		set.Spec.VolumeClaimTemplates = nil
	}
	return o, nil
}
