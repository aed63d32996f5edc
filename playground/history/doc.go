// Package history records every change of pods, claims, volumes, nodes and placement policies of a cluster, and checks
// afterwards that the limits of each placement group held at every single moment.
//
// Watches of different resources are not ordered among each other, so that a checker that looks at its caches sees
// moments that never were. Resource versions come from one counter of the store: sorted by them, the recorded events
// are the history as it happened, and the check is exact.
//
// It counts with package slots, the one implementation of what holds a slot, and changes nothing in the cluster.
package history
