package history

import (
	"fmt"
	"maps"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

// Report is the outcome of a check.
type Report struct {
	// Moments is the number of states that were checked.
	Moments int
	// Violations are moments at which a node got more than a limit allows. Each node is judged by itself: where a limit
	// was lowered, nothing is evicted and those above it are no violation, but they must not hide that another one grows.
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
	counts := map[slots.Group]count{}
	for _, event := range events {
		for _, group := range w.apply(event) {
			report.Moments++
			held := w.slots(group)
			before, now := counts[group], countOf(held)
			counts[group] = now
			report.Final[group] = now.usage()
			report.Peak[group] = report.Peak[group].most(now.usage())
			policy := w.policies[client.ObjectKey{Namespace: group.Namespace, Name: group.Policy}]
			if _, changed := event.Object.(*v1alpha1.PlacementPolicy); changed || policy == nil || policy.Spec.Mode == v1alpha1.PlacementBestEffort {
				continue
			}
			limits := slots.LimitsOf(policy.Spec.PlacementLimits, max(replicas(policy), w.known(group, held)))
			for _, text := range exceeded(limits, before, now) {
				report.Violations = append(report.Violations, Violation{event.Version, group, text})
			}
		}
	}
	return report
}

// replicas is R as the policy has it. Pods are often seen before the sum of the scale targets has been made, so the
// scheduler and this check take at least the instances that are known.
func replicas(policy *v1alpha1.PlacementPolicy) int {
	if policy.Spec.Replicas != nil {
		return int(*policy.Spec.Replicas)
	}
	return int(policy.Status.Replicas)
}

func (u Usage) most(v Usage) Usage {
	return Usage{
		max(u.Instances, v.Instances), max(u.Nodes, v.Nodes), max(u.PerNode, v.PerNode), max(u.PerShardAndNode, v.PerShardAndNode),
	}
}

// count is what a group holds at one moment.
type count struct {
	instances int
	perNode   map[string]int
	perShard  map[place]int
}

// place is where instances of one shard meet.
type place struct{ node, shard string }

func countOf(held []slots.Slot) count {
	c := count{perNode: slots.PerNode(held), perShard: map[place]int{}}
	for i, s := range held {
		if i == 0 || held[i-1].Instance != s.Instance { // sorted by instance
			c.instances++
		}
		if s.Shard != "" {
			c.perShard[place{s.Node, s.Shard}]++
		}
	}
	return c
}

func (c count) usage() Usage {
	u := Usage{Instances: c.instances, Nodes: len(c.perNode)}
	for _, n := range c.perNode {
		u.PerNode = max(u.PerNode, n)
	}
	for _, n := range c.perShard {
		u.PerShardAndNode = max(u.PerShardAndNode, n)
	}
	return u
}

// exceeded names what grew beyond a limit since the moment before.
func exceeded(limits placement.Limits, before, now count) []string {
	var texts []string
	for _, node := range slices.Sorted(maps.Keys(now.perNode)) {
		n := now.perNode[node]
		if n <= before.perNode[node] {
			continue
		}
		if m := limits.MaxPerNode; m > 0 && n > m {
			texts = append(texts, fmt.Sprintf("%d instances on node %s, at most %d are allowed", n, node, m))
		}
		if k := limits.MaxNodes; k > 0 && len(now.perNode) > k && before.perNode[node] == 0 {
			texts = append(texts, fmt.Sprintf("node %s came into use: %d nodes are, at most %d are allowed", node, len(now.perNode), k))
		}
	}
	for at, n := range now.perShard {
		if m := limits.MaxPerShard; m > 0 && n > m && n > before.perShard[at] {
			texts = append(texts, fmt.Sprintf("%d instances of shard %s on node %s, at most %d are allowed", n, at.shard, at.node, m))
		}
	}
	slices.Sort(texts)
	return texts
}
