package dispersion

import (
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// TestWhateverIsWrittenNothingBreaks throws labels, annotations and quantities that nobody would write at every entry point of
// the plugin: none of them panics, no pod is let past a limit, and no pod passes whose policy is not there.
func TestWhateverIsWrittenNothingBreaks(t *testing.T) {
	placed, refused := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		c := newOdd(t, r)
		for range r2(r, 3, 20, "steps") {
			pod := c.odd()
			if r2(r, 0, 3, "claim") == 0 {
				c.oddClaim(pod)
			}
			c.arrive(pod)
			c.pokeAt(pod)
			c.must(c.cache.UpdateSnapshot(klog.Background(), c.snapshot))
			before := slots.Count(c.everything())
			node, _ := c.schedule(pod)
			if node == "" {
				refused++
				continue
			}
			placed++
			o, _, err := c.plugin.pods.GetByKey("ns/" + pod.Name)
			c.must(err)
			c.placed[pod.Name] = o.(*corev1.Pod)
			group, grouped := slots.GroupOf(pod.Namespace, pod.Labels)
			if !grouped {
				continue
			}
			if _, there := c.policies[group]; !there {
				r.Fatalf("%s is on %s, and there is no policy for %v", pod.Name, node, pod.Labels)
			}
			c.must(c.cache.UpdateSnapshot(klog.Background(), c.snapshot))
			c.judge(before, slots.Count(c.everything()), pod, node)
		}
	})
	t.Logf("%d pods were placed, %d refused", placed, refused)
	if placed < 20 || refused < 20 {
		t.Error("too few to prove anything")
	}
}

func newOdd(t *testing.T, r *rapid.T) *drifting {
	args := config.DispersionArgs{MaxInstancesPerNode: int32(r2(r, 0, 4, "total"))}
	m, k := int32(r2(r, 1, 3, "default M")), int32(r2(r, 1, 3, "default K"))
	args.Defaults.MaxInstancesPerNode, args.Defaults.MaxNodes = &m, &k
	c := newDrifting(t, r, args)
	c.changeLimits()
	for _, cluster := range oddValues { // for the judge; the plugin has these from its arguments
		if cluster != "" {
			l := placement.Limits{MaxPerNode: int(m), MaxNodes: int(k)}
			c.policies[slots.Group{Namespace: "ns", Cluster: cluster}] = policy{counted: true, limits: fixed(l)}
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		c.node(name, int64(r2(r, 0, 3, "cpu")), int64(r2(r, 0, 5, "pods")), func(n *corev1.Node) {
			if r2(r, 0, 3, "no host name") == 0 {
				n.Labels = nil
			}
			c.nodes[name] = n
		})
	}
	return c
}

// oddValues are values of labels and annotations; p and q are policies.
var oddValues = []string{"", "p", "q", "typo", "-", "r-0", "0", "-1", "18446744073709551616", "A.b_c-9", strings.Repeat("x", 63)}

// oddQuantities are requests, of which the API server would refuse some.
var oddQuantities = []string{"0", "1", "1m", "-1", "9223372036854775807", "1e30", "1n"}

func (c *drifting) value(what string) string { return c.one(what, oddValues...) }

// odd is a pod with whatever in its labels, annotations and requests.
func (c *drifting) odd() *corev1.Pod {
	c.uid++
	pod := instance("r-"+c.one("name", "0", "1", "2", "x", "y"), "", "")
	for c.placed[pod.Name] != nil {
		pod.Name += "-"
	}
	pod.UID = types.UID(pod.Name + "/" + string(rune('a'+c.uid%26)) + strings.Repeat("i", c.uid/26))
	for _, key := range slotLabels[:5] {
		if v := c.value(key); v != "" {
			pod.Labels[key] = v
		}
	}
	pod.Annotations = map[string]string{
		v1alpha1.AnnotationPolicyVersion: c.value("version"), v1alpha1.AnnotationRebuildGeneration: c.value("generation"),
	}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, "example.com/thing"} {
		pod.Spec.Containers[0].Resources.Requests[name] = resource.MustParse(c.one(string(name), oddQuantities...))
	}
	switch c.one("containers", "one", "none", "more") {
	case "none":
		pod.Spec.Containers = nil
	case "more":
		pod.Spec.InitContainers = pod.Spec.Containers
	}
	if c.one("priority", "none", "some") == "some" {
		pod.Spec.Priority = ptr.To(int32(r2(c.T, -5, 5, "priority")))
	}
	if c.one("nominated", "no", "no", "yes") == "yes" {
		pod.Status.NominatedNodeName = c.one("nominated to", "a", "gone")
	}
	return pod
}

// oddClaim is a claim with whatever in its labels, which the pod may mount.
func (c *drifting) oddClaim(pod *corev1.Pod) {
	claim := claimOn("data-"+pod.Name, "", c.one("promised to", "", "a", "b", "gone"))
	for _, key := range slotLabels {
		if v := c.value(key + " of the claim"); v != "" && (key != v1alpha1.LabelLost || c.one("lost", "no", "no", "yes") == "yes") {
			claim.Labels[key] = v
		}
	}
	claim.UID, claim.Spec.VolumeName = types.UID(claim.Name), c.one("volume", "", "", "nowhere")
	c.add(c.plugin.claims, claim)
	if c.one("mounted", "no", "yes") == "yes" {
		mountingClaim(pod, claim.Name)
	}
}

// pokeAt calls what a cycle of its own does not: signatures, hints with right and wrong objects, and the calls of preemption.
func (c *drifting) pokeAt(pod *corev1.Pod) {
	p, ctx := c.plugin, c.t.Context()
	p.SignPod(ctx, pod)
	events, err := p.EventsToRegister(ctx)
	c.must(err)
	objects := []any{nil, pod, c.odd(), claimOn("x", "p", "a"), volumeOf("x"), nodeOf("a", 1), "no object"}
	for _, e := range events {
		if e.QueueingHintFn == nil {
			continue
		}
		before, after := c.object(objects, "before"), c.object(objects, "after")
		if _, err := e.QueueingHintFn(klog.Background(), pod, before, after); err != nil {
			c.T.Fatal(err)
		}
	}
	c.must(c.cache.UpdateSnapshot(klog.Background(), c.snapshot))
	list, err := c.snapshot.List()
	c.must(err)
	cs := framework.NewCycleState()
	if _, status := p.PreFilter(ctx, cs, pod, list); !status.IsSuccess() {
		p.PostFilter(ctx, cs, pod, framework.NewDefaultNodeToStatus())
		return
	}
	other, err := framework.NewPodInfo(c.odd())
	c.must(err)
	for _, info := range list {
		for _, f := range []func() *fwk.Status{
			func() *fwk.Status { return p.AddPod(ctx, cs, pod, other, info) },
			func() *fwk.Status { return p.RemovePod(ctx, cs, pod, other, info) },
			func() *fwk.Status { return p.RemovePod(ctx, cs, pod, other, info) },
		} {
			if status := f(); !status.IsSuccess() {
				c.T.Fatal(status)
			}
			if status := p.Filter(ctx, cs, pod, info); status.Code() == fwk.Error {
				c.T.Fatal(status)
			}
			score, status := p.Score(ctx, cs, pod, info)
			scores := fwk.NodeScoreList{{Name: info.Node().Name, Score: score}}
			p.NormalizeScore(ctx, cs, pod, scores)
			if score = scores[0].Score; !status.IsSuccess() || score < 0 || score > fwk.MaxScore {
				c.T.Fatalf("%s scores %d: %v", info.Node().Name, score, status)
			}
		}
	}
	if node := c.one("reserved", slices.Sorted(maps.Keys(c.nodes))...); c.one("reserve", "no", "yes") == "yes" {
		if status := p.Reserve(ctx, cs, pod, node); status.Code() == fwk.Error { // a node that no sibling is on may be refused
			c.T.Fatal(status)
		}
		p.Unreserve(ctx, cs, pod, node)
	}
}

func (c *drifting) object(of []any, what string) any { return of[r2(c.T, 0, len(of)-1, what)] }

func TestACountThatNoGroupCanHaveIsNotBelieved(t *testing.T) {
	for said, want := range map[int32]int{-2147483644: 0, 7: 7, 2147483647: placement.MaxReplicas} {
		p := &v1alpha1.PlacementPolicy{Status: v1alpha1.PlacementPolicyStatus{Replicas: said}}
		if got := policyFrom(p).replicas; got != want {
			t.Errorf("a status says %d replicas, and %d are planned for, not %d", said, got, want)
		}
	}
}
