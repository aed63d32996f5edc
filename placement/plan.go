package placement

import (
	"cmp"
	"slices"
)

// Row is a shard in a plan.
type Row struct {
	// Remaining is the number of the shard's instances that want a slot and have none.
	Remaining int
	// Held are the nodes that hold instances of the shard already, by index in Group.Nodes, one entry per instance.
	Held []int
}

// Plan says where the remaining instances of a group go. Its zero value plans nothing.
type Plan struct {
	// Quota is, for each of Group.Nodes, how many instances it holds in the end.
	Quota []int
	// Rows are, for each of Group.Rows, the nodes of its remaining instances, one entry per instance, ascending. A row is
	// shorter than its shard's Remaining where something is unplaceable.
	Rows [][]int
	// Level is the largest quota.
	Level int
	// Unplaceable is the number of remaining instances for which the plan has no node.
	Unplaceable int
}

// NewPlan plans the whole group: which nodes it opens, how many instances each gets, and where the shards' copies go. It
// places as many instances as can be placed at all, and then as evenly as the nodes that are in use already permit.
//
//	nodes   S, and of the others the K - |S| with the largest capacity. No other choice can hold more: what is placed
//	        forbids nothing on a node outside of S, so that there a larger capacity is never worse. Nodes that reach the
//	        water level are equally good, and among them the least loaded are taken
//	quota   the lowest level L for which sum min(held + c, L) over these nodes is R: counts differ by at most one wherever
//	        capacities and what is placed permit it
//	rows    a maximum flow from shards to nodes (rows.go); where it cannot follow the quotas, it may exceed them up to the
//	        capacity
//
// It costs O(N log N + R log K), and a flow from as many sources as there are shards that differ in what is placed.
func NewPlan(g Group) Plan {
	chosen := g.choose()
	more := g.fill(chosen)
	p := Plan{Rows: make([][]int, len(g.Rows))}
	if len(g.Rows) > 0 {
		more = g.assign(chosen, more, p.Rows)
	}
	p.Quota = make([]int, len(g.Nodes))
	p.Unplaceable = g.Remaining
	for n := range g.Nodes {
		p.Quota[n] = g.Nodes[n].Held
	}
	for i, n := range chosen {
		p.Quota[n] += more[i]
		p.Unplaceable -= more[i]
	}
	for _, q := range p.Quota {
		p.Level = max(p.Level, q)
	}
	return p
}

// choose returns the nodes that the group may use in the end, by index, those in use first.
func (g Group) choose() []int {
	var open, closed []int
	capacity := make([]int, len(g.Nodes))
	for n := range g.Nodes {
		capacity[n] = g.Capacity(g.Nodes[n])
		switch {
		case g.Nodes[n].Held > 0:
			open = append(open, n)
		case capacity[n] > 0:
			closed = append(closed, n)
		}
	}
	slices.SortStableFunc(closed, func(a, b int) int { return capacity[b] - capacity[a] })
	openable := len(closed)
	if g.MaxNodes > 0 {
		openable = min(openable, max(0, g.MaxNodes-len(open)))
	}
	level := g.level(append(slices.Clone(open), closed[:openable]...))
	slices.SortStableFunc(closed, func(a, b int) int {
		return cmp.Or(min(capacity[b], level)-min(capacity[a], level), cmp.Compare(g.Nodes[a].Load, g.Nodes[b].Load))
	})
	return append(open, closed[:openable]...)
}

// level is the lowest water level at which the nodes hold all that is placed and all that remains, or as much of it as
// they can.
func (g Group) level(nodes []int) int {
	highest := 0
	for _, n := range nodes {
		highest = max(highest, g.Nodes[n].Held+g.Capacity(g.Nodes[n]))
	}
	return least(0, highest, func(l int) bool { return l == highest || g.below(nodes, l) >= g.Remaining })
}

// below is the number of further instances that the nodes take up to a level.
func (g Group) below(nodes []int, level int) int {
	total := 0
	for _, n := range nodes {
		total += g.upTo(n, level)
	}
	return total
}

func (g Group) upTo(n, level int) int {
	return max(0, min(g.Capacity(g.Nodes[n]), level-g.Nodes[n].Held))
}

// fill gives each of the nodes its number of further instances. Everything below the level is filled; of the top layer
// the least loaded nodes get one each.
func (g Group) fill(nodes []int) []int {
	level := g.level(nodes)
	more, left := make([]int, len(nodes)), g.Remaining
	var top []int
	for i, n := range nodes {
		more[i] = g.upTo(n, level-1)
		left -= more[i]
		if g.upTo(n, level) > more[i] {
			top = append(top, i)
		}
	}
	slices.SortStableFunc(top, func(a, b int) int { return cmp.Compare(g.Nodes[nodes[a]].Load, g.Nodes[nodes[b]].Load) })
	for _, i := range top[:min(max(left, 0), len(top))] {
		more[i]++
	}
	return more
}
