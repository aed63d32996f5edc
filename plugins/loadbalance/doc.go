// Package loadbalance is the scheduler plugin that prefers nodes which would be evenly and not too heavily used after the
// pod has landed: CPU, memory, and network bandwidth in both directions. It decides from the measured load of a node where
// that is fresh, plus what pods that are not yet in the measurement are expected to use, and from requests elsewhere. It
// never waits for a measurement, and never asks for one while a pod is being scheduled.
//
// It refuses a node whose bandwidth is taken, by resources or by annotations, and one that is over a threshold of the
// arguments. Apart from bandwidth it leaves pods that belong to no placement group to upstream's plugins.
package loadbalance
