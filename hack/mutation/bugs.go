package main

import "slices"

// bug is a change of one place in one file, which must be there exactly once.
type bug struct {
	name, file, is, becomes string
	// too is a second place in the file and what it becomes, where one rule is kept twice.
	too [2]string
	// scenarios are the packages whose scenarios are asked before test/scenario, each with a regular expression for the
	// tests to run after a blank.
	scenarios []string
	// seed has caught the bug before. What seeds draw changes with the simulation: it is a hint and no more.
	seed int64
	// why the seeds do not catch it, where they do not.
	why string
	// apart: nothing of it is in the simulation, so that no seed is played.
	apart bool
	// onRedis is a regular expression for the tests of test/realredis that catch it, on real servers.
	onRedis string
}

var (
	ofDecide         = []string{"./instanceset/decide ^TestScenarios$"}
	ofCommit         = []string{"./instanceset"}
	ofDispersion     = []string{"./plugins/dispersion ^(TestScenarios|TestTightGroupNeverDeadlocks)$"}
	ofSwitchover     = []string{"./switchover/decide"}
	ofSlots          = []string{"./slots ^TestScenarios$"}
	ofRoles          = []string{"./roles/decide"}
	ofRoleWrites     = []string{"./roles"}
	ofAgent          = []string{"./agent"}
	ofTLS            = []string{"./agent/mtls"}
	ofProbe          = []string{"./agent/probe"}
	ofSettings       = []string{"./agent/configuration"}
	ofSigner         = []string{"./signer"}
	ofOrders         = []string{"./roles/orders"}
	ofReceive        = []string{"./roles/receive"}
	ofRequests       = []string{"./roles/switchovers/decide"}
	ofCarrying       = []string{"./roles/switchovers"}
	ofHandover       = []string{"./roles/handover"}
	ofUpdates        = []string{"./instanceset/decide"}
	ofConfigurations = []string{"./instanceset/decide TestScenarios/configuration"}
	ofRoom           = []string{"./instanceset/decide ^Test(ANode|Room|WhatIs|Who|Places)"}
	ofCordons        = []string{"./instanceset/decide TestScenarios/cordon"}
	ofGrowth         = []string{"./instanceset/decide TestScenarios/grow"}
	ofObserver       = []string{"./instanceset/decide Observer"}
	ofGuard          = []string{"./simulation/apiserver Instances"}
	ofCommands       = []string{"./kubectlshoal TestScenarios/(diff|undo|rollout|history)"}
)

const (
	noSwitchover = "of the seeds that hand over masters none was played against it yet"
	// Of agents, the simulation has what they know and say, and how reports arrive.
	noRoles        = "the simulation has none of this of agents and roles yet"
	noCertificates = "the simulation has no certificates, connections, containers or settings of agents, and a manager that gives no orders"
	noStrangers    = "the simulation has no strangers in a shard, Services of roles, or Sentinels that hang, move, or have two addresses"
	noReboots      = "in the simulation time goes on over a reboot of a machine, and few reports are under way across one"
	notPlayed      = "no seed with roles was played against it long enough yet"
	noUpdates      = "of the seeds that change templates (from 3,000,000 on) none was played against it yet"
	noCordons      = "of the seeds that cordon nodes (3 of 10 from 3,000,000 on) none was played against it yet"
	noneYet        = "no seed was played against it yet"
	noThin         = "in the simulation each plan is made from a whole snapshot"
	noGrowth       = "in the simulation no volume grows"
	noGuard        = "in the simulation, people delete instances as the manager"
	noEvictions    = "the simulation has nobody who evicts"
	noCommands     = "the simulation has nobody who runs kubectl-shoal"
	rarelyTight    = "they are rarely so short of room that one is missed; plugins/dispersion has tests that are"
)

// bugs are grouped by the rule that they break, with a file for each part of Shoal.
var bugs = slices.Concat(placementBugs, instanceBugs, switchoverBugs, roleBugs, agentBugs, updateBugs, scaleBugs)
