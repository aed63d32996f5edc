package dispersion

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/slots"
)

// Room that another group still needs counts as taken: otherwise two groups that grow at the same time take each other's
// nodes, and each ends on its K nodes without a place for the rest, although there was room for both. What a group needs on a
// node is what its plan has there and has not placed yet, and what its absent instances need where their volumes are. On a node
// that it has not opened, that counts only while pods of it wait. On one that it has, it counts until all of R are placed: pods
// come in waves, and between two of them none waits, but the node is one of the K already. Nobody knows the R of a group without a
// policy: it needs room for pods that wait, and no more. Whoever is planned first is served first.

// demand is what a view has published of its plan: how many instances its group wants on a node in the end.
type demand struct{ number, quota int }

// publish makes the plan of a view, for that many replicas, known to the views of other groups. What is as it was before is no
// change: two groups that have too little room would otherwise plan again because of each other, publish what they did before, and
// wake each other's pods for ever.
func (x *index) publish(v *view, replicas int) {
	before, wasDone := v.published, v.done
	v.replicas, v.done = replicas, x.placed(v.group) >= replicas
	now := v.spare[:0]
	for _, number := range v.plan.opened { // in the order of their numbers
		if v.plan.more(number, v.seats[number]) > 0 {
			now = append(now, demand{number, v.plan.quota[number]})
		}
	}
	v.published, v.spare = now, before
	for len(before) > 0 || len(now) > 0 {
		var was, is demand
		switch {
		case len(now) == 0 || len(before) > 0 && before[0].number < now[0].number:
			was, before = before[0], before[1:]
			x.unlist(v, was.number)
			is.number = was.number
		case len(before) == 0 || now[0].number < before[0].number:
			is, now = now[0], now[1:]
			x.planned[is.number] = append(x.planned[is.number], v)
		default:
			was, is, before, now = before[0], now[0], before[1:], now[1:]
		}
		held := int(v.seats[is.number].held)
		wanted, wants := max(0, was.quota-held), max(0, is.quota-held)
		if wasDone {
			wanted = 0
		}
		if v.done {
			wants = 0
		}
		if wants < wanted {
			x.frees(v.group)
		}
		if wants != wanted {
			x.changes.tell(is.number, v.id)
		}
	}
}

func (x *index) withdraw(v *view) {
	if len(v.published) > 0 {
		x.frees(v.group)
	}
	for _, d := range v.published {
		x.unlist(v, d.number)
		x.changes.tell(d.number, v.id)
	}
	v.published = v.published[:0]
}

// speaksFor has a view alone say what its group needs. Others go by an earlier packing, or by a plan for pods that wait no longer. Only where
// they wanted more is less needed than before.
func (x *index) speaksFor(v *view) {
	for _, other := range x.views[v.group] {
		if other == v || other.plan == nil && len(other.published) == 0 {
			continue
		}
		for _, was := range other.published {
			x.unlist(other, was.number)
			at, there := slices.BinarySearchFunc(v.published, was.number, func(d demand, number int) int { return d.number - number })
			if !there || v.published[at].quota < was.quota {
				x.frees(v.group)
				x.changes.tell(was.number, v.id)
			}
		}
		other.published, other.plan, other.moves = other.published[:0], nil, nil
	}
}

// alone reports whether all pods of the group that wait are like those of the view.
func (x *index) alone(v *view) bool {
	k := x.known(v.group)
	return len(k.places) == 1 && len(k.sizes) == 1 && k.sizes[v.room.Request().String()] > 0
}

func (x *index) unlist(v *view, number int) {
	x.planned[number] = slices.DeleteFunc(x.planned[number], func(w *view) bool { return w == v })
	if len(x.planned[number]) == 0 {
		delete(x.planned, number)
	}
}

// frees notes that the group may need less than before.
func (x *index) frees(g slots.Group) {
	if x.freed == nil {
		x.freed = map[slots.Group]bool{}
	}
	x.freed[g] = true
}

// unplan forgets the plan of a view.
func (x *index) unplan(v *view) {
	if v.plan != nil || len(v.published) > 0 {
		x.withdraw(v)
		v.plan, v.moves = nil, nil
	}
}

// finish is called when slots of a group were taken or given up. Once all instances are placed, nothing more is needed, wherever
// the last of them went: no pod may come any more that would find out that the plan is another one.
func (x *index) finish(g slots.Group) {
	placed := x.placed(g)
	for _, v := range x.views[g] {
		done := placed >= v.replicas
		if v.plan == nil || done == v.done {
			continue
		}
		if v.done = done; done {
			x.frees(g)
		}
		for _, d := range v.published {
			if d.quota > x.heldOn(g, d.number) {
				x.changes.tell(d.number, v.id)
			}
		}
	}
}

// placed is the number of instances of a group that have a slot.
func (x *index) placed(g slots.Group) int {
	if tally := x.ledger.Group(g); tally != nil {
		return len(tally.Instances)
	}
	return 0
}

// heldOn is the number of slots that a group has on a node.
func (x *index) heldOn(g slots.Group, number int) int {
	if tally := x.ledger.Group(g); tally != nil {
		return tally.PerNode[x.nodes[number].name]
	}
	return 0
}

// drop forgets the views of a group.
func (x *index) drop(g slots.Group) {
	for _, v := range x.views[g] {
		x.withdraw(v)
	}
	delete(x.views, g)
	delete(x.mixtures, g)
	x.reroom(g)
}

// reroom is called when it becomes known, or is forgotten, what an instance of the group asks for.
func (x *index) reroom(g slots.Group) {
	if tally := x.ledger.Group(g); tally != nil {
		for node := range tally.Promised { // the order does not matter to what is looked at
			x.changes.add(x.names[node])
		}
	}
}

// replan is called when a policy came, changed or is gone: what was planned may not be wanted any more, and no pod may come that
// would find out. The group's next pod makes the plan anew, and packs anew: what had no place under the old limits may have one.
func (x *index) replan(g slots.Group) {
	delete(x.mixtures, g)
	for _, v := range x.views[g] {
		x.unplan(v)
	}
}

// reconsider is called when a group begins to wait, or ended to: what is planned for it is needed from now on, or no longer.
func (x *index) reconsider(g slots.Group, ended bool) {
	for _, v := range x.views[g] {
		if ended && len(v.published) > 0 {
			x.frees(g)
		}
		for _, d := range v.published {
			x.changes.tell(d.number, v.id)
		}
	}
}

// needs are what other groups want of a node.
type needs struct {
	total   slots.Amount // what they need
	any     bool
	planned slots.Amount // what they have planned: also for pods that nobody has created yet, and that nothing is kept for
}

// neededBy adds up what other groups than the view's want of a node.
func (x *index) neededBy(v *view, number int) needs {
	var all needs
	add := func(r slots.Room, times, planned int) {
		for range times {
			all.total, all.any = all.total.Plus(r.Request()), true
		}
		for range planned {
			all.planned = all.planned.Plus(r.Request())
		}
	}
	var served []slots.Group // a group with several kinds of pods has several plans for the same instances
	for _, w := range x.planned[number] {
		if w.group == v.group || w.plan == nil || w.done || slices.Contains(served, w.group) {
			continue
		}
		k := x.groups[w.group]
		if k == nil {
			continue
		}
		served = append(served, w.group)
		held := x.heldOn(w.group, number)
		planned := w.plan.quota[number] - held
		rest := planned
		switch {
		case w.group.Policy == "": // R is the pods that there are: those that were deleted are not to come again
			rest = min(rest, k.absent)
			planned = rest
		case held == 0:
			rest = min(rest, k.absent)
		}
		add(w.room, rest, planned)
	}
	for g, n := range x.nodes[number].promised {
		if views := x.views[g]; g != v.group && len(views) > 0 {
			add(views[0].room, n, n)
		}
	}
	return all
}

// minus takes what is needed off what is free. Only the extended resources that the room asks for are known.
func minus(free, needed slots.Amount) slots.Amount {
	known := slots.Amount{
		MilliCPU: needed.MilliCPU, Memory: needed.Memory, EphemeralStorage: needed.EphemeralStorage, Pods: needed.Pods,
	}
	if len(free.Extended) > 0 {
		known.Extended = map[corev1.ResourceName]int64{}
		for name := range free.Extended {
			known.Extended[name] = needed.Extended[name]
		}
	}
	return free.Minus(known)
}
