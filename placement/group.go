package placement

// Limits are the hard rules of a group. A limit of 0 does not limit.
type Limits struct {
	// MaxPerNode (M) is the most instances on one node.
	MaxPerNode int
	// MaxNodes (K) is the most nodes in use.
	MaxNodes int
	// MaxPerShard (m) is the most instances of one shard on one node.
	MaxPerShard int
}

// Node is one node as a group sees it.
type Node struct {
	// Held is the number of the group's instances that hold a slot on the node.
	Held int
	// Free is the number of further instances for which the node has room now (CPU, memory, pods), before the group's
	// limits.
	Free int
	// Unusable is true for a node that takes no further instances and that no plan may count on: cordoned, tainted,
	// excluded by the pod's affinity, or deleted.
	Unusable bool
	// Cordoned is true for an unusable node that would be usable if it were uncordoned. Only advice looks at it.
	Cordoned bool
	// Load breaks ties between nodes that are equally good for the group: the lower is taken. Any unit.
	Load int
}

// Group is everything that placement knows about a group.
type Group struct {
	Limits
	// Shards is the number of shards (s); 0 for a group without shards.
	Shards int
	// Remaining is the number of instances that want a slot and have none.
	Remaining int
	// Nodes are all nodes, those in use and the others, in any order.
	Nodes []Node
	// Rows are the shards, for NewPlan only; nil for a group without shards. What they want adds up to Remaining.
	Rows []Row
}

// Capacity is c(n): the number of further instances that the node can take within the group's limits.
func (g Group) Capacity(n Node) int {
	if n.Unusable {
		return 0
	}
	c := n.Free
	if g.MaxPerNode > 0 {
		c = min(c, g.MaxPerNode-n.Held)
	}
	if g.Shards > 0 && g.MaxPerShard > 0 {
		c = min(c, g.Shards*g.MaxPerShard-n.Held)
	}
	return max(c, 0)
}

// PercentOf is a limit that is given as a percentage of the replicas, rounded down, and at least 1, so that a small
// group is never left without any place.
func PercentOf(percent, replicas int) int {
	return max(1, percent*replicas/100)
}
