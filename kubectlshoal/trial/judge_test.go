package trial

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/slots"
)

// A group uses more nodes than it may. The one with room is in use by a claim alone, which the API server has no longer: the scheduler
// chooses that node, asks, and refuses the pod. That is a verdict, and no error.
func TestRefusedAfterANodeWasChosen(t *testing.T) {
	c := benchCluster(2)
	c.Policies[0].Spec.MaxNodes = ptr.To(int32(1))
	c.Policies[0].Spec.MaxInstancesPerNode = ptr.To(intstr.FromInt32(2))
	plain := func(name, node string) *corev1.Pod {
		pod := benchPod(name, node, "1")
		pod.Spec.Affinity, pod.Spec.TopologySpreadConstraints = nil, nil
		return pod
	}
	c.Pods = append(c.Pods, plain("r-0", "n0000"), plain("r-1", "n0000"))
	c.Claims = append(c.Claims, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: "data-r-2", UID: "data-r-2", Annotations: map[string]string{slots.SelectedNode: "n0001"},
		Labels: map[string]string{v1alpha1.LabelPlacementPolicy: "x", v1alpha1.LabelInstanceSet: "r", v1alpha1.LabelOrdinal: "2"},
	}})
	config, err := LoadConfig("")
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(t.Context(), config, c)
	if err != nil {
		t.Fatal(err)
	}
	server, ok := s.framework.ClientSet().(*fake.Clientset)
	if !ok {
		t.Fatalf("the API server is a %T", s.framework.ClientSet())
	}
	server.PrependReactor("get", "persistentvolumeclaims", func(a clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewNotFound(a.GetResource().GroupResource(), "data-r-2")
	})
	for range 2 { // what was reserved is given back
		v, err := s.Place(t.Context(), plain("r-3", ""))
		if err != nil {
			t.Fatal(err)
		}
		if v.Node != "" || v.Before == nil || v.Before.Code != reason.NodeVacated {
			t.Errorf("node %q, refused: %+v", v.Node, v.Before)
		}
	}
}
