package placement

// Place is an instance on a node.
type Place struct {
	// Node by any number.
	Node int
	// Shard by any number; negative for an instance of no shard.
	Shard int
}

// BlastRadius is what the loss of one node would take from a group. Each number is that of the node for which it is worst,
// so that no loss of a single node takes more of anything.
type BlastRadius struct {
	// Instances lost.
	Instances int
	// Percent of the replicas that they are, rounded up.
	Percent int
	// Shards that lose at least one instance.
	Shards int
	// LastInstances is the number of shards that have no instance left.
	LastInstances int
}

// Blast is the blast radius of a group of which these instances are placed, in O(instances).
func Blast(placed []Place, replicas int) BlastRadius {
	instances, shards, last := map[int]int{}, map[int]int{}, map[int]int{}
	ofShard, there := map[int]int{}, map[Place]int{}
	for _, p := range placed {
		instances[p.Node]++
		if p.Shard < 0 {
			continue
		}
		ofShard[p.Shard]++
		if there[p]++; there[p] == 1 {
			shards[p.Node]++
		}
	}
	for p, n := range there { // sums, so the order does not matter
		if n == ofShard[p.Shard] {
			last[p.Node]++
		}
	}
	b := BlastRadius{Instances: most(instances), Shards: most(shards), LastInstances: most(last)}
	if replicas > 0 {
		b.Percent = (100*b.Instances + replicas - 1) / replicas
	}
	return b
}

// LossOf is what the loss of several nodes at once takes from a group of which these instances are placed, in O(instances). A
// shard has lost its last instance when all that are placed of it are on those nodes.
func LossOf(placed []Place, replicas int, lost func(node int) bool) BlastRadius {
	ofShard, gone := map[int]int{}, map[int]int{}
	var b BlastRadius
	for _, p := range placed {
		there := 0
		if lost(p.Node) {
			there = 1
		}
		b.Instances += there
		if p.Shard >= 0 {
			ofShard[p.Shard]++
			gone[p.Shard] += there
		}
	}
	for shard, n := range gone { // sums, so the order does not matter
		if n > 0 {
			b.Shards++
		}
		if n == ofShard[shard] {
			b.LastInstances++
		}
	}
	if replicas > 0 {
		b.Percent = (100*b.Instances + replicas - 1) / replicas
	}
	return b
}

// HoldsMajority reports whether one node holds instances of so many of that many shards that the others are no majority: a
// Redis Cluster whose masters all happened to be there could not fail over after its loss. It needs a majority of its
// masters for that (Redis Cluster specification, "Replica election and promotion"), and below three masters it has none to
// lose.
func (b BlastRadius) HoldsMajority(shards int) bool {
	return shards >= 3 && b.Shards > (shards-1)/2
}

func most(counts map[int]int) int {
	n := 0
	for _, c := range counts {
		n = max(n, c)
	}
	return n
}
