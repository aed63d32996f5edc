// Package dispersion is the scheduler plugin that keeps a placement group within its limits: at most M instances on a
// node, at most K nodes, at most m instances of a shard on a node, and a cap over all groups. It decides from the
// scheduler's own snapshot, the claims and volumes of the informer cache, and the group's PlacementPolicy. What it keeps
// between pods (index, views, plans) only saves the work of looking at everything again, and follows from what is there; all
// that it remembers beyond that are placements whose outcome is unknown, and claims that may hold a slot again (see doubts).
//
// Filter alone would dead-lock at K: see package placement for the guard.
//
// Where the cache may be behind, it asks the API server before it relies on it: for claims that may hold a slot again (PreFilter), for
// siblings and claims that are said to hold a node (Reserve), and for the pod's own claim (PreBind).
//
// It never evicts. It writes nothing to the API server but the condition of a pod that upstream has left out (overlooked.go) and
// events of pods that are held (hold.go). It never trusts a label to free a slot except shoal.dev/lost and shoal.dev/retired,
// which only the manager may write.
package dispersion
