// Package scenario tells stories of whole clusters: the files in testdata run on the simulation, with the real manager and
// the real scheduler, and print what the manager plans in its own words.
//
//	nodes cpus=8 a b c             three nodes of 8 CPUs
//	set r replicas=6 m=2 k=3       a set of instances that want one CPU and a local volume each
//	    [shard=2] [rebuild=Manual] [check=None] [scaled=Delete] [deleted=Delete] [volumeless]
//	scale r replicas=4             and: pause r, resume r, offline r 0 3, limits r k=4, reshard r size=3
//	delete pod r-0                 or pvc data-r-0, set r, node a
//	foreign r-6                    a pod of somebody else
//	node a off                     or silent, on, declare (out of service), undeclare
//	crash manager                  or scheduler; it starts again within 20 seconds
//	lag 5s                         events reach our processes so much later
//	after 1m                       time passes, and the plans of that time are printed
//	state                          sets, conditions, exceptions, and what is on which node
//
// A line that begins with BROKEN, or "refused: <invariant>", says that an invariant of the simulation did not hold.
package scenario
