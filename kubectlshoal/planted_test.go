package kubectlshoal

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/answer"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/kubectlshoal/trial"
	"github.com/shoal-dev/shoal/reason"
)

// planted is a reason that was put into a cluster of three nodes with 8 CPUs (a, b, c), in which the pod x waits.
type planted struct {
	name string
	// plant changes the world.
	plant func(*planting)
	state answer.State
	// rule is the code or the plugin, and nodes how many nodes it must refuse.
	rule  string
	nodes int
	// change must be among the changes, the first if there are several; "" for none at all.
	change string
}

// planting is the world of a planted reason.
type planting struct {
	*snapshot.Cluster
	x      *corev1.Pod
	config string
}

func (p *planting) node(name string) *corev1.Node { return snapshot.Find(p.Nodes, "", name) }

func (p *planting) eachNode(change func(*corev1.Node)) {
	for _, n := range p.Nodes {
		change(n)
	}
}

// policy puts x into a group.
func (p *planting) policy(replicas, m, k int32) *v1alpha1.PlacementPolicy {
	policy := &v1alpha1.PlacementPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "g"}}
	policy.Spec.Replicas = &replicas
	if m > 0 {
		policy.Spec.MaxInstancesPerNode = ptr.To(intstr.FromInt32(m))
	}
	if k > 0 {
		policy.Spec.MaxNodes = &k
	}
	p.Put(policy)
	p.x.Labels[v1alpha1.LabelPlacementPolicy] = "g"
	return policy
}

// portTakenOn takes a host port of x on a node, of which no plan of a group knows.
func (p *planting) portTakenOn(node string) {
	port := []corev1.ContainerPort{{HostPort: 6379, ContainerPort: 6379, Protocol: corev1.ProtocolTCP}}
	p.other("port", node, "1").Spec.Containers[0].Ports = port
	p.x.Spec.Containers[0].Ports = port
}

// told has the scheduler say something to x.
func (p *planting) told(message string) {
	p.x.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: message}}
}

// other is another pod on a node.
func (p *planting) other(name, node, cpu string, change ...func(*corev1.Pod)) *corev1.Pod {
	pod := aPod(name, node, cpu)
	for _, f := range change {
		f(pod)
	}
	p.Put(pod)
	return pod
}

func aPod(name, node, cpu string) *corev1.Pod {
	m := many{Namespace: "ns", Node: node, CPU: cpu, Labels: map[string]string{}}
	pod, _ := m.aPod(name)[0].(*corev1.Pod)
	return pod
}

func inGroup(name string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Labels[v1alpha1.LabelPlacementPolicy] = name }
}

func inShard(name string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Labels[v1alpha1.LabelShard] = name }
}

func hostIn(names ...string) *corev1.NodeSelector {
	return &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
		{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: names},
	}}}}
}

var plants = []planted{
	{"a pod asks for more cpu than any node has left", func(p *planting) {
		p.other("o", "b", "2")
		request(p.x, corev1.ResourceCPU, "7")
		p.other("o1", "a", "2")
		p.other("o2", "c", "1500m")
	}, answer.Waiting, "NodeResourcesFit", 3, "free on c 500m more cpu (asked 7, free 6500m)"},
	{"memory", func(p *planting) { request(p.x, corev1.ResourceMemory, "33Gi") }, answer.Waiting, "NodeResourcesFit", 3, "free on a 1Gi more memory (asked 33Gi, free 32Gi)"},
	{"ephemeral storage", func(p *planting) { request(p.x, corev1.ResourceEphemeralStorage, "1Gi") }, answer.Waiting, "NodeResourcesFit", 3, "free on a 1Gi more ephemeral-storage (asked 1Gi, free 0)"},
	{"an extended resource", func(p *planting) { request(p.x, "example.com/disk", "1") }, answer.Waiting, "NodeResourcesFit", 3, "free on a 1 more example.com/disk (asked 1, free 0)"},
	{"no pods any more", func(p *planting) {
		p.eachNode(func(n *corev1.Node) { n.Status.Allocatable[corev1.ResourcePods] = resource.MustParse("0") })
	}, answer.Waiting, "NodeResourcesFit", 3, "free on a 1 more pods (asked 1, free 0)"},
	{"all nodes are cordoned", func(p *planting) { p.eachNode(func(n *corev1.Node) { n.Spec.Unschedulable = true }) }, answer.Waiting, "NodeUnschedulable", 3, "uncordon a"},
	{"all nodes are tainted", func(p *planting) {
		p.eachNode(func(n *corev1.Node) {
			n.Spec.Taints = []corev1.Taint{{Key: "team", Value: "ml", Effect: corev1.TaintEffectNoSchedule}}
		})
	}, answer.Waiting, "TaintToleration", 3, "remove the taint team=ml:NoSchedule from a, or tolerate it"},
	{"all nodes are dead", func(p *planting) {
		p.eachNode(func(n *corev1.Node) {
			n.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoSchedule}}
		})
	}, answer.Waiting, "TaintToleration", 3, "bring a back: it has the taint node.kubernetes.io/unreachable:NoSchedule"},
	{"a node selector that matches nothing", func(p *planting) { p.x.Spec.NodeSelector = map[string]string{"disk": "ssd"} }, answer.Waiting, "NodeAffinity", 3, "let nodeSelector and node affinity of the pod allow a"},
	{"a node affinity to a cordoned node", func(p *planting) {
		p.x.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: hostIn("b")}}
		p.node("b").Spec.Unschedulable = true
	}, answer.Waiting, "NodeUnschedulable", 1, "let nodeSelector and node affinity of the pod allow a"},
	{"a host port is taken", func(p *planting) {
		port := []corev1.ContainerPort{{HostPort: 6379, ContainerPort: 6379, Protocol: corev1.ProtocolTCP}}
		for _, n := range []string{"a", "b", "c"} {
			p.other("o"+n, n, "1").Spec.Containers[0].Ports = port
		}
		p.x.Spec.Containers[0].Ports = port
	}, answer.Waiting, "NodePorts", 3, "give the pod another host port"},
	{"anti-affinity to what is everywhere", func(p *planting) {
		for _, n := range []string{"a", "b", "c"} {
			p.other("o"+n, n, "1").Labels["app"] = "x"
		}
		p.x.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: near("x")}}
	}, answer.Waiting, "InterPodAffinity", 3, "drop the pod's affinity to other pods"},
	{"affinity to a pod that is nowhere", func(p *planting) {
		p.x.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: near("nobody")}}
	}, answer.Waiting, "InterPodAffinity", 3, "drop the pod's affinity to other pods"},
	{"topology spread", func(p *planting) {
		p.x.Labels["app"] = "x"
		for _, n := range []string{"a", "b"} {
			p.other("o"+n, n, "1").Labels["app"] = "x"
		}
		p.x.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}},
		}}
		p.other("full", "c", "8")
	}, answer.Waiting, "PodTopologySpread", 2, "free on c 1 more cpu (asked 1, free 0)"},
	{"a claim that does not exist", func(p *planting) { mount(p.x, "data-x") }, answer.Refused, "VolumeRestrictions", 0, ""},
	{"a claim whose StorageClass does not exist", func(p *planting) {
		mount(p.x, "data-x")
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "data-x"}}
		claim.Spec.StorageClassName, claim.Spec.AccessModes = ptr.To("local"), []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
		p.Put(claim)
	}, answer.Refused, "VolumeBinding", 0, "create StorageClass local, with volumeBindingMode WaitForFirstConsumer"},
	{"a volume on a node that is gone", func(p *planting) {
		claim, volume := localVolume(p.x, "gone")
		p.Put(claim)
		p.Put(volume)
	}, answer.Waiting, "VolumeBinding", 3, ""},
	{"a scheduling gate", func(p *planting) { p.x.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "example.com/quota"}} }, answer.Refused, "SchedulingGates", 0, "remove the scheduling gate example.com/quota"},
	{"no nodes at all", func(p *planting) { p.Nodes = nil }, answer.Refused, "scheduler", 0, ""},
	{"another scheduler", func(p *planting) { p.x.Spec.SchedulerName = "" }, answer.NotOurs, "", 0, ""},
	{"it was placed", func(p *planting) { p.x.Spec.NodeName = "a" }, answer.Placed, "", 0, ""},
	{"it is being deleted", func(p *planting) { p.x.DeletionTimestamp = ptr.To(metav1.Unix(1_700_000_000, 0)) }, answer.Terminating, "", 0, ""},
	{"it has ended", func(p *planting) { p.x.Status.Phase = corev1.PodFailed }, answer.Ended, "", 0, ""},
	{"nothing is in its way", func(*planting) {}, answer.WouldFit, "", 0, ""},
	{"the policy is missing", func(p *planting) { inGroup("g")(p.x) }, answer.Refused, "SHOAL1100", 0, "create PlacementPolicy g in namespace ns"},
	{"every node holds M", func(p *planting) {
		p.policy(4, 1, 0)
		for _, n := range []string{"a", "b", "c"} {
			p.other("g"+n, n, "1", inGroup("g"))
		}
	}, answer.Waiting, "SHOAL1101", 3, "raise maxInstancesPerNode from 1 to 2 in PlacementPolicy g"},
	{"K nodes are in use, and full", func(p *planting) {
		p.policy(3, 0, 1)
		p.other("g0", "a", "8", inGroup("g"))
	}, answer.Waiting, "SHOAL1102", 2, "raise maxNodes from 1 to 2 in PlacementPolicy g"},
	{"a node that is too small for the rest", func(p *planting) {
		p.policy(6, 0, 2)
		p.other("g0", "a", "8", inGroup("g"))
		p.other("full", "b", "8")
		p.portTakenOn("c")
	}, answer.Waiting, "SHOAL1103", 1, "give the pod another host port"},
	{"a copy of the shard is everywhere", func(p *planting) {
		p.policy(4, 0, 0).Spec.Shards = ptr.To[int32](1)
		inShard("s")(p.x)
		for _, n := range []string{"a", "b", "c"} {
			p.other("g"+n, n, "1", inGroup("g"), inShard("s"))
		}
	}, answer.Waiting, "SHOAL1104", 3, "add a node like a"},
	{"the cap over all groups", func(p *planting) {
		p.config = "maxInstancesPerNode: 1"
		p.policy(4, 0, 0)
		for _, n := range []string{"a", "b", "c"} {
			p.Put(&v1alpha1.PlacementPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "h"}, Spec: v1alpha1.PlacementPolicySpec{Replicas: ptr.To[int32](3)}})
			p.other("h"+n, n, "1", inGroup("h"))
		}
	}, answer.Waiting, "SHOAL1105", 3, "add a node like a"},
	{"the policy is older than the pod", func(p *planting) {
		p.policy(1, 1, 0).ResourceVersion = "5"
		p.x.Annotations = map[string]string{v1alpha1.AnnotationPolicyVersion: "6"}
	}, answer.Refused, "SHOAL1106", 0, ""},
	{"the policy is not counted", func(p *planting) {
		policy := p.policy(1, 1, 0)
		policy.Generation, policy.Spec.Replicas = 2, nil
		policy.Spec.ScaleTargetRefs = []v1alpha1.ScaleTargetRef{{Kind: "StatefulSet", Name: "s"}}
	}, answer.Refused, "SHOAL1107", 0, ""},
	{"its volume is on a full node", func(p *planting) {
		p.policy(3, 0, 0)
		claim, volume := localVolume(p.x, "a")
		p.Put(claim)
		p.Put(volume)
		p.other("full", "a", "8")
	}, answer.Waiting, "SHOAL1108", 2, "free on a 1 more cpu (asked 1, free 0)"},
	{"its volume is lost", func(p *planting) {
		p.policy(3, 0, 0)
		claim, volume := localVolume(p.x, "a")
		claim.Labels = map[string]string{v1alpha1.LabelPlacementPolicy: "g", v1alpha1.LabelLost: "uid"}
		p.Put(claim)
		p.Put(volume)
	}, answer.Refused, "SHOAL1109", 0, ""},
	{"the room is promised to an absent instance", func(p *planting) {
		p.policy(3, 0, 0)
		absent := aPod("absent", "", "1")
		inGroup("g")(absent)
		claim, volume := localVolume(absent, "a")
		p.Put(claim)
		p.Put(volume)
		p.other("o", "a", "7")
		for _, n := range []string{"b", "c"} {
			p.other("o"+n, n, "8")
		}
	}, answer.Waiting, "SHOAL1110", 1, "free on b 1 more cpu (asked 1, free 0)"},
	{"the node is planned for the shard that is still to come", func(p *planting) {
		p.policy(6, 2, 0).Spec.Shards = ptr.To[int32](3) // two places on each of three nodes, for three shards of two
		p.other("g0", "a", "1", inGroup("g"), inShard("s0"))
		p.other("g1", "b", "1", inGroup("g"), inShard("s0"))
		p.other("g2", "a", "1", inGroup("g"), inShard("s1"))
		inShard("s1")(p.x) // on b it would leave c alone to both of the last shard
		p.portTakenOn("c") // known once it was tried: then there is no place for x and both of the last shard
	}, answer.Waiting, "SHOAL1111", 2, "give the pod another host port"},
	{"it waits behind another of its group, and for the same reason", func(p *planting) {
		p.policy(5, 1, 0)
		for _, n := range []string{"a", "b", "c"} {
			p.other("g"+n, n, "1", inGroup("g"))
		}
		p.other("g3", "", "1", inGroup("g")) // SHOAL1114 names it; what helps stands with the nodes
	}, answer.Waiting, "SHOAL1101", 3, "raise maxInstancesPerNode from 1 to 2 in PlacementPolicy g"},
	{"Strict, and the only node of the plan is closed", func(p *planting) {
		p.policy(2, 0, 0).Spec.Mode = v1alpha1.PlacementStrict
		p.other("g0", "a", "8", inGroup("g"))
		p.other("full", "c", "8")
		p.portTakenOn("b")
	}, answer.Waiting, "SHOAL1112", 2, "give the pod another host port"},
	{"another group needs the room", func(p *planting) {
		p.Put(&v1alpha1.PlacementPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "h"}, Spec: v1alpha1.PlacementPolicySpec{
			Replicas: ptr.To[int32](16), PlacementLimits: v1alpha1.PlacementLimits{MaxNodes: ptr.To[int32](2)},
		}})
		p.other("h0", "a", "1", inGroup("h"))
		p.other("h1", "b", "1", inGroup("h"))
		p.other("h2", "", "1", inGroup("h"))
		p.other("full", "c", "8")
		p.policy(1, 1, 0)
	}, answer.Waiting, "SHOAL1113", 2, "free on c 1 more cpu (asked 1, free 0)"},
	{"the network bandwidth is taken, by pods and by this one in annotations alone", func(p *planting) {
		p.eachNode(func(n *corev1.Node) {
			n.Status.Allocatable[v1alpha1.ResourceNetIngress] = resource.MustParse("1000")
			p.other("o"+n.Name, n.Name, "1").Annotations = map[string]string{"kubernetes.io/ingress-bandwidth": "900M"}
		})
		p.x.Annotations = map[string]string{"kubernetes.io/ingress-bandwidth": "200M"}
	}, answer.Waiting, "SHOAL1116", 3, "add a node like a"},
	{"nodes are too busy, by a measurement that is not read", func(p *planting) {
		p.told("0/3 nodes are available: 1 Insufficient cpu, 2 " + reason.NodeBusy.Message() + ".")
	}, answer.Waiting, "SHOAL1115", 2, ""},
	{"what was in its way has gone", func(p *planting) { p.told("0/3 nodes are available: 3 Insufficient cpu.") }, answer.WouldFit, "", 0, ""},
}

// notPlanted are reasons against a pod that no snapshot of a cluster can give, and why.
var notPlanted = map[reason.Code]string{
	reason.Held:          "a pod that is tried hears what its spokesman heard: see the reason that is planted for one that waits behind another",
	reason.ClaimReplaced: "the scheduler's cache and the API server have to differ, and there is one snapshot",
	reason.NodeVacated:   "the same",
	reason.Overlooked:    "it is said of a pod that is about to be tried for the first time",
}

// Whatever reason Shoal has against a pod or a node, explain is tried with it.
func TestEveryReasonAgainstAPodIsPlanted(t *testing.T) {
	found := map[string]bool{}
	for _, p := range plants {
		found[p.rule] = true
	}
	against := 0
	for _, code := range reason.All() {
		if code < 1100 || code >= 1200 {
			continue
		}
		against++
		why, excused := notPlanted[code]
		if found[code.String()] == excused {
			t.Errorf("%s: planted %t, and not to be planted because %q", code, found[code.String()], why)
		}
	}
	if against < 18 {
		t.Errorf("the catalogue has only %d of them", against)
	}
}

func request(p *corev1.Pod, name corev1.ResourceName, amount string) {
	p.Spec.Containers[0].Resources.Requests[name] = resource.MustParse(amount)
}

func mount(p *corev1.Pod, claim string) {
	p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
	}}}
}

func near(app string) []corev1.PodAffinityTerm {
	return []corev1.PodAffinityTerm{{TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}}}
}

func (p planted) world() *planting {
	w := &planting{Cluster: &snapshot.Cluster{}, x: aPod("x", "", "1")}
	for _, name := range []string{"a", "b", "c"} {
		w.Put(many{}.aNode(name))
	}
	p.plant(w)
	w.Put(w.x)
	return w
}

// Each reason is found under its code or plugin, on as many nodes as it was planted on; the change that helps is the first of
// those that are offered; and a redacted dump gives the same answer.
func TestExplainFindsPlantedReasons(t *testing.T) {
	if len(plants) < 42 {
		t.Errorf("only %d reasons are planted", len(plants))
	}
	schema := schemaOf(t, "explanation.v1.json")
	for _, p := range plants {
		t.Run(p.name, func(t *testing.T) {
			w := p.world()
			config := configOf(t, w.config)
			e, err := answer.Explain(t.Context(), w.Cluster, config, "ns", "x", "")
			if err != nil {
				t.Fatal(err)
			}
			p.check(t, e)
			conforms(t, schema, e)
			again, err := answer.Explain(t.Context(), reloaded(t, w.Cluster), config, "ns", "x", "")
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(e, again) {
				t.Errorf("a dump gives another answer:\n%s\n%s", asText(again), asText(e))
			}
		})
	}
}

func (p planted) check(t *testing.T, e *answer.Explanation) {
	t.Helper()
	nodes := -1
	for _, r := range e.Rules {
		if r.Code == p.rule || r.Code == "" && r.Plugin == p.rule {
			nodes = max(nodes, 0) + r.Nodes
		}
	}
	if e.State != p.state || p.rule != "" && nodes != p.nodes {
		t.Errorf("%s on %d nodes, want %s: %s on %d nodes", e.State, nodes, p.state, p.rule, p.nodes)
	}
	first := ""
	if len(e.Changes) > 0 {
		first = e.Changes[0].Text
	}
	if first != p.change {
		t.Errorf("the first change is %q, want %q", first, p.change)
	}
	if t.Failed() {
		t.Log(asText(e))
	}
}

func asText(e *answer.Explanation) string {
	var b strings.Builder
	e.Print(&b, false, false)
	return b.String()
}

// configOf is the shipped configuration with an argument of Dispersion.
func configOf(t *testing.T, argument string) *trial.Config {
	t.Helper()
	name := ""
	if argument != "" {
		text, err := os.ReadFile("../manifests/scheduler-config/scheduler-config.yaml")
		if err != nil {
			t.Fatal(err)
		}
		changed := strings.Replace(string(text), "maxInstancesPerNode: 0", argument, 1)
		if changed == string(text) {
			t.Fatal("the shipped configuration has no such argument")
		}
		name = filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(name, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config, err := trial.LoadConfig(name)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func reloaded(t *testing.T, c *snapshot.Cluster) *snapshot.Cluster {
	t.Helper()
	var file bytes.Buffer
	if err := snapshot.Write(&file, c); err != nil {
		t.Fatal(err)
	}
	again, err := snapshot.Load(&file)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// schemaOf is a schema that is published.
func schemaOf(t *testing.T, name string) *spec.Schema {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "schemas", name))
	if err != nil {
		t.Fatal(err)
	}
	schema := &spec.Schema{}
	if err := json.Unmarshal(text, schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

func conforms(t *testing.T, schema *spec.Schema, o any) {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	if result := validate.NewSchemaValidator(schema, nil, "", strfmt.Default).Validate(value); !result.IsValid() {
		t.Errorf("the answer is not of the published form: %v\n%s", result.AsError(), text)
	}
}
