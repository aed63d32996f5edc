package slots

import (
	"maps"
	"slices"

	"github.com/shoal-dev/shoal/placement"
)

// Rows are the shards of a group for placement.Group, those that are known by name first, and their names. PerShard is
// what each of them holds on each node (Tally.PerShard), waiting names the shards of instances without a slot, and number
// is the index of a node in placement.Group.Nodes. They are nil where shards are not of equal size, or where the instances
// that are still to come cannot be told apart by shard: then no order of theirs can be planned.
func Rows(shards, replicas, remaining int, perShard map[string]map[string]int, waiting []string, number func(node string) int) ([]string, []placement.Row) {
	if shards == 0 || replicas%shards != 0 {
		return nil, nil
	}
	size := replicas / shards
	names := map[string]bool{}
	for _, name := range waiting {
		names[name] = true
	}
	for name := range perShard {
		names[name] = true
	}
	sorted := slices.Sorted(maps.Keys(names))
	rows, sum := make([]placement.Row, 0, shards), 0
	for _, name := range sorted {
		row := placement.Row{}
		for node, n := range perShard[name] { // sorted below
			for range n {
				row.Held = append(row.Held, number(node))
			}
		}
		slices.Sort(row.Held)
		row.Remaining = max(0, size-len(row.Held))
		sum += row.Remaining
		rows = append(rows, row)
	}
	for len(rows) < shards {
		rows = append(rows, placement.Row{Remaining: size})
		sum += size
	}
	if sum != remaining || len(rows) > shards {
		return nil, nil
	}
	return sorted, rows
}
