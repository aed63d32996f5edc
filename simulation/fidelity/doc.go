// Package fidelity compares the simulation's API server with the real one. A script of requests that are in order and
// requests that are not is played on a real control plane, and the answers and the objects after each step are recorded in
// testdata. The tests play the same script on the API server in memory and compare, object by object. The script is a course
// of what must be in it, and requests that are drawn from a seed.
//
// `make fidelity` compares; `make fidelity RECORD=1` records anew, which is due after a change of the CRDs, of the admission
// policies or of the version of Kubernetes.
//
// UIDs and versions are renamed in the order in which they appear, and times have no value: what is compared is which are
// equal. Managed fields are left out. What else may differ, and why, is in differences.go.
//
// The scheduler is compared likewise: small clusters are drawn, their pods are created one by one, and the nodes that the
// program shoal-scheduler chose (with the shipped configuration and parallelism 1) must be those that the scheduler of the
// simulation chooses. In some clusters the pods have local volumes, go and come back. One function plays a trace, on the
// simulation or on a real cluster.
package fidelity
