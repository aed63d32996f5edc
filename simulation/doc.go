// Package simulation is a whole cluster in memory, driven by one seed: the real reconcilers, the real kube-scheduler with
// our plugins, and the registries of the real API server, among models of kubelets, nodes, volumes and garbage
// collection. It exists to find what tests of single rules do not: what happens when caches lag, calls fail or succeed
// unnoticed, processes crash between two writes, and nodes go, all in one run. After every step the invariants are
// checked against the truth of the store.
//
// The same seed gives the same run, byte for byte. For that, a world lives in a bubble of testing/synctest, where time
// passes only when everybody waits. One goroutine, the agenda's, does everything; the few that the scheduler starts run
// only while it waits for them.
package simulation
