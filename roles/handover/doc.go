// Package handover hands over the master of a shard of an InstanceSet: it finds the instances and the Sentinels, and runs the
// package switchover on them, which looks and decides. Servers are reached through their agents alone, so that the manager has
// no password of a Redis; Sentinels are asked directly.
//
// It does what somebody asks for: a Switchover (roles/switchovers), or the update of a set. It decides nothing of whether.
package handover
