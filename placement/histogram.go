package placement

// MaxReplicas is the largest group: what a node can take beyond that makes no difference.
const MaxReplicas = 20000

// Histogram counts the nodes outside of S by what they can take, so that the guard follows from it in O(largest capacity)
// instead of O(N log N), and a node that changes costs O(1). Its zero value counts nothing.
type Histogram struct {
	nodes  []int // by capacity
	closed int   // how many there are with any capacity
}

// Add counts so many more (or fewer) nodes of a capacity. Nodes without any are left out.
func (h *Histogram) Add(capacity, nodes int) {
	if capacity <= 0 {
		return
	}
	capacity = min(capacity, MaxReplicas)
	for len(h.nodes) <= capacity {
		h.nodes = append(h.nodes, 0)
	}
	h.nodes[capacity] += nodes
	h.closed += nodes
}

// Clone is a copy that can be changed without the other.
func (h *Histogram) Clone() Histogram {
	return Histogram{nodes: append([]int(nil), h.nodes...), closed: h.closed}
}

// Guard is NewGuard for a group of which used nodes are in use, with room for left more, and remaining instances are to
// come. MaxNodes is K, 0 for no limit.
func (h *Histogram) Guard(maxNodes, used, left, remaining int) Guard {
	k := h.closed
	if maxNodes > 0 {
		k = min(k, max(0, maxNodes-used))
	}
	if k == 0 {
		return Guard{Reachable: min(remaining, left)}
	}
	before, last, wanted := left, 0, k
	for c := len(h.nodes) - 1; wanted > 0; c-- {
		taken := min(wanted, h.nodes[c])
		if wanted -= taken; taken > 0 {
			before, last = before+taken*c, c
		}
	}
	before -= last
	target := min(remaining, before+last)
	return Guard{Openable: k, Need: target - before, Reachable: target}
}
