// Package history records every change of pods, claims, volumes, nodes and placement policies of a cluster, and checks
// afterwards that the limits of each placement group held at every single moment.
//
// Watches of different resources are not ordered among each other, so that a checker that looks at its caches sees
// moments that never were. Resource versions come from one counter of the store: sorted by them, the recorded events
// are the history as it happened, and the check is exact.
//
// A limit is broken when a node gets more at one event: each node, and each shard on a node, is compared with itself, so
// that what stands above a limit that was lowered hides nothing. Claims without labels, as StatefulSets make them, belong
// to the pod that mounts them or mounted them last, and hold its slot until it is back, or until they are deleted.
//
// It counts with package slots, the one implementation of what holds a slot, and changes nothing in the cluster.
package history
