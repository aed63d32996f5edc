// Package podspec builds the objects of an InstanceSet: pods, claims, the headless Service and the set's own
// PlacementPolicy. It decides what stands in them, from the set, the ordinal and the template, and gives each template a
// revision. Of a pod that exists and one that is wanted it says what differs, and what it takes to change that (Diff, Fields).
//
// The same input makes the same object. The package never decides whether an object should exist, never talks to an API
// server, and never changes what it is given.
package podspec
