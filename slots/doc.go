// Package slots counts what placement rules count: instances, not pods. From pods, claims, volumes and nodes it
// derives which instance holds a slot on which node. It is the one implementation of that rule, used by the
// scheduler's plugin, by the policy status, and by every checker.
//
// Instance i holds a slot on node n
//
//   - while its pod is there: bound, assumed, nominated (where the caller says so), or terminating; or
//   - while one of its claims is bound to a local volume of n, or carries the annotation
//     volume.kubernetes.io/selected-node: n, which pins the pod before any volume exists.
//
// Pod and claims on the same node count once. A placed pod takes a claim along only if it is of the claim's instance and
// group, mounts the claim, and the claim is not bound to a local volume elsewhere (Stays): a promise may have been
// overtaken, data does not move. A pod that merely has the instance's name frees nothing.
//
// Claims labelled shoal.dev/retired do not count. An instance labelled shoal.dev/lost holds no slot; nothing else frees
// one: not NotReady, not a terminating pod, not a deleted Node. Pods without an InstanceSet (those of StatefulSets) have
// nobody who labels them: for them the taint out-of-service frees the slot.
//
// LimitsOf resolves the limits of a policy, percentages included, into the numbers that slots are compared with.
//
// The package never reads a clock, never talks to an API server, and never decides where a pod goes.
package slots
