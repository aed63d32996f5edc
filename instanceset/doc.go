// Package instanceset runs the controller of InstanceSets: it loads what the cache has, lets package decide make a plan,
// and commits it.
//
//	events -> queue -> load -> [wait for own writes] -> decide.Observe -> ask holders -> decide.Decide -> commit
//
// It decides nothing about instances. It never acts on a cache that does not show its own earlier writes, never deletes
// without the UID of what it means, gives nothing up without having asked the API server whether its node is fenced still,
// and does not let the failure of one instance hold the others.
package instanceset
