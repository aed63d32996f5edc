package fidelity

import (
	"fmt"
	"maps"
	"math/rand"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/answer"
	clusters "github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/kubectlshoal/trial"
	"github.com/shoal-dev/shoal/simulation"
)

// crowd is a group of equal instances in shards, too large for its nodes, and the order in which the instances come: shards[i] is the
// shard of the one that comes at i.
type crowd struct {
	nodes  []*corev1.Node
	policy *v1alpha1.PlacementPolicy
	spec   corev1.PodSpec
	shards []string
}

// drawCrowd draws a group. Its pods prefer every node by another weight: the scheduler picks at random among equal ones.
func drawCrowd(seed int64) crowd {
	t := &tracer{Rand: rand.New(rand.NewSource(seed)), seed: seed}
	for n := range 4 + t.Intn(3) {
		t.node(n)
	}
	size := 2 + t.Intn(2)
	shards := 2 + t.Intn(4)
	replicas, k := int32(size*shards), int32(2+t.Intn(len(t.Nodes)-1))
	p := &v1alpha1.PlacementPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: t.name("g")}}
	p.Spec.Replicas, p.Spec.Shards = &replicas, new(int32(shards))
	p.Spec.MaxInstancesPerNode, p.Spec.MaxNodes = new(intstr.FromInt32(int32(1+t.Intn(3)))), &k
	if t.Intn(4) == 0 {
		p.Spec.Mode = v1alpha1.PlacementStrict
	}
	c := crowd{nodes: t.Nodes, policy: p, spec: t.pod("like", nil, int64(100*(5+t.Intn(15)))).Spec}
	for i := range int(replicas) {
		c.shards = append(c.shards, fmt.Sprintf("%s-%d", p.Name, i/size))
	}
	return c
}

// in is the group whose instances come in another order.
func (c crowd) in(order []int) crowd {
	shards := c.shards
	c.shards = nil
	for _, n := range order {
		c.shards = append(c.shards, shards[n])
	}
	return c
}

// orders are ascending, descending, and shuffled.
func (c crowd) orders(random *rand.Rand) [][]int {
	var all [][]int
	for range 2 {
		all = append(all, random.Perm(len(c.shards)))
	}
	ascending := slices.Sorted(slices.Values(all[0]))
	descending := slices.Clone(ascending)
	slices.Reverse(descending)
	return append(all, ascending, descending)
}

func (c crowd) labels(i int) map[string]string {
	return map[string]string{v1alpha1.LabelPlacementPolicy: c.policy.Name, v1alpha1.LabelShard: c.shards[i]}
}

// name is that of the pod that comes at i: a StatefulSet makes it, of which each has one.
func (c crowd) name(i int) string { return fmt.Sprintf("%s-%03d", c.policy.Name, i) }

// plan asks `kubectl shoal plan`, which takes StatefulSets by their names.
func (c crowd) plan(t *testing.T, config *trial.Config, oneByOne bool) *answer.Plan {
	t.Helper()
	cluster, file := &clusters.Cluster{}, &clusters.Cluster{}
	for _, n := range c.nodes {
		n = n.DeepCopy()
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
		cluster.Put(n)
	}
	file.Put(c.policy.DeepCopy())
	for i := range c.shards {
		set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: c.name(i)}}
		set.Spec.Replicas, set.Spec.Template.Labels, set.Spec.Template.Spec = new(int32(1)), c.labels(i), *c.spec.DeepCopy()
		file.Put(set)
	}
	p, err := answer.PlanSets(t.Context(), cluster, config, file, namespace, oneByOne)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// heard is what each instance got: its node, or what the scheduler said to it.
type heard struct{ node, message string }

// placed has kube-scheduler place the group, in the simulation. One by one, each pod is created when the one before has its answer, and that
// is what it heard; at once, they come in whatever order events have in the simulation, and it is what they hear in the end.
func (c crowd) placed(t *testing.T, assets *simulation.Assets, oneByOne bool) (all []heard) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rand.Seed(1) //nolint:staticcheck // see the top of placing_test.go
		w, err := simulation.New(t.Context(), assets, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		w.OnlyPlace()
		for _, n := range c.nodes {
			w.AddNode(n.Name, n.Status.Allocatable)
		}
		try := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		try(w.Create(c.policy.DeepCopy()))
		try(w.Run(5 * time.Second))
		for i := range c.shards {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: c.name(i) + "-0", Labels: c.labels(i)}, Spec: *c.spec.DeepCopy()}
			try(w.Create(pod))
			for looks := 0; oneByOne && len(all) == i; looks++ {
				try(w.Run(look))
				pod, err := w.Pod(pod.Name)
				try(err)
				if h := hears(pod); h.node != "" || h.message != "" {
					all = append(all, h)
				} else if looks > tooLong {
					t.Fatalf("nobody looks at %s", pod.Name)
				}
			}
		}
		try(w.Run(time.Minute))
		for i := range c.shards {
			pod, err := w.Pod(c.name(i) + "-0")
			try(err)
			if !oneByOne {
				all = append(all, hears(pod))
			} else if pod.Spec.NodeName != all[i].node {
				t.Errorf("%s had %q, and in the end it has %q", pod.Name, all[i].node, pod.Spec.NodeName)
			}
		}
	})
	return all
}

func hears(pod *corev1.Pod) heard {
	h := heard{node: pod.Spec.NodeName}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			h.message = condition.Message
		}
	}
	return h
}

// foretold says where the plan and what came of it differ, "" for nowhere.
func foretold(p *answer.Plan, got []heard, nodes int) string {
	why := map[string]string{}
	for _, r := range p.Refusals {
		for _, name := range r.Instances {
			why[name] = Told(r.Why, nodes)
		}
	}
	for i, said := range p.Instances {
		switch h := got[i]; {
		case h.node != said.Node:
			return fmt.Sprintf("%s is on %q and was to be on %q: %s", said.Instance, h.node, said.Node, h.message)
		case said.Node == "" && !strings.HasPrefix(h.message, why[said.Instance]):
			return fmt.Sprintf("%s hears %s\nand was to hear %s", said.Instance, h.message, why[said.Instance])
		}
	}
	return ""
}

// numbers are how many instances the nodes hold, and how many wait.
func numbers(got []heard) string {
	held, waiting := map[string]int{}, 0
	for _, h := range got {
		if h.node == "" {
			waiting++
			continue
		}
		held[h.node]++
	}
	return fmt.Sprint(slices.Sorted(maps.Values(held)), " and ", waiting, " wait")
}

var ourCodes = regexp.MustCompile(`SHOAL[0-9]{4}`)

// codes are the rules for which instances wait, as often as they do.
func codes(got []heard) string {
	var all []string
	for _, h := range got {
		if h.node == "" {
			list, _, _ := strings.Cut(h.message, ". ")
			all = append(all, strings.Join(ourCodes.FindAllString(list, -1), "+"))
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// waiting are the shards whose instances wait, as often as they do.
func (c crowd) waiting(got []heard) string {
	var all []string
	for i, h := range got {
		if h.node == "" {
			all = append(all, c.shards[i])
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// reasons are how many instances wait for each reason, and reasonsIn those of a plan.
func reasons(got []heard) string {
	real := map[string]int{}
	for _, h := range got {
		if h.node == "" {
			list, _, _ := strings.Cut(h.message, ". ")
			real[strings.TrimSuffix(list, ".")+"."]++
		}
	}
	return fmt.Sprint(real)
}

func reasonsIn(p *answer.Plan, nodes int) string {
	planned := map[string]int{}
	for _, r := range p.Refusals {
		planned[Told(r.Why, nodes)] += len(r.Instances)
	}
	return fmt.Sprint(planned)
}

// inNumbers is numbers of a plan.
func inNumbers(p *answer.Plan) string {
	var got []heard
	for _, i := range p.Instances {
		got = append(got, heard{node: i.Node})
	}
	return numbers(got)
}

// several reports whether not all texts are the same.
func several(texts []string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return text != texts[0] })
}

// Of groups with shards that do not fit, in whatever order their instances come. One by one, the plan that knows the order is exact: every node,
// and the whole of every refusal. At once nobody knows the order, and so nobody can say which instances wait, and for which rules: the scheduler
// itself says otherwise when they come in another order. But how many nodes are used, how many instances each of them holds and how many wait is
// the same in every order, and as planned; and the plan says that the rest is uncertain.
func TestPlanOfShardsInWhateverOrderTheyCome(t *testing.T) {
	assets, err := simulation.Load("../../manifests")
	if err != nil {
		t.Fatal(err)
	}
	config, err := trial.LoadConfig("")
	if err != nil {
		t.Fatal(err)
	}
	const crowds = 20
	groups, instances, refused, otherShards, otherCodes, atOnce, words, chance := 0, 0, 0, 0, 0, 0, 0, 0
	for seed := int64(0); groups < crowds; seed++ {
		c := drawCrowd(seed)
		if c.plan(t, config, true).Refused == 0 {
			continue
		}
		groups++
		var shards, rules, heardOf, plannedOf []string
		for _, order := range c.orders(rand.New(rand.NewSource(seed))) {
			c := c.in(order)
			p, got := c.plan(t, config, true), c.placed(t, assets, true)
			instances, refused = instances+p.New, refused+p.Refused
			if differs := foretold(p, got, len(c.nodes)); differs != "" || !p.Certain {
				t.Errorf("group %d, shards %v: certain: %v: %s", seed, c.shards, p.Certain, differs)
			}
			q, all := c.plan(t, config, false), c.placed(t, assets, false)
			for what, text := range map[string]string{"planned one by one": inNumbers(p), "at once": numbers(all), "planned at once": inNumbers(q)} {
				if text != numbers(got) {
					t.Errorf("group %d, shards %v: one by one the nodes hold %s, %s %s", seed, c.shards, numbers(got), what, text)
				}
			}
			if q.Certain {
				t.Errorf("group %d: the plan of instances that come at once is certain", seed)
			}
			said, real := reasonsIn(q, len(c.nodes)), reasons(all)
			if atOnce++; said == real {
				words++
			} else {
				t.Logf("group %d, shards %v:\nplanned %s\nheard   %s", seed, c.shards, said, real)
			}
			heardOf = append(heardOf, real)
			plannedOf = append(plannedOf, said)
			shards, rules = append(shards, c.waiting(got)), append(rules, codes(got))
		}
		if several(shards) {
			otherShards++
		}
		switch {
		case several(heardOf):
			chance++
		case several(plannedOf) || plannedOf[0] != heardOf[0]:
			t.Errorf("group %d: in every order the scheduler says %s, and the plan %q", seed, heardOf[0], plannedOf)
		}
		if several(rules) {
			otherCodes++
		}
	}
	t.Logf("%d groups, each in 4 orders: %d instances, %d refused. In another order other shards wait in %d groups, and one by one for other rules in %d. "+
		"Of %d that came at once, %d heard the plan word for word; of %d groups, the scheduler itself said one thing in one order and another in another",
		groups, instances, refused, otherShards, otherCodes, atOnce, words, chance)
	if otherShards < crowds/2 || otherCodes < crowds/2 {
		t.Error("the order decides little: can the plan not say more than it does?")
	}
}
