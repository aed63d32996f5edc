package history

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// Report is the outcome of a check.
type Report struct {
	// Moments is the number of states that were checked.
	Moments int
	// Violations are moments at which a limit was exceeded further than before. A limit that was lowered below what is
	// in use is none: nothing is ever evicted.
	Violations []Violation
	// Peak is the most that each group ever used.
	Peak map[slots.Group]Usage
	// Final is what each group used at the end.
	Final map[slots.Group]Usage
}

// Violation is a moment at which a limit did not hold.
type Violation struct {
	Version uint64
	Group   slots.Group
	Text    string
}

// String names the moment and the group.
func (v Violation) String() string {
	return fmt.Sprintf("at version %d: group %s: %s", v.Version, v.Group, v.Text)
}

// Usage is how far a group used its limits.
type Usage struct {
	Instances, Nodes, PerNode, PerShardAndNode int
}

// Check replays events, which must be in order, and checks the limits of every group of a PlacementPolicy after each.
func Check(events []Event) Report {
	w := newWorld()
	report := Report{Peak: map[slots.Group]Usage{}, Final: map[slots.Group]Usage{}}
	for _, event := range events {
		for _, group := range w.apply(event) {
			report.Moments++
			before, now := report.Final[group], w.usage(group)
			report.Final[group] = now
			report.Peak[group] = report.Peak[group].most(now)
			policy := w.policies[client.ObjectKey{Namespace: group.Namespace, Name: group.Policy}]
			if _, changed := event.Object.(*v1alpha1.PlacementPolicy); changed || policy == nil {
				continue
			}
			for _, text := range exceeded(policy, before, now) {
				report.Violations = append(report.Violations, Violation{event.Version, group, text})
			}
		}
	}
	return report
}

func (u Usage) most(v Usage) Usage {
	return Usage{
		max(u.Instances, v.Instances), max(u.Nodes, v.Nodes), max(u.PerNode, v.PerNode), max(u.PerShardAndNode, v.PerShardAndNode),
	}
}

// exceeded names the limits that are exceeded, and further than before.
func exceeded(policy *v1alpha1.PlacementPolicy, before, now Usage) []string {
	var texts []string
	report := func(what string, limit, before, now int) {
		if limit > 0 && now > limit && now > before {
			texts = append(texts, fmt.Sprintf("%d %s, at most %d are allowed", now, what, limit))
		}
	}
	if m := policy.Spec.MaxInstancesPerNode; m != nil {
		limit := m.IntValue()
		if m.Type == intstr.String {
			limit = percentOf(m.StrVal, policy)
		}
		report("instances on one node", limit, before.PerNode, now.PerNode)
	}
	if k := policy.Spec.MaxNodes; k != nil {
		report("nodes in use", int(*k), before.Nodes, now.Nodes)
	}
	for _, s := range policy.Spec.ShardSpread {
		report("instances of one shard on one node", int(s.Max), before.PerShardAndNode, now.PerShardAndNode)
	}
	return texts
}

// percentOf is M of a policy that gives it as a percentage of its replicas; 0, which does not limit, without any.
func percentOf(text string, policy *v1alpha1.PlacementPolicy) int {
	percent, err := strconv.Atoi(strings.TrimSuffix(text, "%"))
	replicas := int(policy.Status.Replicas)
	if policy.Spec.Replicas != nil {
		replicas = int(*policy.Spec.Replicas)
	}
	if err != nil || replicas == 0 {
		return 0
	}
	return placement.PercentOf(percent, replicas)
}

// world is the state of the cluster at one moment.
type world struct {
	nodes    map[string]*corev1.Node
	volumes  map[string]*corev1.PersistentVolume
	pods     map[slots.Group]map[client.ObjectKey]*corev1.Pod
	claims   map[slots.Group]map[client.ObjectKey]*corev1.PersistentVolumeClaim
	policies map[client.ObjectKey]*v1alpha1.PlacementPolicy
	index    slots.NodeMap
}

func newWorld() *world {
	return &world{
		nodes: map[string]*corev1.Node{}, volumes: map[string]*corev1.PersistentVolume{},
		pods:     map[slots.Group]map[client.ObjectKey]*corev1.Pod{},
		claims:   map[slots.Group]map[client.ObjectKey]*corev1.PersistentVolumeClaim{},
		policies: map[client.ObjectKey]*v1alpha1.PlacementPolicy{},
	}
}

// apply takes in one event and returns the groups that it can have changed.
func (w *world) apply(event Event) []slots.Group {
	key := client.ObjectKeyFromObject(event.Object)
	switch o := event.Object.(type) {
	case *corev1.Node:
		return w.applyNode(o, event.Deleted)
	case *corev1.PersistentVolume:
		put(w.volumes, o.Name, o, event.Deleted)
		if o.Spec.ClaimRef == nil {
			return nil
		}
		claim := client.ObjectKey{Namespace: o.Spec.ClaimRef.Namespace, Name: o.Spec.ClaimRef.Name}
		for group, claims := range w.claims {
			if claims[claim] != nil {
				return []slots.Group{group}
			}
		}
	case *corev1.PersistentVolumeClaim:
		return applyGrouped(w.claims, key, o, event.Deleted)
	case *corev1.Pod:
		return applyGrouped(w.pods, key, o, event.Deleted)
	case *v1alpha1.PlacementPolicy:
		put(w.policies, key, o, event.Deleted)
		return []slots.Group{{Namespace: o.Namespace, Policy: o.Name}}
	}
	return nil
}

// applyNode returns every group when something about the node changed that slots depend on; heartbeats are most of a
// node's events.
func (w *world) applyNode(node *corev1.Node, deleted bool) []slots.Group {
	before := w.nodes[node.Name]
	put(w.nodes, node.Name, node, deleted)
	if before != nil && !deleted && slots.OutOfService(before) == slots.OutOfService(node) &&
		before.Labels[corev1.LabelHostname] == node.Labels[corev1.LabelHostname] {
		return nil
	}
	list := make([]*corev1.Node, 0, len(w.nodes))
	for _, n := range w.nodes {
		list = append(list, n)
	}
	w.index = slots.NewNodeMap(list)
	var groups []slots.Group
	for group := range w.pods {
		groups = append(groups, group)
	}
	return groups
}

func put[K comparable, V any](m map[K]V, key K, value V, deleted bool) {
	if deleted {
		delete(m, key)
		return
	}
	m[key] = value
}

// applyGrouped moves an object to its group: labels can change.
func applyGrouped[T client.Object](m map[slots.Group]map[client.ObjectKey]T, key client.ObjectKey, o T, deleted bool) []slots.Group {
	var changed []slots.Group
	group, grouped := slots.GroupOf(o.GetNamespace(), o.GetLabels())
	for other, objects := range m {
		if _, there := objects[key]; there && other != group {
			delete(objects, key)
			changed = append(changed, other)
		}
	}
	if !grouped {
		return changed
	}
	if m[group] == nil {
		m[group] = map[client.ObjectKey]T{}
	}
	put(m[group], key, o, deleted)
	return append(changed, group)
}

// usage counts a group.
func (w *world) usage(group slots.Group) Usage {
	in := slots.World{Nodes: w.index, Volume: func(name string) *corev1.PersistentVolume { return w.volumes[name] }}
	for _, p := range w.pods[group] {
		in.Pods = append(in.Pods, p)
	}
	for _, c := range w.claims[group] {
		in.Claims = append(in.Claims, c)
	}
	var u Usage
	perNode, perShard, instances := map[string]int{}, map[[2]string]int{}, map[slots.Instance]bool{}
	for _, s := range slots.Count(in) {
		if s.Group != group {
			continue
		}
		instances[s.Instance] = true
		perNode[s.Node]++
		u.PerNode = max(u.PerNode, perNode[s.Node])
		if s.Shard != "" {
			perShard[[2]string{s.Node, s.Shard}]++
			u.PerShardAndNode = max(u.PerShardAndNode, perShard[[2]string{s.Node, s.Shard}])
		}
	}
	u.Instances, u.Nodes = len(instances), len(perNode)
	return u
}
