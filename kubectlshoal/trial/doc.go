// Package trial runs the scheduler on a snapshot of a cluster: kube-scheduler's framework with the plugins and the
// configuration of shoal-scheduler, on informers that are filled from the snapshot. It answers where a pod would go and what
// each node says to it, and can go on with the pod placed there.
//
// What differs from the scheduler at work: nothing is bound, volumes are not provisioned, and the pods come in the order in
// which they are asked for. Among nodes of the same score, of which the scheduler picks any, the first by name is taken, and
// the verdict says how many there were. Extenders and measured load are left out.
//
// It never talks to an API server.
package trial
