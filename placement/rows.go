package placement

import (
	"cmp"
	"container/heap"
	"slices"
	"strconv"
)

// Shards that want the same number of instances and hold the same nodes are one class, and one source of the flow, so that
// the network stays small however large the group: all shards of which nothing is placed are one class. The theorem of
// Gale and Ryser (package comment) says that this is exact: f(n) instances on each node can be divided into q rows of r
// with at most m(n) of a row on node n iff f(n) <= q*m(n) for each node and they add up to q*r.
//
//	             q * r             q * (m - held there)          quota, then capacity
//	source ────────────▶ class ─────────────────────▶ node ─────────────────────────▶ sink
type class struct {
	rows []int // of Group.Rows
	size int   // what each of them wants
	held []int
}

func (g Group) classes() []class {
	var all []class
	at := map[string]int{}
	var key []byte
	for j, row := range g.Rows {
		if row.Remaining == 0 {
			continue
		}
		key = strconv.AppendInt(key[:0], int64(row.Remaining), 10)
		held := row.Held
		if !slices.IsSorted(held) {
			held = slices.Sorted(slices.Values(held))
		}
		for _, n := range held {
			key = strconv.AppendInt(append(key, ' '), int64(n), 10)
		}
		i, known := at[string(key)]
		if !known {
			i = len(all)
			at[string(key)] = i
			all = append(all, class{size: row.Remaining, held: held})
		}
		all[i].rows = append(all[i].rows, j)
	}
	return all
}

// assign divides the instances of the shards among the chosen nodes, fills rows, and returns how many further instances
// each of the nodes gets. More is what the water level gives them.
func (g Group) assign(chosen, more []int, rows [][]int) []int {
	m := cmp.Or(g.MaxPerShard, unlimited)
	classes := g.classes()
	const source, sink, firstClass = 0, 1, 2
	firstNode := firstClass + len(classes)

	net := newNetwork(firstNode+len(chosen), len(classes)+len(chosen)*(1+len(classes)))
	toSink, fromClass := make([]int, len(chosen)), make([][]int, len(classes))
	for i := range chosen {
		toSink[i] = net.connect(firstNode+i, sink, more[i])
	}
	for c, class := range classes {
		net.connect(source, firstClass+c, class.size*len(class.rows))
		fromClass[c] = make([]int, len(chosen))
		for i, n := range chosen {
			fromClass[c][i] = net.connect(firstClass+c, firstNode+i, class.most(m, n))
		}
	}
	net.run(source, sink)
	for i, n := range chosen { // where the water level is in the way of the shards, up to the capacity
		net.edges[toSink[i]].room += g.Capacity(g.Nodes[n]) - more[i]
	}
	net.run(source, sink)

	result, left := make([]int, len(chosen)), make([]int, len(chosen))
	for c, class := range classes {
		for i := range chosen {
			left[i] = net.flow(fromClass[c][i])
			result[i] += left[i]
		}
		class.deal(chosen, left, m, rows)
	}
	return result
}

// most is how many instances of the class's shards a node may get.
func (c class) most(m, node int) int {
	for _, n := range c.held {
		if n == node {
			m--
		}
	}
	return min(max(m, 0)*len(c.rows), c.size*len(c.rows))
}

// deal divides what each of the nodes got for the class: each row in turn takes one by one from the node with the most
// left, at most m of each. That never fails: a node that has more left than the rows to come can take is among those with
// the most. When there is less than the rows want, all get about the same.
func (c class) deal(chosen, left []int, m int, rows [][]int) {
	total := 0
	most := make(mostLeft, 0, len(chosen))
	for i, l := range left {
		total += l
		if l > 0 {
			most = append(most, share{i, l})
		}
	}
	heap.Init(&most)
	held := counted(c.held)
	for turn, j := range c.rows {
		size := total / (len(c.rows) - turn)
		total -= size
		given := map[int]int{} // of this row, by index
		var full []share       // that may give no more to this row
		for ; size > 0; size-- {
			s := heap.Pop(&most).(share)
			rows[j] = append(rows[j], chosen[s.index])
			s.left--
			given[s.index]++
			switch {
			case s.left == 0:
			case given[s.index] == m-held[chosen[s.index]]:
				full = append(full, s)
			default:
				heap.Push(&most, s)
			}
		}
		for _, s := range full {
			heap.Push(&most, s)
		}
		slices.Sort(rows[j])
	}
}

func counted(nodes []int) map[int]int {
	if len(nodes) == 0 {
		return nil
	}
	n := make(map[int]int, len(nodes))
	for _, node := range nodes {
		n[node]++
	}
	return n
}

// share is what a node has left.
type share struct{ index, left int }

// mostLeft is a heap with the fullest on top, and the first of them among equals.
type mostLeft []share

func (h mostLeft) Len() int { return len(h) }
func (h mostLeft) Less(a, b int) bool {
	return h[a].left > h[b].left || h[a].left == h[b].left && h[a].index < h[b].index
}
func (h mostLeft) Swap(a, b int) { h[a], h[b] = h[b], h[a] }
func (h *mostLeft) Push(x any)   { *h = append(*h, x.(share)) }
func (h *mostLeft) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
