package dispersion

import (
	"context"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/slots"
)

const stateKey fwk.StateKey = "PreFilter" + Name

// state is what Filter and Score need for one pod. The base is shared by all clones and never written after PreFilter;
// the delta holds what preemption and nominated pods add or take away.
type state struct {
	*base
	delta    delta
	adjusted bool // pods were added or removed since PreFilter
}

// base is the group as it is in the pod's cycle. What it points to is written by PreFilter alone.
type base struct {
	index    *index
	news     int64 // of the index, before it was brought up to date
	view     *view
	tally    *slots.Tally
	group    slots.Group
	instance slots.Instance
	shard    string
	siblings map[string]int // slots of the shard, by node
	priority int32
	pinned   string           // node that holds the pod's local volume, "" when it may go anywhere
	holds    bool             // the volume holds the pod's slot there; one that was retired does not
	promised []slots.Instance // of the group: a claim may hold a slot for them, which is not seen yet
	limits   placement.Limits
	total    int // cap over all groups, 0 for none
	mode     v1alpha1.PlacementMode

	// R, the number of shards, and how many instances have no slot.
	replicas, shards, remaining int

	guard  placement.Guard
	level  int
	plan   *plan    // nil without one
	mix    *mixture // nil where all instances are alike
	row    []int    // nodes for the rest of the shard, where the plan has rows
	fixed  bool     // only those keep the rest of the shards placeable
	cutTo  int      // how many nodes PreFilter names at most
	narrow bool     // PreFilter named only some of the nodes
	named  []place  // those that it named

	refused []reason.Code // why nodes were refused, in the order of the nodes; PostFilter writes it
}

// place is a node of the snapshot and its number.
type place struct {
	info   *framework.NodeInfo
	number int
}

// judged is the number of a node that PreFilter found to break no rule, -1 for any other. Named nodes are few and most are asked for:
// comparing pointers reads nothing of them. Preemption and nominated pods are tried on copies, which are none of those.
func (s *state) judged(info fwk.NodeInfo) int {
	own, ok := info.(*framework.NodeInfo)
	if !ok || s.adjusted {
		return -1
	}
	for i := range s.named {
		if s.named[i].info == own {
			return s.named[i].number
		}
	}
	return -1
}

// taken is an instance on a node.
type taken struct {
	instance slots.Instance
	node     string
}

// counts reports whether the group's slot is taken, without the changes of this cycle.
func (b *base) counts(t taken) bool { return b.index.counts(b.group, t) }

func (x *index) counts(group slots.Group, t taken) bool {
	tally := x.ledger.Group(group)
	return tally != nil && slices.ContainsFunc(tally.Instances[t.instance], func(s slots.Slot) bool { return s.Node == t.node })
}

// counts reports whether a slot of any group is taken.
func (s *state) counts(group slots.Group, t taken) bool {
	if present, changed := s.delta.changed[change{group, t}]; changed {
		return present
	}
	return s.index.counts(group, t)
}

// delta is written by AddPod and RemovePod.
type delta struct {
	held, shards, all map[string]int
	changed           map[change]bool // whether the slot is taken now
}

// change is a slot that was taken or given up in this cycle. The same instance and node may stand for slots of two groups: a
// claim says by its labels whose it is, and the pod of that name may be in another group.
type change struct {
	group slots.Group
	taken
}

// Clone copies the delta, so that dry runs of preemption on different nodes do not see each other.
func (s *state) Clone() fwk.StateData {
	return &state{base: s.base, adjusted: s.adjusted, delta: delta{
		held: maps.Clone(s.delta.held), shards: maps.Clone(s.delta.shards), all: maps.Clone(s.delta.all), changed: maps.Clone(s.delta.changed),
	}}
}

func (s *state) heldOn(node string) int {
	held := s.delta.held[node]
	if number, there := s.index.names[node]; there && number < len(s.view.seats) {
		held += int(s.view.seats[number].held)
	}
	return held
}

// used is |S|, the number of nodes on which the group holds a slot.
func (s *state) used() int {
	n := s.view.used
	for node, by := range s.delta.held {
		after := s.heldOn(node)
		if before := after - by; before > 0 && after == 0 {
			n--
		} else if before == 0 && after > 0 {
			n++
		}
	}
	return n
}

// latest is the state of the last cycle. Filter and Score ask for it once for each node, and looking it up in the CycleState costs
// more than they do.
type latest struct {
	cs fwk.CycleState
	s  *state
}

// stateOf is the state of a cycle. One that is tried on a copy of the CycleState has its own.
func (p *Plugin) stateOf(cs fwk.CycleState) (*state, *fwk.Status) {
	if l := p.latest.Load(); l != nil && l.cs == cs {
		return l.s, nil
	}
	return stateOf(cs)
}

func stateOf(cs fwk.CycleState) (*state, *fwk.Status) {
	data, err := cs.Read(stateKey)
	if err != nil {
		return nil, fwk.AsStatus(err)
	}
	return data.(*state), nil
}

// PreFilterExtensions keep the state exact during preemption and for nominated pods.
func (p *Plugin) PreFilterExtensions() fwk.PreFilterExtensions { return p }

// AddPod counts a pod on a node. The node may be a remote one: nothing is read from nodeInfo but its name.
func (p *Plugin) AddPod(_ context.Context, cs fwk.CycleState, _ *corev1.Pod, added fwk.PodInfo, nodeInfo fwk.NodeInfo) *fwk.Status {
	return p.adjust(cs, added.GetPod(), nodeInfo.Node().Name, +1)
}

// RemovePod takes a pod off a node.
func (p *Plugin) RemovePod(_ context.Context, cs fwk.CycleState, _ *corev1.Pod, removed fwk.PodInfo, nodeInfo fwk.NodeInfo) *fwk.Status {
	return p.adjust(cs, removed.GetPod(), nodeInfo.Node().Name, -1)
}

func (p *Plugin) adjust(cs fwk.CycleState, pod *corev1.Pod, node string, by int) *fwk.Status {
	s, status := stateOf(cs)
	if !status.IsSuccess() {
		return status
	}
	group, grouped := slots.GroupOf(pod.Namespace, pod.Labels)
	if !grouped || slots.Lost(pod.Labels, p.index.Get(node)) || group != s.group && s.total == 0 {
		return nil
	}
	slot := taken{slots.InstanceOfPod(pod), node}
	if (by > 0) == s.counts(group, slot) {
		return nil // a nominated pod that PreFilter counted already, of whichever group, or one that it never counted
	}
	if by < 0 && p.index.ledger.Keeps(group, slot.instance, node) {
		return nil // the pod would go, but a local volume keeps the slot
	}
	s.adjusted = true
	s.delta.add(s, change{group, slot}, pod.Labels[v1alpha1.LabelShard], by)
	return nil
}

func (d *delta) add(s *state, slot change, shard string, by int) {
	if d.held == nil {
		d.held, d.shards, d.all, d.changed = map[string]int{}, map[string]int{}, map[string]int{}, map[change]bool{}
	}
	d.changed[slot] = by > 0
	d.all[slot.node] += by
	if slot.group != s.group {
		return
	}
	d.held[slot.node] += by
	if shard != "" && shard == s.shard {
		d.shards[slot.node] += by
	}
}
