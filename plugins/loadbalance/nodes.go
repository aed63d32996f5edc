package loadbalance

import (
	"sync/atomic"
	"time"

	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/load"
)

// account is what is added up over the pods of a node. It holds for one state of the node in the scheduler's snapshot and
// one measurement, and is made anew from the pods when either changes: nothing is carried over, so that it is the same
// after a restart, and a pod that gets no place after all leaves nothing behind.
type account struct {
	generation int64
	measured   *load.Snapshot
	reading    load.Reading
	at         [load.Dimensions]int64 // when it was measured, in nanoseconds since 1970
	// unseen is what pods are expected to use that are not, or not wholly, in the reading: they began after what it covers.
	unseen [load.Dimensions]int64
	// annotated is the bandwidth of pods that have it in annotations only.
	annotated [load.Dimensions]int64
}

// accounts are those of all nodes. Scheduling cycles come one after the other, and within one cycle a node is filtered and
// scored by one goroutine: an account has one user at a time, and needs no lock. The map changes between the two only.
type accounts struct {
	byNode map[string]*account
	missed atomic.Bool
}

// admit makes room for nodes that are not there yet. It belongs to the points that come before Filter and Score.
func (a *accounts) admit(nodes []fwk.NodeInfo) {
	if len(nodes) == 0 || !a.missed.Swap(false) {
		return
	}
	if len(a.byNode) > 2*len(nodes)+100 { // nodes that are gone must not stay for ever
		a.byNode = make(map[string]*account, len(nodes))
	}
	for _, node := range nodes {
		if name := node.Node().Name; a.byNode[name] == nil {
			a.byNode[name] = &account{generation: -1}
		}
	}
}

// of is the account of a node as it is now. A node that is met for the first time is added up without being remembered.
func (a *accounts) of(node fwk.NodeInfo, measured *load.Snapshot) *account {
	known := a.byNode[node.Node().Name]
	if known == nil {
		a.missed.Store(true)
		known = &account{generation: -1}
	}
	if known.generation != node.GetGeneration() || known.measured != measured {
		known.fill(node, measured)
	}
	return known
}

func (a *account) fill(node fwk.NodeInfo, measured *load.Snapshot) {
	*a = account{generation: node.GetGeneration(), measured: measured}
	a.reading, _ = measured.Of(node.Node().Name)
	for i, v := range a.reading {
		a.at[i] = v.At.UnixNano()
	}
	for _, info := range node.GetPods() {
		pod := info.GetPod()
		unseen := missing(&a.reading, runsSince(pod))
		if unseen == [load.Dimensions]bool{} && !shaped(pod) {
			continue
		}
		d := newDemand(info)
		for i := range d.annotated {
			a.annotated[i] += d.annotated[i]
			if unseen[i] {
				a.unseen[i] += d.expected[i]
			}
		}
	}
}

// missing says in which dimensions a pod that runs since then is not, or not wholly, in the reading.
func missing(r *load.Reading, since time.Time) (in [load.Dimensions]bool) {
	for i := range r {
		in[i] = r[i].Known() && (since.IsZero() || since.After(r[i].Covers))
	}
	return in
}

// use is what will be in use of a dimension with the pod, and of how much; ok is false if the node has no such dimension.
// What is measured counts if it is not older than cutoff.
func (a *account) use(node fwk.NodeInfo, d load.Dimension, adds *demand, cutoff int64) (used, capacity int64, ok bool) {
	capacity, ok = capacityOf(node, d)
	if !ok {
		return 0, 0, false
	}
	if a.fresh(d, cutoff) {
		return a.reading[d].Amount + a.unseen[d] + adds.expected[d], capacity, true
	}
	return requestedOn(node, d) + a.annotated[d] + adds.requested[d], capacity, true
}

func (a *account) fresh(d load.Dimension, cutoff int64) bool {
	return a.reading[d].Known() && a.at[d] >= cutoff
}

// capacityOf is what is allocatable. Every node has CPU and memory, if only none; bandwidth only if it advertises any.
func capacityOf(node fwk.NodeInfo, d load.Dimension) (int64, bool) {
	switch has := node.GetAllocatable(); d {
	case load.CPU:
		return has.GetMilliCPU(), true
	case load.Memory:
		return has.GetMemory(), true
	default:
		amount := has.GetScalarResources()[network[d].resource]
		return times(amount, mbps), amount > 0
	}
}

func requestedOn(node fwk.NodeInfo, d load.Dimension) int64 {
	switch d {
	case load.CPU:
		return node.GetNonZeroRequested().GetMilliCPU()
	case load.Memory:
		return node.GetNonZeroRequested().GetMemory()
	default:
		return times(node.GetRequested().GetScalarResources()[network[d].resource], mbps)
	}
}
