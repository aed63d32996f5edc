// Package kubectlshoal has the commands of kubectl-shoal: flags, where the snapshot comes from, forms of output and exit
// codes. What is answered stands in package answer, and is a function of the snapshot alone.
//
// No command changes a cluster but switchover, which creates an object of the kind Switchover, and rollout pause, resume and undo,
// which write to the spec of an InstanceSet; the manager does the rest.
package kubectlshoal
