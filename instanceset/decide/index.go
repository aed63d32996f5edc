package decide

import "slices"

// Index knows who of a set is at rest, from one plan to the next one. It has no objects, and nothing that follows from one but what it counts: who is
// not at rest is looked at anew for each plan. Where something has happened to an object of an instance, or to a node or a volume that it uses, Touch has to be
// told before; what belongs to the set as a whole takes a new index. The manager does not use it yet, and decides from full snapshots.
//
//	Touch(who something happened to), Active() -> a snapshot of those, with Rest() -> Missing() -> Decide -> Settle
type Index struct {
	rest    Rest
	counted map[int32]counts
	known   ordinalSet // of which there was an object
}

// counts are what an instance at rest has added to the numbers.
type counts struct {
	template int
	nodes    map[string]int32
	sizes    []target
}

// NewIndex knows of nobody that is at rest.
func NewIndex() *Index {
	return &Index{rest: Rest{slots: map[string]int32{}, nodes: map[int32]int32{}, sizes: map[target]int32{}}, counted: map[int32]counts{}}
}

// Rest are those that are at rest, nil for nobody. It changes with the index.
func (x *Index) Rest() *Rest {
	if x.rest.who.empty() {
		return nil
	}
	return &x.rest
}

// Touch ends the rest of instances, and of their shards.
func (x *Index) Touch(size *int32, ordinals ...int32) {
	for _, o := range ordinals {
		x.known.add(o)
		if size == nil {
			x.rouse(o)
			continue
		}
		roused := false
		for member := o / *size * *size; member < (o / *size + 1)**size; member++ {
			roused = x.rouse(member) || roused
		}
		if roused {
			x.rest.shards--
		}
	}
}

func (x *Index) rouse(o int32) bool {
	if !x.rest.who.has(o) {
		return false
	}
	had := x.counted[o]
	delete(x.counted, o)
	x.rest.who.remove(o)
	x.rest.templates[had.template+1].remove(o)
	for node, n := range had.nodes {
		x.rest.occupy(node, -n)
	}
	for _, t := range had.sizes {
		if x.rest.sizes[t]--; x.rest.sizes[t] == 0 {
			delete(x.rest.sizes, t)
		}
	}
	return true
}

// occupy adds slots on a node.
func (r *Rest) occupy(node string, n int32) {
	add := func(has, by int32) {
		if has == 0 {
			return
		}
		if r.nodes[has] += by; r.nodes[has] == 0 {
			delete(r.nodes, has)
		}
	}
	add(r.slots[node], -1)
	if r.slots[node] += n; r.slots[node] == 0 {
		delete(r.slots, node)
	}
	add(r.slots[node], 1)
}

// Settle takes those into the rest who are at rest in a snapshot, which has all who were not, but for an example of each template: the first.
func (x *Index) Settle(s Snapshot) {
	if thick(&s) {
		return
	}
	p := &planner{view: newView(s)}
	if missing := len(p.revisions) - len(x.rest.templates); missing > 0 {
		x.rest.templates = append(x.rest.templates, make([]ordinalSet, missing)...)
	}
	shown := make([]bool, len(p.revisions))
	for n := range p.shards {
		members := p.shards[n].members
		if p.sharded() {
			x.settle(p, members, shown)
			continue
		}
		for m := range members {
			x.settle(p, members[m:m+1], shown)
		}
	}
}

// settle takes instances into the rest if all of them may be and none is an example.
func (x *Index) settle(p *planner, members []*instance, shown []bool) {
	for _, i := range members {
		x.known.add(i.ordinal)
	}
	if slices.ContainsFunc(members, func(i *instance) bool { return !p.atRest(i) }) {
		return
	}
	example := false
	for _, i := range members {
		example = example || !shown[i.template+1]
		shown[i.template+1] = true
	}
	if example {
		return
	}
	if p.sharded() {
		x.rest.shards++
	}
	for _, i := range members {
		had := counts{template: i.template, nodes: map[string]int32{}}
		i.addSlots(had.nodes)
		for node, n := range had.nodes {
			x.rest.occupy(node, n)
		}
		for t, c := range i.claims {
			if !c.Has.IsZero() {
				had.sizes = append(had.sizes, target{t, c.Asked.String()})
				x.rest.sizes[target{t, c.Asked.String()}]++
			}
		}
		x.counted[i.ordinal] = had
		x.rest.who.add(i.ordinal)
		x.rest.templates[i.template+1].add(i.ordinal)
	}
}

// Missing are those at rest without whom a snapshot has no example of its template: they have to be touched, and looked at.
func (x *Index) Missing(s Snapshot) (ordinals []int32) {
	if x.Rest() == nil {
		return nil
	}
	p := &planner{view: newView(s)}
	first := make([]int32, len(x.rest.templates))
	for n := range first {
		first[n] = maxOrdinal + 1
	}
	for n := range p.instances {
		if i := &p.instances[n]; p.atRest(i) {
			first[i.template+1] = min(first[i.template+1], i.ordinal)
		}
	}
	for t, who := range x.rest.templates {
		if lowest := who.next(0, false); lowest >= 0 && lowest < first[t] {
			ordinals = append(ordinals, lowest)
		}
	}
	return ordinals
}

// Active are the ordinals of which a snapshot has to have the objects.
func (x *Index) Active(s *Snapshot) []int32 {
	all := wantedSet(&s.Set.Spec)
	all.join(x.known)
	return slices.Collect(all.without(x.rest.who).all())
}

// Thin is the snapshot without the instances that are at rest. Where something is rare that concerns all of them (see thick) it is the snapshot itself.
func Thin(s Snapshot) Snapshot {
	x := NewIndex()
	x.Settle(s)
	return x.without(s)
}

// without leaves those at rest out of a full snapshot.
func (x *Index) without(s Snapshot) Snapshot {
	if s.Rest = x.Rest(); s.Rest == nil {
		return s
	}
	nodes, volumes := map[string]bool{}, map[string]bool{}
	s.Pods = slices.DeleteFunc(slices.Clone(s.Pods), func(pod Pod) bool {
		stays := !s.Rest.has(pod.Ordinal)
		nodes[pod.Node] = nodes[pod.Node] || stays
		return !stays
	})
	s.Claims = slices.DeleteFunc(slices.Clone(s.Claims), func(c Claim) bool {
		stays := !s.Rest.has(c.Ordinal)
		nodes[c.Node], volumes[c.Volume] = nodes[c.Node] || stays, volumes[c.Volume] || stays
		return !stays
	})
	s.Nodes = slices.DeleteFunc(slices.Clone(s.Nodes), func(n Node) bool { return !nodes[n.Name] })
	s.Volumes = slices.DeleteFunc(slices.Clone(s.Volumes), func(v Volume) bool { return v.RetainedFor == "" && !volumes[v.Name] })
	return s
}

// thick reports whether nobody is left out: the set is being deleted, or a configuration was refused, which is noted of an instance that may be at rest; a
// node is out of service, so that instances all over are asked whether they hold data; or all of the set is one shard with roles.
func thick(s *Snapshot) bool {
	return s.Set.DeletionTimestamp != nil || s.Set.Status.RefusedConfiguration != nil || s.Set.Spec.ShardSize == nil && len(s.Set.Spec.Roles) > 0 ||
		slices.ContainsFunc(s.Nodes, func(n Node) bool { return n.State == NodeOutOfService })
}
