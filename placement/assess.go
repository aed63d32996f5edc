package placement

import (
	"slices"
	"sort"
)

// Assessment says whether a group can be completed, and what would help if it cannot.
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
	// NeedMaxNodes is the smallest K with which the group could be completed as it is now; 0 when none would do.
	NeedMaxNodes int
	// NeedPerNode is the smallest M with which the group could be completed as it is now; 0 when none would do.
	NeedPerNode int
}

// Assess judges a group. Replicas is R, the instances that the group wants in all; Group.Remaining of them have no slot.
// It costs O(N log N log R).
func Assess(g Group, replicas int) Assessment {
	reachable := NewGuard(g).Reachable
	a := Assessment{
		Feasible:       reachable >= g.Remaining,
		Unplaceable:    max(0, g.Remaining-reachable),
		FewestNodes:    FewestNodes(g, replicas),
		LimitsTooTight: g.MaxNodes > 0 && g.MaxPerNode > 0 && g.MaxNodes*g.MaxPerNode < replicas,
	}
	if a.Feasible {
		return a
	}
	if g.MaxNodes > 0 {
		a.NeedMaxNodes = least(g.MaxNodes, max(g.MaxNodes, len(g.Nodes)), func(k int) bool {
			h := g
			h.MaxNodes = k
			return NewGuard(h).Reachable >= g.Remaining
		})
	}
	if g.MaxPerNode > 0 {
		a.NeedPerNode = least(g.MaxPerNode, max(g.MaxPerNode, replicas), func(m int) bool {
			h := g
			h.MaxPerNode = m
			return NewGuard(h).Reachable >= g.Remaining
		})
	}
	return a
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
