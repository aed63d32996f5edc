package decide

import (
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/slots"
)

// TestANodeThatCannotBeLookedAtIsNoPlace: what is on a node is not known, and it is not taken for empty.
func TestANodeThatCannotBeLookedAtIsNoPlace(t *testing.T) {
	set, room := newWorld().set, &Room{}
	for _, name := range []string{"a", "b"} {
		node := &corev1.Node{}
		node.Name = name
		node.Status.Allocatable = corev1.ResourceList{corev1.ResourcePods: resource.MustParse("10"), corev1.ResourceCPU: resource.MustParse("64"), corev1.ResourceMemory: resource.MustParse("64Gi")}
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
		room.Nodes = append(room.Nodes, node)
	}
	room.Nodes[0].Spec.Unschedulable = true
	pod := podspec.Pod(set, podspec.Instance{})
	pod.Spec.NodeName, pod.UID = "a", "1"
	places := func(err error) int {
		room.On = func(string) ([]*corev1.Pod, error) { return nil, err }
		s := Observe(time.Now(), Objects{Set: set, Pods: []*corev1.Pod{pod}, Nodes: slots.NewNodeMap(room.Nodes), Room: room})
		return len(s.Pods[0].Move.To)
	}
	if n := places(nil); n != 1 {
		t.Fatalf("%d places, not one", n)
	}
	if n := places(errors.New("no index")); n != 0 {
		t.Errorf("%d places, of which nothing is known", n)
	}
}
