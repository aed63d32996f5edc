package placement

import "slices"

// Amounts are quantities in dimensions that the caller chooses (thousandths of a CPU, bytes, pods, ...): the same ones, in
// the same order, for all amounts that are compared. None is negative but what is left of an overcommitted node.
type Amounts []int64

// Times is how often a size fits into what is free, at most MaxReplicas; 0 when something is overcommitted already. A
// dimension of which the size wants nothing does not count.
func Times(free, size Amounts) int {
	n := int64(MaxReplicas)
	for d, want := range size {
		if want > 0 {
			n = min(n, free[d]/want)
		}
	}
	return int(max(n, 0))
}

// Machine is a node by what it has left, where instances are not all of one size.
type Machine struct {
	// Held is the number of the group's instances that hold a slot on the node.
	Held int
	// Free is what is left for further instances, before the group's limits.
	Free Amounts
	// Unusable is as in Node.
	Unusable bool
	// Load is as in Node.
	Load int
}

// Capacity is the number of further instances of a size that a group could place within its limits on these nodes, beyond
// those that hold a slot. With shards of shardSize, at most MaxPerShard of one shard on a node, they come as whole shards, so
// that the answer is a multiple of shardSize; 0 stands for no shards. It is exact, at most MaxReplicas, and costs
// O(N log N log R).
//
// It counts on the room that is free now. Instances that are still to come anyway are the caller's to take off.
func Capacity(nodes []Machine, l Limits, shardSize int, size Amounts) int {
	g := Group{Limits: l, Remaining: MaxReplicas}
	for _, n := range nodes {
		g.Nodes = append(g.Nodes, Node{Held: n.Held, Free: Times(n.Free, size), Unusable: n.Unusable})
	}
	if shardSize <= 0 || l.MaxPerShard <= 0 {
		n := NewGuard(g).Reachable
		return n - n%max(1, shardSize)
	}
	// s new shards of r fit iff the K best nodes' min(c, s*m) add up to s*r (package comment). The left side is concave in
	// s and 0 for none, so that all numbers up to the largest that fits do.
	fits := func(s int) bool {
		h := g
		h.Nodes = slices.Clone(g.Nodes)
		for i := range h.Nodes {
			h.Nodes[i].Free = min(h.Nodes[i].Free, s*l.MaxPerShard)
		}
		return NewGuard(h).Reachable >= s*shardSize
	}
	low, high := 0, MaxReplicas/shardSize
	for low < high {
		middle := (low + high + 1) / 2
		if fits(middle) {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low * shardSize
}
