package roles

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/podspec"
)

// onNodes is the set with its pods, and a healthy node for each.
func onNodes() []client.Object {
	objects := []client.Object{aSet()}
	for _, name := range []string{"r-0", "r-1", "r-2"} {
		objects = append(objects, aPod(name), &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: "node-" + name},
			Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
		})
	}
	return objects
}

// agentless is a pod whose agent's container does not run, as the kubelet reports it.
func agentless(pod *corev1.Pod) {
	always := corev1.ContainerRestartPolicyAlways
	pod.Spec.Containers = []corev1.Container{{Name: "redis"}}
	pod.Spec.InitContainers = []corev1.Container{{Name: podspec.AgentContainer, Image: "agent:v1", RestartPolicy: &always}}
	pod.Status.Conditions[0].Status = corev1.ConditionFalse
	pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: podspec.AgentContainer}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "redis", Ready: true}}
}

// Services of roles lead to whoever has the label, whatever the kubelet says of the pod. So the label replica goes from who does not
// serve, and stays with who has but lost its agent.
func TestTheLabelReplicaFollowsTheEngine(t *testing.T) {
	h := newHarness(t, aSet(), aPod("r-0"), aPod("r-1"), aPod("r-2"))
	h.hear(t, "r-0", 1)
	h.reconcile(t)
	change := func(name string, what func(*corev1.Pod)) {
		t.Helper()
		pod := h.pod(t, name)
		what(pod)
		status := pod.Status
		err := h.client.Update(t.Context(), pod)
		if pod.Status = status; err == nil {
			err = h.client.Status().Update(t.Context(), pod)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := h.labels(t); got != "master,replica,replica" {
		t.Fatal(got)
	}
	change("r-1", agentless)
	change("r-2", func(pod *corev1.Pod) { pod.Status.Conditions[0].Status = corev1.ConditionFalse })
	change("r-0", func(pod *corev1.Pod) { pod.Status.Conditions[0].Status = corev1.ConditionFalse })
	h.reconcile(t)
	if got := h.labels(t); got != "master,replica," {
		t.Errorf("r-1 has lost its agent, and the engines of r-0 and r-2 are not ready: %s", got)
	}
	change("r-1", func(pod *corev1.Pod) { pod.Status.ContainerStatuses[0].Ready = false })
	h.reconcile(t)
	if got := h.labels(t); got != "master,," {
		t.Errorf("r-1 has lost its engine too: %s", got)
	}
}

func TestAReplicaThatIsLeftBehind(t *testing.T) {
	h := newHarness(t, onNodes()...)
	h.hear(t, "r-0", 1)
	h.reconcile(t)
	say := func(linked bool) {
		t.Helper()
		sequence++
		pod := h.pod(t, "r-1")
		err := h.ledger.Accept(t.Context(), agent.Identity{Namespace: "ns", Pod: "r-1", UID: string(pod.UID)}, agent.Report{
			Version: agent.Version, Role: agent.RoleReplica, Epoch: 1, BootID: strings.Repeat("a", 32), Sequence: sequence, MasterAddr: "r-0:6379", LinkUp: linked,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	say(false)
	if again := h.reconcile(t); h.labels(t) != "master,replica,replica" || again > idle {
		t.Errorf("it has just lost its master: %s, again in %s", h.labels(t), again)
	}
	h.clock = h.clock.Add(50 * time.Second)
	say(false)
	h.clock = h.clock.Add(11 * time.Second)
	h.reconcile(t)
	if got := h.labels(t); got != "master,,replica" {
		t.Errorf("for a minute: %s", got)
	}
	say(true)
	h.reconcile(t)
	if got := h.labels(t); got != "master,replica,replica" {
		t.Errorf("it is in sync: %s", got)
	}
}

// A node that is silent says something of the instances on it, unless most of the set's are.
func TestSilentNodes(t *testing.T) {
	h := newHarness(t, onNodes()...)
	h.hear(t, "r-0", 1)
	h.reconcile(t)
	set := func(node string, ready corev1.ConditionStatus) {
		t.Helper()
		var n corev1.Node
		if err := h.client.Get(t.Context(), types.NamespacedName{Name: node}, &n); err != nil {
			t.Fatal(err)
		}
		before := n.DeepCopy()
		n.Status.Conditions[0].Status = ready
		if err := h.client.Status().Update(t.Context(), &n); err != nil {
			t.Fatal(err)
		}
		if !nodeChanges().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: &n}) {
			t.Errorf("that %s is %s is not heard of", node, ready)
		}
	}
	set("node-r-1", corev1.ConditionUnknown)
	h.reconcile(t)
	if got := h.labels(t); got != "master,,replica" {
		t.Errorf("one node is silent: %s", got)
	}
	set("node-r-1", corev1.ConditionTrue)
	h.reconcile(t)
	h.clock = h.clock.Add(hushFor)
	for _, node := range []string{"node-r-0", "node-r-1", "node-r-2"} {
		set(node, corev1.ConditionUnknown)
	}
	h.reconcile(t)
	if got := h.labels(t); got != "master,replica,replica" {
		t.Errorf("all nodes are silent: %s", got)
	}
}

func TestChangesOfReadinessAreHeard(t *testing.T) {
	h := newHarness(t)
	before, after := aPod("r-0"), aPod("r-0")
	if agentless(after); h.podChanges().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}) {
		t.Error("that the agent alone does not run decides nothing")
	}
	after.Status.ContainerStatuses[0].Ready = false
	if !h.podChanges().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}) {
		t.Error("that the engine is not ready is not heard")
	}
}
