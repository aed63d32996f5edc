// Package cgroup makes and removes the groups below which a real node's containers are accounted for and limited.
//
// It finds out from /proc/self/mountinfo whether the machine has the first version of cgroups (one hierarchy for each
// controller, all of which need the group) or the second (a single one). It writes nothing outside its groups, but for
// passing controllers on to them, and never touches a group whose name it was not given.
package cgroup
