package dispersion

import (
	"cmp"
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

const stateKey fwk.StateKey = "PreFilter" + Name

// state is what Filter and Score need for one pod. The base is shared by all clones and never written after PreFilter;
// the delta holds what preemption and nominated pods add or take away.
type state struct {
	*base
	delta delta
}

// base is the group as it was when the pod's cycle began.
type base struct {
	group    slots.Group
	instance slots.Instance
	shard    string
	pinned   string // node that holds the pod's local volume, "" when it may go anywhere
	holds    bool   // the volume holds the pod's slot there; one that was retired does not
	limits   placement.Limits
	total    int // cap over all groups, 0 for none

	counted  map[slots.Instance]bool // instances of the group with a slot
	slots    []slots.Slot            // sorted by instance and node; of other groups too where there is a cap over all
	held     map[string]int          // node -> slots of the group
	shards   map[string]int          // node -> slots of the pod's shard
	all      map[string]int          // node -> slots of all groups; only with a cap over all groups
	weaker   map[string]bool         // nodes with a pod of the group that has a lower priority
	room     map[string]int          // node -> further instances that it has room for, beside those promised
	promised map[string]int          // node -> absent instances of the group whose volumes are there
	capacity map[string]int          // node -> further instances that it can take within the limits
	guard    placement.Guard
	level    int
}

// taken is an instance on a node.
type taken struct {
	instance slots.Instance
	node     string
}

// counts reports whether PreFilter counted the slot. Only preemption and nominated pods ask, so that no cycle pays for an
// index.
func (b *base) counts(t taken) bool {
	_, found := slices.BinarySearchFunc(b.slots, t, func(s slots.Slot, t taken) int {
		return cmp.Or(cmp.Compare(s.Instance.Namespace, t.instance.Namespace), cmp.Compare(s.Instance.Name, t.instance.Name), cmp.Compare(s.Node, t.node))
	})
	return found
}

// delta is written by AddPod and RemovePod.
type delta struct {
	held, shards, all map[string]int
	changed           map[taken]bool // whether the slot is taken now
}

// Clone copies the delta, so that dry runs of preemption on different nodes do not see each other.
func (s *state) Clone() fwk.StateData {
	return &state{base: s.base, delta: delta{
		held: copied(s.delta.held), shards: copied(s.delta.shards), all: copied(s.delta.all), changed: copied(s.delta.changed),
	}}
}

func copied[K comparable, V any](m map[K]V) map[K]V {
	if len(m) == 0 {
		return nil
	}
	out := make(map[K]V, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

func (s *state) heldOn(node string) int  { return s.held[node] + s.delta.held[node] }
func (s *state) shardOn(node string) int { return s.shards[node] + s.delta.shards[node] }
func (s *state) allOn(node string) int   { return s.all[node] + s.delta.all[node] }

// used is |S|, the number of nodes on which the group holds a slot.
func (s *state) used() int {
	n := len(s.held)
	for node := range s.delta.held {
		before, after := s.held[node] > 0, s.heldOn(node) > 0
		if before && !after {
			n--
		}
		if !before && after {
			n++
		}
	}
	return n
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
	if !grouped || slots.Lost(pod.Labels, nil) || group != s.group && s.total == 0 {
		return nil
	}
	slot := taken{slots.InstanceOfPod(pod), node}
	present, changed := s.delta.changed[slot]
	if !changed {
		present = s.counts(slot)
	}
	if (by > 0) == present {
		return nil // a nominated pod that PreFilter counted already, of whichever group, or one that it never counted
	}
	if by < 0 && p.pinnedBy(pod) {
		return nil // the pod would go, but its local volume keeps the slot
	}
	s.delta.add(s, slot, group == s.group, pod.Labels[v1alpha1.LabelShard], by)
	return nil
}

func (d *delta) add(s *state, slot taken, ours bool, shard string, by int) {
	if d.held == nil {
		d.held, d.shards, d.all, d.changed = map[string]int{}, map[string]int{}, map[string]int{}, map[taken]bool{}
	}
	d.changed[slot] = by > 0
	d.all[slot.node] += by
	if !ours {
		return
	}
	d.held[slot.node] += by
	if shard != "" && shard == s.shard {
		d.shards[slot.node] += by
	}
}

// pinnedBy reports whether a claim of the pod is local to a node.
func (p *Plugin) pinnedBy(pod *corev1.Pod) bool {
	for _, claim := range p.claimsOfPod(pod) {
		if p.nodeOfClaim(claim) != "" && claim.Labels[v1alpha1.LabelLost] == "" && claim.Labels[v1alpha1.LabelRetired] == "" {
			return true
		}
	}
	return false
}
