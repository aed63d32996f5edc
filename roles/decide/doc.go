// Package decide turns what is known of the instances of one shard into who of them carries the label shoal.dev/role, and
// in which order the labels change.
//
//	engine    what the Redis of an instance says of itself, as its agent reported it lately
//	HA        whom the Sentinels name, and by which election
//	agent     what was last reported by an agent that is silent now
//	label     what stands on the pod
//
// What stands higher is believed before what stands lower. The label master is given only where engine and HA agree, and
// it is taken away before it is given to another one. One plan does both: every other pod is written to first, by a step that
// strips it, changes its label or confirms that it has another one, each step after the answer to the one before; then one sets.
// Between them nobody is labelled, which is legal; two never are.
//
// Elections have numbers (epochs), boots of agents and their reports too. No clock orders what is said: time says who is
// silent, for how long a claim beside the label is waited for, who is behind for long, and who held data before another one
// came up empty. Silence takes no label away. The package elects nobody, and asks nobody to become or to stop being master.
//
// The same snapshot gives the same plan, whatever the order of its instances.
package decide
