// Package switchover hands over the master of a shard to a replica of it, as a person or an update asked: it looks at the
// instances and the Sentinels, asks switchover/decide what to do next, does that, and looks again.
//
// It keeps one connection to each process, and an order is given on the connection that showed what it was decided from. A
// connection that breaks is replaced by one that first ends all others of its name: from then on, nobody else's order
// arrives there. Whoever runs it holds a lock for the shard; one that lost it without noticing is shut out like this, and ends when
// it meets one who has the lock by now.
//
// It may be killed at any moment: the next Run with the same request finishes, or gives the writes back.
package switchover
