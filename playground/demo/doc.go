// Package demo runs Shoal's main job on a playground, and checks it: it places two InstanceSets on simulated nodes,
// lets a node die, shows that nothing is done while nobody vouches that the machine is off, and that exactly one node
// takes its place once somebody does. Limits are checked from the recorded history of the whole run. Its real part does the
// like to a Redis on real nodes, and reads every key afterwards.
//
// It fails when anything of that does not hold, and never repairs what it checks.
package demo
