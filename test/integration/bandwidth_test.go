//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// testBandwidth: the manager, with the rights that it is installed with, makes a node advertise what its annotation says,
// and does so again when the status is overwritten. The scheduler hands it out to pods that have only annotations too.
func testBandwidth(t *testing.T, k kit) {
	ns := k.namespace(t, "bandwidth")
	var nodes corev1.NodeList
	if err := k.client.List(t.Context(), &nodes); err != nil {
		t.Fatal(err)
	}
	node := &nodes.Items[0]
	k.annotate(t, node, `"1000"`)
	k.advertised(t, node, "1k")
	// As a kubelet does that starts anew.
	zero := fmt.Appendf(nil, `{"status":{"capacity":{%q:"0"},"allocatable":{%q:"0"}}}`, v1alpha1.ResourceNetIngress, v1alpha1.ResourceNetIngress)
	if err := k.client.Status().Patch(t.Context(), node, client.RawPatch(types.MergePatchType, zero)); err != nil {
		t.Fatal(err)
	}
	k.advertised(t, node, "1k")

	shaped := func(name, bandwidth string) *corev1.Pod {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Annotations: map[string]string{v1alpha1.AnnotationIngressBandwidth: bandwidth}}}
		pod.Spec.SchedulerName, pod.Spec.NodeSelector = v1alpha1.SchedulerName, map[string]string{corev1.LabelHostname: node.Labels[corev1.LabelHostname]}
		pod.Spec.Containers = []corev1.Container{{Name: "redis", Image: "redis:7"}}
		return pod
	}
	first, second := shaped("first", "600M"), shaped("second", "401M")
	k.create(t, first)
	eventually(t, 30*time.Second, "placing a pod that fits", func() error { return k.scheduled(t, first, "") })
	k.create(t, second)
	eventually(t, 30*time.Second, "refusing one that does not", func() error { return k.scheduled(t, second, "SHOAL1116") })
	k.annotate(t, node, `"1001"`)
	eventually(t, 30*time.Second, "placing it when there is more", func() error { return k.scheduled(t, second, "") })
	k.annotate(t, node, "null")
	k.advertised(t, node, "")
}

func (k kit) annotate(t *testing.T, node *corev1.Node, value string) {
	t.Helper()
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%s}}}`, v1alpha1.ResourceNetIngress, value)
	if err := k.client.Patch(t.Context(), node.DeepCopy(), client.RawPatch(types.MergePatchType, patch)); err != nil {
		t.Fatal(err)
	}
}

// advertised waits until the node says so; nothing is that it says nothing.
func (k kit) advertised(t *testing.T, node *corev1.Node, want string) {
	t.Helper()
	eventually(t, 30*time.Second, "advertising "+want, func() error {
		now := &corev1.Node{}
		if err := k.client.Get(t.Context(), client.ObjectKeyFromObject(node), now); err != nil {
			return err
		}
		for _, list := range []corev1.ResourceList{now.Status.Capacity, now.Status.Allocatable} {
			got, there := list[v1alpha1.ResourceNetIngress]
			if there != (want != "") || there && got.String() != want {
				return fmt.Errorf("it says %q", got.String())
			}
		}
		return nil
	})
}

// scheduled is an error unless the pod has a node, or its condition says why it has none.
func (k kit) scheduled(t *testing.T, pod *corev1.Pod, why string) error {
	now := &corev1.Pod{}
	if err := k.client.Get(t.Context(), client.ObjectKeyFromObject(pod), now); err != nil {
		return err
	}
	if why == "" && now.Spec.NodeName != "" {
		return nil
	}
	for _, c := range now.Status.Conditions {
		if c.Type == corev1.PodScheduled && why != "" && strings.Contains(c.Message, why) && now.Spec.NodeName == "" {
			return nil
		}
	}
	return fmt.Errorf("on %q: %+v", now.Spec.NodeName, now.Status.Conditions)
}
