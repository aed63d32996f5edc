// Package placement decides where the instances of a placement group may go: numbers in, decisions out. It knows
// neither Kubernetes nor clocks, and never remembers anything: every answer follows from what is placed now.
//
// A group of R instances may use at most K nodes with at most M instances on each, and at most m instances of one
// shard on one node. Stopping at K nodes is not enough: a scheduler that opens small nodes first ends with K nodes
// that cannot hold R instances, and is stuck for ever. The Guard prevents that.
//
//	S       nodes on which the group holds a slot ("open"), |S| <= K
//	c(n)    further instances that node n can take: the least of free room, M - held and s*m - held (s shards)
//	left    sum of c(n) over S
//	P(k)    sum of the k largest c(n) outside of S
//	k       K - |S|, nodes that may still be opened
//
// The instances that are still to come fit iff left + P(k) >= remaining. Opening a node n keeps that true iff
//
//	left + P(k-1) + min(c(n), v(k)) >= remaining,   v(k) = k-th largest c outside of S
//
// so that one number, Guard.Need, decides for every node in constant time. If not everything fits, as much as
// possible is placed: remaining is replaced by left + P(k).
//
// Shards: a full placement of s shards of r instances on K nodes with at most m of a shard per node exists iff the K
// largest min(c(n), s*m) add up to s*r. That is Gale and Ryser's theorem on bipartite graphs with given degrees
// (D. Gale 1957, H. J. Ryser 1957): the condition for every number of shards k is sum min(c, k*m) >= k*r, and since
// min(c, k*m)/k falls with k, only k = s binds. The closed form says that capacity suffices; it does not fix the order
// in which a shard's instances arrive. With no slack at all, an unlucky order leaves the last instances of some shards
// with only nodes that already hold their siblings. The Plan prevents that: it fixes a node for every instance that is
// still to come, is exact whatever is placed already, and is computed anew from what is placed.
//
// All of this takes instances to be equal, which nodes may see as one number each. For instances of different sizes there is
// Pack, a heuristic that keeps the same rules, and says what no placement can be better than.
package placement
