package decide

import (
	"cmp"
	"slices"
	"time"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// A rebuild gives up the pod and the local volumes of an instance whose node is proven dead, so that the instance comes
// up elsewhere under its name and gets its data from another one. Its state is what stands on the objects; each step is
// taken when the one before is seen:
//
//	victim         the pod or a volume is on a node with the taint out-of-service
//	   | all gates pass: label claims and pod shoal.dev/lost, for all instances of the set on that node
//	lost           holds no slot any more; the label is never taken back
//	   | all gates pass: volumes to Retain, with the annotation whose they are
//	kept
//	   | all gates pass, and status.bootstrapped has the ordinal: delete the claims, force the pod away
//	gone           ordinary creation, with the next rebuild generation
//
// All instances on a node are labelled before the first is replaced. Otherwise a set that uses all of its maxNodes could
// not place the replacement: the dead node would still count, because of the others there. That holds for two instances
// of one shard too; of those, one is replaced at a time.

// recheck is how often an instance is looked at again that waits for something which raises no event, such as an answer
// to a probe.
const recheck = 15 * time.Second

// soon is for a step that waits for what this plan writes, which raises an event of its own.
const soon = time.Second

// victim is an instance that is on a dead node, or was declared lost.
type victim struct {
	*instance
	node string
}

// rebuild carries every rebuild one step further.
func (p *planner) rebuild() {
	var admitted []victim
	labelling := map[string]bool{} // nodes on which something is labelled in this plan
	taken := map[int32]victim{}    // by shard: the first whose rebuild goes on in this plan
	for _, v := range p.victims() {
		code, detail, ok := p.judge(v)
		if first, busy := taken[p.shardOf(v.instance)]; ok && p.sharded() && busy && first.node != v.node && p.shard(v.instance).homeless() == nil {
			code, detail, ok = reason.ShardBusy, "waits for "+p.name(first.ordinal), false
		}
		if !ok {
			p.wait(v, code, cmp.Or(detail, "node "+v.node))
			continue
		}
		p.rebuilding = append(p.rebuilding, v.ordinal)
		if _, busy := taken[p.shardOf(v.instance)]; !busy {
			taken[p.shardOf(v.instance)] = v
		}
		for _, node := range p.labelLost(v) {
			labelling[node] = true
		}
		admitted = append(admitted, v)
	}
	turns := p.turns(admitted)
	for _, v := range admitted {
		if labelling[v.node] {
			continue
		}
		if next := turns[p.shardOf(v.instance)]; p.sharded() && next != v.instance {
			p.wait(v, reason.ShardBusy, "waits for "+p.name(next.ordinal))
			continue
		}
		p.replace(v)
	}
	p.noteSilent()
}

func (p *planner) wait(v victim, code reason.Code, detail string) {
	p.note(v.instance, code, detail)
	p.again(recheck)
}

// turns are the instances that are replaced next, by shard: the one whose replacement has no place yet or of which something
// is gone already, or else the first. Two that are half given up would be two copies less at the same time.
func (p *planner) turns(admitted []victim) map[int32]*instance {
	next := map[int32]*instance{}
	for _, v := range admitted {
		index := p.shardOf(v.instance)
		if next[index] != nil {
			continue
		}
		next[index] = v.instance
		if at := slices.IndexFunc(p.shard(v.instance).busy, (*instance).givenUp); at >= 0 {
			next[index] = p.shard(v.instance).busy[at]
		}
		if homeless := p.shard(v.instance).homeless(); homeless != nil {
			next[index] = homeless
		}
	}
	return next
}

// victims are the wanted instances that are on dead nodes or lost, node by node: first the nodes of which something was
// given up already. Going by ordinal, two dead nodes could each keep an instance whose shard is busy with one of the
// other; both nodes would go on counting, and with all of maxNodes in use nothing could be placed any more. For the
// same reason offline instances are among them: their volumes keep the node.
func (p *planner) victims() []victim {
	var all []victim
	for n := range p.instances {
		i := &p.instances[n]
		if !i.wanted || p.spec.Rebuild.Mode == v1alpha1.RebuildNever && !i.lost() {
			continue
		}
		node := i.node()
		lost := p.anyClaimLost(i) || i.pod != nil && i.pod.Lost && node != ""
		if lost || node != "" && p.state(node) == NodeOutOfService {
			all = append(all, victim{i, node})
		}
	}
	begun := map[string]bool{}
	for _, v := range all {
		begun[v.node] = begun[v.node] || v.lost()
	}
	slices.SortStableFunc(all, func(a, b victim) int {
		if begun[a.node] != begun[b.node] {
			if begun[a.node] {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.node, b.node)
	})
	return all
}

// doomed reports whether the claim goes with the node: its volume is local there, or on another dead one. A volume in the
// network stays.
func (p *planner) doomed(v victim, c *Claim) bool {
	return c != nil && (c.Lost || c.Node != "" && (c.Node == v.node || p.state(c.Node) == NodeOutOfService))
}

// labelLost labels what is not labelled yet, and returns the nodes on which that is. The value is the UID of the Node: a
// machine that comes back under the same name is another one.
func (p *planner) labelLost(v victim) []string {
	var nodes []string
	fences := p.fences(v)
	for _, c := range v.claims {
		if p.doomed(v, c) && !c.Lost && !c.Terminating {
			change := p.claimChange(LabelClaim, c, reason.NodeOutOfService)
			node := cmp.Or(c.Node, v.node)
			change.Label, change.Value, change.Fenced = v1alpha1.LabelLost, string(uidOf(p.nodes[node])), fences
			change.Words = reason.NodeOutOfService.Because("node %s was declared out of service", node)
			p.add(change)
			nodes = append(nodes, node)
		}
	}
	if v.pod != nil && !v.pod.Lost {
		p.add(Change{
			Kind: LabelPod, Ordinal: v.ordinal, Object: p.name(v.ordinal), UID: v.pod.UID, Reason: reason.NodeOutOfService,
			Words: reason.NodeOutOfService.Because("node %s was declared out of service", v.node),
			Label: v1alpha1.LabelLost, Value: string(uidOf(p.nodes[v.node])), Fenced: fences,
		})
		nodes = append(nodes, v.node)
	}
	return nodes
}

// replace takes the next step for an instance that is labelled as a whole.
func (p *planner) replace(v victim) {
	if p.retain(v) || !p.recorded.has(v.ordinal) { // the status of this plan records it
		p.again(soon)
		return
	}
	fences := p.fences(v)
	for _, c := range v.claims {
		if !p.doomed(v, c) || c.Terminating {
			continue
		}
		change := p.claimChange(DeleteClaim, c, reason.ReplaceClaim)
		change.Fenced = fences
		change.Version = c.Version // it may have been bound since
		if c.Volume != "" {
			change.Words = reason.ReplaceClaim.Because("volume %s is local to node %s", c.Volume, cmp.Or(c.Node, v.node))
		}
		p.add(change)
	}
	if v.pod == nil || v.pod.Node == "" && v.pod.Terminating {
		return
	}
	if v.pod.Node != "" && v.pod.Node != v.node { // it has ended elsewhere, where a kubelet is
		p.deletePod(v.instance, reason.ReplaceTerminal)
		return
	}
	p.deletePod(v.instance, reason.ReplacePod)
	if v.pod.Node != "" {
		last := &p.changes[len(p.changes)-1]
		last.Force, last.Fenced = true, fences // its kubelet will never confirm
		last.Words = reason.ReplacePod.Because("node %s is fenced (out-of-service)", v.node)
	}
}

// retain keeps the data of all volumes that will lose their claim, and reports whether there was anything to do.
func (p *planner) retain(v victim) bool {
	before := len(p.changes)
	instance := p.Set.Namespace + "/" + p.name(v.ordinal)
	for _, c := range v.claims {
		if !p.doomed(v, c) || c.Volume == "" {
			continue
		}
		volume := p.volumes[c.Volume] // there is one: the gate volumesKnown
		if volume.Retain && volume.RetainedFor == instance {
			continue
		}
		p.add(Change{
			Kind: RetainVolume, Ordinal: v.ordinal, Object: volume.Name, UID: volume.UID, Version: volume.Version,
			Reason:      reason.RetainVolume,
			Words:       reason.RetainVolume.Because("keeps the data of %s until somebody deletes it", podspec.Name(p.Set.Name, v.ordinal)),
			RetainedFor: instance, Generation: c.Generation, Fenced: p.fences(v),
		})
	}
	return len(p.changes) > before
}

// noteSilent tells about instances on nodes that do not answer and that nobody has declared dead, and finds those whose
// replacement is not Ready yet.
func (p *planner) noteSilent() {
	for n := range p.instances {
		i := &p.instances[n]
		if !i.online() || i.lost() {
			continue
		}
		node := i.node()
		state := p.state(node)
		switch {
		case node != "" && state == NodeSilent:
			p.note(i, reason.NodeUnreachable, "node "+node)
		case node != "" && state == NodeGone:
			p.note(i, reason.NodeDeleted, "node "+node)
		case p.busy(i):
			p.rebuilding = append(p.rebuilding, i.ordinal)
		}
	}
}
