package main

// What is not looked at again, because it says what it said before or because nothing is to be done about it.
var scaleBugs = []bug{
	{name: "observer-takes-a-newer-pod-for-the-last-one", file: "instanceset/decide/observer.go", is: "b.pods[next].Live == pod {", becomes: "b.pods[next].UID == pod.UID {", scenarios: ofObserver, why: noneYet},
	{name: "observer-takes-a-newer-claim-for-the-last-one", file: "instanceset/decide/observer.go", is: "b.claims[next].live == claim {", becomes: "b.claims[next].live.UID == claim.UID {", scenarios: ofObserver, why: noneYet},
	{name: "observer-keeps-what-a-former-set-meant", file: "instanceset/decide/observer.go", is: "if b.set != set.UID || b.generation != set.Generation {", becomes: "if b.set == \"\" {", scenarios: ofObserver, why: noneYet},
	{name: "stores-mix-namespaces", file: "instanceset/store.go", is: "all[n] = object.GetNamespace() + \"/\" + all[n]", becomes: "all[n] = \"/\" + all[n]", too: [2]string{"ByIndex(keysOfStores, namespace+\"/\"+key)", "ByIndex(keysOfStores, \"/\"+key)"}, scenarios: []string{"./instanceset StoresTell"}, apart: true, why: "the simulation has one namespace"},
	{name: "plan-writes-into-its-snapshot", file: "instanceset/decide/configuration.go", is: "awaits.Unapplied = true\n\t\t\t\ti.pod = &awaits\n", becomes: "awaits.Unapplied = true\n\t\t\t\t*i.pod = awaits\n", scenarios: []string{"./instanceset/decide LeavesItsSnapshot"}, apart: true, why: "in the simulation nobody sees a snapshot after its plan"},
	{name: "rest-of-who-is-not-available-yet", file: "instanceset/decide/rest.go", is: "!p.current(i) || !p.available(i) {", becomes: "!p.current(i) || !i.ready() || p.state(pod.Node) != NodeHealthy {", scenarios: ofUpdates, apart: true, why: noThin},
	{name: "rest-of-a-former-template", file: "instanceset/decide/rest.go", is: "!p.current(i) || !p.available(i) {", becomes: "!p.available(i) {", scenarios: ofUpdates, apart: true, why: noThin},
	{name: "rest-of-a-claim-that-is-behind", file: "instanceset/decide/rest.go", is: " || c.Template != i.pod.Template ||", becomes: " ||", scenarios: ofUpdates, apart: true, why: noThin},
	{name: "rest-of-half-a-shard", file: "instanceset/decide/index.go", is: "\t\tif p.sharded() {\n\t\t\tx.settle(p, members, shown)", becomes: "\t\tif false {\n\t\t\tx.settle(p, members, shown)", scenarios: ofUpdates, apart: true, why: noThin},
	{name: "rest-without-an-example", file: "instanceset/decide/index.go", is: "\tif example {\n", becomes: "\tif false {\n", scenarios: ofUpdates, apart: true, why: noThin},
	{name: "rest-without-slots", file: "instanceset/decide/index.go", is: "\t\ti.addSlots(had.nodes)\n", becomes: "", scenarios: ofUpdates, apart: true, why: noThin},
}
