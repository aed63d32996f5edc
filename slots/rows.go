package slots

import (
	"slices"

	"github.com/shoal-dev/shoal/placement"
)

// Rows are the shards of a group for placement.Group of which something is still to come, those that are known by name first, and
// their names; full are the names of the others, in no order. PerShard is what each of them holds on each node
// (Tally.PerShard), waiting names the shards of instances without a slot, and number is the index of a node in
// placement.Group.Nodes. They are nil where shards are not of equal size, or where the instances that are still to come cannot be
// told apart by shard: then no order of theirs can be planned.
//
// A group of 10,000 that misses one instance is planned anew for it: a shard that is complete must cost next to nothing.
func Rows(shards, replicas, remaining int, perShard map[string]map[string]int, waiting []string, number func(node string) int) (names []string, rows []placement.Row, full []string) {
	if shards == 0 || replicas%shards != 0 {
		return nil, nil, nil
	}
	size := replicas / shards
	for name, on := range perShard { // sorted below
		if len(on) < size && sum(on) < size { // the shards of most groups hold one instance a node
			names = append(names, name)
		} else {
			full = append(full, name)
		}
	}
	for _, name := range waiting {
		if perShard[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names)+len(full) > shards {
		return nil, nil, nil
	}
	rows, due := make([]placement.Row, 0, shards-len(full)), 0
	for _, name := range names {
		row := placement.Row{}
		for node, n := range perShard[name] { // sorted below
			for range n {
				row.Held = append(row.Held, number(node))
			}
		}
		slices.Sort(row.Held)
		row.Remaining = size - len(row.Held)
		due += row.Remaining
		rows = append(rows, row)
	}
	for len(rows) < shards-len(full) {
		rows = append(rows, placement.Row{Remaining: size})
		due += size
	}
	if due != remaining {
		return nil, nil, nil
	}
	return names, rows, full
}

func sum(counts map[string]int) int {
	total := 0
	for _, n := range counts {
		total += n
	}
	return total
}
