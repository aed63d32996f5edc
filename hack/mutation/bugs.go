package main

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
	ofDecide     = []string{"./instanceset/decide ^TestScenarios$"}
	ofCommit     = []string{"./instanceset"}
	ofDispersion = []string{"./plugins/dispersion ^(TestScenarios|TestTightGroupNeverDeadlocks)$"}
	ofSwitchover = []string{"./switchover/decide"}
	ofSlots      = []string{"./slots ^TestScenarios$"}
	ofRoles      = []string{"./roles/decide"}
	ofRoleWrites = []string{"./roles"}
	ofAgent      = []string{"./agent"}
	ofTLS        = []string{"./agent/mtls"}
	ofProbe      = []string{"./agent/probe"}
	ofSettings   = []string{"./agent/configuration"}
	ofSigner     = []string{"./signer"}
	ofOrders     = []string{"./roles/orders"}
	ofReceive    = []string{"./roles/receive"}
	ofRequests   = []string{"./roles/switchovers/decide"}
	ofCarrying   = []string{"./roles/switchovers"}
	ofHandover   = []string{"./roles/handover"}
	ofUpdates    = []string{"./instanceset/decide"}
	ofGrowth     = []string{"./instanceset/decide TestScenarios/grow"}
	ofGuard      = []string{"./simulation/apiserver Instances"}
	ofCommands   = []string{"./kubectlshoal TestScenarios/(diff|undo|rollout|history)"}
)

const (
	noSwitchover = "the simulation hands over no masters"
	// Of agents, the simulation has what they know and say, and how reports arrive.
	noRoles        = "the simulation has none of this of agents and roles yet"
	noCertificates = "the simulation has no certificates, connections, containers or settings of agents, and a manager that gives no orders"
	noStrangers    = "the simulation has no strangers in a shard, Services of roles, or Sentinels that hang, move, or have two addresses"
	noReboots      = "in the simulation time goes on over a reboot of a machine, and few reports are under way across one"
	notPlayed      = "no seed with roles was played against it long enough yet"
	noUpdates      = "of the seeds that change templates (from 3,000,000 on) none was played against it yet"
	noGrowth       = "in the simulation no volume grows"
	noGuard        = "in the simulation, people delete instances as the manager"
	noEvictions    = "the simulation has nobody who evicts"
	noCommands     = "the simulation has nobody who runs kubectl-shoal"
	rarelyTight    = "they are rarely so short of room that one is missed; plugins/dispersion has tests that are"
)

// bugs are grouped by the rule that they break.
var bugs = []bug{
	// M, K, one of a shard, the guard.
	{name: "one-on-a-node-more", file: "plugins/dispersion/filter.go", is: "l.MaxPerNode > 0 && on.held >= l.MaxPerNode", becomes: "l.MaxPerNode > 0 && on.held > l.MaxPerNode", scenarios: ofDispersion, seed: 1},
	{name: "one-node-more", file: "plugins/dispersion/filter.go", is: "case on.held == 0 && s.used() >= l.MaxNodes,", becomes: "case on.held == 0 && s.used() > l.MaxNodes,", scenarios: ofDispersion, seed: 17},
	{name: "shard-together", file: "plugins/dispersion/filter.go", is: "on.shard >= l.MaxPerShard", becomes: "on.shard > l.MaxPerShard", scenarios: ofDispersion, seed: 7},
	{name: "no-guard", file: "plugins/dispersion/filter.go", is: "on.held == 0 && s.guard.Need > max(1, int(on.seat.capacity))", becomes: "on.held == 0 && s.guard.Need < 0", scenarios: ofDispersion, why: rarelyTight},
	{name: "each-pod-costs-a-look", file: "policy/events.go", is: "q.AddAfter(request, long)", becomes: "q.Add(request)", scenarios: []string{"./policy ManyPods"}, why: "it costs time and breaks nothing"},
	{name: "limits-keep-best-effort-asleep", file: "plugins/dispersion/wishes.go", is: "s.used() < s.limits.MaxNodes || s.mode == v1alpha1.PlacementBestEffort", becomes: "s.used() < s.limits.MaxNodes", scenarios: []string{"./plugins/dispersion EveryRefusal"}, why: "the scheduler tries every pod that waits again within minutes"},
	{name: "promised-room-not-awaited", file: "plugins/dispersion/wishes.go", is: "w.kept = w.kept || seat.fit+seat.needed > 0", becomes: "_ = seat", scenarios: []string{"./plugins/dispersion EveryRefusal"}, why: "the scheduler tries every pod that waits again within minutes"},
	{name: "room-of-a-volume-taken", file: "plugins/dispersion/filter.go", is: "s.holds || seat.promised == 0 ||", becomes: "s.holds || seat.promised >= 0 ||", scenarios: []string{"./plugins/dispersion Scenarios", "./plugins/dispersion HasAVolume"}, seed: 72},
	{name: "strict-leaves-its-plan", file: "plugins/dispersion/filter.go", is: "case s.mode == v1alpha1.PlacementStrict && s.pinned == \"\" &&", becomes: "case s.mode == \"never\" &&", scenarios: ofDispersion, why: rarelyTight},
	{name: "too-small-not-awaited", file: "plugins/dispersion/wishes.go", is: "case &nodeIsTooSmall, &plannedForOther, &notPlanned:", becomes: "case &plannedForOther, &notPlanned:", scenarios: []string{"./plugins/dispersion EveryRefusal"}, why: "the scheduler tries every pod that waits again within minutes"},
	{name: "not-planned-not-awaited", file: "plugins/dispersion/wishes.go", is: "case &nodeIsTooSmall, &plannedForOther, &notPlanned:", becomes: "case &nodeIsTooSmall, &plannedForOther:", scenarios: []string{"./plugins/dispersion EveryRefusal"}, why: "the scheduler tries every pod that waits again within minutes"},
	{name: "rows-not-kept", file: "plugins/dispersion/filter.go", is: "case s.fixed && !s.inRow(on.number):", becomes: "case s.fixed && s.mix != nil && !s.inRow(on.number):", scenarios: []string{"./plugins/dispersion WithoutSlack"}, why: rarelyTight},
	{name: "others-need-nothing", file: "plugins/dispersion/needs.go", is: "if w.group == v.group || w.plan == nil ||", becomes: "if w != nil || w.plan == nil ||", scenarios: []string{"./plugins/dispersion GrowTogether"}, why: rarelyTight},
	{name: "needs-end-with-the-wave", file: "plugins/dispersion/needs.go", is: "\t\tcase held == 0:\n\t\t\trest = min(rest, k.absent)", becomes: "\t\tdefault:\n\t\t\trest = min(rest, k.absent)", scenarios: []string{"./plugins/dispersion BetweenTwoWaves"}, why: rarelyTight},
	{name: "complete-groups-need-more", file: "plugins/dispersion/needs.go", is: "\t\tif v.done = done; done {\n\t\t\tx.frees(g)", becomes: "\t\tif done {\n\t\t\tx.frees(g)", scenarios: []string{"./plugins/dispersion CompleteGroupKeeps"}, why: rarelyTight},
	{name: "due-before-its-time", file: "plugins/dispersion/due.go", is: "if !now.Before(a.at) {", becomes: "if now.Before(a.at) {", scenarios: []string{"./plugins/dispersion IsAvoidedIsTriedAgain"}, why: "the simulation has no other plugins that refuse nodes"},
	{name: "avoided-and-forgotten", file: "plugins/dispersion/due.go", is: "pod, s.view.nextReturn())", becomes: "pod, time.Time{})", scenarios: []string{"./plugins/dispersion IsAvoidedIsTriedAgain"}, why: "the simulation has no other plugins that refuse nodes"},
	{name: "own-node-comes-back-unheard", file: "plugins/dispersion/wishes.go", is: "\t\tw.names = []string{s.pinned}\n", becomes: "", scenarios: []string{"./plugins/dispersion EveryRefusal"}, why: "the scheduler tries every pod that waits again within minutes"},
	{name: "old-packing-speaks-too", file: "plugins/dispersion/mixed.go", is: "\t\tx.speaksFor(s.view)\n", becomes: "", scenarios: []string{"./plugins/dispersion Mixed"}, why: rarelyTight},
	{name: "packing-not-recounted", file: "plugins/dispersion/mixed.go", is: "\tif m.astray {\n\t\tm.recount", becomes: "\tif false {\n\t\tm.recount", scenarios: []string{"./plugins/dispersion KeepNoMore"}, why: rarelyTight},
	{name: "packing-extended-as-a-plan", file: "plugins/dispersion/mixed.go", is: "\t\t\tx.replan(s.group) //", becomes: "\t\t\tdelete(x.mixtures, s.group) //", scenarios: []string{"./plugins/dispersion MixedNoMore"}, why: "the shipped configuration has no limits for groups without a policy"},
	{name: "left-out-for-anothers-sake", file: "plugins/dispersion/mixture.go", is: "return m.rows[wants.likeness].none > 1", becomes: "return m.leftOver > 1", scenarios: []string{"./plugins/dispersion KeepsNobodyOut"}, why: "the shipped configuration has no limits for groups without a policy"},
	{name: "best-effort-asks-nobody", file: "plugins/dispersion/returning.go", is: "return mode != v1alpha1.PlacementBestEffort || p.args.MaxInstancesPerNode > 0", becomes: "return mode != v1alpha1.PlacementBestEffort", scenarios: []string{"./plugins/dispersion InEveryMode"}, why: "the shipped configuration has no cap over all groups"},
	{name: "unanswered-and-forgotten", file: "plugins/dispersion/due.go", is: "pod, p.stillToAsk(s))", becomes: "pod, time.Time{})", scenarios: []string{"./plugins/dispersion (WaitsForAnAnswer|InTheEnd)"}, why: "the scheduler tries every pod that waits again within minutes"},
	{name: "volume-elsewhere-is-fine", file: "plugins/dispersion/filter.go", is: "&pinnedElsewhere", becomes: "nil", scenarios: []string{"./plugins/dispersion"}, why: "upstream's plugin of volumes refuses the node too"},
	{name: "siblings-of-a-shard-hold", file: "plugins/dispersion/hold.go", is: "\t\t\tif seat.fit > 0 ||", becomes: "\t\t\tif seat.fit < 0 ||", scenarios: []string{"./plugins/dispersion WhoseSiblings"}, why: "whoever is held wrongly is let go with the next pod that finds a node"},
	{name: "returning-instance-held", file: "plugins/dispersion/hold.go", is: "!tried(pod) || !p.fresh(pod) ||", becomes: "!tried(pod) ||", scenarios: []string{"./plugins/dispersion"}, why: "whoever is held wrongly is let go with the next pod that finds a node"},
	{name: "held-and-forgotten", file: "plugins/dispersion/hold.go", is: "\tdelete(hs.groups, g)\n\th.end()\n\treturn h\n", becomes: "\tdelete(hs.groups, g)\n\th.end()\n\treturn nil\n", scenarios: []string{"./plugins/dispersion"}, why: "the scheduler tries every pod that waits again within minutes"},
	{name: "best-effort-beyond-the-cap", file: "plugins/dispersion/filter.go", is: "if s.total > 0 && !s.holds && int(s.view.seats[number].all)", becomes: "if s.total < 0 && !s.holds && int(s.view.seats[number].all)", scenarios: []string{"./plugins/dispersion"}, why: "the shipped configuration has no cap over all groups"},
	{name: "no-cap", file: "plugins/dispersion/filter.go", is: "case s.total > 0 && on.all >= s.total:", becomes: "case s.total > 0 && on.all > s.total:", scenarios: ofDispersion, why: "the shipped configuration has no cap over all groups"},
	{name: "limits-not-awaited", file: "instanceset/decide/policy.go", is: "if code == reason.ChangeLimits {", becomes: "if code == 0 {", scenarios: ofDecide, why: "a pod that is stamped with the old version has to be placed between two events of one policy, by limits that were lowered"},
	{name: "policy-not-awaited", file: "plugins/dispersion/policy.go", is: "return policy{}, reason.PolicyNotFound", becomes: "return p.defaults(), 0", scenarios: ofDispersion, why: "the shipped configuration has no limits for groups without a policy, and with the policy gone the checker has none"},
	{name: "old-policy-is-fine", file: "plugins/dispersion/policy.go", is: "case olderThan(found.version, pod.Annotations[v1alpha1.AnnotationPolicyVersion]):", becomes: "case false:", scenarios: ofDispersion, why: "the guard of an old policy keeps less room, which is rarely missed"},

	// What counts.
	{name: "slot-not-proven", file: "plugins/dispersion/homecoming.go", is: "if !s.holds || !s.over(node) {", becomes: "if !s.holds || s.total >= 0 {", scenarios: []string{"./plugins/dispersion ComesBack"}, seed: 1600},
	{name: "absent-as-good-as-there", file: "plugins/dispersion/pack.go", is: "out > 0 && known < len(wanted) {", becomes: "out < 0 {", scenarios: []string{"./plugins/dispersion ThatIsThere"}, seed: 18022},
	{name: "known-not-preferred", file: "plugins/dispersion/pack.go", is: "\ts.preferKnown(wanted, all.Node, known)\n", becomes: "", scenarios: []string{"./plugins/dispersion ThatIsThere"}, why: "it takes a group of several sizes that is larger than what fits, with instances that never come"},
	{name: "packing-not-judged-again", file: "plugins/dispersion/mixture.go", is: "wanted && e.except != s.view.id {", becomes: "wanted && e.except == s.view.id {", scenarios: []string{"./plugins/dispersion APackingFollows"}, why: "pods wait for a node that another pod has filled until they are refused there, and the node is avoided"},
	{name: "packing-keeps-what-was-placed", file: "plugins/dispersion/mixture.go", is: "\tm.goes(spot{shape{k, r.asks, \"\"}, number})\n", becomes: "", scenarios: []string{"./plugins/dispersion MixedGroups"}, why: "room is kept for instances that are placed, and the packing is made anew"},
	{name: "packing-opens-uncounted", file: "plugins/dispersion/mixture.go", is: "\treturn m.opens == 0 || s.view.used+m.opens <= s.limits.MaxNodes\n", becomes: "\treturn true\n", scenarios: []string{"./plugins/dispersion APackingFollows"}, why: "the nodes that are opened are more than K allows: the last pods are refused and packed anew"},
	{name: "node-opened-again", file: "plugins/dispersion/homecoming.go", is: "s.limits.MaxNodes == 0 || s.used() <= s.limits.MaxNodes {", becomes: "s.limits.MaxNodes >= 0 {", scenarios: []string{"./plugins/dispersion NotOpenedAgain"}, seed: 4807},
	{name: "slot-given-back-unseen", file: "plugins/dispersion/sightings.go", is: "\t\tx.departs(before, before.Spec.NodeName)\n", becomes: "", scenarios: []string{"./plugins/dispersion ComesBack"}, seed: 10212},
	{name: "forgotten-on-the-word-of-the-cache", file: "instanceset/forget.go", is: "if left || err != nil {", becomes: "if _ = left; err != nil {", scenarios: []string{"./instanceset WordOfTheCache"}, seed: 16331},
	{name: "slot-back-for-a-pod-that-went", file: "instanceset/write.go", is: "\treturn &lateError{\"its pod is gone\"}\n", becomes: "", scenarios: []string{"./instanceset ForAPodThatIsThere"}, why: "it takes a pod that goes between two moments in which scheduler and manager ask the API server"},
	{name: "slot-back-unmarked", file: "instanceset/write.go", is: "labels(c, v1alpha1.ReturningValue)", becomes: "labels(c, v1alpha1.RetiredValue)", scenarios: []string{"./instanceset ThatWasGivenAway"}, why: "a call takes no time in the simulation, so that nothing happens between two of them"},
	{name: "slot-back-of-any-version", file: "instanceset/write.go", is: "c.Version = claim.ResourceVersion", becomes: "c.Version = \"\"", scenarios: []string{"./instanceset ASuspendedManager"}, why: "a call takes no time in the simulation, so that nothing happens between two of them"},
	{name: "mark-not-taken-back", file: "instanceset/decide/create.go", is: "\t\tp.stopReturning(i)\n", becomes: "", scenarios: ofDecide, why: "it takes a pod that goes between two calls, or a manager that dies there"},
	{name: "marked-is-free", file: "plugins/dispersion/returning.go", is: "case claim.UID != uid || givenUp(claim.Labels) && !isReturning(claim.Labels):", becomes: "case claim.UID != uid || givenUp(claim.Labels):", scenarios: []string{"./plugins/dispersion Marked"}, why: "a claim is marked between two calls of the manager, and asked about by the scheduler in between"},
	{name: "marked-is-forgotten", file: "plugins/dispersion/returning.go", is: "case state == v1alpha1.ReturningValue && !x.primed:", becomes: "case false:", scenarios: []string{"./plugins/dispersion Marked"}, why: "it takes a scheduler that starts between two calls of the manager"},
	{name: "departure-forgotten", file: "plugins/dispersion/returning.go", is: "\t\t\tx.departed[claim.UID] = left\n", becomes: "", scenarios: []string{"./plugins/dispersion RetiredTooLate"}, why: "it takes a watch of claims that is behind by a scale-in, a scale-out and a pod that goes"},
	{name: "doubt-forgotten", file: "plugins/dispersion/prefilter.go", is: "p.doubtful(pod)...)", becomes: "p.doubtful(pod)[:0]...)", scenarios: []string{"./plugins/dispersion Doubt"}, seed: 1},
	{name: "pods-not-noted", file: "plugins/dispersion/sightings.go", is: "core.Pods().Informer(), n.pod, podOfGroup},", becomes: "core.Pods().Informer(), n.pod, func(any) bool { return false }},", scenarios: []string{"./plugins/dispersion ^TestACycleKnowsItsPod$"}, why: "the claims of an InstanceSet name their instance, and a pod that is placed comes with the snapshot"},
	{name: "reserve-not-noted", file: "plugins/dispersion/reserve.go", is: "\tp.index.notes.stirNode(node)\n\tif s, status", becomes: "\tif s, status", scenarios: []string{"./plugins/dispersion Glance"}, why: "the next pod of the group is mostly named the node that has just changed, and then all are looked at"},
	{name: "named-though-changed", file: "plugins/dispersion/prefilter.go", is: "if !p.index.current(number) {", becomes: "if false {", scenarios: []string{"./plugins/dispersion Glance"}, why: "it takes a profile without the plugin that places pods of a group, which the simulation has not"},
	{name: "turned-away-after-a-glance", file: "plugins/dispersion/prefilter.go", is: "if result := p.cut(s, pod); result != nil && s.mix == nil {", becomes: "if result := p.cut(s, pod); true {", scenarios: []string{"./plugins/dispersion Glance"}, why: "what frees a place is noted, and a pod that is turned away is seldom the last one"},
	{name: "another-list-glanced-at", file: "plugins/dispersion/glance.go", is: " || &list[0] != s.first", becomes: "", scenarios: []string{"./plugins/dispersion Glance"}, why: "it takes a node that comes and another that goes between two cycles"},
	{name: "never-looks-at-all", file: "plugins/dispersion/glance.go", is: "if s.cycles >= glances ||", becomes: "if s.cycles < 0 ||", scenarios: []string{"./plugins/dispersion LookedAt"}, why: "whatever changes in the simulation is noted"},
	{name: "nodes-not-noted", file: "plugins/dispersion/sightings.go", is: "\t\t{\"nodes\", core.Nodes().Informer(), n.stir, anything},\n", becomes: "", scenarios: []string{"./plugins/dispersion NoteNodes"}, why: "a node that has changed is looked at before a pod goes there"},
	{name: "overlooked-stays", file: "plugins/dispersion/overlooked.go", is: "if ok1 && ok2 && overlooked(", becomes: "if ok1 && ok2 && before.UID == \"\" && overlooked(", scenarios: []string{"./plugins/dispersion OverlookedIsTold"}, seed: 17451},
	{name: "labels-ignored", file: "slots/count.go", is: "\t\tif a.Labels[label] != b.Labels[label] {", becomes: "\t\tif a.Labels[label] != a.Labels[label] {", scenarios: []string{"./slots Interchangeable"}, why: "what is labelled as lost is deleted soon after, and counts too much until then"},
	{name: "deletions-missed", file: "plugins/dispersion/sightings.go", is: "\t\tDeleteFunc: note,\n", becomes: "", scenarios: []string{"./plugins/dispersion Interrupted"}, why: "it takes a watch that is interrupted for long"},
	{name: "promise-dies-with-pod", file: "plugins/dispersion/doubt.go", is: "for _, node := range d.nodes {\n\t\t\t\tif slot, held", becomes: "for _, node := range d.nodes[:0] {\n\t\t\t\tif slot, held", scenarios: []string{"./plugins/dispersion Doubt"}, seed: 3},
	{name: "node-takes-its-pods-along", file: "plugins/dispersion/nodes.go", is: "\tx.orphaned(n.name, left)\n", becomes: "", scenarios: []string{"./plugins/dispersion DeletedNode"}, seed: 611, why: "it takes a Node that is deleted after a placement and before the watch shows it, which one in a thousand seeds has"},
	{name: "node-takes-fresh-pods-along", file: "plugins/dispersion/doubt.go", is: "\t\tpods = append(pods, r.pod)\n", becomes: "\t\t_ = r\n", scenarios: []string{"./plugins/dispersion DeletedNode"}, why: "it takes a Node that goes in the moment between a placement and the next pod, and a watch that is late"},
	{name: "claims-do-not-count", file: "slots/ledger.go", is: "!l.follows(claim, slot)) {", becomes: "!l.follows(claim, slot)) && slot.Node == \"\" {", scenarios: ofSlots, seed: 13},
	{name: "lost-still-counts", file: "slots/count.go", is: "if labels[v1alpha1.LabelLost] != \"\" {", becomes: "if labels[v1alpha1.LabelLost] == \"never\" {", scenarios: ofSlots, why: "what is lost is given up within seconds, and holds no slot then either; and the checker counts with the same package"},

	// Proof before anything is given up.
	{name: "silent-is-dead", file: "instanceset/decide/observe.go", is: "\t\t\treturn NodeSilent\n", becomes: "\t\t\treturn NodeOutOfService\n", scenarios: ofDecide, why: "the proof at the API server refuses what is planned; then nothing is rebuilt and nothing lost"},
	{name: "rebuild-unfenced", file: "instanceset/decide/gates.go", is: "\t\t{\"fenced\", fenced},\n", becomes: "", scenarios: ofDecide, why: "the proof at the API server refuses what is planned"},
	{name: "proof-skipped", file: "instanceset/write.go", is: "err := w.fences.prove(ctx, c)", becomes: "var err error", scenarios: ofCommit, seed: 93, why: "it takes a person who takes back what they declared while the manager does not hear of it, which one in hundreds of seeds has"},
	{name: "other-node-is-proof", file: "instanceset/fence.go", is: "case node.UID != fence.UID:", becomes: "case false:", scenarios: ofCommit, why: "a Node of the same name that is out of service too proves as much for the machine of the simulation"},
	{name: "force-without-fence", file: "instanceset/decide/rebuild.go", is: "last.Force, last.Fenced = true, fences", becomes: "last.Force, last.Fenced = true, nil", scenarios: ofDecide, why: "what names no node is refused before it is sent"},
	{name: "lost-without-proof", file: "instanceset/decide/rebuild.go", is: "Value: string(uidOf(p.nodes[v.node])), Fenced: fences,", becomes: "Value: string(uidOf(p.nodes[v.node])),", scenarios: ofDecide, why: "what names no node is refused before it is sent"},

	// Somebody else has the data.
	{name: "rebuild-last-holder", file: "instanceset/decide/gates.go", is: "\t\t{\"peerReady\", peerReady},\n", becomes: "", scenarios: ofDecide, why: "the holder check finds nobody to ask either"},
	{name: "believe-no-holder", file: "instanceset/decide/gates.go", is: "\t\t{\"holderProven\", holderProven},\n", becomes: "", scenarios: ofDecide, seed: 139},
	{name: "empty-is-a-holder", file: "instanceset/decide/gates.go", is: "a.Master && a.Offset > 0", becomes: "a.Master && a.Offset >= 0", scenarios: ofDecide, why: "in the model whoever is Ready has the data"},
	{name: "never-is-silent", file: "instanceset/decide/create.go", is: "\t\treturn reason.RebuildNever, \"node \" + pin, false\n", becomes: "\t\treturn 0, \"\", false\n", scenarios: ofDecide, why: "it takes a node that stays away, for what another set gave up, with an instance whose own mode is Never"},
	{name: "whole-shard-at-once", file: "instanceset/decide/gates.go", is: "\t\t{\"shardFree\", shardFree},\n", becomes: "", scenarios: ofDecide, why: "it takes two dead nodes with copies of one shard, and a third copy that is Ready"},
	{name: "volume-not-kept", file: "instanceset/decide/rebuild.go", is: "if p.retain(v) || !p.recorded[v.ordinal] {", becomes: "if !p.recorded[v.ordinal] {", scenarios: ofDecide, seed: 14},
	{name: "record-not-awaited", file: "instanceset/decide/rebuild.go", is: "if p.retain(v) || !p.recorded[v.ordinal] {", becomes: "if p.retain(v) {", scenarios: ofDecide, why: "what is lost is recorded by the plan that labels it, and only a lost write of the status leaves it open"},
	{name: "claim-goes-before-pod", file: "instanceset/decide/scale.go", is: "\t\t\t\tp.deletePod(i, code)\n\t\t\t}\n\t\t\tcontinue\n", becomes: "\t\t\t\tp.deletePod(i, code)\n\t\t\t}\n", scenarios: ofDecide, seed: 6},

	// The record of who held data.
	{name: "record-forgets", file: "instanceset/decide/generation.go", is: "\t\tv.recorded[o], v.bootstrapped[o] = true, true\n", becomes: "\t\tv.recorded[o] = true\n", scenarios: ofDecide},
	{name: "everybody-is-first", file: "instanceset/decide/generation.go", is: "return max(1, siblings, v.kept[i.ordinal]+1)", becomes: "return max(0, siblings)", scenarios: ofDecide, seed: 5},
	{name: "any-claim-is-former", file: "instanceset/decide/generation.go", is: "c.Retired && c.Created.Before(v.Set.CreationTimestamp.Time)", becomes: "c.Retired", scenarios: ofDecide, seed: 34},

	// Objects of others, pauses, caches.
	{name: "stranded-for-ever", file: "instanceset/decide/scale.go", is: "if !p.stranded(i) ||", becomes: "if true ||", scenarios: ofDecide, seed: 85},
	{name: "delete-any-uid", file: "instanceset/write.go", is: "preconditions := client.Preconditions{UID: &c.UID}", becomes: "preconditions := client.Preconditions{}", scenarios: ofCommit},
	{name: "adopt-foreign-pods", file: "instanceset/write.go", is: "if !metav1.IsControlledBy(found, set) {", becomes: "if found == nil {", scenarios: ofCommit, why: "the next decision sees whose the object is, and leaves it alone"},
	{name: "own-writes-not-awaited", file: "instanceset/controller.go", is: "if wait > 0 {", becomes: "if wait < 0 {", scenarios: ofCommit, why: "what would be done twice is refused by name, UID or version, or the set is asked for first"},
	{name: "paused-goes-on", file: "instanceset/decide/scale.go", is: "func (p *planner) remove() {\n\tif !p.spec.Paused {", becomes: "func (p *planner) remove() {\n\tif p.spec != nil {", scenarios: ofDecide, seed: 20},
	{name: "first-though-recorded", file: "instanceset/current.go", is: "case startsAsFirst(c.set, change) && ", becomes: "case change.Ordinal < 0 && ", scenarios: ofCommit, seed: 14086, why: "it takes a record that is stored and not seen, and an instance that goes meanwhile, which one in thousands of seeds has"},
	{name: "given-up-at-once", file: "instanceset/decide/gates.go", is: "\t\t{\"settled\", settled},\n", becomes: "", scenarios: ofDecide, seed: 14024},
	{name: "old-set-deletes-claims", file: "instanceset/current.go", is: "case now.generation != c.set.Generation:", becomes: "case false:", scenarios: ofCommit, seed: 104, why: "it takes a manager that sleeps after it saw the claims of a scale-out and before it saw the edit, which one in hundreds of seeds has"},
	{name: "offline-is-unwanted", file: "instanceset/decide/view.go", is: "i.offline = i.wanted", becomes: "i.offline, i.wanted = i.wanted, false", scenarios: ofDecide, seed: 5},
	{name: "retention-of-the-other", file: "instanceset/decide/decide.go", is: "PersistentVolumeClaimRetentionPolicy.WhenDeleted", becomes: "PersistentVolumeClaimRetentionPolicy.WhenScaled", scenarios: ofDecide, seed: 8},
	{name: "retention-ignored", file: "instanceset/decide/scale.go", is: "if retention == v1alpha1.DeleteClaims {", becomes: "if retention != \"\" {", scenarios: ofDecide},
	{name: "policy-lowered-early", file: "instanceset/decide/policy.go", is: "case has > wanted && !p.surplusGone():", becomes: "case false:", scenarios: ofDecide, why: "the guard keeps less room for a moment, which is rarely missed"},
	{name: "hot-loop", file: "instanceset/controller.go", is: "return ctrl.Result{RequeueAfter: plan.RequeueAfter}, nil", becomes: "return ctrl.Result{RequeueAfter: 10000000}, nil", scenarios: ofCommit},

	// Handing over a master.
	{name: "promote-first", file: "switchover/decide/decide.go", is: "return Step{Do: Demote, Instance: p.from.Name,", becomes: "return Step{Do: Promote, Instance: to.Name,", scenarios: ofSwitchover, onRedis: "^(TestKilledBetweenSteps|TestPlanned)$", apart: true, why: noSwitchover},
	{name: "offsets-ignored", file: "switchover/decide/planner.go", is: "{ return to.Offset == from.Offset }", becomes: "{ return to.Offset <= from.Offset }", scenarios: ofSwitchover, onRedis: "^TestReplicationLink$/^slow$", apart: true, why: noSwitchover},
	{name: "no-pause", file: "switchover/decide/decide.go", is: "\tif p.PausedAt.IsZero() {\n", becomes: "\tif p.PausedAt.IsZero() {\n\t\tp.PausedAt = p.Now\n\t}\n\tif p.PausedAt.IsZero() {\n", scenarios: ofSwitchover, onRedis: "^TestReplicationLink$/^slow$", apart: true, why: noSwitchover},
	{name: "no-fence", file: "switchover/decide/planner.go", is: "return i.Fence.Lag > 0 && i.Fence.Replicas >= p.fence().Replicas", becomes: "return true", scenarios: ofSwitchover, onRedis: "^TestAnswersLost$/^Promote$", apart: true, why: noSwitchover},
	{name: "sentinel-overruled", file: "switchover/decide/decide.go", is: "\tif text == \"\" || p.Static {\n", becomes: "\tif text == \"\" || text != \"\" {\n", too: [2]string{"ok && len(p.Told) > 0 && p.namesOther(p.from)", "ok && p.namesOther(p.from)"}, scenarios: ofSwitchover, onRedis: "^TestSentinelsChoiceStands$", apart: true, why: noSwitchover},
	{name: "sentinel-taken-back", file: "switchover/decide/decide.go", is: "if text := p.overruled(p.from); text != \"\" && !p.mayTakeOver(to) {", becomes: "if text := p.overruled(p.from, to); text != \"\" && !p.mayTakeOver(to) {", scenarios: ofSwitchover, apart: true, why: noSwitchover},
	{name: "late-offsets-ignored", file: "switchover/decide/planner.go", is: "a.Former == b.History && a.FormerEnd > b.Offset", becomes: "a.Former == b.History", scenarios: ofSwitchover, apart: true, why: noSwitchover},
	{name: "writes-wait-for-sentinels", file: "switchover/decide/decide.go", is: "if step, ok := p.tell(to); ok && !p.expired() {", becomes: "if step, ok := p.tell(to); ok {", scenarios: ofSwitchover, onRedis: "^TestSentinelsGo$", apart: true, why: noSwitchover},
	{name: "fence-forgotten", file: "switchover/decide/step.go", is: "return !s.Fenced", becomes: "return true", scenarios: ofSwitchover, apart: true, why: noSwitchover},
	{name: "sentinels-told-late", file: "switchover/decide/decide.go", is: "\tif step, ok := p.tell(p.from); ok {\n\t\tstep.Code, step.Text", becomes: "\tif step, ok := p.tell(p.from); ok && p.from == nil {\n\t\tstep.Code, step.Text", scenarios: ofSwitchover, apart: true, why: noSwitchover},
	{name: "strangers-ignored", file: "switchover/decide/decide.go", is: "leader == nil || !leader.Reachable || leader.Master", becomes: "leader != nil && !leader.Reachable", scenarios: ofSwitchover, apart: true, why: noSwitchover},
	{name: "fence-does-not-hold", file: "switchover/decide/decide.go", is: " && to.Followers == 0: // the", becomes: ": // the", scenarios: ofSwitchover, apart: true, why: noSwitchover},
	{name: "refused-unseen", file: "switchover/decide/decide.go", is: "return end(Undecided, reason.MasterUnreachable, silent(p.from))", becomes: "return end(Refused, reason.MasterUnreachable, silent(p.from))", scenarios: ofSwitchover, apart: true, why: noSwitchover},
	{name: "what-is-left-unproven", file: "switchover/decide/decide.go", is: "all := p.Left.History != \"\" && contains(to, &Instance{History: p.Left.History, Offset: p.Left.Offset})", becomes: "all := true", scenarios: ofSwitchover, apart: true, why: noSwitchover},
	{name: "dead-master-awaited", file: "switchover/decide/decide.go", is: "to != nil && to.Reachable && p.overruled(p.from, to) == \"\" {", becomes: "to == p.from && to != nil {", scenarios: ofSwitchover, onRedis: "^TestMasterDies$", apart: true, why: noSwitchover},
	{name: "taken-back-though-written", file: "switchover/decide/decide.go", is: "if p.Written != \"\" {", becomes: "if p.Written == \"?\" {", scenarios: ofSwitchover, apart: true, why: noSwitchover},
	{name: "votes-again", file: "switchover/decide/sentinels.go", is: "named >= p.need() && len(p.Told) == 0", becomes: "named < 0 && len(p.Told) == 0", scenarios: ofSwitchover, onRedis: "^TestSentinelsMissing$", apart: true, why: noSwitchover},
	{name: "failover-overruled", file: "switchover/decide/sentinels.go", is: "\t\tif s.Reachable && s.FailingOver {\n", becomes: "\t\tif s.Reachable && s.FailingOver && p.from == nil {\n", scenarios: ofSwitchover, apart: true, why: noSwitchover},
	{name: "any-master-in-vain", file: "switchover/decide/decide.go", is: "(!p.harmless(x) || !p.allSentinels())", becomes: "!p.harmless(x)", scenarios: ofSwitchover, apart: true, why: noSwitchover},
	{name: "alarm-unheard", file: "switchover/decide/decide.go", is: "\tif p.sentinelsAlarmed() {\n", becomes: "\tif p.PausedAt.IsZero() && p.sentinelsAlarmed() {\n", scenarios: ofSwitchover, apart: true, why: noSwitchover},
	{name: "lost-lock-unnoticed", file: "redis/conn.go", is: "generation > a.Generation", becomes: "generation > a.Generation+1000", scenarios: []string{"./redis ^TestNamesakes$"}, onRedis: "^TestLockLost$", apart: true, why: noSwitchover},
	{name: "held-for-who-lags", file: "switchover/decide/decide.go", is: "p.PausedAt.IsZero() && p.Had.History == to.History && missing > 0", becomes: "p.PausedAt.IsZero() && p.Had.History == to.History && missing < 0", scenarios: ofSwitchover, apart: true, why: noSwitchover},
	{name: "old-look", file: "switchover/decide/snapshot.go", is: "!m.Old && s.Took > fresh", becomes: "!m.Old && s.Took < 0", scenarios: ofSwitchover, onRedis: "^TestAnOldLookIsNotActedOn$", apart: true, why: noSwitchover},

	// Switchovers: who may hand over, and what outlives whoever does.
	{name: "two-switchovers-at-once", file: "roles/switchovers/decide/decide.go", is: "\t{\"another one\", another},\n", becomes: "", scenarios: ofRequests, apart: true, why: noSwitchover},
	{name: "oldest-overrules-begun", file: "roles/switchovers/decide/decide.go", is: "(o.begun() || !o.Deleted && older(o, s.Request))", becomes: "(!o.Deleted && older(o, s.Request))", scenarios: ofRequests, apart: true, why: noSwitchover},
	{name: "step-without-lock", file: "roles/handover/executor.go", is: "\tlock, err := e.lock()\n\tif err != nil {\n", becomes: "\tlock, err := e.lock()\n\tif false {\n", scenarios: ofHandover, apart: true, why: noSwitchover},
	{name: "lost-leader-ends-it", file: "roles/handover/executor.go", is: "now, err := e.lock(); err != nil || now != lock {", becomes: "_, err := e.lock(); false {", scenarios: ofHandover, apart: true, why: noSwitchover},
	{name: "lost-leader-writes-on", file: "roles/switchovers/commit.go", is: "if now.UID != s.UID || !equality.Semantic.DeepEqual(now.Status, s.Status) {", becomes: "if now.UID != s.UID {", scenarios: ofCarrying, apart: true, why: noSwitchover},
	{name: "ended-unheard-stays", file: "roles/switchovers/commit.go", is: "return soon, r.hold(ctx, s, false)\n", becomes: "return 0, r.hold(ctx, s, false)\n", scenarios: ofCarrying, seed: 3000034},
	{name: "begun-is-not-recorded", file: "roles/switchovers/commit.go", is: "\tif err := r.hold(ctx, s, true); err != nil {\n\t\treturn 0, err\n\t}\n", becomes: "", scenarios: ofCarrying, apart: true, why: noSwitchover},
	{name: "begins-from-the-label-again", file: "roles/switchovers/decide/decide.go", is: "return Verdict{Do: GoOn, From: s.Request.From,", becomes: "return Verdict{Do: GoOn, From: append(s.masters(), \"\")[0],", scenarios: ofRequests, apart: true, why: noSwitchover},
	{name: "pause-stops-half-way", file: "roles/switchovers/decide/decide.go", is: "\tcase s.Taken:\n\t\treturn Verdict{Do: Wait, Code: reason.ShardTaken", becomes: "\tcase s.Taken || s.Paused:\n\t\treturn Verdict{Do: Wait, Code: reason.ShardTaken", scenarios: ofRequests, apart: true, why: noSwitchover},
	{name: "begins-while-paused", file: "roles/switchovers/decide/decide.go", is: "\tif s.Paused {\n", becomes: "\tif false {\n", scenarios: ofRequests, apart: true, why: noSwitchover},
	{name: "begins-with-a-lost-one", file: "roles/switchovers/decide/decide.go", is: "\t\tif i.Lost {\n", becomes: "\t\tif false {\n", scenarios: ofRequests, apart: true, why: noSwitchover},
	{name: "steps-wait-for-their-record", file: "roles/switchovers/journal.go", is: "\tselect {\n\tcase j.wake <- struct{}{}:\n\tdefault:\n\t}\n", becomes: "\tj.wake <- struct{}{}\n\tj.wake <- struct{}{}\n", scenarios: []string{"./roles/switchovers ^TestStepsDoNotWait"}, apart: true, why: noSwitchover},
	{name: "done-becomes-undone", file: "roles/switchovers/commit.go", is: "return now.Result == handing.HandedOver || before.Result != handing.HandedOver", becomes: "return true", scenarios: ofCarrying, apart: true, why: noSwitchover},

	// Who carries the label master.
	{name: "label-before-strip", file: "roles/decide/decide.go", is: "if holders := p.holders(); len(holders) > 0 {", becomes: "if holders := p.holders(); len(holders) > 3 {", scenarios: ofRoles, why: notPlayed},
	{name: "strip-not-confirmed", file: "roles/decide/decide.go", is: "if i != heir && !written {", becomes: "if i != heir && false && !written {", scenarios: ofRoles, why: notPlayed},
	{name: "unseen-pods-forgotten", file: "roles/decide/decide.go", is: "if !p.Complete {", becomes: "if false {", scenarios: ofRoles, why: notPlayed},
	{name: "silent-is-no-master", file: "roles/decide/decide.go", is: "{reason.StripLost, i.lost()},", becomes: "{reason.StripLost, i.lost() || !p.fresh(i)},", scenarios: ofRoles, why: notPlayed},
	{name: "lost-keeps-label", file: "roles/decide/decide.go", is: "\t\t{reason.StripLost, i.lost()},\n", becomes: "", scenarios: ofRoles, why: notPlayed},
	{name: "engine-not-believed", file: "roles/decide/decide.go", is: "\t\t{reason.StripNotMaster, i.denies()},\n", becomes: "", scenarios: ofRoles, why: notPlayed},
	{name: "replaced-keeps-label", file: "roles/decide/decide.go", is: "\t\t{reason.StripSuperseded, p.decided && p.HA.Master != i.Name || p.isBeaten(i)},\n", becomes: "", scenarios: ofRoles, why: notPlayed},
	{name: "contested-keeps-label", file: "roles/decide/decide.go", is: "\t\t{reason.StripContested, p.contested() && slices.Contains(p.rivals, i)},\n", becomes: "", scenarios: ofRoles, why: notPlayed},
	{name: "all-silent-is-news", file: "roles/decide/decide.go", is: "(!p.Hushed || i.Heard || labelled > 1)", becomes: "(i.Label == Master || labelled > 1)", scenarios: ofRoles, why: notPlayed},
	{name: "two-labels-are-fine", file: "roles/decide/decide.go", is: "i.Heard || labelled > 1)", becomes: "i.Heard)", scenarios: ofRoles, why: notPlayed},
	{name: "old-sentinel-believed", file: "roles/decide/decide.go", is: "p.HA.Epoch >= p.HA.Floor && ", becomes: "", scenarios: ofRoles, why: notPlayed},
	{name: "agents-overrule-sentinels", file: "roles/decide/decide.go", is: "(!p.behind || p.HA.Agreed)", becomes: "!p.behind", scenarios: ofRoles, why: notPlayed},
	{name: "agents-hold-nothing-back", file: "roles/decide/heir.go", is: "case !p.usable || p.behind:", becomes: "case !p.usable:", scenarios: ofRoles, why: notPlayed},
	{name: "first-by-name", file: "roles/decide/decide.go", is: "if len(left) == 1 {", becomes: "if len(left) >= 1 {", too: [2]string{"return len(p.rivals)-len(p.beaten) > 1", "return false"}, scenarios: ofRoles, why: notPlayed},
	{name: "epochs-turned-round", file: "roles/decide/decide.go", is: "other.Report.Epoch > i.Report.Epoch", becomes: "other.Report.Epoch < i.Report.Epoch", scenarios: ofRoles, why: notPlayed},
	{name: "one-sentinel-is-enough", file: "roles/decide/heir.go", is: "case !p.HA.Agreed:", becomes: "case false:", scenarios: ofRoles, why: notPlayed},
	{name: "sentinels-not-asked", file: "roles/decide/heir.go", is: "{p.elected, p.serving, p.alone}", becomes: "{p.serving, p.alone}", scenarios: ofRoles, why: notPlayed},
	{name: "old-claim-is-fine", file: "roles/decide/heir.go", is: "case !p.fresh(i):", becomes: "case false:", scenarios: ofRoles, why: notPlayed},
	{name: "others-not-asked", file: "roles/decide/heir.go", is: "{p.elected, p.serving, p.alone}", becomes: "{p.elected, p.serving}", scenarios: ofRoles, why: notPlayed},
	{name: "protected-is-master", file: "roles/decide/snapshot.go", is: "i.Report.Role == Master && !i.Report.Protected", becomes: "i.Report.Role == Master", scenarios: ofRoles, why: notPlayed},
	{name: "stranger-keeps-label", file: "roles/decide/decide.go", is: "\t\t{reason.StripStranger, i.Stranger},\n", becomes: "", scenarios: ofRoles, apart: true, why: noStrangers},
	{name: "stranger-is-heard", file: "roles/decide/snapshot.go", is: "return !i.out() && i.Heard && i.Report.Role == Master", becomes: "return !i.lost() && i.Heard && i.Report.Role == Master", scenarios: ofRoles, apart: true, why: noStrangers},
	{name: "stranger-waited-for", file: "roles/decide/heir.go", is: "other != i && !other.out() &&", becomes: "other != i && !other.lost() &&", scenarios: ofRoles, apart: true, why: noStrangers},
	{name: "first-master-contested", file: "roles/decide/decide.go", is: "p.HA.Agreed && configured)", becomes: "configured && false)", scenarios: ofRoles, why: notPlayed},
	{name: "one-configured-decides", file: "roles/decide/decide.go", is: "p.HA.Agreed && configured)", becomes: "configured)", scenarios: ofRoles, why: notPlayed},
	{name: "elections-never-forgotten", file: "roles/decide/decide.go", is: "p.HA.Epoch < known && !p.HA.Sure;", becomes: "p.HA.Epoch < known;", scenarios: ofRoles, why: notPlayed},
	{name: "floor-never-forgotten", file: "roles/decide/decide.go", is: "p.usable = p.HA.Sure || p.HA.Epoch", becomes: "p.usable = p.HA.Epoch", scenarios: ofRoles, why: notPlayed},
	{name: "hush-never", file: "roles/decide/snapshot.go", is: "return listening < silence || 2*silent > running", becomes: "return false", scenarios: ofRoles, why: notPlayed},
	{name: "report-counts-twice", file: "api/agent/order.go", is: "if r.Sequence <= o.sequence {", becomes: "if r.Sequence < o.sequence {", scenarios: []string{"./api/agent"}, apart: true, why: noCertificates},
	{name: "former-boot-counts", file: "api/agent/order.go", is: "case at >= 0 && !o.over[at].since", becomes: "case at >= maxOver && !o.over[at].since", scenarios: []string{"./api/agent"}, apart: true, why: noCertificates},
	{name: "old-sequence-believed", file: "api/agent/order.go", is: "if r.Sequence <= o.sequence {", becomes: "if r.Sequence == 0 {", scenarios: []string{"./api/agent ^TestOrderOfReports$"}, why: notPlayed},
	{name: "former-boot-believed", file: "api/agent/order.go", is: "case at >= 0 && !o.over[at].since", becomes: "case at > maxOver && !o.over[at].since", scenarios: []string{"./api/agent ^TestOrderOfReports$"}, why: notPlayed},
	{name: "boots-in-no-order", file: "api/agent/order.go", is: "case at < 0 && known && earlier:", becomes: "case at < 0 && known && earlier && o.boot == \"\":", scenarios: []string{"./api/agent ^TestOrderOfBoots$"}, why: notPlayed},
	{name: "boots-over-forgotten", file: "api/agent/order.go", is: "before && comparable && !known {", becomes: "before && comparable && false {", scenarios: []string{"./api/agent ^TestAFormerBoot"}, apart: true, why: noReboots},
	{name: "later-boot-doubted", file: "api/agent/order.go", is: "case at < 0 && !known && r.Epoch != 0", becomes: "case at < 0 && r.Epoch != 0", scenarios: []string{"./api/agent ^TestOrderOfBoots$"}, apart: true, why: noCertificates},
	{name: "kernels-are-one", file: "api/agent/order.go", is: "s.Kernel == other.Kernel && ", becomes: "", scenarios: []string{"./api/agent ^TestOrderOfBoots$"}, apart: true, why: noReboots},
	{name: "deaf-for-ever", file: "api/agent/order.go", is: "!o.over[at].since && (earlier || !known):", becomes: "(earlier || !known):", scenarios: []string{"./api/agent"}, apart: true, why: noCertificates},
	{name: "roles-own-writes-not-awaited", file: "roles/reconcile.go", is: "if !r.written.shown(pods) {", becomes: "if len(pods) == 0 {", scenarios: ofRoleWrites, why: notPlayed},
	{name: "roles-any-version", file: "roles/commit.go", is: "UID: step.UID, ResourceVersion: step.Version}", becomes: "UID: step.UID}", scenarios: ofRoleWrites, why: notPlayed},
	{name: "roles-go-on-after-failure", file: "roles/commit.go", is: "\t\t\treturn true, nil\n", becomes: "\t\t\tlate = true\n", scenarios: ofRoleWrites, why: notPlayed},
	{name: "roles-no-census", file: "roles/commit.go", is: "err = r.census(ctx, set, shard, pods)", becomes: "err = nil", scenarios: ofRoleWrites, why: notPlayed},
	{name: "roles-confirm-writes-nothing", file: "roles/commit.go", is: "step.For + \"/\" + step.Version}", becomes: "\"claimed\"}", scenarios: ofRoleWrites, why: notPlayed},
	{name: "roles-silent-node-is-lost", file: "roles/reconcile.go", is: "case slots.OutOfService(&node):", becomes: "case slots.OutOfService(&node) || silentNode(&node):", scenarios: ofRoleWrites, why: notPlayed},
	{name: "agent-makes-unready", file: "podspec/ready.go", is: "\tcase AgentDown(pod):\n", becomes: "\tcase false:\n", scenarios: []string{"./podspec"}, apart: true, why: noRoles},
	{name: "agent-hides-silent-node", file: "instanceset/decide/observe.go", is: "node == nil || stateOf(node) != NodeHealthy", becomes: "false && node == nil", scenarios: []string{"./instanceset/decide"}, apart: true, why: noRoles},
	{name: "agent-that-never-ran-is-copied", file: "instanceset/decide/create.go", is: "!pod.AgentProven || ", becomes: "", scenarios: []string{"./instanceset/decide"}, apart: true, why: noRoles},
	{name: "agent-crash-is-proof", file: "podspec/ready.go", is: "t.FinishedAt.Sub(t.StartedAt.Time) >= provenAfter", becomes: "t.FinishedAt.Sub(t.StartedAt.Time) >= 0", scenarios: []string{"./podspec"}, apart: true, why: noRoles},
	{name: "agent-of-another-pod", file: "instanceset/agents.go", is: "err == nil && pod.UID != uid:", becomes: "false:", scenarios: ofCommit, apart: true, why: noRoles},
	{name: "unready-keeps-replica", file: "roles/decide/decide.go", is: "i.Running && i.Ready && !i.Going && (i", becomes: "i.Running && !i.Going && (i", scenarios: ofRoles, apart: true, why: noRoles},
	{name: "going-keeps-replica", file: "roles/decide/decide.go", is: "i.Running && i.Ready && !i.Going && (i", becomes: "i.Running && i.Ready && (i", scenarios: ofRoles, apart: true, why: noRoles},
	{name: "silent-node-keeps-replica", file: "roles/decide/decide.go", is: "(i.Node != NodeSilent || p.Dark)", becomes: "true", scenarios: ofRoles, apart: true, why: noRoles},
	{name: "silent-nodes-take-all", file: "roles/decide/decide.go", is: "(i.Node != NodeSilent || p.Dark)", becomes: "i.Node != NodeSilent", scenarios: ofRoles, apart: true, why: noRoles},
	{name: "left-behind-keeps-replica", file: "roles/decide/decide.go", is: "\treturn left <= 0\n", becomes: "\treturn false\n", scenarios: ofRoles, apart: true, why: noRoles},
	{name: "dead-master-takes-replicas", file: "roles/decide/decide.go", is: "!i.Report.Unlinked || !p.served()", becomes: "!i.Report.Unlinked", scenarios: ofRoles, apart: true, why: noRoles},
	{name: "unready-gets-master", file: "roles/decide/heir.go", is: "!i.Running || !i.Ready ||", becomes: "!i.Running ||", scenarios: ofRoles, apart: true, why: noRoles},
	{name: "lost-secret-cuts-off", file: "signer/keeper.go", is: "s, inherited := s.inherit(there, k.now())", becomes: "var inherited []step", scenarios: ofSigner, apart: true, why: noRoles},
	{name: "lost-secret-trusted-for-ever", file: "signer/rotation.go", is: "append(s.previous, c), now.Add(afterglow)", becomes: "append(s.previous, c), now.Add(9*afterglow)", scenarios: ofSigner, apart: true, why: noRoles},
	{name: "manager-ahead-of-the-roots", file: "signer/keeper.go", is: "due = !now.Before(k.since.Add(spread)) ||", becomes: "due = true ||", scenarios: ofSigner, apart: true, why: noRoles},
	{name: "passing-is-denied", file: "signer/reconcile.go", is: "\tif passes {\n", becomes: "\tif passes && false {\n", scenarios: ofSigner, apart: true, why: noRoles},
	{name: "wrong-node-is-passing", file: "signer/judge.go", is: "return f.pod.Spec.NodeName == string(r.Spec.NodeName)", becomes: "return true", scenarios: ofSigner, apart: true, why: noRoles},
	{name: "identity-unbounded", file: "roles/receive/listener.go", is: "c.of.known[identity] >= maxPerIdentity || ", becomes: "", scenarios: ofReceive, apart: true, why: noRoles},
	{name: "label-of-the-leader-once", file: "roles/receive/setup.go", is: "own.Labels[v1alpha1.LabelLeads] != leads", becomes: "own.Labels[v1alpha1.LabelLeads] == \"\"", scenarios: ofReceive, apart: true, why: noRoles},
	{name: "roles-stranger-heard", file: "roles/ledger.go", is: "string(pod.UID) != id.UID ||", becomes: "", scenarios: ofRoleWrites, why: notPlayed},
	{name: "roles-epochs-forgotten", file: "roles/sentinel.go", is: "n.Floor, n.Since = p.latest(now), p.since", becomes: "n.Since = p.since", scenarios: ofRoleWrites, why: notPlayed},
	{name: "roles-labels-are-proof", file: "roles/shards.go", is: "return owns(set, pod) && slices.Contains(", becomes: "return slices.Contains(", scenarios: ofRoleWrites, apart: true, why: noStrangers},
	{name: "roles-any-name-is-instance", file: "roles/shards.go", is: "slices.Contains(k.names(set), pod.GetName())", becomes: "len(slices.Clone(k.names(set))) > 0", scenarios: ofRoleWrites, apart: true, why: noStrangers},
	{name: "roles-any-uid-owns", file: "roles/shards.go", is: "owner.UID != set.UID ||", becomes: "owner.Name != set.Name ||", scenarios: ofRoleWrites, apart: true, why: noStrangers},
	{name: "roles-any-group-owns", file: "roles/shards.go", is: "return err == nil && version.Group == v1alpha1.GroupName", becomes: "return err == nil && version.Group != \"\"", scenarios: ofRoleWrites, apart: true, why: noStrangers},
	{name: "roles-foreign-census-passes", file: "roles/commit.go", is: "err == nil && labelled && of == shard {", becomes: "err == nil && labelled && of == shard && owns(set, &pod) {", scenarios: ofRoleWrites, apart: true, why: noStrangers},
	{name: "roles-owner-change-unheard", file: "roles/setup.go", is: "changed(before, after) || ", becomes: "", scenarios: ofRoleWrites, apart: true, why: noStrangers},
	{name: "roles-dead-have-addresses", file: "roles/reconcile.go", is: "if !i.Stranger && !i.Ended && i.Node != decide.NodeLost {", becomes: "if !i.Stranger {", scenarios: ofRoleWrites, why: notPlayed},
	{name: "roles-shared-address-is-nobodys", file: "roles/provider.go", is: "\t\tv.Heard, v.Trouble = false,", becomes: "\t\t_, v.Trouble = false,", scenarios: ofRoleWrites, apart: true, why: noStrangers},
	{name: "roles-never-rests", file: "roles/pace.go", is: "min(2*before.next, idle)", becomes: "soon", scenarios: ofRoleWrites, why: notPlayed},
	{name: "roles-lost-elections-hold", file: "roles/sentinel.go", is: "p.floor, p.rumour = n.Epoch, 0", becomes: "p.rumour = 0", scenarios: ofRoleWrites, why: notPlayed},
	{name: "roles-rumours-for-good", file: "roles/sentinel.go", is: "\tif now.Sub(p.told) < settled {", becomes: "\tif p.told.Before(now) || true {", scenarios: ofRoleWrites, why: notPlayed},
	{name: "roles-most-are-all", file: "roles/sentinel.go", is: "opinions[n.Addr] == known", becomes: "n.Agreed", scenarios: ofRoleWrites, why: notPlayed},
	{name: "roles-one-sentinel-votes-twice", file: "roles/sentinel.go", is: "if seen[a.view.ID] && a.view.ID != \"\" {", becomes: "if false {", scenarios: ofRoleWrites, apart: true, why: noStrangers},
	{name: "roles-slow-sentinel-awaited", file: "roles/sentinel.go", is: "\t\tcase <-enough.C:\n", becomes: "\t\tcase <-ctx.Done():\n", scenarios: ofRoleWrites, apart: true, why: noStrangers},
	{name: "roles-late-sentinel-asked-on", file: "roles/sentinel.go", is: "\t\ts.lines[n].rest(errLate)\n", becomes: "", scenarios: ofRoleWrites, apart: true, why: noStrangers},
	{name: "roles-all-try-at-once", file: "roles/line.go", is: "(l.tried || l.now()", becomes: "(l.now()", scenarios: ofRoleWrites, apart: true, why: noStrangers},
	{name: "roles-unknown-shard-hangs-up", file: "roles/line.go", is: "err != nil && !redis.Answered(err)", becomes: "err != nil", scenarios: ofRoleWrites, apart: true, why: noStrangers},
	{name: "roles-new-addresses-forget", file: "roles/providers.go", is: "before.spec.Monitor == s.spec.Monitor", becomes: "before.spec.Monitor == \"\"", scenarios: ofRoleWrites, apart: true, why: noStrangers},
	{name: "roles-closed-line-connects", file: "roles/line.go", is: "\tcase l.closed:\n\t\treturn nil, errClosed\n", becomes: "", scenarios: ofRoleWrites, apart: true, why: noStrangers},
	{name: "roles-closed-line-keeps", file: "roles/line.go", is: "\tif l.closed { // while", becomes: "\tif false { // while", scenarios: ofRoleWrites, apart: true, why: noStrangers},
	{name: "roles-news-dropped", file: "roles/bell.go", is: "\tb.keys[key] = true\n", becomes: "\tif b.keys[key] = true; len(b.keys) > 1024 {\n\t\tdelete(b.keys, key)\n\t}\n", scenarios: ofRoleWrites, apart: true, why: noStrangers},
	{name: "roles-standby-listens", file: "roles/ledger.go", is: "if !l.leads() {", becomes: "if false {", scenarios: ofRoleWrites, apart: true, why: noStrangers},
	{name: "roles-dead-never-swept", file: "roles/ledger.go", is: "pod.UID != uid {", becomes: "false {", scenarios: ofRoleWrites, apart: true, why: noStrangers},
	{name: "roles-services-never-repaired", file: "roles/services.go", is: "\tif same {\n", becomes: "\tif same || found != nil {\n", scenarios: ofRoleWrites, apart: true, why: noStrangers},
	{name: "roles-services-without-end", file: "roles/services.go", is: "first[:min(len(first), maxServices)]", becomes: "first", scenarios: ofRoleWrites, apart: true, why: noStrangers},
	{name: "roles-conditions-unheard", file: "roles/setup.go", is: "return !equality.Semantic.DeepEqual(", becomes: "return false && !equality.Semantic.DeepEqual(", scenarios: ofRoleWrites, why: notPlayed},
	{name: "roles-conflict-forgotten", file: "roles/sets.go", is: "\t\treturn true, nil\n", becomes: "\t\treturn false, nil\n", scenarios: ofRoleWrites, why: notPlayed},
	{name: "roles-set-looked-through-always", file: "roles/sets.go", is: "\tif whole {\n\t\tfor shard", becomes: "\tif whole && len(judged) == 0 {\n\t\tfor shard", scenarios: ofRoleWrites, why: notPlayed},
	{name: "roles-minority-agrees", file: "roles/sentinel.go", is: "known = max(known, a.view.Peers+1)", becomes: "known += 0", scenarios: ofRoleWrites, why: notPlayed},

	// What an agent must not do any more, or for anybody.
	{name: "agent-forgets-lock", file: "agent/act.go", is: "if r.Lock < a.tried.lock {", becomes: "if false {", scenarios: ofAgent, onRedis: "^TestAgentActsUnderTheLock$", apart: true, why: noCertificates},
	{name: "agent-forgets-epoch", file: "agent/act.go", is: "known := max(a.election.Epoch, a.tried.epoch);", becomes: "known := a.election.Epoch;", scenarios: ofAgent, apart: true, why: noCertificates},
	{name: "agent-any-boot", file: "api/agent/action.go", is: "r.BootID != \"\" || !anyBoot {", becomes: "r.BootID != \"\" || !anyBoot && false {", scenarios: []string{"./api/agent"}, apart: true, why: noCertificates},
	{name: "agent-former-boot", file: "agent/act.go", is: "if r.BootID != \"\" && r.BootID != a.boot {", becomes: "if false {", scenarios: ofAgent, apart: true, why: noCertificates},
	{name: "agent-serves-who-is-gone", file: "agent/act.go", is: "if ctx.Err() == nil {", becomes: "if true {", scenarios: ofAgent, apart: true, why: noCertificates},
	{name: "agent-settings-without-lock", file: "agent/probe/act.go", is: "err = conn.Yield(ctx)\n", becomes: "err = ctx.Err()\n", scenarios: ofProbe, apart: true, why: noCertificates},
	{name: "agent-one-sentinel-is-enough", file: "agent/probe/sentinels.go", is: "votes[one.Election] > len(s.addrs)/2", becomes: "votes[one.Election] > 0", scenarios: ofProbe, apart: true, why: noCertificates},
	{name: "agent-lost-election-for-ever", file: "agent/agent.go", is: "a.lower, a.election, a.tried.epoch = lower{}, probe.Election{}, e.Epoch", becomes: "a.lower = lower{}", scenarios: ofAgent, apart: true, why: noCertificates},
	{name: "agent-lower-election-at-once", file: "agent/agent.go", is: "case a.lower.Election != e:", becomes: "case false:", scenarios: ofAgent, apart: true, why: noCertificates},
	{name: "agent-serves-anybody", file: "agent/agent.go", is: "if !agent.IsManager(c) {", becomes: "if false {", scenarios: ofAgent, apart: true, why: noCertificates},
	{name: "agent-joins-as-master", file: "agent/probe/act.go", is: "\t\tif master {\n\t\t\treturn false, \"it is a master: its data would be replaced\"\n\t\t}\n\t\tif !protected && s.Master != r.Master {", becomes: "\t\tif !master && !protected && s.Master != r.Master {", scenarios: ofProbe, apart: true, why: noCertificates},
	{name: "agent-promotes-half-a-copy", file: "agent/probe/act.go", is: "if !master && (s.Syncing || s.Loading) {", becomes: "if false {", scenarios: ofProbe, apart: true, why: noCertificates},
	// What an agent must not do to an engine that it configures.
	{name: "settings-master-restarted", file: "agent/configuration/apply.go", is: "case s.Kind == redis.Master && !allowed:", becomes: "case s.Kind == redis.Master && s.RunID == \"\":", scenarios: ofSettings, onRedis: "^TestAgentConfiguresAMaster$", apart: true, why: noCertificates},
	{name: "settings-replica-out-of-sync", file: "agent/configuration/apply.go", is: "case !s.LinkUp:", becomes: "case false:", scenarios: ofSettings, apart: true, why: noCertificates},
	{name: "settings-lost-with-a-restart", file: "agent/configuration/apply.go", is: "running.Keys != 0 && values[appendOnly] != \"yes\")", becomes: "running.Keys < 0)", scenarios: ofSettings, onRedis: "^TestAgentConfigures", apart: true, why: noCertificates},
	{name: "settings-refused-file-stays", file: "agent/configuration/apply.go", is: "if good := k.memory.Good; good != nil {", becomes: "if good := k.memory.Good; good != nil && after == nil {", scenarios: ofSettings, onRedis: "^TestAgentConfigures$", apart: true, why: noCertificates},
	{name: "settings-not-read-back", file: "agent/configuration/apply.go", is: "return differs(agent.NewConfiguration(asked), found), nil", becomes: "return differs(agent.NewConfiguration(nil), found), nil", scenarios: ofSettings, apart: true, why: noCertificates},
	{name: "settings-unproven-after-a-restart", file: "agent/configuration/resolve.go", is: "case why == \"\":", becomes: "case why == \"\" || tried.Restart:", scenarios: ofSettings, apart: true, why: noCertificates},
	{name: "settings-unknown-rendered", file: "agent/configuration/change.go", is: "agent.ClassOf(p.Name); !known {", becomes: "agent.ClassOf(p.Name); !known && p.Name == \"\" {", scenarios: ofSettings, apart: true, why: noCertificates},
	{name: "settings-immutable-changed", file: "agent/configuration/change.go", is: "class != agent.Immutable {", becomes: "class != \"\" {", too: [2]string{"case agent.Immutable:", "case \"\":"}, scenarios: ofSettings, onRedis: "^TestAgentConfigures$", apart: true, why: noCertificates},
	{name: "settings-immutable-unasked", file: "agent/configuration/change.go", is: "class == agent.Immutable && !there {", becomes: "class == agent.Immutable && !there && p.Name == \"\" {", scenarios: ofSettings, apart: true, why: noCertificates},
	{name: "settings-absent-for-ever", file: "agent/configuration/resolve.go", is: " || long >= longTrial):", becomes: "):", scenarios: ofSettings, apart: true, why: noCertificates},
	{name: "settings-refused-again-and-again", file: "agent/configuration/keeper.go", is: "r != nil && r.Revision == c.Revision {", becomes: "r != nil && r.Revision == \"\" {", scenarios: ofSettings, apart: true, why: noCertificates},
	{name: "settings-forgotten-in-the-middle", file: "agent/configuration/apply.go", is: "m.Trial = &trial{Configuration: w.Configuration, Run: running.RunID, Old: change.old}", becomes: "m.Trial = &trial{Configuration: w.Configuration, Run: running.RunID}", scenarios: ofSettings, apart: true, why: noCertificates},
	{name: "settings-corrected", file: "agent/configuration/change.go", is: "if proven && there && same(p.Name, before, p.Value) ||", becomes: "if there && before == \"\" ||", scenarios: ofSettings, apart: true, why: noCertificates},
	{name: "settings-during-a-switchover", file: "redis/conn.go", is: "if errors.Is(err, ErrLater) || len(ids) > 0 {", becomes: "if errors.Is(err, ErrLater) || len(ids) > 9 {", scenarios: []string{"./redis ^TestAlone$"}, onRedis: "^TestAgentConfiguresAMaster$", apart: true, why: noCertificates},
	{name: "settings-after-the-start", file: "agent/agent.go", is: "if err := a.o.Configuration.Ready(); err != nil {", becomes: "if err := a.o.Configuration.Ready(); err != nil && a.o.Poll < 0 {", scenarios: []string{"./agent ^TestConfigurationsAreReported$"}, onRedis: "^TestAgentConfigures$", apart: true, why: noCertificates},

	// Whom the manager orders to do what.
	{name: "empty-one-promoted", file: "roles/join.go", is: "agent.Request{Action: agent.Join, ", becomes: "agent.Request{Action: agent.Promote, ", scenarios: []string{"./roles Join|Anew"}, apart: true, why: noRoles},
	{name: "join-without-epoch", file: "roles/decide/join.go", is: "\tif p.HA.Static {\n\t\t\tepoch = 0", becomes: "\tif true {\n\t\t\tepoch = 0", scenarios: ofRoles, apart: true, why: noRoles},
	{name: "join-to-old-master", file: "roles/decide/join.go", is: "{p.elected, p.serving, p.alone}", becomes: "{p.serving, p.alone}", scenarios: ofRoles, apart: true, why: noRoles},
	{name: "join-of-one-who-follows", file: "roles/decide/join.go", is: "i.Report.Role == Replica && i.Report.Protected", becomes: "i.Report.Role == Replica", scenarios: ofRoles, apart: true, why: noRoles},
	{name: "join-wipes-data", file: "roles/decide/join.go", is: "return !needsData || r.Holds == HoldsData", becomes: "return true", scenarios: ofRoles, apart: true, why: noRoles},
	{name: "join-asks-no-master", file: "roles/join.go", is: "if !join.Stands(said(answer.Report)) {", becomes: "if _ = answer; false {", scenarios: []string{"./roles Asked"}, apart: true, why: noRoles},
	{name: "join-while-handing-over", file: "roles/decide/join.go", is: "\tif p.HandingOver {", becomes: "\tif false {", scenarios: ofRoles, apart: true, why: noRoles},
	{name: "join-without-pace", file: "roles/join.go", is: "case t.join == join && now.Before(t.next):", becomes: "case false:", scenarios: []string{"./roles Paced"}, apart: true, why: noRoles},
	{name: "label-before-sync", file: "roles/decide/join.go", is: "return !i.Report.Unlinked && ", becomes: "return ", scenarios: ofRoles, apart: true, why: noRoles},
	{name: "orders-any-pod", file: "roles/orders/client.go", is: "if err == nil && got != want {", becomes: "if err == nil && got.Namespace == \"\" {", scenarios: ofOrders, apart: true, why: noRoles},
	{name: "orders-after-the-lease", file: "roles/orders/lease.go", is: "case !l.now().Before(l.until):", becomes: "case false:", scenarios: ofOrders, apart: true, why: noRoles},
	{name: "deleted-lease-counts-anew", file: "roles/orders/lease.go", is: "return max(n, l.highest+1)", becomes: "return n", scenarios: ofOrders, apart: true, why: noRoles},
	{name: "deleted-lease-held-by-two", file: "roles/orders/lease.go", is: "\tif r.HolderIdentity != l.Identity() {\n", becomes: "\tif false {\n", scenarios: ofOrders, apart: true, why: noRoles},
	{name: "given-back-counts-anew", file: "roles/orders/lease.go", is: "return max(n, l.highest)\n", becomes: "return n\n", scenarios: ofOrders, apart: true, why: noRoles},
	{name: "sent-is-not-sent", file: "roles/orders/client.go", is: "case err != nil && !sent.Load():", becomes: "case err != nil:", scenarios: ofOrders, apart: true, why: noRoles},

	// Who gets a certificate, and who is heard.
	{name: "signs-for-another-pod", file: "signer/judge.go", is: "case f.pod.UID != r.Spec.PodUID:", becomes: "case false:", scenarios: ofSigner, apart: true, why: noCertificates},
	{name: "signs-for-the-dead", file: "signer/judge.go", is: "\t{reason.DenyEnded, endedPod},\n", becomes: "", scenarios: ofSigner, apart: true, why: noCertificates},
	{name: "signs-for-another-node", file: "signer/judge.go", is: "case f.pod.Spec.NodeName != string(r.Spec.NodeName):", becomes: "case false:", scenarios: ofSigner, apart: true, why: noCertificates},
	{name: "signs-for-another-account", file: "signer/judge.go", is: "\t{reason.DenyAccount, wrongAccount},\n", becomes: "", scenarios: ofSigner, apart: true, why: noCertificates},
	{name: "signs-for-any-owner", file: "signer/judge.go", is: "case f.set.UID != owner.UID:", becomes: "case false:", scenarios: ofSigner, apart: true, why: noCertificates},
	{name: "signs-for-any-group", file: "signer/judge.go", is: "version.Group != v1alpha1.GroupName || ", becomes: "version.Empty() || ", scenarios: ofSigner, apart: true, why: noCertificates},
	{name: "signs-for-any-name", file: "signer/judge.go", is: "\tcase f.pod.Labels[v1alpha1.LabelInstanceSet] != name || ", becomes: "\tcase name == \"\" && ", scenarios: ofSigner, apart: true, why: noCertificates},
	{name: "signs-without-agent", file: "signer/judge.go", is: "\t{reason.DenyWithoutAgent, withoutAgent},\n", becomes: "", scenarios: ofSigner, apart: true, why: noCertificates},
	{name: "signs-any-key", file: "signer/judge.go", is: "case csr.CheckSignature() != nil:", becomes: "case false:", scenarios: ofSigner, apart: true, why: noCertificates},
	{name: "cache-denies", file: "signer/reconcile.go", is: "range []client.Reader{r.cache, r.live}", becomes: "range []client.Reader{r.cache}", scenarios: ofSigner, apart: true, why: noCertificates},
	{name: "signs-before-published", file: "signer/rotation.go", is: "!now.Before(s.published.Add(settle))", becomes: "!now.Before(s.published)", scenarios: ofSigner, apart: true, why: noCertificates},
	{name: "signs-though-taken-from-the-bundle", file: "signer/rotation.go", is: "case s.next != nil && !inBundle(s.next.certificate):", becomes: "case false:", scenarios: ofSigner, apart: true, why: noCertificates},
	{name: "old-authority-forgotten", file: "signer/rotation.go", is: "afterglow = leafLife + time.Hour", becomes: "afterglow = time.Hour", scenarios: ofSigner, apart: true, why: noCertificates},
	{name: "signs-past-its-own-end", file: "signer/rotation.go", is: "!now.Add(leafLife).After(a.certificate.NotAfter)", becomes: "!now.After(a.certificate.NotAfter)", scenarios: ofSigner, apart: true, why: noCertificates},
	{name: "authority-overwritten", file: "signer/keeper.go", is: "\tif err != nil {\n\t\treturn nil, state{}, fmt.Errorf(\"reading the authority of agents from", becomes: "\tif err != nil && len(secret.Data) == 0 {\n\t\treturn nil, state{}, fmt.Errorf(\"reading the authority of agents from", scenarios: ofSigner, apart: true, why: noCertificates},
	{name: "signs-for-authorities-of-its-own", file: "signer/issue.go", is: "BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,", becomes: "BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageDigitalSignature,", scenarios: ofSigner, apart: true, why: noCertificates},
	{name: "session-outlives-its-certificate", file: "agent/mtls/sessions.go", is: "return is && !now.Before(valid.from) && !now.After(valid.to)", becomes: "return is && valid.from != valid.to", scenarios: ofTLS, apart: true, why: noCertificates},
	{name: "session-outlives-its-root", file: "agent/mtls/sessions.go", is: "\tif v.roots != roots && !roots.Equal(v.roots) {\n\t\treturn false\n\t}\n", becomes: "", scenarios: ofTLS, apart: true, why: noCertificates},
	{name: "session-is-not-judged", file: "agent/mtls/mtls.go", is: "leaf, now := state.PeerCertificates[0], time.Now()\n", becomes: "leaf, now := state.PeerCertificates[0], time.Now()\n\tif state.DidResume {\n\t\treturn nil\n\t}\n", scenarios: ofTLS, apart: true, why: noCertificates},
	{name: "session-without-end", file: "agent/mtls/sessions.go", is: "now.Sub(s.since) >= sessionLife || ", becomes: "", scenarios: ofTLS, apart: true, why: noCertificates},
	{name: "session-of-the-old-certificate", file: "agent/mtls/sessions.go", is: " || !own.same(s.own) {", becomes: " {", scenarios: ofTLS, apart: true, why: noCertificates},
	{name: "session-after-a-refusal", file: "agent/report.go", is: "\t\ta.sessions.Forget()\n", becomes: "", scenarios: []string{"./agent ^TestReportsResume"}, apart: true, why: noCertificates},
	{name: "hears-managers", file: "roles/receive/server.go", is: "_, err := agent.IdentityOf(c); return err", becomes: "return nil", scenarios: ofReceive, apart: true, why: noCertificates},
	{name: "one-pod-keeps-others-out", file: "roles/receive/listener.go", is: "if all := b.unknown[c.from]; len(all) > b.perAddress {", becomes: "if all := b.unknown[c.from]; len(all) > 100*b.perAddress {", scenarios: ofReceive, apart: true, why: noCertificates},
	{name: "unproven-pods-count", file: "roles/receive/proven.go", is: "secure := tls.Server(c, p.config)", becomes: "early := p.config.Clone(); of := early.GetConfigForClient; early.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) { to, err := of(h); if err == nil { verify := to.VerifyConnection; to.VerifyConnection = func(s tls.ConnectionState) error { if err := verify(s); err != nil { return err }; id, _ := agent.IdentityOf(s.PeerCertificates[0]); if one, ours := c.(*connection); ours && !one.is(id.String()) { p.busy(id); return net.ErrClosed }; return nil } }; return to, err }; secure := tls.Server(c, early)",
		too: [2]string{"if !ours || one.is(id.String()) {", "if !ours || one.identity != \"\" {"}, scenarios: []string{"./roles/receive ^TestACertificateAloneProvesNothing$"}, apart: true, why: noCertificates},
	{name: "in-sync-unheard", file: "roles/verdicts.go", is: "case c.Status == metav1.ConditionFalse && hushed:", becomes: "case hushed && false:", scenarios: []string{"./roles ^TestNobodyIsInSyncUnheard$"}, why: notPlayed},
	{name: "in-sync-mute", file: "roles/decide/sync.go", is: "case i.Report.Mute() && p.lasts(i.BehindAt):", becomes: "case false:", scenarios: ofRoles, why: notPlayed},
	{name: "two-lead", file: "roles/receive/setup.go", is: "if pod.Name != at.Pod {", becomes: "if pod.Name == \"\" {", scenarios: ofReceive, apart: true, why: noCertificates},
	{name: "every-refusal-is-told", file: "roles/receive/server.go", is: "due := !told || now.Sub(at) >= tellEvery", becomes: "due := !told || now.Sub(at) >= 0", scenarios: ofReceive, apart: true, why: noCertificates},
	{name: "managers-image-at-once", file: "instanceset/decide/create.go", is: "if like := p.agentsLike()[b.Revision]; like != nil {", becomes: "if like := p.agentsLike()[b.Revision]; like != nil && like.Terminating {", scenarios: []string{"./instanceset/decide NewManager"}, apart: true, why: noCertificates},

	// Updates.
	{name: "update-disturbs-masters", file: "instanceset/decide/handover.go", is: "return p.leads(i) && p.switchoverMode()", becomes: "return i == nil && p.switchoverMode()", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-masters-first", file: "instanceset/decide/update.go", is: "case p.leads(i) && p.replicasLeft[p.shardOf(i)]:", becomes: "case false:", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-forgets-the-way-before", file: "instanceset/decide/steps.go", is: "strings.Join(append(passed, p.revision(i)), \" \")", becomes: "strings.Join(append(passed[:0], p.revision(i)), \" \")", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-while-the-registry-is-down", file: "instanceset/decide/broken.go", is: "if way.code != 0 || p.ranAsBefore(i) {", becomes: "if way.code != 0 {", scenarios: []string{"./instanceset/decide TestScenarios/update_registry"}, why: "in the simulation registries have no trouble"},
	{name: "update-waits-for-nobodys-handover", file: "instanceset/decide/handover.go", is: "if i.pod.Role != \"\" || p.mends(i) || p.allDown(i) {", becomes: "if i.pod.Role != \"\" || p.mends(i) {", scenarios: []string{"./instanceset/decide TestScenarios/update_all_start"}, why: "it takes a shard all of whose instances end after a minute, again and again"},
	{name: "update-waits-for-an-image-that-is-back", file: "instanceset/decide/observe_update.go", is: " && had.image != imageOf(pod, c.Name) {", becomes: " {", scenarios: []string{"./instanceset/decide PutBack"}, why: "it takes an undo between two looks of a kubelet"},
	{name: "update-hands-over-to-nobody", file: "instanceset/decide/update.go", is: "case again && p.mustHandOver(i) && !p.shardSpares(i):", becomes: "case false:", scenarios: []string{"./instanceset/decide TestScenarios/update_resize"}, why: "in the simulation no node is too small for a resize"},
	{name: "growth-not-alone-at-first", file: "instanceset/decide/grow.go", is: "|| !g.grown[s.target()] && g.asking[s.nth] > 0 ", becomes: "", scenarios: ofGrowth, why: noGrowth},
	{name: "growth-of-a-whole-shard", file: "instanceset/decide/grow.go", is: " || p.sharded() && g.busy[p.shardOf(s.instance)]", becomes: "", scenarios: ofGrowth, why: noGrowth},
	{name: "growth-after-a-failure", file: "instanceset/decide/grow.go", is: "if len(g.failed) > 0 || ", becomes: "if ", scenarios: ofGrowth, why: noGrowth},
	{name: "growth-of-a-fixed-class", file: "instanceset/decide/grow.go", is: "if len(g.fixed) > 0 {", becomes: "if false {", scenarios: ofGrowth, why: noGrowth},
	{name: "growth-of-masters-first", file: "instanceset/decide/grow.go", is: "case !p.leads(s.instance):", becomes: "case p.leads(s.instance):", scenarios: ofGrowth, why: noGrowth},
	{name: "growth-forgets-who-is-away", file: "instanceset/decide/grow.go", is: "if c.grows() { // also while", becomes: "if c.grows() && i.pod != nil && i.online() { // also while", scenarios: ofGrowth, why: noGrowth},
	{name: "growth-where-nobody-does-it", file: "instanceset/decide/grow.go", is: "return p.state(s.pod.Node) == NodeHealthy && ", becomes: "return ", scenarios: ofGrowth, why: noGrowth},
	{name: "growth-proven-by-another-size", file: "instanceset/decide/grow.go", is: "g.grown[target{t, c.Asked.String()}] = true", becomes: "g.grown[smaller{i, c, t, podspec.Size(p.Set, &p.spec.VolumeClaimTemplates[t], p.templateName(i))}.target()] = true", scenarios: ofGrowth, why: noGrowth},
	{name: "growth-refused-holds-the-update", file: "instanceset/commit.go", is: "if err != nil && c.Kind != decide.GrowClaim {", becomes: "if err != nil {", scenarios: []string{"./instanceset RefusedGrowth"}, why: noGrowth},
	{name: "growth-without-a-way-back", file: "podspec/fields.go", is: " || wanted.Cmp(asked) < 0 && !has.IsZero() && wanted.Cmp(has) > 0", becomes: "", scenarios: ofGrowth, why: noGrowth},
	{name: "update-takes-the-master-that-restarts", file: "instanceset/decide/update.go", is: "case p.mends(i) && !p.leadsThrough(i):", becomes: "case p.mends(i):", scenarios: []string{"./test/scenario TestScenarios/update_bad_image"}, seed: 3000051},
	{name: "update-waits-for-no-sync", file: "instanceset/decide/update.go", is: "return len(p.spec.Roles) == 0 || i.pod.Role != \"\" || !p.shard(i).led", becomes: "return true", scenarios: []string{"./test/scenario TestScenarios/update_"}, apart: true, why: noUpdates},
	{name: "update-of-what-is-down-waits", file: "instanceset/decide/broken.go", is: "if len(names) == 0 || i.pod.Live == nil || ", becomes: "if i != nil || ", scenarios: []string{"./test/scenario TestScenarios/update_broken"}, seed: 3000007},
	{name: "update-repairs-what-runs", file: "instanceset/decide/broken.go", is: "d.Class == podspec.InPlaceImage && slices.Contains(names, d.Container)", becomes: "d.Class == podspec.InPlaceImage", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-repairs-a-master-that-may-come-up", file: "instanceset/decide/broken.go", is: "if pod.Role != v1alpha1.RoleMaster && !pod.Restarts {", becomes: "if !pod.Restarts {", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-repairs-no-master", file: "instanceset/decide/broken.go", is: "if len(names) == 0 || i.pod.Live == nil || ", becomes: "if len(names) == 0 || i.pod.Role == v1alpha1.RoleMaster || ", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-forgets-who-is-to-restart", file: "instanceset/decide/steps.go", is: "append(containers, restarting(i.pod.Live)...)", becomes: "containers", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-takes-who-starts-again", file: "instanceset/decide/broken.go", is: "return i.pod.Idle && !i.pod.Restarts", becomes: "return i.pod.Idle", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-of-a-resize-waits-for-its-replicas", file: "instanceset/decide/update.go", is: "case again: // nobody", becomes: "case again && !p.leads(i): // nobody", scenarios: ofUpdates, seed: 3000170},
	{name: "update-of-a-resize-waits-for-a-place", file: "instanceset/decide/update.go", is: " && i.pod.Target == \"\" && i.pod.Resize == 0\n", becomes: " && i.pod.Target == \"\"\n", scenarios: ofUpdates, seed: 3000175},
	{name: "update-takes-a-waiting-resize-for-down", file: "instanceset/decide/update.go", is: "return p.serves(i) || i.ready() && i.pod.Resize != 0", becomes: "return p.serves(i)", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-during-a-switchover", file: "instanceset/decide/update.go", is: "case p.handingOver(i):", becomes: "case i == nil:", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-all-masters-at-once", file: "instanceset/decide/update.go", is: "if p.toUpdate[i.ordinal] && p.handsOver(i) {", becomes: "if false {", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-asks-again-at-once", file: "instanceset/decide/handover.go", is: "\tcase asked == nil && !p.handingOver(i):\n", becomes: "\tcase asked == nil && !p.handingOver(i) || asked != nil && asked.Ended && !asked.Complete:\n", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-asks-during-a-switchover", file: "instanceset/decide/handover.go", is: "\tcase asked == nil && !p.handingOver(i):\n", becomes: "\tcase asked == nil:\n", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-takes-failure-for-leave", file: "instanceset/decide/handover.go", is: "case asked.Complete && best:", becomes: "case best:", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-before-the-label-follows", file: "instanceset/decide/handover.go", is: "\tcase asked.HandedOver: // the label follows\n\t\tp.waitUpdate(i, reason.MasterWaits)\n", becomes: "\tcase asked.HandedOver:\n\t\treturn true\n", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-stops-behind-a-fence", file: "instanceset/decide/handover.go", is: " || s.Ours && s.HandedOver && !s.Complete", becomes: "", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-strict-is-best-effort", file: "instanceset/decide/handover.go", is: "best := p.switchoverMode() == v1alpha1.UpdateSwitchoverBestEffort", becomes: "best := i != nil", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-two-of-a-shard", file: "instanceset/decide/update.go", is: " && p.shardSpares(i) {\n", becomes: " {\n", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-two-of-a-shard-at-once", file: "instanceset/decide/update.go", is: "\tu.disturbed[p.shardOf(i)] = true\n", becomes: "", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-one-too-many", file: "instanceset/decide/update.go", is: "free := u.down < u.limit", becomes: "free := u.down <= u.limit", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-too-soon", file: "instanceset/decide/update.go", is: " || i.pod.Unsettled || ", becomes: " || ", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-waits-for-what-never-came", file: "instanceset/decide/observe_update.go", is: "c.State.Running != nil && c.ContainerID != \"\" && had.id", becomes: "c.ContainerID != \"\" && had.id", scenarios: ofUpdates, seed: 3000045},
	{name: "update-held-back-all-the-same", file: "instanceset/decide/history.go", is: "return i.ordinal < v.spec.UpdateStrategy.Partition", becomes: "return i.ordinal < 0", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-only-is-a-wish", file: "instanceset/decide/steps.go", is: "if d.Class == podspec.Refused || d.Class == podspec.Recreate && p.inPlaceMode() == v1alpha1.InPlaceOnly {", becomes: "if d.Class == podspec.Refused {", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-labelled-too-soon", file: "instanceset/decide/steps.go", is: "\tif !last {\n", becomes: "\tif false {\n", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-forgets-where-it-went", file: "instanceset/decide/steps.go", is: "range append([]string{w.revision}, strings.Fields(w.passed)...)", becomes: "range []string{w.revision}", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-takes-memory", file: "instanceset/decide/steps.go", is: "return !i.pod.Idle && slices", becomes: "return i.ordinal < 0 && slices", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-to-what-is-not-recorded", file: "instanceset/decide/steps.go", is: "if p.stored[p.revision(i)] == nil {", becomes: "if i == nil {", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-of-the-unknown", file: "instanceset/decide/steps.go", is: "if p.asked(revision) == nil {", becomes: "if i == nil {", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "update-paused-all-the-same", file: "instanceset/decide/update.go", is: "if len(candidates) == 0 || p.spec.Paused || ", becomes: "if len(candidates) == 0 || ", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "new-template-before-its-turn", file: "instanceset/decide/history.go", is: "case v.heldBack(i):\n\t\treturn base", becomes: "case v.heldBack(i):\n\t\treturn want", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "two-templates-one-revision", file: "instanceset/decide/history.go", is: "if r == nil || bytes.Equal(r.Text, text) {", becomes: "if r == nil || r != nil {", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "history-of-pods-pruned", file: "instanceset/decide/history.go", is: "\t\tused[p.Pods[n].Revision] = true\n", becomes: "", scenarios: ofUpdates, apart: true, why: noUpdates},
	{name: "pod-that-changed-overwritten", file: "instanceset/update.go", is: "client.StrategicMergeFrom(c.Before, client.MergeFromWithOptimisticLock{})", becomes: "client.StrategicMergeFrom(c.Before)", scenarios: []string{"./instanceset APod"}, apart: true, why: noUpdates},
	{name: "pod-loses-what-the-cache-has-not", file: "instanceset/update.go", is: "client.StrategicMergeFrom(c.Before, client.MergeFromWithOptimisticLock{})", becomes: "client.MergeFromWithOptions(c.Before, client.MergeFromWithOptimisticLock{})", scenarios: []string{"./instanceset APod"}, apart: true, why: noUpdates},

	// kubectl shoal rollout and diff.
	{name: "undo-over-a-newer-spec", file: "kubectlshoal/rollout_write.go", is: ` {"test", "/metadata/generation", u.Set.Generation},`, becomes: "", scenarios: ofCommands, apart: true, why: noCommands},
	{name: "undo-what-is-not-carried-out", file: "kubectlshoal/rollout_write.go", is: "if u.Change.Hopeless() {", becomes: "if false {", scenarios: ofCommands, apart: true, why: noCommands},
	{name: "undo-half-a-revision", file: "kubectlshoal/answer/undo.go", is: "if !isAskedFor(p, after) {", becomes: "if after == nil {", scenarios: ofCommands, apart: true, why: noCommands},
	{name: "undo-to-what-is-there", file: "kubectlshoal/answer/undo.go", is: "\t\tcase isAskedFor(p, set):\n", becomes: "\t\tcase false:\n", scenarios: ofCommands, apart: true, why: noCommands},
	{name: "diff-of-a-secret", file: "podspec/fields.go", is: "recreate(\"env\"), hidden(\"env[]\"),", becomes: "recreate(\"env\"), recreate(\"env[]\"),", scenarios: ofCommands, apart: true, why: noCommands},
	{name: "done-before-all-serve", file: "kubectlshoal/answer/rollout.go", is: "if phase.Done() && s.Available < s.Instances {", becomes: "if false {", scenarios: ofCommands, apart: true, why: noCommands},
	{name: "foresight-with-masters-first", file: "instanceset/decide/foresee.go", is: " || p.leads(i) && replicas[shard] > 0)", becomes: ")", scenarios: []string{"./instanceset/decide Foresight"}, apart: true, why: noCommands},
	{name: "foresight-forgets-memory", file: "instanceset/decide/foresee.go", is: "if way.code == 0 && p.keepsMemory(i) {", becomes: "if false {", scenarios: ofCommands, apart: true, why: noCommands},
	{name: "revision-without-its-cause", file: "instanceset/update.go", is: "cause != \"\" {\n\t\t\trevision", becomes: "cause == \"\" {\n\t\t\trevision", scenarios: []string{"./instanceset ARevision"}, apart: true, why: noCommands},

	// The guard of instances: an admission policy, judged here by the API server's own code, and on a real one in test/integration.
	{name: "guard-off-for-all", file: "manifests/admission/instance-guard.yaml", is: "'shoal.dev/allow-disruption'].orValue('') != 'true'", becomes: "'shoal.dev/allow-disruption'].orValue('true') != 'true'", scenarios: ofGuard, apart: true, why: noGuard},
	{name: "guard-asks-the-manager", file: "manifests/admission/instance-guard.yaml", is: "request.userInfo.username != 'system:serviceaccount:shoal-system:shoal-manager'", becomes: "request.userInfo.username != 'nobody'", scenarios: ofGuard, apart: true, why: noGuard},
	{name: "guard-stops-kubelets", file: "manifests/admission/instance-guard.yaml", is: "'system:nodes' in request.userInfo", becomes: "'system:masters' in request.userInfo", scenarios: ofGuard, apart: true, why: noGuard},
	{name: "guard-stops-preemption", file: "manifests/admission/instance-guard.yaml", is: "'system:kube-controller-manager',\n      'system:serviceaccount:shoal-system:shoal-scheduler']", becomes: "'system:kube-controller-manager']", scenarios: ofGuard, apart: true, why: noGuard},
	{name: "guard-stops-the-garbage-collector", file: "manifests/admission/instance-guard.yaml", is: " 'system:serviceaccount:kube-system:generic-garbage-collector',", becomes: "", scenarios: ofGuard, apart: true, why: noGuard},
	{name: "guard-trusts-kube-system", file: "manifests/admission/instance-guard.yaml", is: "'system:nodes' in request.userInfo.?groups.orValue([])", becomes: "'system:nodes' in request.userInfo.?groups.orValue([]) || 'system:serviceaccounts:kube-system' in request.userInfo.?groups.orValue([])", scenarios: ofGuard, apart: true, why: noGuard},
	{name: "guard-holds-what-goes", file: "manifests/admission/instance-guard.yaml", is: " || oldObject.metadata.?deletionTimestamp.hasValue() ||", becomes: " ||", scenarios: ofGuard, apart: true, why: noGuard},
	{name: "guard-holds-namespaces", file: "manifests/admission/instance-guard.yaml", is: "namespaceObject.metadata.?deletionTimestamp.hasValue()", becomes: "false", scenarios: ofGuard, why: noGuard},
	{name: "guard-forgets-the-status", file: "manifests/admission/instance-guard.yaml", is: "resources: [pods, \"pods/*\"] # labels", becomes: "resources: [pods] # labels", scenarios: ofGuard, apart: true, why: noGuard},
	{name: "guard-believes-the-request", file: "manifests/admission/instance-guard.yaml", is: "oldObject.metadata.?annotations[?'shoal.dev/allow", becomes: "(request.operation == 'UPDATE' ? object : oldObject).metadata.?annotations[?'shoal.dev/allow", scenarios: ofGuard, apart: true, why: noGuard},
	{name: "guard-lets-labels-be-added", file: "manifests/admission/instance-guard.yaml", is: "variables.after.map(l, l).filter(l, l.startsWith('shoal.dev/') && !(l in variables.slotLabels) && !(l in variables.before))", becomes: "[]", scenarios: ofGuard, apart: true, why: noGuard},
	{name: "budget-of-one", file: "podspec/budget.go", is: "intstr.FromInt32(0)", becomes: "intstr.FromInt32(1)", scenarios: []string{"./podspec Budget"}, apart: true, why: noEvictions},
	{name: "budget-of-everybody", file: "podspec/budget.go", is: "Selector:       &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelInstanceSet: set.Name}},", becomes: "Selector:       &metav1.LabelSelector{},", scenarios: []string{"./podspec Budget"}, apart: true, why: noEvictions},
	{name: "budget-left-as-somebody-wrote-it", file: "instanceset/decide/budget.go", is: " && b.Changed:", becomes: " && b.Changed && !wanted:", scenarios: []string{"./instanceset/decide Scenarios"}, apart: true, why: noEvictions},
	{name: "budget-kept-against-the-template", file: "instanceset/decide/budget.go", is: "case b.Presence == Ours && !wanted:", becomes: "case b.Presence == Foreign && !wanted:", scenarios: []string{"./instanceset/decide Scenarios"}, apart: true, why: noEvictions},
	{name: "budget-not-made", file: "instanceset/decide/budget.go", is: "case b.Presence == Absent && wanted:", becomes: "case b.Presence == Absent && !wanted:", scenarios: []string{"./instanceset/decide Scenarios"}, apart: true, why: noEvictions},
}
