package answer

import (
	"cmp"
	"context"
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/kubectlshoal/trial"
	"github.com/shoal-dev/shoal/slots"
)

// A copy costs a scheduling cycle, which looks at every node: triedNodes bounds the product, so that the answer for a large
// cluster comes within a minute. docs/kubectl-shoal.md says both numbers.
const (
	triedCopies = 1000
	triedNodes  = 1_000_000
)

// triedOn is how many copies are placed one by one on so many nodes.
func triedOn(nodes int) int { return min(triedCopies, max(50, triedNodes/max(1, nodes))) }

// unit is the sets of a file that are one group, or one set without a group.
type unit struct {
	file  *snapshot.Cluster
	group slots.Group // of no use for a set without
}

// unitsOf splits a file; policies and Services stand in every part.
func unitsOf(file *snapshot.Cluster, namespace string) []unit {
	var units []unit
	place := func(g slots.Group, grouped bool) *snapshot.Cluster {
		i := slices.IndexFunc(units, func(u unit) bool { return grouped && u.group == g })
		if i < 0 {
			part := file.Clone()
			part.Sets, part.StatefulSets = nil, nil
			i, units = len(units), append(units, unit{part, g})
		}
		return units[i].file
	}
	for _, set := range file.Sets {
		policy := ""
		switch {
		case set.Spec.PlacementPolicyRef != nil:
			policy = set.Spec.PlacementPolicyRef.Name
		case set.Spec.Placement != nil:
			policy = set.Name
		}
		part := place(slots.Group{Namespace: cmp.Or(set.Namespace, namespace), Policy: policy}, policy != "")
		part.Sets = append(part.Sets, set)
	}
	for _, set := range file.StatefulSets {
		part := place(slots.GroupOf(cmp.Or(set.Namespace, namespace), set.Spec.Template.Labels))
		part.StatefulSets = append(part.StatefulSets, set)
	}
	return units
}

// raised is the part of the file with more replicas of its last set. apply writes into what it is given, so it gets copies.
func (u unit) raised(by int32) *snapshot.Cluster {
	part := u.file.Clone()
	for i, p := range part.Policies {
		part.Policies[i] = p.DeepCopy()
	}
	for i, set := range part.Sets {
		part.Sets[i] = set.DeepCopy()
	}
	for i, set := range part.StatefulSets {
		part.StatefulSets[i] = set.DeepCopy()
	}
	if n := len(part.StatefulSets); n > 0 {
		replicas := &part.StatefulSets[n-1].Spec.Replicas
		*replicas = ptr.To(ptr.Deref(*replicas, 1) + by)
		return part
	}
	if n := len(part.Sets); n > 0 {
		spec := &part.Sets[n-1].Spec
		spec.Replicas = ptr.To(ptr.Deref(spec.Replicas, 1) + by)
		if o := spec.Ordinals; o != nil { // numbers of its own: the copies come after the last
			last := slices.Max(append(slices.Clone(o.Discrete), -1))
			for _, r := range o.Ranges {
				last = max(last, r.End)
			}
			o.Ranges = append(o.Ranges, v1alpha1.OrdinalRange{Start: last + 1, End: last + by})
		}
	}
	return part
}

// counting is one unit, on its way to an answer.
type counting struct {
	config    *trial.Config
	cluster   *snapshot.Cluster
	unit      unit
	namespace string

	after   *snapshot.Cluster // the cluster with the unit applied and, once placed, its pods on their nodes
	wanted  *wanted
	own     slots.Group
	grouped bool
	// next is the pod after all that are wanted: what is counted with.
	next *corev1.Pod
	// outstanding wait, or are to be created.
	outstanding []*corev1.Pod
	// tries is how many instances are placed one by one.
	tries int
}

// newCounting prepares one unit. At most tries instances are to be placed one by one; 0 for what takes about a minute.
func newCounting(config *trial.Config, c *snapshot.Cluster, u unit, namespace string, tries int) (*counting, error) {
	n := &counting{config: config, cluster: c, unit: u, namespace: namespace, tries: cmp.Or(tries, triedOn(len(c.Nodes)))}
	var err error
	if n.after, n.wanted, err = apply(c, u.raised(0), namespace); err != nil {
		return nil, err
	}
	_, more, err := n.copies(n.step(), 0)
	if err != nil {
		return nil, err
	}
	if len(n.wanted.foreign) > 0 {
		return nil, errors.New(n.wanted.foreign[0].String())
	}
	if len(more) == 0 {
		return nil, errNoExample
	}
	n.next = more[len(more)-1]
	n.own, n.grouped = slots.GroupOf(n.next.Namespace, n.next.Labels)
	for _, pod := range n.after.Pods {
		if n.ours(pod) && pod.Spec.NodeName == "" && pod.DeletionTimestamp == nil && !snapshot.Ended(pod) {
			n.outstanding = append(n.outstanding, pod)
		}
	}
	for _, pod := range n.wanted.pods {
		if !slices.ContainsFunc(n.outstanding, func(o *corev1.Pod) bool { return o.Namespace == pod.Namespace && o.Name == pod.Name }) {
			n.outstanding = append(n.outstanding, pod)
		}
	}
	return n, nil
}

// step is how many instances come together.
func (n *counting) step() int { return max(1, n.wanted.shardSize) }

// ours reports whether a pod belongs to the group or, without one, to the set.
func (n *counting) ours(pod *corev1.Pod) bool {
	if g, grouped := slots.GroupOf(pod.Namespace, pod.Labels); grouped || n.grouped {
		return grouped && n.grouped && g == n.own
	}
	mine, its := metav1.GetControllerOf(n.next), metav1.GetControllerOf(pod)
	return mine != nil && its != nil && pod.Namespace == n.next.Namespace && mine.Kind == its.Kind && mine.Name == its.Name
}

// copies are so many pods beyond the wanted ones, as the controller of the last set would create them, and the cluster with
// their claims, with a policy for so many replicas and with the limits as they are now: a share of the replicas does not grow with the copies.
func (n *counting) copies(by, replicas int) (*snapshot.Cluster, []*corev1.Pod, error) {
	with, w, err := apply(n.cluster, n.unit.raised(int32(by)), n.namespace) //nolint:gosec // at most MaxReplicas
	if err != nil {
		return nil, nil, err
	}
	for _, pod := range n.after.Pods {
		with.Put(pod)
	}
	for _, claim := range w.claims {
		with.Put(claim)
	}
	if now := snapshot.Find(n.after.Policies, n.own.Namespace, n.own.Policy); now != nil {
		with.Put(grown(now, snapshot.Find(with.Policies, n.own.Namespace, n.own.Policy), replicas, w.shardSize))
	}
	pods := slices.DeleteFunc(w.pods, func(pod *corev1.Pod) bool {
		return slices.ContainsFunc(n.wanted.pods, func(o *corev1.Pod) bool { return o.Namespace == pod.Namespace && o.Name == pod.Name })
	})
	return with, pods, nil
}

// grown is a policy for more replicas, with the limits of now.
func grown(now, then *v1alpha1.PlacementPolicy, replicas, shardSize int) *v1alpha1.PlacementPolicy {
	p := then.DeepCopy()
	p.Spec.Replicas = ptr.To(int32(replicas)) //nolint:gosec // at most twice MaxReplicas
	if now.Spec.Shards != nil && shardSize > 0 {
		p.Spec.Shards = ptr.To(int32((replicas + shardSize - 1) / shardSize)) //nolint:gosec // less than replicas
	}
	if m := p.Spec.MaxInstancesPerNode; m != nil && m.Type != intstr.Int {
		p.Spec.MaxInstancesPerNode = ptr.To(intstr.FromInt(slots.LimitsOf(now.Spec.PlacementLimits, replicasOf(now)).MaxPerNode))
	}
	p.Generation = max(now.Generation, then.Generation) + 1
	return p
}

// place gives pods to the scheduler one by one and puts those that find a node there. It ends at the first that finds none
// where untilRefused is set. The verdict is that of the last one refused.
func (n *counting) place(ctx context.Context, c *snapshot.Cluster, pods []*corev1.Pod, untilRefused bool) (placed int, refused *trial.Verdict, err error) {
	s, err := trial.New(ctx, n.config, c)
	if err != nil {
		return 0, nil, err
	}
	own := slots.Group{}
	if n.grouped {
		own = n.own
	}
	if err := s.Consider(ctx, c, own); err != nil {
		return 0, nil, err
	}
	for _, pod := range pods {
		c.Put(pod)
		if err := s.Put(pod); err != nil {
			return 0, nil, err
		}
		v, err := s.Place(ctx, pod)
		switch {
		case err != nil:
			return 0, nil, err
		case v.Node != "":
			placed++
			bound := pod.DeepCopy()
			bound.Spec.NodeName = v.Node
			c.Put(bound)
		case untilRefused:
			return placed, &v, nil
		default:
			refused = &v
		}
	}
	return placed, refused, nil
}

// fits is how many instances find a node: the outstanding ones and, if all of these do, copies until the first that does not. No more than
// tries are tried, and atLeast says that there may be others.
func (n *counting) fits(ctx context.Context, room int) (fits int, atLeast bool, refused *trial.Verdict, err error) {
	for _, claim := range n.wanted.claims {
		n.after.Put(claim)
	}
	tried := n.outstanding[:min(len(n.outstanding), max(n.step(), n.tries-n.tries%n.step()))]
	rest := len(n.outstanding) - len(tried)
	fits, refused, err = n.place(ctx, n.after, tried, false)
	if err != nil || refused != nil || rest > 0 {
		return fits, rest > 0, refused, err
	}
	// No more than there is room for by arithmetic: of a group that cannot fit as a whole the scheduler may refuse the first
	// copies for the sake of later ones.
	step := n.step()
	more := min(max(0, room-fits), max(step, n.tries-fits))
	if more -= more % step; more == 0 {
		return fits, false, nil, nil
	}
	with, pods, err := n.copies(more, n.replicas()+more)
	if err != nil {
		return 0, false, nil, err
	}
	placed, refused, err := n.place(ctx, with, pods, true)
	fits += placed - placed%step
	return fits, refused == nil && fits+step <= room, refused, err
}

// replicas is how many the policy counts on; 0 without one.
func (n *counting) replicas() int {
	if p := snapshot.Find(n.after.Policies, n.own.Namespace, n.own.Policy); n.grouped && p != nil {
		return replicasOf(p)
	}
	return 0
}

// alone is how many copies fit when they are confined to the nodes with a value of a label, "" for nodes without. There is room
// for so many; tries bounds how many are placed.
func (n *counting) alone(ctx context.Context, label, value string, room, tries int) (fits int, more bool, err error) {
	step := n.step()
	tries = min(room, max(step, tries))
	if tries -= tries % step; tries == 0 {
		return 0, false, nil
	}
	before, _, err := apply(n.cluster, n.unit.raised(0), n.namespace)
	if err != nil {
		return 0, false, err
	}
	m := *n
	m.after = before
	with, pods, err := m.copies(tries, instances(heldBy(before, n.own))+tries)
	if err != nil {
		return 0, false, err
	}
	for _, pod := range pods {
		confine(pod, label, value)
	}
	placed, refused, err := m.place(ctx, with, pods, true)
	return placed - placed%step, refused == nil && tries < room-room%step, err
}

// confine has a pod go to nodes with a value of a label only.
func confine(pod *corev1.Pod, label, value string) {
	if value != "" {
		if pod.Spec.NodeSelector == nil {
			pod.Spec.NodeSelector = map[string]string{}
		}
		pod.Spec.NodeSelector[label] = value
		return
	}
	if pod.Spec.Affinity == nil {
		pod.Spec.Affinity = &corev1.Affinity{}
	}
	a := pod.Spec.Affinity
	if a.NodeAffinity == nil {
		a.NodeAffinity = &corev1.NodeAffinity{}
	}
	required := &a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	if *required == nil {
		*required = &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{}}}
	}
	for i := range (*required).NodeSelectorTerms {
		term := &(*required).NodeSelectorTerms[i]
		term.MatchExpressions = append(term.MatchExpressions, corev1.NodeSelectorRequirement{Key: label, Operator: corev1.NodeSelectorOpDoesNotExist})
	}
}
