package dispersion

import (
	"context"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// doubts are placements that failed in the scheduler's eyes and may have been stored all the same: the answer of the API
// server was lost on its way, the pod was deleted while it was being bound, or its Node was deleted, which takes assumed pods
// out of the snapshot, before the watch has shown them there. The scheduler forgets such a pod at once, while
// the watch that would show it bound, or its claim promised to the node, is still to come. If its slot were taken for free in
// between, the next pod of the group would exceed a limit. So the slot counts
//
//   - until the pod is seen on a node, or is gone; and
//   - for each of its claims that was not promised yet, until a promise is seen, or a newer version that has none (the
//     promise is written onto the version that was seen, or refused), or the claim is gone. The pod says nothing about it:
//     pods and claims come by different watches.
//
// The instance itself is not held by it.
type doubts struct {
	mu           sync.Mutex
	pods, claims map[types.UID]doubt
	// orphans are those of pods whose Node was deleted. Their placement may go on: they are in doubt until it has ended.
	orphans map[types.UID]doubt
	// reserved are placements under way, by node, with the claims that were not promised when they began. The scheduler drops a
	// pod that is deleted meanwhile before it fails, and tells nobody: the node no longer has it. See missed. One without such
	// claims stays until the index has looked at the node, or it would not miss the pod if the Node is gone by then.
	reserved  map[string][]reservation
	returning map[comeback]returning
}

func (d *doubts) init() {
	d.pods, d.claims, d.orphans, d.reserved = map[types.UID]doubt{}, map[types.UID]doubt{}, map[types.UID]doubt{}, map[string][]reservation{}
	d.returning = map[comeback]returning{}
}

type doubt struct {
	key     string
	version string   // of a claim: the last one that was seen without a promise
	nodes   []string // one for each attempt that failed; few
}

type reservation struct {
	pod    *corev1.Pod
	claims map[types.UID]doubt // nil for none
}

var _ fwk.ReservePlugin = &Plugin{}

// Reserve notes which claims the placement is going to promise. The slot itself is counted by the scheduler's cache, which
// has assumed the pod, which holds its siblings no longer.
func (p *Plugin) Reserve(ctx context.Context, cs fwk.CycleState, pod *corev1.Pod, node string) *fwk.Status {
	p.release(ctx, pod)
	if cs.IsPodGroupSchedulingCycle() { // only tried, never bound
		return nil
	}
	p.index.notes.stirNode(node)
	if s, status := stateOf(cs); status.IsSuccess() {
		p.relyOnSlot(cs, s, pod, node)
		s.index.known(s.group).memo.wide = nil
		if s.lastOfGroup() {
			p.feed(ctx, pod, map[slots.Group]bool{s.group: true})
		}
	}
	r, claims := reservation{pod: pod}, p.claimsOfPod(pod)
	for _, claim := range claims {
		if claim.Spec.VolumeName == "" && claim.Annotations[slots.SelectedNode] == "" {
			if r.claims == nil {
				r.claims = map[types.UID]doubt{}
			}
			r.claims[claim.UID] = doubt{claim.Namespace + "/" + claim.Name, claim.ResourceVersion, []string{node}}
		}
	}
	if len(r.claims) == 0 && !grouped(pod.Labels) {
		return nil
	}
	d := &p.index.doubts
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reserved[node] = append(d.reserved[node], r)
	d.returns(pod, node, claims)
	return nil
}

var _ fwk.PreBindPlugin = &Plugin{}

const sentKey fwk.StateKey = Name + "/sent"

// sent is how far a placement got: a Binding may have been sent.
type sent struct{}

func (sent) Clone() fwk.StateData { return sent{} }

// PreBindPreFlight asks for a call of PreBind where there are claims to be bound first, which can take minutes and fail, and where
// claims have to be looked at. For other pods there is nothing between here and their Binding; and a call would cost each of them a write of its nominated
// node, which those with claims to be bound have anyway.
func (p *Plugin) PreBindPreFlight(_ context.Context, cs fwk.CycleState, pod *corev1.Pod, _ string) (*fwk.PreBindPreFlightResult, *fwk.Status) {
	if _, err := cs.Read(claimsKey); err == nil {
		return nil, nil
	}
	for _, claim := range p.claimsOfPod(pod) {
		if claim.Spec.VolumeName == "" {
			return nil, nil
		}
	}
	cs.Write(sentKey, sent{})
	return nil, fwk.NewStatus(fwk.Skip)
}

// PreBind comes after those of upstream's plugins, when the claims are bound.
func (p *Plugin) PreBind(ctx context.Context, cs fwk.CycleState, pod *corev1.Pod, _ string) *fwk.Status {
	if status := p.slotIsThere(ctx, cs, pod); !status.IsSuccess() {
		return status
	}
	cs.Write(sentKey, sent{})
	return nil
}

// Unreserve remembers where the pod may be, and its claims. A pod of which no Binding was sent is certainly nowhere: otherwise
// one whose volume cannot be made on one node after another would take all nodes that its group may use.
func (p *Plugin) Unreserve(_ context.Context, cs fwk.CycleState, pod *corev1.Pod, node string) {
	if cs.IsPodGroupSchedulingCycle() {
		return
	}
	p.index.notes.stirNode(node)
	d := &p.index.doubts
	d.mu.Lock()
	defer d.mu.Unlock()
	p.index.settleDoubts()
	delete(d.orphans, pod.UID)
	if _, err := cs.Read(sentKey); err == nil {
		d.pods[pod.UID] = doubt{pod.Namespace + "/" + pod.Name, "", append(d.pods[pod.UID].nodes, node)}
	} else if _, sentBefore := d.pods[pod.UID]; !sentBefore {
		maps.DeleteFunc(d.returning, func(c comeback, _ returning) bool { return c.pod == pod.UID })
	}
	d.fail(node, func(r reservation) bool { return r.pod.UID == pod.UID })
}

// fail puts the claims of the failed ones among the placements on a node in doubt.
func (d *doubts) fail(node string, failed func(reservation) bool) {
	d.reserved[node] = slices.DeleteFunc(d.reserved[node], func(r reservation) bool {
		if !failed(r) {
			return false
		}
		for uid, now := range r.claims {
			if before := d.claims[uid]; before.version == now.version {
				now.nodes = append(before.nodes, now.nodes...)
			}
			d.claims[uid] = now
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
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.reserved[node]) == 0 {
		return
	}
	for _, r := range d.reserved[node] {
		x.settleClaims(r.claims)
	}
	d.fail(node, func(r reservation) bool {
		return len(r.claims) == 0 || !slices.ContainsFunc(pods, func(info fwk.PodInfo) bool { return info.GetPod().UID == r.pod.UID })
	})
}

// orphaned doubts pods whose Node left the snapshot, and those that were placed there since the index looked at it: those that
// the watch has shown there count by what it shows, and the others would be nowhere.
func (x *index) orphaned(node string, pods []*corev1.Pod) {
	d := &x.doubts
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.reserved[node] {
		pods = append(pods, r.pod)
	}
	for _, pod := range pods {
		key := pod.Namespace + "/" + pod.Name
		if o, there, err := x.pods.GetByKey(key); err == nil && there && isPending(o, pod.UID) {
			d.orphans[pod.UID] = doubt{key, "", []string{node}}
		}
	}
}

// missedAll doubts everything that is under way: what of it is still there counts as it is there.
func (x *index) missedAll() {
	x.doubts.mu.Lock()
	defer x.doubts.mu.Unlock()
	for node := range x.doubts.reserved { // the order of a claim's nodes does not matter
		x.doubts.fail(node, func(reservation) bool { return true })
	}
}

// settleDoubts drops what is no longer in doubt.
func (x *index) settleDoubts() {
	for _, doubts := range []map[types.UID]doubt{x.doubts.pods, x.doubts.orphans} {
		for uid, doubt := range doubts {
			if o, there, err := x.pods.GetByKey(doubt.key); err == nil && (!there || !isPending(o, uid)) {
				delete(doubts, uid)
			}
		}
	}
	x.settleClaims(x.doubts.claims)
	x.settleReturning()
}

func (x *index) settleClaims(claims map[types.UID]doubt) {
	for uid, doubt := range claims {
		o, _, err := x.claims.GetByKey(doubt.key)
		if claim, ok := o.(*corev1.PersistentVolumeClaim); err == nil && (!ok || claim.UID != uid || x.isSettled(claim, doubt.version)) {
			delete(claims, uid)
		}
	}
}

// isSettled reports whether a claim shows by itself where it is, or that it was not promised.
func (x *index) isSettled(claim *corev1.PersistentVolumeClaim, version string) bool {
	switch {
	case claim.Annotations[slots.SelectedNode] != "":
		return true
	case claim.Spec.VolumeName != "":
		return x.volume(claim.Spec.VolumeName) != nil
	}
	return claim.ResourceVersion != version
}

func isPending(o any, uid types.UID) bool {
	pod, ok := o.(*corev1.Pod)
	return ok && pod.UID == uid && pod.Spec.NodeName == ""
}

// doubtful are the slots that instances other than the one of the judged pod may hold all the same.
func (p *Plugin) doubtful(judged *corev1.Pod) []slots.Slot {
	d := &p.index.doubts
	d.mu.Lock()
	defer d.mu.Unlock()
	p.index.settleDoubts()
	delete(d.orphans, judged.UID) // it is tried again, so what it was tried with before has ended
	var all []slots.Slot
	for _, doubts := range []map[types.UID]doubt{d.pods, d.orphans} {
		for uid, doubt := range doubts {
			o, _, err := p.pods.GetByKey(doubt.key)
			if pod, ok := o.(*corev1.Pod); err == nil && ok && uid != judged.UID {
				for _, node := range doubt.nodes {
					all = p.withSlot(all, pod, node)
				}
			}
		}
	}
	for _, doubt := range d.claims {
		o, _, err := p.claims.GetByKey(doubt.key)
		claim, ok := o.(*corev1.PersistentVolumeClaim)
		if err != nil || !ok {
			continue
		}
		for _, node := range doubt.nodes {
			if slot, held := p.index.ledger.Promised(claim, node); held && slot.Instance != slots.InstanceOfPod(judged) {
				all = append(all, slot)
			}
		}
	}
	return p.returnedSlots(all, judged)
}

// withSlot adds the slot that a pod would hold on a node.
func (p *Plugin) withSlot(all []slots.Slot, pod *corev1.Pod, node string) []slots.Slot {
	if slots.Lost(pod.Labels, p.index.Get(node)) {
		return all
	}
	group, _ := slots.GroupOf(pod.Namespace, pod.Labels)
	return append(all, slots.Slot{Instance: slots.InstanceOfPod(pod), Group: group, Shard: pod.Labels[v1alpha1.LabelShard], Node: node, Pod: pod})
}
