// Package policy writes the status of PlacementPolicies: how many instances the group wants and has, how many nodes it
// uses and would need at least, what the loss of a node would take, and whether the limits can be and are kept. It
// decides from pods, claims, volumes and nodes, with the packages slots and placement, the same that the scheduler uses.
//
// It never places, moves or evicts anything.
package policy
