package policy

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/slots"
)

// snapshot is what the status of one policy is computed from.
type snapshot struct {
	policy *v1alpha1.PlacementPolicy
	// targets are the scale targets that exist, in the order of the spec; missing are those that do not.
	targets []v1alpha1.ScaleTargetCount
	missing []string
	world   slots.World
	// nodes are all nodes, and requested is what the pods on each of them ask for.
	nodes     []*corev1.Node
	requested map[string]slots.Amount
	now       metav1.Time
}

// statusOf computes the status; conditions keep their transition times when nothing changed.
func statusOf(s snapshot) v1alpha1.PlacementPolicyStatus {
	group := slots.Group{Namespace: s.policy.Namespace, Policy: s.policy.Name}
	held := slices.DeleteFunc(slots.Count(s.world), func(slot slots.Slot) bool { return slot.Group != group })
	perNode := slots.PerNode(held)
	status := v1alpha1.PlacementPolicyStatus{
		ObservedGeneration: s.policy.Generation,
		Conditions:         slices.Clone(s.policy.Status.Conditions),
		Replicas:           int32(s.wanted()),
		Targets:            s.targets,
		Instances:          int32(instances(held)),
		NodesUsed:          int32(len(perNode)),
		LostNodes:          int32(s.lostNodes(group)),
	}
	fresh := s.policy.Status.ObservedGeneration == 0 && len(held) == 0 && status.LostNodes == 0
	if len(s.missing) > 0 && fresh {
		// The scheduler holds the group until all targets have existed once: with a sum that lacks some of them, the
		// instances of the others would take the nodes that those need. A group that was complete before goes on, and so
		// does one that runs, under a policy that was made anew: what dies of it could not be replaced (docs/adr/0011).
		status.ObservedGeneration = 0
	}
	if len(perNode) > 0 {
		counts := make([]int, 0, len(perNode))
		for _, n := range perNode { // only the extremes are read, so the order does not matter
			counts = append(counts, n)
		}
		status.PerNode = &v1alpha1.PerNode{Min: int32(slices.Min(counts)), Max: int32(slices.Max(counts))}
	}
	g := s.group(held, perNode)
	a := placement.Assess(g, s.total(held))
	if !s.isMixed() && a.FewestNodes > 0 || s.total(held) == 0 {
		status.FewestNodes = ptr.To(int32(a.FewestNodes))
	}
	s.set(&status, v1alpha1.ConditionFeasible, s.feasible(g, a, held))
	s.set(&status, v1alpha1.ConditionWithinLimits, withinLimits(g, held, perNode))
	s.setBlast(&status, held, g.Shards)
	return status
}

// setBlast says what the loss of a node would take. A group that has no shards, or no instance yet, has nothing to judge.
func (s snapshot) setBlast(status *v1alpha1.PlacementPolicyStatus, held []slots.Slot, shards int) {
	if len(held) == 0 {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionSurvivesNodeLoss)
		return
	}
	placed, nodes, names := make([]placement.Place, 0, len(held)), map[string]int{}, map[string]int{}
	for _, slot := range held {
		place := placement.Place{Node: numberOf(nodes, slot.Node), Shard: -1}
		if slot.Shard != "" {
			place.Shard = numberOf(names, slot.Shard)
		}
		placed = append(placed, place)
	}
	blast := placement.Blast(placed, s.wanted())
	status.BlastRadius = &v1alpha1.BlastRadius{
		Instances: int32(blast.Instances), Percent: int32(blast.Percent),
		Shards: int32(blast.Shards), LastInstances: int32(blast.LastInstances),
	}
	if len(names) == 0 {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionSurvivesNodeLoss)
		return
	}
	s.set(status, v1alpha1.ConditionSurvivesNodeLoss, survival(blast, max(shards, len(names))))
}

func numberOf(numbers map[string]int, name string) int {
	n, known := numbers[name]
	if !known {
		n = len(numbers)
		numbers[name] = n
	}
	return n
}

func survival(blast placement.BlastRadius, shards int) verdict {
	switch {
	case blast.LastInstances > 0:
		return verdict{code: reason.LastInstances, message: reason.LastInstances.Because("one node holds all placed instances of %d of %d shards", blast.LastInstances, shards)}
	case blast.HoldsMajority(shards):
		text := "one node holds instances of %d of %d shards: a Redis Cluster can lose its majority of masters with it, unless they are on different nodes; maxInstancesPerNode %d would exclude that"
		return verdict{code: reason.MajorityOnNode, unknown: true, message: reason.MajorityOnNode.Because(text, blast.Shards, shards, (shards-1)/2)}
	}
	return verdict{code: reason.NodeLossSurvived, ok: true, message: reason.NodeLossSurvived.Text()}
}

// verdict is the outcome of one condition.
type verdict struct {
	code    reason.Code
	ok      bool
	message string
	unknown bool // neither True nor False
}

func (s snapshot) set(status *v1alpha1.PlacementPolicyStatus, kind string, v verdict) {
	c := metav1.Condition{
		Type: kind, Status: metav1.ConditionFalse, Reason: v.code.Name(), Message: v.message,
		ObservedGeneration: s.policy.Generation, LastTransitionTime: s.now,
	}
	switch {
	case v.ok:
		c.Status = metav1.ConditionTrue
	case v.unknown:
		c.Status = metav1.ConditionUnknown
	}
	meta.SetStatusCondition(&status.Conditions, c)
}

// wanted is R, as far as a group can be that large: a StatefulSet may ask for two thousand million.
func (s snapshot) wanted() int { return int(min(s.asked(), placement.MaxReplicas)) }

// asked is what the policy or its scale targets ask for.
func (s snapshot) asked() int64 {
	if s.policy.Spec.Replicas != nil {
		return int64(*s.policy.Spec.Replicas)
	}
	sum := int64(0)
	for _, t := range s.targets {
		sum += int64(t.Replicas)
	}
	return sum
}

// total is R as the scheduler works with it: never less than the instances that hold a slot and those whose pods wait. A pod of
// somebody else that carries the group's label takes a place like any other.
func (s snapshot) total(held []slots.Slot) int {
	known := map[slots.Instance]bool{}
	for _, slot := range held {
		known[slot.Instance] = true
	}
	for _, pod := range s.world.Pods {
		if pod.Spec.NodeName == "" {
			known[slots.InstanceOfPod(pod)] = true
		}
	}
	return max(s.wanted(), len(known))
}

func instances(held []slots.Slot) int {
	n := 0
	for i := range held { // sorted by instance
		if i == 0 || held[i].Instance != held[i-1].Instance {
			n++
		}
	}
	return n
}

// lostNodes counts the nodes whose instances were declared lost and are not replaced yet.
func (s snapshot) lostNodes(group slots.Group) int {
	nodes := map[string]bool{}
	add := func(o metav1.Object) {
		uid := o.GetLabels()[v1alpha1.LabelLost]
		if g, ok := slots.GroupOf(o.GetNamespace(), o.GetLabels()); ok && g == group && uid != "" {
			nodes[uid] = true
		}
	}
	for _, p := range s.world.Pods {
		add(p)
	}
	for _, c := range s.world.Claims {
		add(c)
	}
	return len(nodes)
}

// group is the group as placement sees it. The room of a node is judged for pods like the group's first one; without
// any pod there is nothing to judge by but the limits.
func (s snapshot) group(held []slots.Slot, perNode map[string]int) placement.Group {
	g := placement.Group{
		Limits:    slots.LimitsOf(s.policy.Spec.PlacementLimits, s.total(held)),
		Shards:    s.shards(held),
		Remaining: max(0, s.total(held)-instances(held)),
	}
	example := s.example()
	room := slots.RoomFor(example)
	promised := map[string]int{}
	for _, slot := range held {
		if slot.Pod == nil {
			promised[slot.Node]++
		}
	}
	alive := map[string]bool{}
	for _, n := range s.nodes {
		alive[n.Name] = true
		free := room.Fit(slots.AmountOf(n.Status.Allocatable).Minus(s.requested[n.Name])) - promised[n.Name]
		g.Nodes = append(g.Nodes, placement.Node{
			Held: perNode[n.Name], Free: max(0, free), Unusable: !room.Usable(n), Cordoned: room.Cordoned(n),
		})
	}
	for _, slot := range held { // a deleted Node still counts, and can take nothing
		if !alive[slot.Node] {
			alive[slot.Node] = true
			g.Nodes = append(g.Nodes, placement.Node{Held: perNode[slot.Node], Unusable: true})
		}
	}
	s.addRows(&g, held)
	return g
}

// addRows tells placement where the instances of each shard are: what is placed may block their siblings.
func (s snapshot) addRows(g *placement.Group, held []slots.Slot) {
	number := map[string]int{}
	for i, n := range s.nodes {
		number[n.Name] = i
	}
	perShard := map[string]map[string]int{}
	for _, slot := range held {
		if _, there := number[slot.Node]; !there { // in the order in which group appends deleted Nodes
			number[slot.Node] = len(number)
		}
		if slot.Shard == "" {
			continue
		}
		if perShard[slot.Shard] == nil {
			perShard[slot.Shard] = map[string]int{}
		}
		perShard[slot.Shard][slot.Node]++
	}
	var waiting []string
	for _, pod := range s.world.Pods {
		if shard := pod.Labels[v1alpha1.LabelShard]; shard != "" {
			waiting = append(waiting, shard)
		}
	}
	_, g.Rows, _ = slots.Rows(g.Shards, s.total(held), g.Remaining, perShard, waiting, func(node string) int { return number[node] })
}

// example is the group's first pod by name, or one that asks for nothing.
func (s snapshot) example() *corev1.Pod {
	example := &corev1.Pod{}
	for _, p := range s.world.Pods {
		if example.Name == "" || p.Name < example.Name {
			example = p
		}
	}
	return example
}

// shards is 0 when the group has none, or when their number is not known: then it is not considered. It is known where the policy says it,
// or where all instances are there, as in the scheduler; there are never fewer than have names.
func (s snapshot) shards(held []slots.Slot) int {
	if s.example().Labels[v1alpha1.LabelShard] == "" {
		return 0
	}
	names, known := map[string]bool{}, map[slots.Instance]bool{}
	count := func(i slots.Instance, shard string) {
		if known[i] = true; shard != "" {
			names[shard] = true
		}
	}
	for _, slot := range held {
		count(slot.Instance, slot.Shard)
	}
	for _, pod := range s.world.Pods {
		if pod.Spec.NodeName == "" {
			count(slots.InstanceOfPod(pod), pod.Labels[v1alpha1.LabelShard])
		}
	}
	said := s.policy.Spec.ShardCount()
	if said == 0 && len(known) < s.wanted() {
		return 0
	}
	return max(said, len(names))
}

func (s snapshot) feasible(g placement.Group, a placement.Assessment, held []slots.Slot) verdict {
	replicas := s.total(held)
	if len(s.missing) > 0 {
		return verdict{code: reason.TargetNotFound, message: reason.TargetNotFound.Because("%s does not exist", strings.Join(s.missing[:min(len(s.missing), 10)], ", "))}
	}
	if asked := s.asked(); asked > placement.MaxReplicas {
		return verdict{code: reason.TooManyReplicas, message: reason.TooManyReplicas.Because("%d replicas are asked for, and at most %d are counted", asked, placement.MaxReplicas)}
	}
	if a.LimitsTooTight {
		return verdict{code: reason.LimitsTooTight, message: reason.LimitsTooTight.Because("%s: %s", a.TooTight(), a.Advice())}
	}
	packing, packed := s.pack(g, held)
	switch {
	case packed && packing.Unplaceable > 0:
		text := placement.Shortage(packing.Unplaceable, replicas, packing.Bound.Unplaceable)
		return verdict{code: reason.NotEnoughRoom, message: reason.NotEnoughRoom.Because("%s", text)}
	case packed:
		return verdict{code: reason.Feasible, ok: true, message: reason.Feasible.Text()}
	case s.isMixed() && g.Remaining > 0: // instances that nobody knows, or that may use different nodes
		text := fmt.Sprintf("that holds if all ask for as much as %s, and some ask for other amounts", s.example().Name)
		if a.Feasible {
			return verdict{code: reason.Feasible, unknown: true, message: reason.Feasible.Text() + ": " + text}
		}
		return verdict{code: reason.NotEnoughRoom, unknown: true, message: reason.NotEnoughRoom.Because("no room for %d of %d replicas within the limits: %s", a.Unplaceable, replicas, text)}
	}
	if !a.Feasible {
		text := fmt.Sprintf("no room for %d of %d replicas within the limits: %s", a.Unplaceable, replicas, a.Advice())
		nobody := len(s.world.Pods) == 0
		if nobody {
			text += "; no pod names the policy yet, so that this holds for pods that tolerate no taint"
		}
		return verdict{code: reason.NotEnoughRoom, unknown: nobody, message: reason.NotEnoughRoom.Because("%s", text)}
	}
	return verdict{code: reason.Feasible, ok: true, message: reason.Feasible.Text()}
}

func withinLimits(g placement.Group, held []slots.Slot, perNode map[string]int) verdict {
	var over []string
	if g.MaxNodes > 0 && len(perNode) > g.MaxNodes {
		over = append(over, fmt.Sprintf("%d nodes are in use, at most %d are allowed", len(perNode), g.MaxNodes))
	}
	crowded := 0
	for _, n := range perNode {
		if g.MaxPerNode > 0 && n > g.MaxPerNode {
			crowded++
		}
	}
	if crowded > 0 {
		over = append(over, fmt.Sprintf("%d nodes hold more than %d instances", crowded, g.MaxPerNode))
	}
	if n := crowdedShards(held, g.MaxPerShard); n > 0 {
		over = append(over, fmt.Sprintf("%d times a node holds more than %d instances of a shard", n, g.MaxPerShard))
	}
	if len(over) > 0 {
		return verdict{code: reason.OverLimits, message: reason.OverLimits.Because("%s", strings.Join(over, "; "))}
	}
	return verdict{code: reason.WithinLimits, ok: true, message: reason.WithinLimits.Text()}
}

func crowdedShards(held []slots.Slot, limit int) int {
	type place struct{ node, shard string }
	n, crowded := map[place]int{}, 0
	for _, slot := range held {
		if slot.Shard == "" {
			continue
		}
		at := place{slot.Node, slot.Shard}
		if n[at]++; n[at] == limit+1 {
			crowded++
		}
	}
	return crowded
}
