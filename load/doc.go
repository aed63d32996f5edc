// Package load measures how busy nodes are: CPU, memory, and what their network devices receive and send. It asks
// Prometheus, or the metrics API of the cluster, for all nodes at once, in the background and at jittered intervals, and
// keeps one Reading per node, in which each dimension has the age that its source gave it. Who reads it gets a Snapshot that never
// changes.
//
// It judges nothing: which age is too old, and what stands in for a node that was not measured, is for the reader to
// say. Whatever the other side answers, memory and time are bounded: an answer that is too large, too late or not
// understood is an error, and what it would have brought stays as it was, getting older.
package load
