package policy

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// TestScenarios runs testdata. `status` takes a policy's limits as arguments and a world, and prints the status:
//
//	status R=6 M=2 K=3 [m=1] [shards=3]
//	status targets=(a:3,b:1,c) M=2 [observed=2]       c does not exist
//	5x node cpu=4 [cordoned] [tainted]  nodes n-0, n-1, ... that have 4 CPUs
//	2x pods on=n-0 [shard=s] [lost]   instances of the policy, each wants one CPU
//	1x pending [cpu=4] [only=x]       an instance without a node; it asks for 4 CPUs; it selects nodes with a label that none has
//	1x volumes on=n-0 [retired]       instances whose local volume is there and whose pod is not
//	1x other on=n-0 cpu=2             a pod of somebody else
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd != "status" {
				t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
			}
			s := snapshotOf(t, d)
			for line := range strings.SplitSeq(strings.TrimSpace(d.Input), "\n") {
				addLine(t, &s, line)
			}
			s.world.Nodes = slots.NewNodeMap(s.nodes)
			s.world.Volume = func(string) *corev1.PersistentVolume { return nil }
			return printed(statusOf(s))
		})
	})
}

func snapshotOf(t *testing.T, d *datadriven.TestData) snapshot {
	t.Helper()
	p := &v1alpha1.PlacementPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", Generation: 3}}
	s := snapshot{policy: p, requested: map[string]slots.Amount{}, now: metav1.NewTime(time.Unix(0, 0))}
	for _, arg := range d.CmdArgs {
		switch value := arg.Vals[0]; arg.Key {
		case "R":
			p.Spec.Replicas = ptr.To(int32(number(t, value)))
		case "M":
			p.Spec.MaxInstancesPerNode = ptr.To(intstr.Parse(value))
		case "K":
			p.Spec.MaxNodes = ptr.To(int32(number(t, value)))
		case "shards":
			p.Spec.Shards = ptr.To(int32(number(t, value)))
		case "m":
			p.Spec.ShardSpread = []v1alpha1.ShardSpread{{TopologyKey: corev1.LabelHostname, Max: int32(number(t, value))}}
		case "targets":
			for _, target := range arg.Vals {
				addTarget(t, &s, target)
			}
		case "observed":
			p.Status.ObservedGeneration = int64(number(t, value))
		default:
			t.Fatalf("%s: unknown argument %q", d.Pos, arg.Key)
		}
	}
	return s
}

// addTarget adds a StatefulSet <name>:<replicas>, or the name of one that does not exist.
func addTarget(t *testing.T, s *snapshot, target string) {
	t.Helper()
	name, replicas, exists := strings.Cut(target, ":")
	s.policy.Spec.ScaleTargetRefs = append(s.policy.Spec.ScaleTargetRefs, v1alpha1.ScaleTargetRef{Kind: "StatefulSet", Name: name})
	if !exists {
		s.missing = append(s.missing, "StatefulSet "+name)
		return
	}
	s.targets = append(s.targets, v1alpha1.ScaleTargetCount{Kind: "StatefulSet", Name: name, Replicas: int32(number(t, replicas))})
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func addLine(t *testing.T, s *snapshot, line string) {
	t.Helper()
	words := strings.Fields(line)
	args := map[string]string{}
	for _, word := range words[2:] {
		key, value, _ := strings.Cut(word, "=")
		args[key] = value
	}
	for range number(t, strings.TrimSuffix(words[0], "x")) {
		switch words[1] {
		case "node":
			addNode(s, args)
		case "pods", "pending":
			addPod(s, args)
		case "volumes":
			addClaim(s, args)
		case "other":
			s.requested[args["on"]] = slots.Amount{MilliCPU: 1000 * int64(number(t, args["cpu"])), Pods: 1}
		default:
			t.Fatalf("unknown object %q", words[1])
		}
	}
}

func addNode(s *snapshot, args map[string]string) {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("n-%d", len(s.nodes))}}
	n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(args["cpu"]), corev1.ResourcePods: resource.MustParse("110")}
	_, n.Spec.Unschedulable = args["cordoned"]
	if _, tainted := args["tainted"]; tainted {
		n.Spec.Taints = []corev1.Taint{{Key: "dedicated", Effect: corev1.TaintEffectNoSchedule}}
	}
	s.nodes = append(s.nodes, n)
}

func addPod(s *snapshot, args map[string]string) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: fmt.Sprintf("r-%d", len(s.world.Pods))}}
	pod.Labels = map[string]string{v1alpha1.LabelPlacementPolicy: "p", v1alpha1.LabelInstanceSet: "r"}
	if shard := args["shard"]; shard != "" {
		pod.Labels[v1alpha1.LabelShard] = shard
	}
	if _, lost := args["lost"]; lost {
		pod.Labels[v1alpha1.LabelLost] = "uid-of-" + args["on"]
	}
	pod.Spec.NodeName = args["on"]
	pod.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}}}
	if cpu := args["cpu"]; cpu != "" {
		pod.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse(cpu)
	}
	if only := args["only"]; only != "" {
		pod.Spec.NodeSelector = map[string]string{"only": only}
	}
	s.world.Pods = append(s.world.Pods, pod)
	if pod.Spec.NodeName != "" {
		s.requested[pod.Spec.NodeName] = s.requested[pod.Spec.NodeName].Plus(slots.RequestOf(pod))
	}
}

// addClaim adds a claim that was promised to a node, as it is from the placement of its first pod on.
func addClaim(s *snapshot, args map[string]string) {
	c := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: fmt.Sprintf("data-v-%d", len(s.world.Claims))}}
	c.Labels = map[string]string{v1alpha1.LabelPlacementPolicy: "p", v1alpha1.LabelInstanceSet: "v", v1alpha1.LabelOrdinal: strconv.Itoa(len(s.world.Claims))}
	if _, retired := args["retired"]; retired {
		c.Labels[v1alpha1.LabelRetired] = v1alpha1.RetiredValue
	}
	c.Annotations = map[string]string{slots.SelectedNode: args["on"]}
	s.world.Claims = append(s.world.Claims, c)
}

func printed(status v1alpha1.PlacementPolicyStatus) string {
	var text strings.Builder
	fewest := "impossible"
	if status.FewestNodes != nil {
		fewest = strconv.Itoa(int(*status.FewestNodes))
	}
	fmt.Fprintf(&text, "%d of %d instances on %d nodes, fewest %s", status.Instances, status.Replicas, status.NodesUsed, fewest)
	if status.PerNode != nil {
		fmt.Fprintf(&text, ", %d to %d on a node, a node's loss takes %d (%d %%)",
			status.PerNode.Min, status.PerNode.Max, status.BlastRadius.Instances, status.BlastRadius.Percent)
		if b := status.BlastRadius; b.Shards > 0 {
			fmt.Fprintf(&text, " of %d shards, %d of them entirely", b.Shards, b.LastInstances)
		}
	}
	if status.LostNodes > 0 {
		fmt.Fprintf(&text, ", %d lost", status.LostNodes)
	}
	for _, target := range status.Targets {
		fmt.Fprintf(&text, ", %s wants %d", target.Name, target.Replicas)
	}
	if status.ObservedGeneration == 0 {
		text.WriteString(", not counted")
	}
	for _, c := range status.Conditions {
		fmt.Fprintf(&text, "\n%s=%s/%s generation %d: %s", c.Type, c.Status, c.Reason, c.ObservedGeneration, c.Message)
	}
	return text.String()
}
