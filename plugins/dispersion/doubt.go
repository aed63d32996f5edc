package dispersion

import (
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// doubts are slots that may be held although nothing that is seen says so. If such a slot were taken for free, the next pod of its
// group would exceed a limit. They come from placements that failed in the scheduler's eyes and may have been stored all the same:
// the answer of the API server was lost on its way, the pod was deleted while it was being bound, or its Node was deleted, which
// takes assumed pods out of the snapshot before the watch has shown them there. The scheduler forgets such a pod at once, while
// the watch that would show it bound, or its claim promised to the node, is still to come. The kinds say how long each counts.
//
// All of them are settled in one place, after the index has taken in what has changed, and by what it has taken in: what settles a
// doubt counts by itself from the same moment on. An informer may show more than that, of which the ledger will know in the next
// cycle: for this cycle the slot would be nowhere. So nobody else settles, and other goroutines only tell what failed.
//
// The instance itself is not held by it.
type doubts struct {
	mu     sync.Mutex
	failed []failure // not taken in yet; all the rest is the scheduling goroutine's own

	open map[doubtID]doubt
	// reserved are placements under way, by node. The scheduler drops a pod that is deleted meanwhile before it fails, and tells
	// nobody: the node no longer has it. See missed. One that promises no claims stays until the index has looked at the node.
	reserved map[string][]reservation
	// askAfter is when the API server may be asked again.
	askAfter time.Time
}

// kind is why a slot is in doubt.
type kind int

const (
	// unanswered is a pod whose Binding was sent and failed. It counts until the pod is seen on a node, or is gone.
	unanswered kind = iota
	// orphaned is a pod whose Node was deleted. Its placement may go on: it counts until that has ended, too.
	orphaned
	// promising is a claim that may have been promised to the node. It counts until a promise is seen, or a newer version that has
	// none (the promise is written onto the version that was seen, or refused), or the claim is gone. The pod says nothing about
	// it: pods and claims come by different watches.
	promising
	// returning is a retired claim whose pod was on a node, or may have been: see departs.
	returning
)

// doubtID tells doubts apart. A claim that comes back counts for each pod by itself: the next pod of the claim does not make
// forgotten what was learnt of the one before.
type doubtID struct {
	kind       kind
	object     types.UID // of the pod or claim
	cameBackBy types.UID // the pod, of a returning claim
}

type doubt struct {
	namespace, name string
	pod             *corev1.Pod // if it is about a pod
	nodes           []string    // one for each attempt that failed; few
	// version is, of a promising claim, the last one that was seen without a promise; of a returning one, that of which the API
	// server says that it holds the slot, and empty before it was asked.
	version string
	slot    slots.Slot // of a returning claim
	listed  bool       // a returning claim was asked about together with others
}

func doubtOf(pod *corev1.Pod, nodes ...string) doubt {
	return doubt{namespace: pod.Namespace, name: pod.Name, pod: pod, nodes: nodes}
}

// failure is a placement that failed.
type failure struct {
	pod  *corev1.Pod
	node string
	sent bool // a Binding was
}

type reservation struct {
	pod    *corev1.Pod
	claims map[types.UID]doubt // that were not promised when it began; nil for none
}

func (d *doubts) init() {
	d.open, d.reserved = map[doubtID]doubt{}, map[string][]reservation{}
}

// begins notes a placement.
func (d *doubts) begins(pod *corev1.Pod, node string, claims []*corev1.PersistentVolumeClaim) {
	r := reservation{pod: pod}
	for _, claim := range claims {
		if claim.Spec.VolumeName == "" && claim.Annotations[slots.SelectedNode] == "" {
			if r.claims == nil {
				r.claims = map[types.UID]doubt{}
			}
			r.claims[claim.UID] = doubt{namespace: claim.Namespace, name: claim.Name, version: claim.ResourceVersion, nodes: []string{node}}
		}
	}
	if len(r.claims) > 0 || grouped(pod.Labels) {
		d.reserved[node] = append(d.reserved[node], r)
	}
}

// fails is called from any goroutine.
func (d *doubts) fails(f failure) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failed = append(d.failed, f)
}

// takeFailures doubts what failed since the last time. A pod of which no Binding was sent is certainly nowhere: otherwise
// one whose volume cannot be made on one node after another would take all nodes that its group may use.
func (d *doubts) takeFailures() {
	d.mu.Lock()
	failed := d.failed
	d.failed = nil
	d.mu.Unlock()
	for _, f := range failed {
		delete(d.open, doubtID{kind: orphaned, object: f.pod.UID})
		if f.sent && grouped(f.pod.Labels) {
			id := doubtID{kind: unanswered, object: f.pod.UID}
			d.open[id] = doubtOf(f.pod, append(d.open[id].nodes, f.node)...)
		}
		d.fail(f.node, func(r reservation) bool { return r.pod.UID == f.pod.UID })
	}
}

// fail puts the claims of the failed ones among the placements on a node in doubt.
func (d *doubts) fail(node string, failed func(reservation) bool) {
	d.reserved[node] = slices.DeleteFunc(d.reserved[node], func(r reservation) bool {
		if !failed(r) {
			return false
		}
		for uid, now := range r.claims {
			id := doubtID{kind: promising, object: uid}
			if before := d.open[id]; before.version == now.version {
				now.nodes = append(before.nodes, now.nodes...)
			}
			d.open[id] = now
		}
		return true
	})
	if len(d.reserved[node]) == 0 {
		delete(d.reserved, node)
	}
}

// missed looks for placements that are under way on a node which no longer has their pods, and forgets those whose claims
// speak for themselves by now.
func (x *index) missed(node string, pods []fwk.PodInfo) {
	d := &x.doubts
	if len(d.reserved[node]) == 0 {
		return
	}
	gone := func(r reservation) bool {
		for _, info := range slices.Backward(pods) { // who came last stands last, and each pod lies in another place of the memory
			if info.GetPod().UID == r.pod.UID {
				return false
			}
		}
		return true
	}
	for _, r := range d.reserved[node] {
		for uid, promise := range r.claims {
			if x.isSettled(x.readClaim(promise.namespace+"/"+promise.name), uid, promise.version) {
				delete(r.claims, uid)
			}
		}
		if gone(r) && !isOf(x.readPod(r.pod.Namespace+"/"+r.pod.Name), r.pod.UID) {
			x.departs(r.pod, node)
		}
	}
	d.fail(node, func(r reservation) bool { return len(r.claims) == 0 || gone(r) })
}

// orphaned doubts pods whose Node left the snapshot, and those that were placed there since the index looked at it: those that
// the watch has shown there count by what it shows, and the others would be nowhere.
func (x *index) orphaned(node string, pods []*corev1.Pod) {
	d := &x.doubts
	for _, r := range d.reserved[node] {
		pods = append(pods, r.pod)
	}
	for _, pod := range pods {
		if isPending(x.readPod(pod.Namespace+"/"+pod.Name), pod.UID) {
			d.open[doubtID{kind: orphaned, object: pod.UID}] = doubtOf(pod, node)
		}
	}
}

// missedAll doubts everything that is under way: what of it is still there counts as it is there.
func (x *index) missedAll() {
	for node := range x.doubts.reserved { // the order of a claim's nodes does not matter
		x.doubts.fail(node, func(reservation) bool { return true })
	}
}

// settleDoubts drops what is no longer in doubt. It reads what the index has taken in, and nothing newer.
func (x *index) settleDoubts() {
	for id, d := range x.doubts.open { // each is settled by itself
		settled := false
		switch id.kind {
		case unanswered, orphaned:
			pod := x.informed[d.namespace+"/"+d.name]
			if settled = !isPending(pod, id.object); settled && !isPlaced(pod, id.object) {
				x.departs(d.pod, d.nodes[len(d.nodes)-1]) // it may have been placed and gone since the last cycle
			}
		case promising:
			settled = x.isSettled(x.ledger.Claim(d.namespace, d.name), id.object, d.version)
		case returning:
			settled = hasReturned(x.ledger.Claim(d.namespace, d.name), id.object, d.version)
		}
		if settled {
			delete(x.doubts.open, id)
		}
	}
}

// isSettled reports whether a claim (nil for none) shows by itself where it is, or that it was not promised.
func (x *index) isSettled(claim *corev1.PersistentVolumeClaim, uid types.UID, version string) bool {
	switch {
	case claim == nil, claim.UID != uid, claim.Annotations[slots.SelectedNode] != "":
		return true
	case claim.Spec.VolumeName != "":
		if x.volume(claim.Spec.VolumeName) == nil {
			return false
		}
		x.ledger.TouchVolume(claim.Spec.VolumeName) // it may have come since the index took in what had changed
		return true
	}
	return claim.ResourceVersion != version
}

func isOf(pod *corev1.Pod, uid types.UID) bool { return pod != nil && pod.UID == uid }

func isPending(pod *corev1.Pod, uid types.UID) bool { return isOf(pod, uid) && pod.Spec.NodeName == "" }

// isPlaced reports whether the pod of that UID is on a node, and may still run there.
func isPlaced(pod *corev1.Pod, uid types.UID) bool {
	return isOf(pod, uid) && pod.Spec.NodeName != "" && !slots.Ended(pod)
}

// doubtful are the slots that instances other than the one of the judged pod may hold all the same.
func (p *Plugin) doubtful(judged *corev1.Pod) []slots.Slot {
	x := p.index
	delete(x.doubts.open, doubtID{kind: orphaned, object: judged.UID}) // it is tried again, so what it was tried with before has ended
	if len(x.doubts.open) == 0 {
		return nil
	}
	var all []slots.Slot
	instance := slots.InstanceOfPod(judged)
	for id, d := range x.doubts.open {
		switch id.kind {
		case unanswered, orphaned:
			for _, node := range d.nodes {
				if id.object != judged.UID {
					all = p.withSlot(all, x.informed[d.namespace+"/"+d.name], node)
				}
			}
		case promising:
			claim := x.ledger.Claim(d.namespace, d.name)
			for _, node := range d.nodes {
				if slot, held := x.ledger.Promised(claim, node); held && slot.Instance != instance {
					all = append(all, slot)
				}
			}
		case returning:
			if d.slot.Instance != instance {
				all = append(all, d.slot)
			}
		}
	}
	return all
}

// withSlot adds the slot that a pod would hold on a node.
func (p *Plugin) withSlot(all []slots.Slot, pod *corev1.Pod, node string) []slots.Slot {
	if slots.Lost(pod.Labels, p.index.Get(node)) {
		return all
	}
	return append(all, slotOn(pod, node))
}

func slotOn(pod *corev1.Pod, node string) slots.Slot {
	group, _ := slots.GroupOf(pod.Namespace, pod.Labels)
	return slots.Slot{Instance: slots.InstanceOfPod(pod), Group: group, Shard: pod.Labels[v1alpha1.LabelShard], Node: node, Pod: pod}
}
