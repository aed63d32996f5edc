package answer

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/slots"
	"github.com/shoal-dev/shoal/spelling"
)

// FleetKind marks the JSON form of a Fleet; its schema is docs/schemas/fleet.v1.json.
const FleetKind = "Fleet"

// Fleet is how full the nodes are.
type Fleet struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Group is the group whose instances are counted, "" for all groups.
	Group string `json:"group,omitempty"`
	// Limits of that group.
	Limits *Group `json:"limits,omitempty"`
	// Instances in all, of that many Groups.
	Instances int `json:"instances"`
	Groups    int `json:"groups"`
	// Total is over those of the nodes that take pods.
	Total Fill `json:"total"`
	// Measured says where load was measured; nil if nobody was asked.
	Measured  *Measured `json:"measured,omitempty"`
	GroupedBy string    `json:"groupedBy"`
	// Nodes by the label by which they are grouped, then by name.
	Nodes      []NodeHeat `json:"nodes"`
	Incomplete []string   `json:"incomplete,omitempty"`
}

// Fill is what pods ask for, in percent of what can be given, rounded down. It can exceed 100.
type Fill struct {
	CPU    int `json:"cpu"`
	Memory int `json:"memory"`
	Pods   int `json:"pods"`
}

func (f Fill) fullest() int { return max(f.CPU, f.Memory, f.Pods) }

// NodeHeat is one node.
type NodeHeat struct {
	Node  string `json:"node"`
	Group string `json:"group,omitempty"`
	// Instances that hold a slot there.
	Instances int  `json:"instances"`
	Fill      Fill `json:"fill"`
	// Load is what is measured there; nil if nothing is known.
	Load *Load `json:"load,omitempty"`
	// State says why the node takes no pods, "" if it does.
	State string `json:"state,omitempty"`
}

// Bad is never true: a full node is no mistake.
func (f *Fleet) Bad() bool { return false }

// Partial reports whether something could not be read on which the answer may depend.
func (f *Fleet) Partial() bool { return len(f.Incomplete) > 0 }

// FleetOf says how full the nodes are. With the name of a group, only its instances count, and only nodes with some of them
// are listed.
func FleetOf(c *snapshot.Cluster, namespace, group, groupBy string) (*Fleet, error) {
	if len(c.Nodes) == 0 {
		return nil, errors.New("there are no nodes")
	}
	f := &Fleet{APIVersion: ExplainVersion, Kind: FleetKind, Group: group, GroupedBy: groupBy, Nodes: []NodeHeat{}, Incomplete: c.Unreadable}
	held := slots.Count(c.World())
	if group != "" {
		names := map[string]bool{}
		held = slices.DeleteFunc(held, func(s slots.Slot) bool {
			name := cmp.Or(s.Group.Policy, s.Group.Cluster)
			names[name] = names[name] || s.Group.Namespace == namespace
			return s.Group.Namespace != namespace || name != group
		})
		for _, name := range GroupNames(c, namespace) { // also of pods that wait, and hold no slot yet
			names[name] = true
		}
		if err := f.limit(c, namespace, held, names); err != nil {
			return nil, err
		}
	}
	groups := map[slots.Group]bool{}
	for _, s := range held {
		groups[s.Group] = true
	}
	f.Instances, f.Groups = instances(held), len(groups)
	f.heat(c, slots.PerNode(held))
	return f, nil
}

// GroupNames are the groups of a namespace, by their policies and the labels of pods, in alphabetical order.
func GroupNames(c *snapshot.Cluster, namespace string) []string {
	names := map[string]bool{}
	for _, p := range c.Policies {
		if p.Namespace == namespace {
			names[p.Name] = true
		}
	}
	for _, pod := range c.Pods {
		if g, grouped := slots.GroupOf(pod.Namespace, pod.Labels); grouped && g.Namespace == namespace && !snapshot.Ended(pod) {
			names[cmp.Or(g.Policy, g.Cluster)] = true
		}
	}
	return sortedKeys(names)
}

// limit finds the limits of the group; without pods and without a policy there is no such group.
func (f *Fleet) limit(c *snapshot.Cluster, namespace string, held []slots.Slot, names map[string]bool) error {
	policy := snapshot.Find(c.Policies, namespace, f.Group)
	if policy != nil {
		l := slots.LimitsOf(policy.Spec.PlacementLimits, replicasOf(policy))
		f.Limits = &Group{
			Name: f.Group, HasPolicy: true, Replicas: replicasOf(policy), Instances: instances(held), Nodes: len(slots.PerNode(held)),
			MaxInstancesPerNode: l.MaxPerNode, MaxNodes: l.MaxNodes, MaxPerShard: l.MaxPerShard, Mode: string(policy.Spec.Mode),
		}
		return nil
	}
	if names[f.Group] {
		return nil
	}
	hint := ""
	for _, name := range sortedKeys(names) {
		if names[name] && spelling.Distance(name, f.Group) <= 2 {
			hint = ": did you mean " + name + "?"
		}
	}
	return fmt.Errorf("there is no group %s in namespace %s%s", f.Group, namespace, hint)
}

func (f *Fleet) heat(c *snapshot.Cluster, perNode map[string]int) {
	requested := c.Requested()
	var used, has slots.Amount
	for _, n := range c.Nodes {
		can, asked := slots.AmountOf(n.Status.Allocatable), requested[n.Name]
		state := stateOf(n)
		listed := f.Group == "" || perNode[n.Name] > 0
		if listed && state == "" {
			used, has = used.Plus(asked), has.Plus(can)
		}
		if listed {
			f.Nodes = append(f.Nodes, NodeHeat{Node: n.Name, Group: n.Labels[f.GroupedBy], Instances: perNode[n.Name], Fill: fillOf(asked, can), State: state})
		}
	}
	for _, name := range sortedKeys(perNode) {
		if snapshot.Find(c.Nodes, "", name) == nil {
			f.Nodes = append(f.Nodes, NodeHeat{Node: name, Instances: perNode[name], State: "deleted"})
		}
	}
	f.Total = fillOf(used, has)
	slices.SortStableFunc(f.Nodes, func(a, b NodeHeat) int { return cmp.Compare(a.Group, b.Group) })
}

func fillOf(asked, can slots.Amount) Fill {
	return Fill{percentOf(asked.MilliCPU, can.MilliCPU), percentOf(asked.Memory, can.Memory), percentOf(asked.Pods, can.Pods)}
}

func percentOf(part, all int64) int {
	if all <= 0 {
		return 0
	}
	return int(float64(part) / float64(all) * 100)
}

// stateOf is why a node takes no pods.
func stateOf(n *corev1.Node) string {
	var states []string
	if slots.OutOfService(n) {
		states = append(states, "out of service")
	}
	if slices.ContainsFunc(n.Status.Conditions, notReady) {
		states = append(states, "not ready")
	}
	if n.Spec.Unschedulable {
		states = append(states, "cordoned")
	}
	return strings.Join(states, ", ")
}

func notReady(c corev1.NodeCondition) bool {
	return c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue
}
