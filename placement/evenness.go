package placement

// Evenness scores a node from 0 to 100 for a pod of the group: 100 when the node holds nothing, falling to 0 as it
// reaches its limit. It depends on this node alone, so that it stays right when results are reused for the next pod.
// The level is at which a node scores 0: its limit, what the plan wants there, or, without either, twice the even share.
func Evenness(held, level int) int64 {
	if level <= 0 {
		level = 1
	}
	return int64(100 * max(0, level-held) / level)
}
