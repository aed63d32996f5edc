package history

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// told numbers what happened, one event after the other; a gone object was deleted.
func told(objects ...client.Object) []Event {
	var events []Event
	for i, o := range objects {
		deleted := false
		if g, ok := o.(gone); ok {
			o, deleted = g.Object, true
		}
		events = append(events, Event{Version: uint64(i + 1), Deleted: deleted, Object: o})
	}
	return events
}

type gone struct{ client.Object }

func named(name string, labels map[string]string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "ns", Name: name, Labels: labels}
}

// allow is the policy p with M, K (0: none) and R.
func allow(m string, k, replicas int32) *v1alpha1.PlacementPolicy {
	p := &v1alpha1.PlacementPolicy{ObjectMeta: named("p", nil)}
	p.Spec.Replicas = ptr.To(replicas)
	if m != "" {
		p.Spec.MaxInstancesPerNode = ptr.To(intstr.Parse(m))
	}
	if k > 0 {
		p.Spec.MaxNodes = ptr.To(k)
	}
	return p
}

// pod of group p; without a node it waits.
func pod(name, node string, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: named(name, map[string]string{v1alpha1.LabelPlacementPolicy: "p"})}
	p.Spec.NodeName = node
	for _, f := range change {
		f(p)
	}
	return p
}

func shard(name string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Labels[v1alpha1.LabelShard] = name }
}

func phase(phase corev1.PodPhase) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Status.Phase = phase }
}

func terminating(p *corev1.Pod) { p.DeletionTimestamp = ptr.To(metav1.Unix(1, 0)) }

// stranger makes it another pod than the one before it of that name.
func stranger(p *corev1.Pod) { p.UID = "another" }

func ungrouped(p *corev1.Pod) { p.Labels = nil }

func mounts(claim string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		source := corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: claim, VolumeSource: source})
	}
}

// bare is a claim as StatefulSets make them: local to a node, and without labels.
func bare(name, node string) *corev1.PersistentVolumeClaim {
	c := &corev1.PersistentVolumeClaim{ObjectMeta: named(name, nil)}
	c.Annotations = map[string]string{slots.SelectedNode: node}
	return c
}

func owned(c *corev1.PersistentVolumeClaim, labels map[string]string) *corev1.PersistentVolumeClaim {
	c.Labels = map[string]string{v1alpha1.LabelPlacementPolicy: "p", v1alpha1.LabelInstanceSet: "r", v1alpha1.LabelOrdinal: "0"}
	for k, v := range labels {
		c.Labels[k] = v
	}
	return c
}

func node(name string, taints ...corev1.Taint) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}}}
	n.Spec.Taints = taints
	return n
}

var outOfService = corev1.Taint{Key: corev1.TaintNodeOutOfService, Effect: corev1.TaintEffectNoExecute}

type history struct {
	events []Event
	want   []string // violations
}

func check(t *testing.T, cases map[string]history) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, v := range Check(c.events).Violations {
				got = append(got, v.String())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestLimitsPerNode(t *testing.T) {
	check(t, map[string]history{
		"M holds":    {told(allow("2", 0, 4), pod("r-0", "a"), pod("r-1", "a"), pod("r-2", "b"), pod("r-3", "")), nil},
		"M exceeded": {told(allow("1", 0, 4), pod("r-0", "a"), pod("r-1", "a")), []string{"at version 3: group ns/p: 2 instances on node a, at most 1 are allowed"}},
		"M was lowered": {told(allow("3", 0, 4), pod("r-0", "a"), pod("r-1", "a"), pod("r-2", "a"), allow("1", 0, 4),
			pod("r-3", "b"), gone{pod("r-2", "a")}), nil},
		"M was lowered, and another node grows behind the fullest": {told(allow("3", 0, 6), pod("r-0", "a"), pod("r-1", "a"), pod("r-2", "a"),
			allow("1", 0, 6), pod("r-3", "b"), pod("r-4", "b")), []string{"at version 7: group ns/p: 2 instances on node b, at most 1 are allowed"}},
		"M was lowered, and its node shrinks and grows": {told(allow("3", 0, 6), pod("r-0", "a"), pod("r-1", "a"), pod("r-2", "a"),
			allow("1", 0, 6), gone{pod("r-2", "a")}, pod("r-3", "a")), []string{"at version 7: group ns/p: 3 instances on node a, at most 1 are allowed"}},
		"a percentage holds":    {told(allow("50%", 0, 4), pod("r-0", "a"), pod("r-1", "a")), nil},
		"a percentage exceeded": {told(allow("25%", 0, 7), pod("r-0", "a"), pod("r-1", "a")), []string{"at version 3: group ns/p: 2 instances on node a, at most 1 are allowed"}},
		"a percentage of the pods that are known before the sum": {told(allow("50%", 0, 0),
			pod("r-0", ""), pod("r-1", ""), pod("r-2", ""), pod("r-3", ""), pod("r-0", "a"), pod("r-1", "a")), nil},
		"a percentage without any replicas is 1": {told(allow("50%", 0, 0), pod("r-0", "a"), pod("r-1", "a")), []string{"at version 3: group ns/p: 2 instances on node a, at most 1 are allowed"}},
		"a terminating pod counts": {told(allow("1", 0, 2), pod("r-0", "a"), pod("r-0", "a", terminating), pod("r-1", "a")),
			[]string{"at version 4: group ns/p: 2 instances on node a, at most 1 are allowed"}},
		"an ended one does not": {told(allow("1", 0, 2), pod("r-0", "a"), pod("r-0", "a", terminating, phase(corev1.PodFailed)), pod("r-1", "a")), nil},
	})
}

func TestLimitsOfNodesAndShards(t *testing.T) {
	check(t, map[string]history{
		"K holds, one node for another": {told(allow("", 2, 3), pod("r-0", "a"), pod("r-1", "b"), gone{pod("r-1", "b")}, pod("r-2", "c")), nil},
		"K exceeded":                    {told(allow("", 1, 3), pod("r-0", "a"), pod("r-1", "b")), []string{"at version 3: group ns/p: node b came into use: 2 nodes are, at most 1 are allowed"}},
		"K was lowered":                 {told(allow("", 3, 4), pod("r-0", "a"), pod("r-1", "b"), pod("r-2", "c"), allow("", 1, 4), pod("r-3", "a")), nil},
		"K was lowered, and a node was exchanged": {told(allow("", 3, 4), pod("r-0", "a"), pod("r-1", "b"), pod("r-2", "c"),
			allow("", 2, 4), gone{pod("r-2", "c")}, gone{pod("r-1", "b")}, pod("r-1", "d"), pod("r-3", "e")),
			[]string{"at version 9: group ns/p: node e came into use: 3 nodes are, at most 2 are allowed"}},
		"K was lowered, and a node came for one that went": {told(allow("", 4, 4), pod("r-0", "a"), pod("r-1", "b"), pod("r-2", "c"), pod("r-3", "d"),
			allow("", 2, 4), gone{pod("r-3", "d")}, pod("r-3", "e")),
			[]string{"at version 8: group ns/p: node e came into use: 4 nodes are, at most 2 are allowed"}},
		"K was lowered, and one event exchanges a node": {told(allow("", 2, 2), bare("data-r-0", "a"), pod("r-0", "", mounts("data-r-0")), pod("r-1", "b"),
			allow("", 1, 2), pod("r-0", "c", mounts("data-r-0"))),
			[]string{"at version 6: group ns/p: node c came into use: 2 nodes are, at most 1 are allowed"}},
		"shards are spread": {told(allow("", 0, 4), pod("r-0", "a", shard("x")), pod("r-1", "a", shard("y")), pod("r-2", "b", shard("x"))), nil},
		"a shard meets itself": {told(allow("", 0, 4), pod("r-0", "a", shard("x")), pod("r-1", "a", shard("x"))),
			[]string{"at version 3: group ns/p: 2 instances of shard x on node a, at most 1 are allowed"}},
		"a shard meets itself behind another one": {told(pod("r-0", "a", shard("x")), pod("r-1", "a", shard("x")), allow("", 0, 4),
			pod("r-2", "b", shard("y")), pod("r-3", "b", shard("y"))),
			[]string{"at version 5: group ns/p: 2 instances of shard y on node b, at most 1 are allowed"}},
		"pods of another group, and groups without a policy": {told(allow("1", 1, 1), pod("r-0", "a"), pod("o", "a", ungrouped),
			pod("c-0", "a", func(p *corev1.Pod) { p.Labels = map[string]string{v1alpha1.LabelCluster: "c"} })), nil},
	})
}

func TestClaimsHoldSlots(t *testing.T) {
	full := []string{"at version 5: group ns/p: 2 instances on node a, at most 1 are allowed"}
	lost := map[string]string{v1alpha1.LabelLost: "uid"}
	retired := map[string]string{v1alpha1.LabelRetired: v1alpha1.RetiredValue}
	r0 := pod("r-0", "a", mounts("data-r-0"))
	check(t, map[string]history{
		"pod and claim count once":           {told(allow("1", 1, 1), bare("data-r-0", "a"), r0), nil},
		"a labelled claim":                   {told(allow("1", 0, 2), owned(bare("data-r-0", "a"), nil), r0, gone{r0}, pod("r-1", "a")), full},
		"a lost one":                         {told(allow("1", 0, 2), owned(bare("data-r-0", "a"), nil), r0, gone{r0}, owned(bare("data-r-0", "a"), lost), pod("r-1", "a")), nil},
		"a retired one":                      {told(allow("1", 0, 2), owned(bare("data-r-0", "a"), nil), r0, gone{r0}, owned(bare("data-r-0", "a"), retired), pod("r-1", "a")), nil},
		"without labels, the pod away":       {told(allow("1", 0, 2), bare("data-r-0", "a"), r0, gone{r0}, pod("r-1", "a")), full},
		"without labels, seen after it":      {told(allow("1", 0, 2), r0, bare("data-r-0", "a"), gone{r0}, pod("r-1", "a")), full},
		"without labels, the pod waits":      {told(allow("1", 0, 2), bare("data-r-0", "a"), pod("r-0", "", mounts("data-r-0")), pod("other", "b", ungrouped), pod("r-1", "a")), full},
		"without labels, the pod failed":     {told(allow("1", 0, 2), bare("data-r-0", "a"), r0, pod("r-0", "a", mounts("data-r-0"), phase(corev1.PodFailed)), pod("r-1", "a")), full},
		"without labels, the pod comes back": {told(allow("1", 1, 2), bare("data-r-0", "a"), r0, gone{r0}, pod("r-0", "", mounts("data-r-0")), r0), nil},
		"without labels, a node of its own": {told(allow("", 1, 2), bare("data-r-0", "a"), r0, gone{r0}, pod("r-1", "b")),
			[]string{"at version 5: group ns/p: node b came into use: 2 nodes are, at most 1 are allowed"}},
		"without labels, but of a shard": {told(allow("", 0, 2), bare("data-r-0", "a"), pod("r-0", "a", mounts("data-r-0"), shard("x")),
			gone{pod("r-0", "a", mounts("data-r-0"), shard("x"))}, pod("r-1", "a", shard("x"))),
			[]string{"at version 5: group ns/p: 2 instances of shard x on node a, at most 1 are allowed"}},
		"without labels, a reader beside it": {told(allow("1", 0, 2), bare("data-r-0", "a"), r0, pod("backup", "a", ungrouped, mounts("data-r-0")), gone{r0}, pod("r-1", "a")),
			[]string{"at version 6: group ns/p: 2 instances on node a, at most 1 are allowed"}},
		"a stranger by the instance's name": {told(allow("1", 0, 2), owned(bare("data-r-0", "a"), nil), r0, gone{r0}, pod("r-0", "b", stranger), pod("r-1", "a")),
			[]string{"at version 6: group ns/p: 2 instances on node a, at most 1 are allowed"}},
		"without labels, a stranger by the instance's name": {told(allow("1", 0, 2), bare("data-r-0", "a"), r0, gone{r0}, pod("r-0", "b", stranger), pod("r-1", "a")),
			[]string{"at version 6: group ns/p: 2 instances on node a, at most 1 are allowed"}},
		"the claim was deleted":         {told(allow("1", 0, 2), bare("data-r-0", "a"), r0, gone{r0}, gone{bare("data-r-0", "a")}, pod("r-1", "a")), nil},
		"a claim of nobody in a group":  {told(allow("1", 0, 2), bare("data", "a"), pod("o", "a", ungrouped, mounts("data")), pod("r-1", "a")), nil},
		"the pod's node is vouched off": {told(node("a"), allow("1", 1, 2), bare("data-r-0", "a"), r0, gone{r0}, node("a", outOfService), pod("r-1", "b")), nil},
	})
}

func TestReportCounts(t *testing.T) {
	group := slots.Group{Namespace: "ns", Policy: "p"}
	r := Check(told(allow("", 0, 4), pod("r-0", "a", shard("x")), pod("r-1", "a", shard("x")), pod("r-2", "b"), gone{pod("r-1", "a", shard("x"))}))
	if peak := (Usage{Instances: 3, Nodes: 2, PerNode: 2, PerShardAndNode: 2}); r.Peak[group] != peak || r.Moments != 5 {
		t.Errorf("peak %+v after %d moments, want %+v after 5", r.Peak[group], r.Moments, peak)
	}
	if final := (Usage{Instances: 2, Nodes: 2, PerNode: 1, PerShardAndNode: 1}); r.Final[group] != final {
		t.Errorf("final %+v, want %+v", r.Final[group], final)
	}
}
