package decide

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
)

// gate is one condition of a rebuild. It is asked before each step.
type gate struct {
	name string
	pass func(*planner, victim) (code reason.Code, detail string, ok bool)
}

// gates are asked in this order, and the first that does not pass is the reason that is told. What a person has to do
// about comes first; the only one for which somebody outside has to be asked comes last.
func gates() []gate {
	return []gate{
		{"allowed", allowed},
		{"volumesKnown", volumesKnown},
		{"fenced", fenced},
		{"settled", settled},
		{"peerReady", peerReady},
		{"shardFree", shardFree},
		{"automatic", automatic},
		{"replaceable", replaceable},
		{"holderProven", holderProven},
	}
}

func (p *planner) judge(v victim) (reason.Code, string, bool) {
	return p.judgeBy(gates(), v)
}

func (p *planner) judgeBy(gates []gate, v victim) (reason.Code, string, bool) {
	for _, g := range gates {
		if code, detail, ok := g.pass(p, v); !ok {
			return code, detail, false
		}
	}
	return 0, "", true
}

func allowed(p *planner, _ victim) (reason.Code, string, bool) {
	if p.spec.Paused {
		return reason.Paused, "", false
	}
	return reason.RebuildNever, "", p.spec.Rebuild.Mode != v1alpha1.RebuildNever
}

// fenced wants the proof on every node that the instance touches, today: the taint may have been taken back.
func fenced(p *planner, v victim) (reason.Code, string, bool) {
	for _, node := range p.touched(v) {
		switch p.state(node) {
		case NodeOutOfService:
		case NodeGone:
			return reason.NodeDeleted, "node " + node, false
		case NodeHealthy, NodeSilent:
			return reason.FencingWithdrawn, "node " + node + withdrawn(v), false
		}
	}
	return 0, "", true
}

// settleTime is how old a replacement must be before it is given up in turn.
const settleTime = 10 * time.Second

// settled bounds a loop over two processes: a scheduler that has not heard yet that a node is out of service goes on placing
// replacements there, and they would be given up and made again as fast as the API server answers. What is lost is lost, and
// goes on. An age below zero says nothing, since the clocks differ.
func settled(p *planner, v victim) (reason.Code, string, bool) {
	if v.lost() || p.generation(v.instance) == 0 {
		return 0, "", true
	}
	var made time.Time
	if v.pod != nil {
		made = v.pod.Created
	}
	for _, c := range v.claims {
		if p.doomed(v, c) && c.Created.After(made) {
			made = c.Created
		}
	}
	age := p.Now.Sub(made)
	if age < 0 || age >= settleTime {
		return 0, "", true
	}
	p.again(settleTime - age)
	return reason.JustMade, "node " + v.node, false
}

// withdrawn says how far the rebuild was when its proof was taken back: what a person may do is not the same. Before
// anything is removed, the instance may run there with the best copy of the data; afterwards it cannot go on.
func withdrawn(v victim) string {
	if v.givenUp() {
		return "; its replacement has begun"
	}
	return "; nothing is removed yet, and it may run there with its data"
}

// touched are the nodes of the instance and of the volumes that go with it.
func (p *planner) touched(v victim) []string {
	nodes := []string{v.node}
	for _, c := range v.claims {
		if p.doomed(v, c) && c.Node != "" && !slices.Contains(nodes, c.Node) {
			nodes = append(nodes, c.Node)
		}
	}
	return nodes
}

// fences are what the changes of a rebuild carry along, so that commit can look again right before it makes them.
func (p *planner) fences(v victim) []Fence {
	var all []Fence
	for _, node := range p.touched(v) {
		all = append(all, Fence{Node: node, UID: uidOf(p.nodes[node])})
	}
	return all
}

// volumesKnown wants to see each volume that has to be kept. One that the claim names and that cannot be seen may exist
// all the same.
func volumesKnown(p *planner, v victim) (reason.Code, string, bool) {
	for _, c := range v.claims {
		if p.doomed(v, c) && c.Volume != "" && p.volumes[c.Volume] == nil {
			return reason.VolumeUnknown, "volume " + c.Volume, false
		}
	}
	return 0, "", true
}

// shardFree lets one instance of a shard be rebuilt at a time, until it is Ready. Those that are lost on the same node are
// admitted together, and wait for each other only before they are replaced (see turns): while one of them is not given
// up, the dead node counts, and with all of maxNodes in use the replacement of the other could not be placed. For the same
// reason all dead ones of a shard are admitted, wherever they are, once the scheduler has no place for the replacement of
// one. A set without shards has no such rule: the instances of a node go together.
func shardFree(p *planner, v victim) (reason.Code, string, bool) {
	if !p.sharded() {
		return 0, "", true
	}
	s := p.shard(v.instance)
	for _, other := range s.busy {
		together := other.lost() && (other.node() == v.node || s.homeless() != nil)
		if other != v.instance && !together && !other.homeless() {
			return reason.ShardBusy, "waits for " + p.name(other.ordinal), false
		}
	}
	return 0, "", true
}

// peerReady wants another instance that may hold the data. The victim itself is never among the holders: its node is not
// healthy.
func peerReady(p *planner, v victim) (reason.Code, string, bool) {
	return reason.NoReadyPeer, "", len(p.shard(v.instance).holders) > 0
}

func automatic(p *planner, _ victim) (reason.Code, string, bool) {
	return reason.RebuildManual, "", p.spec.Rebuild.Mode == v1alpha1.RebuildAutomatic
}

// replaceable wants that a pod may be created now: what is given up while none may be is missing until somebody makes the
// policy anew. Probes do not know of a hold, so that somebody may be asked in vain.
func replaceable(p *planner, _ victim) (reason.Code, string, bool) {
	if !p.hold {
		return 0, "", true
	}
	return reason.RebuildHeld, p.because(p.heldFor), false
}

// holderProven wants one of them to say that it is a master and has replicated. An empty Redis that was just started is
// a master too, but its offset is 0.
func holderProven(p *planner, v victim) (reason.Code, string, bool) {
	if p.spec.Rebuild.HolderCheck == v1alpha1.HolderCheckNone {
		return 0, "", true
	}
	proven := slices.ContainsFunc(p.shard(v.instance).holders, func(i *instance) bool {
		a, asked := p.answers[string(i.pod.UID)]
		return asked && !a.Unreachable && a.Master && a.Offset > 0
	})
	return reason.HolderUnproven, "", proven
}

// maxProbes bounds what one reconcile may ask. Instances beyond it are asked when those before them are done.
const maxProbes = 256

// Probes are the instances that have to be asked for their role before Decide, because a rebuild waits for nothing else.
// The answers belong into the snapshot.
func Probes(s Snapshot) []Probe {
	fencedNode := func(n Node) bool { return n.State == NodeOutOfService }
	if s.Set.DeletionTimestamp != nil || s.Set.Spec.Rebuild.HolderCheck == v1alpha1.HolderCheckNone ||
		!slices.ContainsFunc(s.Nodes, fencedNode) { // most snapshots by far
		return nil
	}
	p := &planner{view: newView(s)}
	var probes []Probe
	asked := map[int32]bool{}
	before := gates()[:len(gates())-1]
	for _, v := range p.victims() {
		if _, _, ok := p.judgeBy(before, v); !ok || asked[p.shardOf(v.instance)] {
			continue
		}
		asked[p.shardOf(v.instance)] = true
		for _, i := range p.shard(v.instance).holders {
			if len(probes) == maxProbes {
				return probes
			}
			if addr, ok := p.address(i.pod); ok {
				probes = append(probes, Probe{Pod: i.pod.UID, Name: p.name(i.ordinal), Addr: addr})
			}
		}
	}
	return probes
}

func (p *planner) address(pod *Pod) (string, bool) {
	ip, err := netip.ParseAddr(pod.IP)
	if err != nil {
		return "", false
	}
	port := p.spec.Rebuild.Port
	if port == 0 {
		port = 6379
	}
	text := ip.String() + ":" + strconv.Itoa(int(port))
	if ip.Is6() {
		text = "[" + ip.String() + "]:" + strconv.Itoa(int(port))
	}
	return text, true
}
