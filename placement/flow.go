package placement

// network is a flow network with integer capacities.
type network struct {
	first []int // of each vertex: its last edge, -1 if it has none
	edges []edge
}

// edge comes in pairs: edge e^1 leads back, and its room is what flows along e.
type edge struct {
	to, next, room int
}

// newNetwork makes a network without edges; edges says how many are to come.
func newNetwork(vertices, edges int) *network {
	n := &network{first: make([]int, vertices), edges: make([]edge, 0, 2*edges)}
	for v := range n.first {
		n.first[v] = -1
	}
	return n
}

// connect adds an edge and returns its number.
func (n *network) connect(from, to, room int) int {
	e := len(n.edges)
	n.edges = append(n.edges, edge{to, n.first[from], room}, edge{from, n.first[to], 0})
	n.first[from], n.first[to] = e, e+1
	return e
}

// flow is how much flows along an edge.
func (n *network) flow(e int) int { return n.edges[e^1].room }

// run adds to the flow from source to sink until it is maximal. Called again after an edge got more room, it keeps what
// flows and adds to it. It is Dinic's algorithm (E. A. Dinic 1970): layers by breadth, then augmenting paths along them.
func (n *network) run(source, sink int) {
	for layers := n.layers(source); layers[sink] >= 0; layers = n.layers(source) {
		at := append([]int(nil), n.first...)
		for n.push(layers, at, source, sink, unlimited) > 0 {
		}
	}
}

const unlimited = 1 << 30

func (n *network) layers(source int) []int {
	layers := make([]int, len(n.first))
	for v := range layers {
		layers[v] = -1
	}
	layers[source] = 0
	queue := []int{source}
	for len(queue) > 0 {
		v := queue[0]
		queue = queue[1:]
		for e := n.first[v]; e >= 0; e = n.edges[e].next {
			if to := n.edges[e].to; n.edges[e].room > 0 && layers[to] < 0 {
				layers[to] = layers[v] + 1
				queue = append(queue, to)
			}
		}
	}
	return layers
}

// push sends as much as it can along one path; at remembers, per vertex, the edge from which nothing was found yet.
func (n *network) push(layers, at []int, v, sink, amount int) int {
	if v == sink {
		return amount
	}
	for ; at[v] >= 0; at[v] = n.edges[at[v]].next {
		e := at[v]
		to := n.edges[e].to
		if n.edges[e].room == 0 || layers[to] != layers[v]+1 {
			continue
		}
		if sent := n.push(layers, at, to, sink, min(amount, n.edges[e].room)); sent > 0 {
			n.edges[e].room -= sent
			n.edges[e^1].room += sent
			return sent
		}
	}
	return 0
}
