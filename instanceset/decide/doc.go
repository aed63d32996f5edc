// Package decide turns what is seen of an InstanceSet into what is to be done: a Snapshot into a Plan.
//
//	objects --Observe--> Snapshot --Decide--> Plan{Changes, Status, RequeueAfter}
//	                        |  ^
//	                     Probes  Answers (whom to ask for a role before data is given up, and what they said)
//
// It decides which ordinals are wanted, from which template, which pods and claims are made, removed, retired or
// replaced, in which order, and what the status says. Every Change carries its reason from the catalogue.
//
// The same snapshot gives the same plan, whatever the order of its slices. There is no client, context, clock, random
// number or logger here. The package never touches an object that is not the set's own, never deletes a claim of a
// wanted ordinal except in a rebuild, and never deletes a running pod except in a rebuild, a scale-in, or because the
// ordinal was taken offline.
//
// A plan need not be carried out as a whole: after any part of it, the next Decide goes on from what it then sees.
package decide
