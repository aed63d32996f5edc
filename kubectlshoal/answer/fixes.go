package answer

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/kubectlshoal/trial"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/slots"
)

// situation is a cluster and a pod in it, on which changes are tried.
type situation struct {
	cluster *snapshot.Cluster
	pod     *corev1.Pod
}

// fix is one thing that a person can change. It changes copies.
type fix struct {
	text  string
	apply func(*situation)
	// dear says that it gives up a rule which somebody set to be safe, or takes room from others.
	dear bool
}

func (s situation) with(fixes []fix) situation {
	t := situation{s.cluster.Clone(), s.pod.DeepCopy()}
	for _, f := range fixes {
		f.apply(&t)
	}
	t.cluster.Put(t.pod)
	return t
}

// maxTries bounds how many changes are tried: each is a scheduler of its own.
const maxTries = 12

// changes are what would let the pod be placed: for the kinds of nodes that refuse it, what is in the way of the best of them;
// larger limits; one more node. What did not help when it was tried is left out.
func changes(ctx context.Context, c *snapshot.Cluster, config *trial.Config, pod *corev1.Pod, v trial.Verdict) ([]Change, error) {
	s := situation{c, pod}
	var candidates [][]fix
	if v.Before == nil {
		candidates = append(s.perKind(v), s.limits(v)...)
		candidates = append(candidates, s.oneMoreNode()...)
		candidates = append(candidates, s.fewerCopiesApart(v)...)
	} else {
		candidates = s.beforeNodes(*v.Before)
	}
	slices.SortStableFunc(candidates, func(a, b []fix) int { return cmp.Compare(len(a), len(b)) })
	helped, tried, enough := []Change{}, map[string]bool{}, map[string]bool{}
	for _, fixes := range candidates {
		more := slices.ContainsFunc(fixes, func(f fix) bool { return enough[f.text] }) // than is needed
		if tried[join(fixes)] || more || len(tried) == maxTries {
			continue
		}
		tried[join(fixes)] = true
		t := s.with(fixes)
		w, err := judge(ctx, t.cluster, config, t.pod)
		if err != nil {
			return nil, err
		}
		if w.Node != "" {
			helped = append(helped, Change{Text: join(fixes), Steps: len(fixes), Node: w.Node})
			enough[join(fixes)] = true
		}
	}
	return helped, nil
}

func join(fixes []fix) string {
	var texts []string
	for _, f := range fixes {
		texts = append(texts, f.text)
	}
	return strings.Join(texts, ", and ")
}

// perKind takes, of the nodes that are refused for the same reasons, the one that lacks the least.
func (s situation) perKind(v trial.Verdict) [][]fix {
	best := map[string]trial.NodeVerdict{}
	requested := s.cluster.Requested()
	for _, n := range v.Nodes {
		var kinds []string
		for _, r := range n.Refusals {
			kinds = append(kinds, fmt.Sprintf("%s %d", r.Plugin, r.Code))
		}
		kind := strings.Join(kinds, ",")
		if other, there := best[kind]; !there || s.short(n.Node, requested) < s.short(other.Node, requested) {
			best[kind] = n
		}
	}
	var all [][]fix
	for _, kind := range slices.Sorted(maps.Keys(best)) {
		node, others := best[kind].Node, slices.DeleteFunc(slices.Clone(best[kind].Refusals), ofPlan)
		all = append(all, s.allFixed(node, best[kind].Refusals, requested))
		if len(others) < len(best[kind].Refusals) {
			all = append(all, s.allFixed(node, others, requested))
		}
	}
	all = slices.DeleteFunc(all, func(fixes []fix) bool { return len(fixes) == 0 })
	cost := func(fixes []fix) int {
		return len(slices.DeleteFunc(slices.Clone(fixes), func(f fix) bool { return !f.dear }))
	}
	slices.SortStableFunc(all, func(a, b []fix) int { return cmp.Compare(cost(a), cost(b)) })
	return all
}

// ofPlan reports whether a node is refused because the plan of the group has others in mind. Who opens the node has the group
// planned anew, so that this needs no change of its own.
func ofPlan(r trial.Refusal) bool {
	return r.Code == reason.ShardPlanned || r.Code == reason.NotPlanned
}

// allFixed are the changes that together lift all those refusals of one node, none if one of them has no change.
func (s situation) allFixed(node string, refusals []trial.Refusal, requested map[string]slots.Amount) []fix {
	var fixes []fix
	for _, r := range refusals {
		f := s.fixFor(node, r, requested)
		if f == nil {
			return nil
		}
		fixes = append(fixes, *f)
	}
	return fixes
}

// short is how much of its request the pod lacks on a node, over all dimensions.
func (s situation) short(node string, requested map[string]slots.Amount) float64 {
	sum := 0.0
	for _, l := range s.lacks(node, requested) {
		sum += l.shareOfRequest
	}
	return sum
}

func (s situation) lacks(name string, requested map[string]slots.Amount) []lack {
	node := snapshot.Find(s.cluster.Nodes, "", name)
	return lacks(slots.RequestOf(s.pod), slots.AmountOf(node.Status.Allocatable).Minus(requested[name]))
}

// fixFor is what would lift one refusal of one node, nil when only a limit of the group or nothing would.
func (s situation) fixFor(name string, r trial.Refusal, requested map[string]slots.Amount) *fix {
	switch r.Plugin {
	case "NodeUnschedulable":
		return changeNode(name, "uncordon "+name, func(n *corev1.Node) { n.Spec.Unschedulable = false })
	case "TaintToleration":
		return s.withoutTaints(name)
	case "NodeResourcesFit":
		return s.enough(name, requested)
	case "NodeAffinity":
		return &fix{text: "let nodeSelector and node affinity of the pod allow " + name, apply: func(t *situation) {
			t.pod.Spec.NodeSelector = nil
			if t.pod.Spec.Affinity != nil {
				t.pod.Spec.Affinity.NodeAffinity = nil
			}
		}}
	case "NodePorts":
		return &fix{text: "give the pod another host port", apply: func(t *situation) {
			for _, containers := range [][]corev1.Container{t.pod.Spec.InitContainers, t.pod.Spec.Containers} {
				for c := range containers {
					containers[c].Ports = nil
				}
			}
		}}
	case "InterPodAffinity":
		return &fix{text: "drop the pod's affinity to other pods", dear: true, apply: func(t *situation) {
			if t.pod.Spec.Affinity != nil {
				t.pod.Spec.Affinity.PodAffinity, t.pod.Spec.Affinity.PodAntiAffinity = nil, nil
			}
		}}
	case "PodTopologySpread":
		return &fix{text: "drop the pod's topology spread constraints", dear: true, apply: func(t *situation) {
			t.pod.Spec.TopologySpreadConstraints = nil
		}}
	case "Dispersion":
		if r.Code != reason.ShardSpreadLimit { // not to be given up in passing: see fewerCopiesApart
			return s.lifted(r.Code, 1)
		}
	}
	return nil
}

func changeNode(name, text string, change func(*corev1.Node)) *fix {
	return &fix{text: text, apply: func(t *situation) {
		node := snapshot.Find(t.cluster.Nodes, "", name).DeepCopy()
		change(node)
		t.cluster.Put(node)
	}}
}

func (s situation) withoutTaints(name string) *fix {
	var repel, keep []corev1.Taint
	for _, taint := range snapshot.Find(s.cluster.Nodes, "", name).Spec.Taints {
		tolerated := slices.ContainsFunc(s.pod.Spec.Tolerations, func(t corev1.Toleration) bool { return tolerates(t, taint) })
		if taint.Effect == corev1.TaintEffectPreferNoSchedule || tolerated {
			keep = append(keep, taint)
		} else {
			repel = append(repel, taint)
		}
	}
	var words []string
	for i := range repel {
		words = append(words, repel[i].ToString())
	}
	text := fmt.Sprintf("remove the taint %s from %s, or tolerate it", strings.Join(words, " and "), name)
	if slices.ContainsFunc(repel, func(t corev1.Taint) bool { return strings.HasPrefix(t.Key, "node.kubernetes.io/") }) {
		text = fmt.Sprintf("bring %s back: it has the taint %s", name, strings.Join(words, " and "))
	}
	return changeNode(name, text, func(n *corev1.Node) { n.Spec.Taints = keep })
}

func tolerates(t corev1.Toleration, taint corev1.Taint) bool {
	return (t.Key == taint.Key || t.Key == "" && t.Operator == corev1.TolerationOpExists) && (t.Effect == "" || t.Effect == taint.Effect) &&
		(t.Operator == corev1.TolerationOpExists || t.Value == taint.Value)
}

// enough adds to a node what the pod lacks there.
func (s situation) enough(name string, requested map[string]slots.Amount) *fix {
	short := s.lacks(name, requested)
	if len(short) == 0 {
		return nil
	}
	var words []string
	for _, l := range short {
		words = append(words, l.String())
	}
	room := changeNode(name, "free on "+name+" "+strings.Join(words, " and "), func(n *corev1.Node) {
		n.Status.Allocatable = n.Status.Allocatable.DeepCopy()
		for _, l := range short {
			q := n.Status.Allocatable[corev1.ResourceName(l.name)]
			more := resource.NewQuantity(l.missing(), q.Format)
			if l.name == "cpu" {
				more = resource.NewMilliQuantity(l.missing(), q.Format)
			}
			q.Add(*more)
			n.Status.Allocatable[corev1.ResourceName(l.name)] = q
		}
	})
	room.dear = true
	return room
}

// limits are the limits of the group, each raised alone by one.
func (s situation) limits(v trial.Verdict) [][]fix {
	full := false
	for _, n := range v.Nodes {
		full = full || slices.ContainsFunc(n.Refusals, func(r trial.Refusal) bool { return slices.Contains(dispersionFull, r.Code) })
	}
	if !full {
		return nil
	}
	var all [][]fix
	for _, code := range []reason.Code{reason.NodeCountLimit, reason.NodeInstanceLimit, reason.NotPlanned} {
		if f := s.lifted(code, 1); f != nil {
			all = append(all, []fix{*f})
		}
	}
	return all
}

// fewerCopiesApart lets copies of the same data share a node. It comes last: one node then takes two of them.
func (s situation) fewerCopiesApart(v trial.Verdict) [][]fix {
	for _, n := range v.Nodes {
		if slices.ContainsFunc(n.Refusals, func(r trial.Refusal) bool { return r.Code == reason.ShardSpreadLimit }) {
			if f := s.lifted(reason.ShardSpreadLimit, 1); f != nil {
				return [][]fix{{*f}}
			}
		}
	}
	return nil
}

// lifted raises the limit that stands behind a code; nil when the pod's group has no policy, or the limit is not set.
func (s situation) lifted(code reason.Code, by int) *fix {
	g, _ := slots.GroupOf(s.pod.Namespace, s.pod.Labels)
	policy := snapshot.Find(s.cluster.Policies, g.Namespace, g.Policy)
	if policy == nil {
		return nil
	}
	l := slots.LimitsOf(policy.Spec.PlacementLimits, replicasOf(policy))
	of := "PlacementPolicy " + policy.Name
	if owner := metav1.GetControllerOf(policy); owner != nil {
		of = owner.Kind + " " + owner.Name
	}
	changed := func(text string, change func(*v1alpha1.PlacementPolicySpec)) *fix {
		return &fix{text, func(t *situation) {
			p := snapshot.Find(t.cluster.Policies, g.Namespace, g.Policy).DeepCopy()
			change(&p.Spec)
			t.cluster.Put(p)
		}, true}
	}
	switch {
	case code == reason.NodeInstanceLimit && l.MaxPerNode > 0:
		return changed(fmt.Sprintf("raise maxInstancesPerNode from %d to %d in %s", l.MaxPerNode, l.MaxPerNode+by, of), func(p *v1alpha1.PlacementPolicySpec) {
			p.MaxInstancesPerNode = ptr.To(intstr.FromInt32(int32(l.MaxPerNode + by)))
		})
	case code == reason.NodeCountLimit && l.MaxNodes > 0:
		return changed(fmt.Sprintf("raise maxNodes from %d to %d in %s", l.MaxNodes, l.MaxNodes+by, of), func(p *v1alpha1.PlacementPolicySpec) {
			p.MaxNodes = ptr.To(int32(l.MaxNodes + by))
		})
	case code == reason.ShardSpreadLimit && s.pod.Labels[v1alpha1.LabelShard] != "":
		return changed(fmt.Sprintf("allow %d instances of a shard on one node (shardSpread.max) in %s", l.MaxPerShard+by, of), func(p *v1alpha1.PlacementPolicySpec) {
			p.ShardSpread = []v1alpha1.ShardSpread{{TopologyKey: corev1.LabelHostname, Max: int32(l.MaxPerShard + by)}}
		})
	case code == reason.NotPlanned && policy.Spec.Mode == v1alpha1.PlacementStrict:
		return changed("use mode Guarded in "+of, func(p *v1alpha1.PlacementPolicySpec) { p.Mode = v1alpha1.PlacementGuarded })
	}
	return nil
}

// oneMoreNode adds an empty node like the largest one that has no taints.
func (s situation) oneMoreNode() [][]fix {
	var like *corev1.Node
	for _, n := range s.cluster.Nodes {
		if len(n.Spec.Taints) == 0 && (like == nil || n.Status.Allocatable.Cpu().Cmp(*like.Status.Allocatable.Cpu()) > 0) {
			like = n
		}
	}
	if like == nil {
		return nil
	}
	const name = "new-node"
	return [][]fix{{{text: "add a node like " + like.Name, apply: func(t *situation) {
		node := like.DeepCopy()
		node.Name, node.UID, node.Spec.Unschedulable = name, name, false
		node.Labels = maps.Clone(node.Labels)
		if node.Labels == nil {
			node.Labels = map[string]string{}
		}
		node.Labels[corev1.LabelHostname] = name
		t.cluster.Put(node)
	}}}}
}

// beforeNodes are changes for a pod that is refused before any node is looked at.
func (s situation) beforeNodes(r trial.Refusal) [][]fix {
	switch {
	case r.Plugin == "SchedulingGates":
		var names []string
		for _, gate := range s.pod.Spec.SchedulingGates {
			names = append(names, gate.Name)
		}
		return [][]fix{{{text: "remove the scheduling gate " + strings.Join(names, " and "), apply: func(t *situation) { t.pod.Spec.SchedulingGates = nil }}}}
	case len(r.Classes) > 0:
		name := slices.Compact(slices.Sorted(slices.Values(r.Classes)))
		return [][]fix{{{text: "create StorageClass " + strings.Join(name, " and ") + ", with volumeBindingMode WaitForFirstConsumer", apply: func(t *situation) {
			for _, name := range r.Classes {
				class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: "any"}
				class.VolumeBindingMode = ptr.To(storagev1.VolumeBindingWaitForFirstConsumer)
				t.cluster.Put(class)
			}
		}}}}
	case r.Code == reason.PolicyNotFound:
		g, _ := slots.GroupOf(s.pod.Namespace, s.pod.Labels)
		return [][]fix{{{text: "create PlacementPolicy " + g.Policy + " in namespace " + g.Namespace, apply: func(t *situation) {
			t.cluster.Put(&v1alpha1.PlacementPolicy{
				ObjectMeta: metav1.ObjectMeta{Namespace: g.Namespace, Name: g.Policy},
				Spec:       v1alpha1.PlacementPolicySpec{Replicas: ptr.To[int32](1)},
			})
			delete(t.pod.Annotations, v1alpha1.AnnotationPolicyVersion)
		}}}}
	}
	return nil
}

// nearest is the node with the fewest refusals; of several, the one where the pod lacks the least.
func nearest(c *snapshot.Cluster, pod *corev1.Pod, v trial.Verdict, groupBy string) *Miss {
	if len(v.Nodes) == 0 {
		return nil
	}
	s, requested := situation{c, pod}, c.Requested()
	best := slices.MinFunc(v.Nodes, func(a, b trial.NodeVerdict) int {
		return cmp.Or(cmp.Compare(len(a.Refusals), len(b.Refusals)),
			cmp.Compare(s.short(a.Node, requested), s.short(b.Node, requested)), cmp.Compare(a.Node, b.Node))
	})
	m := &Miss{Node: best.Node, Group: snapshot.Find(c.Nodes, "", best.Node).Labels[groupBy]}
	for _, r := range best.Refusals {
		text := coded(r)
		if r.Plugin == "NodeResourcesFit" {
			var words []string
			for _, l := range s.lacks(best.Node, requested) {
				words = append(words, l.String())
			}
			text += ": " + strings.Join(words, ", ")
		}
		m.Why = append(m.Why, text)
	}
	return m
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
