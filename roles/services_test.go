package roles

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
)

func (h *harness) service(t *testing.T, name string) *corev1.Service {
	t.Helper()
	var s corev1.Service
	if err := h.client.Get(t.Context(), client.ObjectKey{Namespace: "ns", Name: name}, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// A Service that differs from what the set asks for is brought back, and what is its users' stays.
func TestServicesAreRepaired(t *testing.T) {
	h := three(t)
	h.reconcileSet(t)
	s := h.service(t, "r-0-master")
	s.Annotations = map[string]string{"theirs": "stays"}
	s.Spec.Selector = map[string]string{v1alpha1.LabelInstanceSet: "r", "app": "anything"}
	s.Spec.Ports[0].NodePort, s.Spec.ClusterIP = 30000, "10.96.0.7"
	s.Spec.PublishNotReadyAddresses = false // as a manager from before made it
	if err := h.client.Update(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	set := h.reconcileSet(t)
	s = h.service(t, "r-0-master")
	if fmt.Sprint(s.Spec.Selector) != fmt.Sprint(podspec.RoleService(set, "r-0", "master").Spec.Selector) || s.Annotations["theirs"] != "stays" || s.Spec.ClusterIP != "10.96.0.7" || !s.Spec.PublishNotReadyAddresses {
		t.Errorf("%+v", s)
	}
	set.Spec.Template.Spec.Containers[0].Ports[0].ContainerPort = 6380
	if err := h.client.Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	h.reconcileSet(t)
	if s = h.service(t, "r-0-master"); s.Spec.Ports[0].Port != 6380 || s.Spec.Ports[0].TargetPort != intstr.FromInt32(6380) {
		t.Errorf("the port is %+v", s.Spec.Ports)
	}
	h.patches = nil
	h.reconcileSet(t)
	if len(h.patches) != 0 {
		t.Errorf("there is nothing to repair: %q", h.patches)
	}
}

func TestAServiceWithoutPorts(t *testing.T) {
	set := aSet()
	set.Spec.Template.Spec.Containers[0].Ports[0].Name = ""
	h := newHarness(t, set, aPod("r-0"))
	h.reconcileSet(t)
	if got := services(t, h); got != "" || len(h.told.lines) != 1 || !strings.Contains(h.told.lines[0], "ServiceNeedsPort") {
		t.Errorf("services %s, events %q", got, h.told.lines)
	}
}

// Ordinals with gaps make more shards than the schema counts: the first hundred have Services.
func TestTooManyShardsForServices(t *testing.T) {
	set, shards := aSet(), map[string]bool{}
	for n := range 103 {
		shards[fmt.Sprintf("r-%d", n)] = true
	}
	h := newHarness(t, set)
	wanted := h.sets.wanted(set, shards)
	if len(wanted) != maxServices || wanted["r-99-master"] == nil || wanted["r-100-master"] != nil {
		t.Errorf("%d Services", len(wanted))
	}
	if len(h.told.lines) != 1 || !strings.Contains(h.told.lines[0], "TooManyServices") {
		t.Errorf("events %q", h.told.lines)
	}
}
