// Package switchover is `kubectl shoal switchover`: it asks for the master of a shard to be handed over, by creating a
// Switchover, and shows what becomes of it. The manager does the rest, also when nobody looks.
//
// It is the one command that writes to a cluster, and writes nothing but that object.
package switchover
