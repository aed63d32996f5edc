// Package snapshot holds what the commands of kubectl-shoal look at: nodes, pods, claims, volumes, storage classes,
// policies and sets of a whole cluster at one moment. It reads them from a cluster, page by page, or from a file, and writes
// the file that `kubectl shoal dump` gives to support. Of one set it reads less, and can follow what becomes of it.
//
// What it writes to a file has passed Redacted, which keeps what placement depends on and drops everything else: there is no
// list of what a secret may look like that could be incomplete. It never changes a cluster, and never reads Secrets or
// ConfigMaps.
package snapshot
