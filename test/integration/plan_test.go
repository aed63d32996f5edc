//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal"
	"github.com/shoal-dev/shoal/kubectlshoal/answer"
	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/simulation/fidelity"
)

const (
	plannedGroups = 20
	besideEach    = 4 // groups that grow beside one another, before all of them go
	plannedNS     = "planned"
)

// TestPlanComesTrue asks `kubectl shoal plan` about random groups, many of which do not fit, and then lets the real scheduler
// place them, with parallelism 1: every binding and every refusal is what was said. Pods come one by one, and prefer each node by
// another weight, so that there is one right node. Some groups grow beside others.
func TestPlanComesTrue(t *testing.T) {
	k := start(t, playground.Options{Nodes: plannedNodes(), Install: true, Managers: 1})
	k.cordon(t, "cordoned-000")
	k.namespace(t, plannedNS)
	p := &prediction{kit: k, reasons: map[string]int{}}
	k.startScheduler(t, k.schedulerAccess(t, k.Config().Host, k.authority(t)), func(config map[string]any) {
		config["parallelism"], config["leaderElection"] = 1, map[string]any{"leaderElect": false}
	})
	random := rand.New(rand.NewSource(1))
	for i := range plannedGroups {
		set := p.draw(random, i, true)
		plan := p.ask(t, set, "--one-by-one")
		if p.oneByOne(t, set, plan); t.Failed() {
			text, _ := yaml.Marshal(set.Spec)
			t.Fatalf("group %d, of which the plan said %+v:\n%s", i, plan, text)
		}
		if i%besideEach == besideEach-1 {
			k.clear(t, plannedNS)
		}
	}
	t.Logf("%d instances, %d of them refused for the reasons %v; %d bindings were certain", p.instances, p.refused, p.reasons, p.certain)
	if p.refused == 0 || p.refused > p.instances/2 || len(p.reasons) < 6 || p.certain < 100 {
		t.Error("groups like these prove little")
	}
}

// plannedNodes are of several sizes, with one that is tainted and one that will be cordoned.
func plannedNodes() []playground.Shape {
	return []playground.Shape{
		{Prefix: "small-", Count: 6, CPU: "2", Memory: "4Gi"},
		{Prefix: "large-", Count: 3, CPU: "6", Memory: "16Gi", Labels: map[string]string{"disk": "fast"}},
		{Prefix: "few-", Count: 2, CPU: "4", Memory: "8Gi", Pods: 4},
		{Prefix: "tainted-", Count: 1, Taints: []corev1.Taint{{Key: "dedicated", Value: "others", Effect: corev1.TaintEffectNoSchedule}}},
		{Prefix: "cordoned-", Count: 1},
	}
}

func (k kit) cordon(t *testing.T, name string) {
	t.Helper()
	node := &corev1.Node{}
	node.Name = name
	if err := k.client.Patch(t.Context(), node, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"unschedulable":true}}`))); err != nil {
		t.Fatal(err)
	}
}

// prediction is what the groups of the test have in common.
type prediction struct {
	kit
	instances, refused, certain int
	reasons                     map[string]int
}

// draw makes a set. With weights, its pods prefer each node by another one.
func (p *prediction) draw(random *rand.Rand, i int, weights bool) *v1alpha1.InstanceSet {
	some := func(of ...string) string { return of[random.Intn(len(of))] }
	size := int32([]int{0, 0, 2, 3}[random.Intn(4)])
	replicas := int32(3 + random.Intn(10))
	if size > 0 {
		replicas -= replicas % size
	}
	s := set(plannedNS, fmt.Sprintf("set%02d", i), max(replicas, size))
	s.APIVersion, s.Kind = v1alpha1.GroupVersion.String(), "InstanceSet"
	if size > 0 {
		s.Spec.ShardSize = &size
	}
	limits(int32(1+random.Intn(4)), int32(2+random.Intn(6)))(s)
	if random.Intn(4) == 0 {
		s.Spec.Placement.MaxNodes = nil
	}
	s.Spec.Placement.Mode = v1alpha1.PlacementMode(some("Guarded", "Guarded", "Strict", "BestEffort"))
	pod := &s.Spec.Template.Spec
	pod.Containers = container(some("200m", "500m", "900m", "1500m", "2500m"))
	pod.Containers[0].Resources.Requests[corev1.ResourceMemory] = resource.MustParse(some("64Mi", "512Mi", "1500Mi"))
	switch random.Intn(6) {
	case 0:
		pod.NodeSelector = map[string]string{"disk": "fast"}
	case 1:
		pod.Tolerations = []corev1.Toleration{{Key: "dedicated", Operator: corev1.TolerationOpExists}}
	case 2:
		volumes(s)
	case 3:
		half, other := max(replicas, size)/2, container("1200m")[0].Resources
		s.Spec.Templates = []v1alpha1.InstanceTemplate{{Name: "other", Replicas: &half, Containers: []v1alpha1.ContainerOverride{{Name: "c", Resources: &other}}}}
	}
	if weights {
		pod.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: weighed(random)}}
	}
	return s
}

// weighed prefers every node by another weight.
func weighed(random *rand.Rand) []corev1.PreferredSchedulingTerm {
	var names []string
	for _, shape := range plannedNodes() {
		for i := range shape.Count {
			names = append(names, fmt.Sprintf("%s%03d", shape.Prefix, i))
		}
	}
	var terms []corev1.PreferredSchedulingTerm
	for i, n := range random.Perm(len(names)) {
		term := corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{
			{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{names[n]}},
		}}
		terms = append(terms, corev1.PreferredSchedulingTerm{Weight: int32(100 - 7*i), Preference: term})
	}
	return terms
}

// ask runs the command against the cluster.
func (p *prediction) ask(t *testing.T, set *v1alpha1.InstanceSet, flags ...string) *answer.Plan {
	t.Helper()
	text, err := yaml.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "set.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	cmd := kubectlshoal.New(kubectlshoal.Environment{Streams: genericiooptions.IOStreams{Out: &out, ErrOut: &said}, Version: "dev", Now: time.Now})
	cmd.SetArgs(append([]string{"plan", "-f", file, "-o", "json", "--kubeconfig", p.Kubeconfig()}, flags...))
	failed := cmd.ExecuteContext(t.Context())
	plan := &answer.Plan{}
	if err := json.Unmarshal(out.Bytes(), plan); err != nil {
		t.Fatalf("%v, %v: %s", failed, err, said.String())
	}
	if code, _ := kubectlshoal.ExitCode(failed); plan.New != int(*set.Spec.Replicas) || plan.Placed+plan.Refused != plan.New || (code == kubectlshoal.ExitFine) != (plan.Refused == 0) {
		t.Fatalf("exit %d, a plan for %d of %d instances", code, plan.New, *set.Spec.Replicas)
	}
	p.instances, p.refused = p.instances+plan.New, p.refused+plan.Refused
	for _, r := range plan.Refusals {
		for _, text := range strings.Split(r.Why, "; ") {
			p.reasons[strings.TrimLeft(text, "0123456789 ")]++
		}
	}
	return plan
}

// oneByOne creates what the manager would, and waits for the answer to each pod before it creates the next.
func (p *prediction) oneByOne(t *testing.T, set *v1alpha1.InstanceSet, plan *answer.Plan) {
	replicas, shards := *set.Spec.Replicas, int32(0)
	if set.Spec.ShardSize != nil {
		shards = replicas / *set.Spec.ShardSize
	}
	policy, service := podspec.Policy(set, replicas, shards), podspec.Service(set)
	for _, o := range []client.Object{policy, service} {
		o.SetOwnerReferences(nil) // there is no set: the garbage collector would take what belongs to it
	}
	p.create(t, policy, service)
	instance := podspec.Instance{Policy: policy.Name, PolicyVersion: policy.ResourceVersion}
	for ordinal := range replicas {
		instance.Ordinal = ordinal
		for i := range set.Spec.VolumeClaimTemplates {
			claim := podspec.Claim(set, &set.Spec.VolumeClaimTemplates[i], instance)
			claim.OwnerReferences = nil
			p.create(t, claim)
		}
	}
	manager := p.manager(t) // nobody else may create pods of a set
	for ordinal := range replicas {
		instance.Ordinal, instance.Template = ordinal, nil
		if of := set.Spec.Templates; len(of) > 0 && ordinal < *of[0].Replicas {
			instance.Template = &of[0]
		}
		pod := podspec.Pod(set, instance)
		pod.OwnerReferences = nil
		if err := manager.Create(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
		p.comesTrue(t, pod, plan, int(ordinal))
	}
	for i, said := range plan.Instances { // also of those that were refused first, and tried again since
		var pod corev1.Pod
		if err := p.get(t.Context(), set.Namespace, said.Instance, &pod); err != nil {
			t.Fatal(err)
		}
		if (pod.Spec.NodeName == "") != (said.Node == "") || plan.Certain && pod.Spec.NodeName != said.Node {
			t.Errorf("instance %d is on %q in the end, the plan has it on %q", i, pod.Spec.NodeName, said.Node)
		}
	}
	if plan.Certain {
		p.certain += plan.Placed
	}
}

// comesTrue waits until the pod has the node that the plan said, or waits for the reason that the plan said.
func (p *prediction) comesTrue(t *testing.T, pod *corev1.Pod, plan *answer.Plan, i int) {
	t.Helper()
	said, why := plan.Instances[i], ""
	for _, r := range plan.Refusals {
		if slices.Contains(r.Instances, said.Instance) {
			why = fidelity.Told(r.Why, plannedTotal())
		}
	}
	if said.Instance != pod.Name {
		t.Fatalf("the plan has %s where %s comes", said.Instance, pod.Name)
	}
	p.eventually(t, patience, fmt.Sprintf("%s to go to %q", pod.Name, said.Node), func(ctx context.Context) error {
		var now corev1.Pod
		if err := p.get(ctx, pod.Namespace, pod.Name, &now); err != nil {
			return err
		}
		node, message := outcome(&now)
		switch {
		case node != "" && (node == said.Node || !plan.Certain && said.Node != ""):
			return nil
		case node != "":
			t.Fatalf("%s went to %s, the plan said %q %s", pod.Name, node, said.Node, why)
		case why != "" && strings.HasPrefix(message, why):
			return nil
		}
		return fmt.Errorf("it waits: %s\nwanted: %s", message, why)
	})
}

// outcome is the pod's node, or what the scheduler says to it.
func outcome(pod *corev1.Pod) (node, message string) {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			message = c.Message
		}
	}
	return pod.Spec.NodeName, message
}

func plannedTotal() int {
	n := 0
	for _, shape := range plannedNodes() {
		n += shape.Count
	}
	return n
}
