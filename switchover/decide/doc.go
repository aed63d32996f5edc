// Package decide says what the next step of a planned switchover is, from what the instances of a shard and the Sentinels say
// of themselves now. It never sees a connection, and nothing has to be remembered from one step to the next: whoever looks
// at the shard after a crash, between any two steps, is told how to finish or how to give the writes back.
//
//	      From                    To
//	1                             Fence    takes no writes while nobody follows it, even as master
//	2   Pause                              writes wait, and are not refused
//	                              has as much as From?  else Unpause: nothing has happened
//	3   Elect                              Sentinels vote, so that none of them promotes somebody meanwhile
//	4   Demote: follows nobody             from here on nobody takes writes
//	                              has as much as From?  else Return: From is master again
//	5                             Promote
//	6                             Tell     Sentinels name it as master
//	7   Follow                             from here on To takes writes
//	8   Unpause                   Unfence  and the others Follow To
//
// Two instances never take writes at the same time. From takes none from step 4 on, and To none before step 7, because of its
// fence; To is given its first follower only while From is seen to follow nobody, and From is made master again only while
// nobody was told to follow To, and To was not told to take its fence off. So it does not matter whether To has heard an order
// that nobody knows the fate of.
// No write is lost: after step 4 nothing is added to From, and To is promoted only with all of it.
//
// If From dies after it was seen to follow nobody, steps 5 to 8 are done without it: To had everything, and Sentinels that were
// told of To keep From from being made master again. What may have taken writes is never taken back.
//
// What Sentinels have decided is never taken back: they are told of From again only by whoever has told them of To, in that
// run. If they name somebody else, whoever it is, it is left to them.
//
// It elects nobody: it hands over between two instances that both have everything, or leaves the decision to Sentinel.
package decide
