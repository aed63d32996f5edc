package slots

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// TestInterchangeable: whatever a slot follows from makes another pod of it, and nothing else does.
func TestInterchangeable(t *testing.T) {
	pod := func(change func(*corev1.Pod)) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r-0", UID: "u", Labels: map[string]string{v1alpha1.LabelPlacementPolicy: "p"}}}
		p.Spec.NodeName = "a"
		p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-r-0"},
		}}}
		change(p)
		return p
	}
	for what, c := range map[string]struct {
		change func(*corev1.Pod)
		same   bool
	}{
		"a newer version":   {func(p *corev1.Pod) { p.ResourceVersion = "2" }, true},
		"it is Ready":       {func(p *corev1.Pod) { p.Status.Phase = corev1.PodRunning }, true},
		"it terminates":     {func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} }, true},
		"it has failed":     {func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }, false},
		"it has succeeded":  {func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }, false},
		"another node":      {func(p *corev1.Pod) { p.Spec.NodeName = "b" }, false},
		"its zone":          {func(p *corev1.Pod) { p.Labels[corev1.LabelTopologyZone] = "z" }, true},
		"its role":          {func(p *corev1.Pod) { p.Labels[v1alpha1.LabelRole] = "master" }, true},
		"an old nomination": {func(p *corev1.Pod) { p.Status.NominatedNodeName = "b" }, true},
		"another cluster":   {func(p *corev1.Pod) { p.Labels[v1alpha1.LabelCluster] = "c" }, false},
		"another set":       {func(p *corev1.Pod) { p.Labels[v1alpha1.LabelInstanceSet] = "s" }, false},
		"another group":     {func(p *corev1.Pod) { p.Labels[v1alpha1.LabelPlacementPolicy] = "q" }, false},
		"another shard":     {func(p *corev1.Pod) { p.Labels[v1alpha1.LabelShard] = "s" }, false},
		"it is lost":        {func(p *corev1.Pod) { p.Labels[v1alpha1.LabelLost] = "u" }, false},
		"another claim":     {func(p *corev1.Pod) { p.Spec.Volumes[0].PersistentVolumeClaim.ClaimName = "data-r-1" }, false},
		"no volume":         {func(p *corev1.Pod) { p.Spec.Volumes = nil }, false},
	} {
		if got := Interchangeable(pod(func(*corev1.Pod) {}), pod(c.change)); got != c.same {
			t.Errorf("%s: the same slots follow: %v", what, got)
		}
	}
	waiting := pod(func(p *corev1.Pod) { p.Spec.NodeName = "" })
	if Interchangeable(waiting, pod(func(p *corev1.Pod) { p.Spec.NodeName, p.Status.NominatedNodeName = "", "b" })) {
		t.Error("a nomination of a pod that waits says nothing")
	}
}
