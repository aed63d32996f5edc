// Package answer answers the questions of kubectl-shoal from a snapshot of a cluster: why a pod waits, what the loss of nodes
// takes, how many more instances fit, what would become of a set, how one is. Each question is a function from a snapshot to plain data;
// the same data is printed for people and, with its field names, for machines (docs/schemas).
//
// What the scheduler would do is asked from the scheduler itself (package trial), and what a change would do is tried there:
// no rule is written down here a second time. The package never reads a clock and never changes anything.
package answer
