// Package scenario tells stories of whole clusters: the files in testdata run on the simulation, with the real manager and
// the real scheduler, and print what the manager plans in its own words.
//
//	nodes cpus=8 a b c             three nodes of 8 CPUs
//	set r replicas=6 m=2 k=3       a set of instances that want one CPU and a local volume each
//	    [shard=2] [spread=1] [mode=Strict] [policy=p] [rebuild=Manual] [check=None] [scaled=Delete] [deleted=Delete] [volumeless]
//	    [roles=Sentinel] [ips]     with agents, and three Sentinels, who call instances by name or IP address; roles=Static: without
//	    [updates=Only]             kubelets know of containers, and this is how templates reach them: Only, Prefer or Never; with what
//	                               template and strategy take: [exporter=e:1] [limit=2Gi] [parameters=(hz:20)] [partition=2] [switchover=BestEffort] ...
//	    [large=2]                  so many instances are made from a template of their own
//	policy p replicas=3 m=1 k=3    a PlacementPolicy of a user, or its new spec; [targets=(r,s)] [mode=Strict]
//	pod x cpus=1                   a pod of a user for shoal-scheduler; [policy=p] [shard=s] [critical] [on=a]
//	foreign r-6                    a pod of somebody else, for nobody's scheduler
//
//	scale r replicas=4             and: pause r, resume r, offline r 0 3, limits r [m=2] [k=4] [mode=Strict], reshard r size=3,
//	                               rebuild r Automatic
//	template r image=good:2        and: exporter=e:2 (a container beside Redis), cpu=2, memory=1Gi, limit=2Gi, label=x, toleration=k, env=v; without
//	                               a value it is taken away. Images that begin with "bad" cannot be pulled
//	parameters r hz=20             what the engines are configured with; [_ for a blank]; none at all: no configuration. No engine takes a
//	                               value that begins with "bad"
//	strategy r partition=2         and: type=OnDelete, inPlace=Prefer, maxUnavailable=50%, switchover=None, minReady=60
//	switchover mine r r-0          a person asks for the master of shard r-0 to be handed over
//	behind r-1 1s                  the replication of r-1 lags by so much from now on
//
//	delete pod r-0                 or pvc data-r-0, set r, policy r, node a
//
//	node a off                     or silent, on, declare (out of service), undeclare, cordon, uncordon; new cpus=8: another
//	                               machine in the place of one whose Node was deleted
//	redis r-0 mute                 it answers nobody; and: redis r-0 speak. Of sets with roles also: redis r-0 kill, promote (by a
//	                               person who tells nobody), demote r-1 (to a replica of r-1)
//	agents cut                     no agent reaches the manager; and: agents heal
//	agent r-0 restart              another boot of the agent; and: agent r-0 hold 40s: it reports now, and that takes so long
//	sentinels silent [0 1]         they reach nobody; and: deaf (they do not hear each other), anew (they forget everything), heal
//	cut a                          a node is cut off, and all on it runs on; and: heal a
//	clock -10m                     by how much the clock of the next manager is off
//	crash manager [writes=3]       or scheduler, now or right after its third write; it starts again within 20 seconds
//	standby                        a second manager takes over within a second from now on
//	refuse manager writes=5        the API server refuses the next five writes
//	lag 5s                         events reach our processes so much later
//
//	after 1m                       time passes, and the plans of that time are printed
//	meanwhile 1m                   the same, without the plans: another story tells them
//	state                          sets, conditions, exceptions, and what is on which node
//	policies                       what the manager says of each policy
//	messages                       what the exceptions say
//	claims                         where the volumes are; which claims are retired, and which volumes are kept
//	roles                          what each instance is, what its label says, whom the Sentinels name and by which election
//	updates r                      what the condition Updating says, and of each pod its images and what is not as it was at first
//	configurations r               the parameters that each engine runs with, and what its agent says of others
//	switchovers                    from whom, to whom, and how it ended
//	order r-2 join master=r-0      what an agent answers to an order of the manager
//	why [r-0]                      what the scheduler says of a pod, or of all that have no node
//
// A line that begins with BROKEN, or "refused: <invariant>", says that an invariant of the simulation did not hold.
package scenario
