// Package configuration brings the configuration of an instance to its Redis: it writes the file that Redis reads when it starts, before
// it starts for the first time, changes what can be changed while it runs, and restarts it for the rest.
//
//	annotation of the pod ── downward API ──► wanted ──► Keeper ──► redis.conf ── the engine's next start
//	                                                        │
//	                                   what it remembers ◄──┴──► CONFIG SET, CONFIG GET, SHUTDOWN
//
// What counts as applied was read back from Redis, and after a restart Redis is back: its data is read, and a replica is in sync. What
// Redis refuses, or does not come back with, is taken back: the file is again that of the last configuration that it ran with, and the
// refused one is not tried again until another one is wanted. A master is restarted only for a revision for which the manager has allowed
// it, nobody while data is being loaded or copied, and nothing at all is done while somebody hands over a master. A start of Redis for any
// other reason finds the file as it was.
//
// It never chooses a value, and never corrects one that somebody else has changed while Redis runs: a switchover does.
package configuration
