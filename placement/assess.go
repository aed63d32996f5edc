package placement

import (
	"cmp"
	"slices"
	"sort"
)

// Assessment says whether a group can be completed, and what would help if it cannot. Each of the Need numbers helps alone,
// with everything else as it is, and one less would not; 0 means that no number would, or that nothing is missing.
type Assessment struct {
	// Feasible is true when all remaining instances can be placed.
	Feasible bool
	// Unplaceable is the number of remaining instances for which there is no place.
	Unplaceable int
	// FewestNodes is the smallest number of usable nodes that could hold all replicas if the group were placed anew; 0
	// when no number of them can.
	FewestNodes int
	// LimitsTooTight is true when K * M is less than the replicas, however many nodes there are.
	LimitsTooTight bool
	// Cordoned is the number of nodes that are unusable only because they are cordoned.
	Cordoned int
	// NeedMaxNodes is the smallest K.
	NeedMaxNodes int
	// NeedPerNode is the smallest M.
	NeedPerNode int
	// NeedUncordoned is how many of the cordoned nodes have to come back, those with the most room first. With Group.Rows,
	// fewer may do.
	NeedUncordoned int
	// NeedNewNodes is how many empty nodes have to be added, each with room for NewNodeRoom instances.
	NeedNewNodes int
	// NewNodeRoom is what NeedNewNodes counts on: M, or, without M, the most that one of the nodes could ever hold.
	NewNodeRoom int

	limits   Limits
	replicas int
}

// Assess judges a group. Replicas is R, the instances that the group wants in all; Group.Remaining of them have no slot.
// With Group.Rows it is exact also where instances that are placed already block their siblings.
// No number above MaxReplicas is tried. It costs O(N log N log R), and, for a group with rows that is not feasible, O(log R) plans.
func Assess(g Group, replicas int) Assessment {
	a := Assessment{
		Feasible:       g.feasible(),
		FewestNodes:    FewestNodes(g, replicas),
		LimitsTooTight: g.MaxNodes > 0 && g.MaxPerNode > 0 && g.MaxNodes*g.MaxPerNode < replicas,
		limits:         g.Limits, replicas: replicas,
	}
	for _, n := range g.Nodes {
		if n.Cordoned {
			a.Cordoned++
		}
	}
	if a.Feasible {
		return a
	}
	a.Unplaceable = g.Remaining - g.reachable()
	if g.MaxNodes > 0 {
		a.NeedMaxNodes = leastGroup(g.MaxNodes, max(g.MaxNodes, len(g.Nodes)), func(k int) Group {
			h := g
			h.MaxNodes = k
			return h
		})
	}
	if g.MaxPerNode > 0 {
		a.NeedPerNode = leastGroup(g.MaxPerNode, max(g.MaxPerNode, min(replicas, MaxReplicas)), func(m int) Group {
			h := g
			h.MaxPerNode = m
			return h
		})
	}
	a.NeedUncordoned = leastGroup(0, a.Cordoned, g.uncordoned)
	if a.NewNodeRoom = g.newNodeRoom(); a.NewNodeRoom > 0 {
		a.NeedNewNodes = leastGroup(0, min(g.Remaining, MaxReplicas), func(n int) Group { return g.enlarged(n, a.NewNodeRoom) })
	}
	return a
}

// reachable is how many of the remaining instances can be placed at best.
func (g Group) reachable() int {
	if len(g.Rows) == 0 || g.MaxPerShard == 0 {
		return NewGuard(g).Reachable
	}
	return g.Remaining - NewPlan(g).Unplaceable
}

// feasible reports whether all remaining instances can be placed. It needs a plan only where there is neither too little
// room by numbers nor so much that siblings cannot be in each other's way, see slack.
func (g Group) feasible() bool {
	if len(g.Rows) == 0 || g.MaxPerShard == 0 {
		return NewGuard(g).Reachable >= g.Remaining
	}
	ample := g
	ample.Remaining += g.slack()
	switch reachable := NewGuard(ample).Reachable; {
	case reachable < g.Remaining:
		return false
	case reachable >= ample.Remaining:
		return true
	}
	return NewPlan(g).Unplaceable == 0
}

// slack is the most places that the siblings of one instance can block: each m of them a node.
func (g Group) slack() int {
	size, peak := 0, 0
	for _, row := range g.Rows {
		size = max(size, row.Remaining+len(row.Held))
	}
	for _, n := range g.Nodes {
		peak = max(peak, g.Capacity(n))
	}
	return max(0, size-1) / g.MaxPerShard * peak
}

// leastGroup is the smallest number for which the group is feasible, 0 when it is for none.
func leastGroup(low, high int, with func(int) Group) int {
	return least(low, high, func(n int) bool { return with(n).feasible() })
}

// uncordoned is the group with that many of the cordoned nodes back, those first that can take the most. Nodes in use come
// back for nothing, others cost one of the K nodes: what can be placed is a concave function of how many are of the first
// kind, so that the best number of them is where it stops to grow. With rows, siblings on nodes in use can make another
// choice better; then more nodes are advised than would be needed.
func (g Group) uncordoned(n int) Group {
	var open, closed []int
	for i, node := range g.Nodes {
		switch {
		case node.Cordoned && node.Held > 0:
			open = append(open, i)
		case node.Cordoned:
			closed = append(closed, i)
		}
	}
	capacity := func(i int) int {
		node := g.Nodes[i]
		node.Unusable = false
		return g.Capacity(node)
	}
	for _, list := range [][]int{open, closed} {
		slices.SortStableFunc(list, func(a, b int) int { return cmp.Compare(capacity(b), capacity(a)) })
	}
	with := func(inUse int) Group {
		h := g
		h.Nodes = slices.Clone(g.Nodes)
		for _, i := range slices.Concat(open[:inUse], closed[:n-inUse]) {
			h.Nodes[i].Unusable = false
		}
		return h
	}
	low, high := max(0, n-len(closed)), min(n, len(open))
	return with(low + sort.Search(high-low, func(i int) bool {
		return with(low+i+1).reachable() <= with(low+i).reachable()
	}))
}

// newNodeRoom is how many instances a node that somebody adds could take.
func (g Group) newNodeRoom() int {
	if g.MaxPerNode > 0 {
		return g.MaxPerNode
	}
	most := 0
	for _, n := range g.Nodes {
		most = max(most, n.Held+n.Free)
	}
	return most
}

func (g Group) enlarged(nodes, room int) Group {
	g.Nodes = slices.Concat(g.Nodes, slices.Repeat([]Node{{Free: room}}, nodes))
	return g
}

// FewestNodes is the smallest number of usable nodes that could hold all replicas if none were placed yet; 0 when no
// number of them can. The largest nodes are the best choice for every number of nodes, because the condition is a sum.
func FewestNodes(g Group, replicas int) int {
	if replicas == 0 {
		return 0
	}
	empty := Group{Limits: g.Limits, Shards: g.Shards}
	room := make([]int, 0, len(g.Nodes))
	for _, n := range g.Nodes {
		room = append(room, empty.Capacity(Node{Free: n.Held + n.Free, Unusable: n.Unusable}))
	}
	slices.SortFunc(room, func(a, b int) int { return b - a })
	total := 0
	for i, c := range room {
		total += c
		if total >= replicas {
			return i + 1
		}
	}
	return 0
}

// least is the smallest number from low to high for which a monotone condition holds; 0 when it holds for none.
func least(low, high int, holds func(int) bool) int {
	i := sort.Search(high-low+1, func(i int) bool { return holds(low + i) })
	if low+i > high {
		return 0
	}
	return low + i
}
