package placement

import "slices"

// Guard says which further nodes a group may open without cutting off the instances that are still to come.
// The package comment has the derivation.
type Guard struct {
	// Openable (k) is the number of nodes that may still be opened: K - |S|, at most the number of nodes outside of S.
	Openable int
	// Need is the least capacity of a node that may be opened. It can be 0 or less: then every node may be.
	Need int
	// Reachable is how many of the remaining instances can be placed at best, as of now.
	Reachable int
}

// NewGuard computes the guard of a group in O(N log N) for N nodes.
func NewGuard(g Group) Guard {
	left, used := 0, 0
	var closed []int
	for _, n := range g.Nodes {
		c := g.Capacity(n)
		switch {
		case n.Held > 0:
			used++
			left += c
		case c > 0:
			closed = append(closed, c)
		}
	}
	slices.SortFunc(closed, func(a, b int) int { return b - a })

	k := len(closed)
	if g.MaxNodes > 0 {
		k = min(k, max(0, g.MaxNodes-used))
	}
	if k == 0 {
		return Guard{Reachable: min(g.Remaining, left)}
	}
	before := left + sum(closed[:k-1])
	target := min(g.Remaining, before+closed[k-1])
	return Guard{Openable: k, Need: target - before, Reachable: target}
}

// Opens reports whether a node of the given capacity, outside of S, may be opened.
func (g Guard) Opens(capacity int) bool {
	return g.Openable > 0 && capacity > 0 && capacity >= g.Need
}

func sum(numbers []int) int {
	total := 0
	for _, n := range numbers {
		total += n
	}
	return total
}
