// Package decide says what becomes of a Switchover: whether it begins, waits, is refused, goes on after its manager was lost, is
// tried again, or is deleted. It decides from the object, the others of its shard, the set and the pods. How the master is handed
// over is switchover/decide's, and who does it roles/handover's.
//
// It knows no Kubernetes and no clock: whoever asks puts the time into the snapshot.
package decide
