package dispersion

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/shoal-dev/shoal/slots"
)

// A pod costs as much as what has changed, but finding out what has changed costs a look at the generation of every node: on 5,000
// of them a third of all that is done for a pod, since each lies in another place of the memory. So most cycles only glance: they
// ask the nodes that may have changed since they were looked at. Those are
//
//   - the nodes of pods that came, changed or went, and nodes that did, noted while the informer's cache takes them in. The
//     snapshot shows it later than that, so they are asked for some cycles;
//   - the nodes on which a placement began or failed, which Reserve and Unreserve note.
//
// What is missed like that frees something, or is told by an informer: an instance that came is counted as soon as it is noted.
// Except for one: a profile without this plugin may place pods of a group, too, of which nothing is heard before they are bound.
// So a cycle takes no node that has changed since it was looked at, leaves no pod without a place after a glance alone
// (PreFilter), and all nodes are looked at now and then. Cycles count and not seconds, so that the same events give the same
// placements.

const (
	// glances is how many cycles may glance between two that look at all nodes. A look at 5,000 nodes takes 110 to 230 us of the running
	// scheduler, since the caches hold none of them any more: the 64th part of that is 2 to 4 us for each pod.
	glances = 63
	// askFor is for how many cycles at least a node is asked that was noted, and sweepAfter how often those are dropped that were asked
	// for longer.
	askFor     = 30
	sweepAfter = 8
)

// stir is what may have changed.
type stir struct {
	first  *fwk.NodeInfo // of the list that was scanned: one with other nodes is a new list
	nodes  int
	cycles int // since then
	noted  []asked
}

// asked is a node that is asked, with all that is needed to see that it is as it was: what else is known of it lies elsewhere in the
// memory, and every pod asks some dozens.
type asked struct {
	info       *framework.NodeInfo // nil for a node that is not in the snapshot
	generation int64               // in which it was seen to be taken in
	number     int
}

// scanned begins a new round.
func (s *stir) scanned(list []fwk.NodeInfo) {
	s.first, s.nodes, s.cycles = nil, len(list), 0
	if len(list) > 0 {
		s.first = &list[0]
	}
}

// note takes in which nodes were noted. A node that is not known yet comes with another list.
func (x *index) note() {
	for name := range x.notes.stirred() {
		number, there := x.names[name]
		if !there {
			continue
		}
		if n := x.nodes[number]; n.noted == 0 {
			x.stir.noted = append(x.stir.noted, asked{n.info, -1, number})
		}
		x.nodes[number].noted = x.cycle
	}
}

// glance looks at the nodes that may have changed. It reports false when all have to be looked at.
func (x *index) glance(list []fwk.NodeInfo) bool {
	s := &x.stir
	if s.cycles >= glances || len(list) == 0 || len(list) != s.nodes || &list[0] != s.first {
		return false
	}
	s.cycles++
	for i := range s.noted {
		a := &s.noted[i]
		if a.info == nil || a.info.Generation == a.generation {
			continue
		}
		at := x.nodes[a.number].at
		if !x.current(a.number) {
			x.look(at)
		}
		a.generation = x.seen[at].generation
	}
	if s.cycles%sweepAfter == 0 {
		s.noted = slices.DeleteFunc(s.noted, func(a asked) bool {
			n := x.nodes[a.number]
			if x.cycle < n.noted+askFor {
				return false
			}
			n.noted = 0
			return true
		})
	}
	return true
}

// askAnew is called when nodes came or went.
func (s *stir) askAnew(nodes []*node) {
	for i, a := range s.noted {
		s.noted[i] = asked{nodes[a.number].info, -1, a.number}
	}
}

// current reports whether a node is as it was looked at.
func (x *index) current(number int) bool {
	n := x.nodes[number]
	return n.info == nil || n.info.Generation == x.seen[n.at].generation
}

// mayGlance reports whether nothing asks for a look at all nodes. A group whose pods are judged on every node gets one for each
// of them: the judgement costs more than that. A pod that is nominated to a node is judged on it, named or not.
func (p *Plugin) mayGlance(group slots.Group, pod *corev1.Pod, nodes int) bool {
	k := p.index.groups[group]
	return k != nil && k.memo.cut && pod.Spec.SchedulingGroup == nil && pod.Status.NominatedNodeName == "" && !k.memo.isWide(pod) &&
		!p.index.auditDue(nodes)
}
