package placement

// BlastRadius is what the loss of one node would take from a group.
type BlastRadius struct {
	// Instances on the fullest node.
	Instances int
	// Percent of the replicas, rounded up.
	Percent int
}

// Blast is the blast radius of a group with the given numbers of instances per node in use.
func Blast(perNode []int, replicas int) BlastRadius {
	worst := 0
	for _, n := range perNode {
		worst = max(worst, n)
	}
	if replicas <= 0 {
		return BlastRadius{Instances: worst}
	}
	return BlastRadius{Instances: worst, Percent: (100*worst + replicas - 1) / replicas}
}

// Evenness scores a node from 0 to 100 for a pod of the group: 100 when the node holds nothing, falling to 0 as it
// reaches its limit. It depends on this node alone, so that it stays right when results are reused for the next pod.
// Without a limit per node, the level is what an even spread over the usable nodes would give.
func Evenness(held, level int) int64 {
	if level <= 0 {
		level = 1
	}
	return int64(100 * max(0, level-held) / level)
}
