package main

// What instances are made and given up for.
var instanceBugs = []bug{
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
	{name: "volume-not-kept", file: "instanceset/decide/rebuild.go", is: "if p.retain(v) || !p.recorded.has(v.ordinal) {", becomes: "if !p.recorded.has(v.ordinal) {", scenarios: ofDecide, seed: 14},
	{name: "record-not-awaited", file: "instanceset/decide/rebuild.go", is: "if p.retain(v) || !p.recorded.has(v.ordinal) {", becomes: "if p.retain(v) {", scenarios: ofDecide, why: "what is lost is recorded by the plan that labels it, and only a lost write of the status leaves it open"},
	{name: "claim-goes-before-pod", file: "instanceset/decide/scale.go", is: "\t\t\t\tp.deletePod(i, code)\n\t\t\t}\n\t\t\tcontinue\n", becomes: "\t\t\t\tp.deletePod(i, code)\n\t\t\t}\n", scenarios: ofDecide, seed: 6},

	// The record of who held data.
	{name: "record-forgets", file: "instanceset/decide/generation.go", is: "v.bootstrapped = v.recorded.clone()", becomes: "v.bootstrapped = ordinalSet{}", scenarios: ofDecide},
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
}
