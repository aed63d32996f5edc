// Package replica is an informer without a watch: a replica of one resource in memory, which its owner moves on object by
// object, and whose handlers are called there and then. With it the real scheduler and its plugins run on a cluster that is
// given, in the simulation and in kubectl-shoal, without goroutines and with the same outcome each time.
//
// It never talks to an API server.
package replica
