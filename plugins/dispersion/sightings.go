package dispersion

import (
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/tools/cache"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// notes are the keys of objects that have changed in an informer's cache. The cache has them written down, PreFilter drains
// them and reads the cache, so that nothing else is shared between the two.
type notes struct {
	mu                              sync.Mutex
	pods, claims, volumes, policies map[string]bool
	nodes                           map[string]bool // by name: those whose entry in the snapshot has changed, or is about to
}

func (n *notes) pod(o any)    { n.note(&n.pods, o) }
func (n *notes) claim(o any)  { n.note(&n.claims, o) }
func (n *notes) volume(o any) { n.note(&n.volumes, o) }
func (n *notes) policy(o any) { n.note(&n.policies, o) }

func (n *notes) note(keys *map[string]bool, o any) {
	key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(o)
	if err != nil { // every object of an informer has a name
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if *keys == nil {
		*keys = map[string]bool{}
	}
	(*keys)[key] = true
}

// stir notes the node of a pod of whichever group, or a node.
func (n *notes) stir(o any) {
	if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = gone.Obj
	}
	name := ""
	switch o := o.(type) {
	case *corev1.Pod:
		name = o.Spec.NodeName
	case *corev1.Node:
		name = o.Name
	}
	n.stirNode(name)
}

func (n *notes) stirNode(name string) {
	if name == "" {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.nodes == nil {
		n.nodes = map[string]bool{}
	}
	n.nodes[name] = true
}

// stirred hands over the nodes that were noted since the last time.
func (n *notes) stirred() map[string]bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	names := n.nodes
	n.nodes = nil
	return names
}

// drain hands over what was noted since the last time.
func (n *notes) drain() (pods, claims, volumes map[string]bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	pods, claims, volumes = n.pods, n.claims, n.volumes
	n.pods, n.claims, n.volumes = nil, nil, nil
	return pods, claims, volumes
}

// pending reports whether slots may have changed since notes were drained.
func (n *notes) pending() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.pods)+len(n.claims)+len(n.volumes) > 0
}

// changedPolicies hands over the groups whose policies were noted since the last time.
func (n *notes) changedPolicies() []slots.Group {
	n.mu.Lock()
	defer n.mu.Unlock()
	var groups []slots.Group
	for key := range n.policies {
		if namespace, name, err := cache.SplitMetaNamespaceKey(key); err == nil {
			groups = append(groups, slots.Group{Namespace: namespace, Policy: name})
		}
	}
	n.policies = nil
	return groups
}

// listen has everything noted that may change a count.
func (n *notes) listen(core coreinformers.Interface) error {
	for _, source := range []struct {
		what     string
		informer cache.SharedIndexInformer
		note     func(any)
		wanted   func(any) bool
	}{
		{"slots", core.Pods().Informer(), n.pod, podOfGroup},
		{"slots", core.PersistentVolumeClaims().Informer(), n.claim, anything},
		{"slots", core.PersistentVolumes().Informer(), n.volume, anything},
		{"nodes", core.Pods().Informer(), n.stir, anything},
		{"nodes", core.Nodes().Informer(), n.stir, anything},
	} {
		name := fmt.Sprintf("shoal.dev/%s noted in %p", source.what, n)
		if err := source.informer.AddIndexers(cache.Indexers{name: noting(source.note, source.wanted)}); err != nil {
			return fmt.Errorf("noting what changes in an informer's cache: %w", err)
		}
		if _, err := source.informer.AddEventHandler(forgetting(source.note, source.wanted)); err != nil {
			return fmt.Errorf("noting what is gone from an informer's cache: %w", err)
		}
	}
	return nil
}

// noting is an index that holds nothing: a store asks it for the keys of an object, before and after each change. So a change
// is noted while it is made. Handlers of an informer run beside each other: one of ours might note a pod, or that a claim is
// lost, only after the scheduler's own has queued the pods that this concerns, and their cycle would not know of it.
//
// When a watch was interrupted and everything is listed anew, the whole store is replaced: it asks for what is there now, and not
// for what was. What is gone then, or has left its group, only handlers hear of (forgetting). The hints note it too, because they
// run before the pods are queued that they wake.
func noting(note func(any), wanted func(any) bool) cache.IndexFunc {
	return func(o any) ([]string, error) {
		if wanted(o) {
			note(o)
		}
		return nil, nil
	}
}

// forgetting notes what the index of noting is not asked for when the store is replaced.
func forgetting(note func(any), wanted func(any) bool) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(before, after any) {
			if wanted(before) && !wanted(after) {
				note(before)
			}
		},
		DeleteFunc: note,
	}
}

func podOfGroup(o any) bool {
	pod, ok := o.(*corev1.Pod)
	return ok && grouped(pod.Labels)
}

func anything(any) bool { return true }

// taker is an instance of a group.
type taker struct {
	group    slots.Group
	instance slots.Instance
}

// comes takes in a pod that the snapshot has.
func (x *index) comes(pod *corev1.Pod) {
	s := x.sighting(pod.UID)
	s.snapshot = pod
	x.count(pod.UID, s)
}

// goes takes in a pod that the snapshot has no longer. The informer is asked at once: its event may still be under way,
// and the slot must not be free for a moment.
func (x *index) goes(pod *corev1.Pod) {
	s := x.sightings[pod.UID]
	if s == nil || s.snapshot != pod {
		return // it has come elsewhere, or has changed
	}
	s.snapshot = nil
	x.readPod(pod.Namespace + "/" + pod.Name)
	x.count(pod.UID, s)
}

func (x *index) sighting(uid types.UID) *sighting {
	s := x.sightings[uid]
	if s == nil {
		s = &sighting{}
		x.sightings[uid] = s
	}
	return s
}

// readPod takes in what the informer has of a pod now, and returns it; nil for a pod that is gone or of no group.
func (x *index) readPod(key string) *corev1.Pod {
	o, _, err := x.pods.GetByKey(key)
	pod, ok := o.(*corev1.Pod)
	if err != nil || !ok || !grouped(pod.Labels) {
		pod = nil
	}
	before := x.informed[key]
	if before == pod {
		return pod
	}
	if before != nil && (pod == nil || pod.UID != before.UID) {
		if s := x.sightings[before.UID]; s != nil {
			s.informer = nil
			x.count(before.UID, s)
		}
	}
	if pod == nil {
		delete(x.informed, key)
		return nil
	}
	x.informed[key] = pod
	s := x.sighting(pod.UID)
	s.informer = pod
	x.count(pod.UID, s)
	return pod
}

// readClaim takes in what the informer has of a claim now, and returns it; nil for one that is gone.
func (x *index) readClaim(key string) *corev1.PersistentVolumeClaim {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return nil
	}
	o, _, err := x.claims.GetByKey(key)
	claim, ok := o.(*corev1.PersistentVolumeClaim)
	before := x.ledger.Claim(namespace, name)
	if before != nil && (!ok || claim.UID != before.UID) {
		delete(x.departed, before.UID)
	}
	switch {
	case err != nil || !ok:
		x.ledger.DropClaim(namespace, name)
		return nil
	case before != claim:
		x.ledger.PutClaim(claim)
		x.sees(claim)
	}
	return claim
}

// count tells the ledger how a pod counts.
func (x *index) count(uid types.UID, s *sighting) {
	now := s.snapshot
	if now == nil {
		now = s.informer
	}
	before := s.counted
	if now == before {
		return
	}
	s.counted = now
	// A pod is assumed, and shown bound soon after: that says nothing new. One that waits may ask for something else.
	same := before != nil && now != nil && now.Spec.NodeName != "" && slots.Interchangeable(before, now)
	if !same {
		x.retally(before, now)
	}
	if isPending(before, uid) && !isPending(now, uid) {
		group, _ := slots.GroupOf(before.Namespace, before.Labels)
		x.known(group).memo.narrows(uid)
	}
	if isPlaced(before, uid) && (now == nil || slots.Ended(now)) {
		x.departs(before, before.Spec.NodeName)
	}
	if now == nil {
		delete(x.sightings, uid)
		delete(x.nominated, uid)
		x.ledger.DropPod(before)
		return
	}
	if now.Spec.NodeName == "" && now.Status.NominatedNodeName != "" {
		x.nominated[uid] = now
	} else if len(x.nominated) > 0 {
		delete(x.nominated, uid)
	}
	x.ledger.PutPod(now)
}

// again takes in that a pod of the snapshot has the place that it had, and reports false when it counts in another way. A pod that
// is shown bound, after it was assumed, does not.
func (x *index) again(t *tenant, info fwk.PodInfo, pod *corev1.Pod) bool {
	if t.pod == nil || t.pod.UID != pod.UID || t.priority != corev1helpers.PodPriority(pod) || !slots.Interchangeable(t.pod, pod) {
		return false
	}
	s := x.sightings[pod.UID]
	if s == nil || s.snapshot != t.pod {
		return false
	}
	s.snapshot, t.pod, t.info = pod, pod, info
	return true
}

// retally replaces one version of a pod by another in what is known of a group beside slots. Nil stands for none.
func (x *index) retally(before, now *corev1.Pod) {
	if before != nil && now != nil && tallyAlike(before, now) { // most pods only get a node
		group, _ := slots.GroupOf(now.Namespace, now.Labels)
		instance, waits := slots.InstanceOfPod(now), 0
		if before.Spec.NodeName == "" {
			waits--
		}
		if now.Spec.NodeName == "" {
			waits++
		}
		if waits != 0 {
			x.known(group).waits(instance, waits)
		}
		x.touch(taker{group, instance})
		return
	}
	if before != nil {
		x.tally(before, -1)
	}
	if now != nil {
		x.tally(now, +1)
	}
}

// tallyAlike reports whether two versions of a pod are of one instance, shard and group.
func tallyAlike(a, b *corev1.Pod) bool {
	return slots.InstanceOfPod(a) == slots.InstanceOfPod(b) &&
		a.Labels[v1alpha1.LabelShard] == b.Labels[v1alpha1.LabelShard] &&
		a.Labels[v1alpha1.LabelPlacementPolicy] == b.Labels[v1alpha1.LabelPlacementPolicy] &&
		a.Labels[v1alpha1.LabelCluster] == b.Labels[v1alpha1.LabelCluster]
}

// touch notes whose slots have changed. What concerns one instance comes together.
func (x *index) touch(t taker) {
	if n := len(x.touched); n == 0 || x.touched[n-1] != t {
		x.touched = append(x.touched, t)
	}
}

// tally counts what is known of a pod's group beside slots.
func (x *index) tally(pod *corev1.Pod, by int) {
	group, _ := slots.GroupOf(pod.Namespace, pod.Labels)
	k, instance := x.known(group), slots.InstanceOfPod(pod)
	if shard := pod.Labels[v1alpha1.LabelShard]; shard != "" {
		count(k.shards, shard, by)
	}
	if pod.Spec.NodeName == "" {
		k.waits(instance, by)
	}
	x.touch(taker{group, instance})
}

func count[K comparable](m map[K]int, key K, by int) {
	if m[key] += by; m[key] == 0 {
		delete(m, key)
	}
}

// booked is called by the ledger.
func (x *index) booked(slot slots.Slot, by int) {
	number := x.number(slot.Node)
	n := x.nodes[number]
	n.all += by
	if slot.Pod == nil {
		if n.promised == nil {
			n.promised = map[slots.Group]int{}
		}
		count(n.promised, slot.Group, by)
	}
	x.changes.add(number)
	x.touch(taker{slot.Group, slot.Instance})
	x.follow(slot, number, by)
}
