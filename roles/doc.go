// Package roles keeps the label shoal.dev/role of the pods of InstanceSets: the manager's side of the agents.
//
//	agents --reports--> Ledger ----.
//	pods, nodes -------- cache -----> decide.Snapshot --decide.Decide--> decide.Plan --> labels, conditions, Services
//	Sentinels ------- RoleProvider -'
//
// A shard is decided on by itself, so that a failover costs the same in a set of one shard and in one of thousands. What is
// decided stands in roles/decide; here are the reports that were heard, in memory, the questions to Sentinels, and the writes.
// Each write names the pod's UID and the version that was decided from. A shard whose pods the cache shows older than they
// were written is waited for.
//
// Nothing here makes an instance a master. Sentinels are asked, and agents report: a manager that begins to lead asks them once.
package roles
