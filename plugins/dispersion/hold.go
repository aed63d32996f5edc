package dispersion

import (
	"context"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/slots"
)

// holds keep a group that cannot be placed as a whole from being retried hot. When every node is closed to a pod for reasons
// that its siblings share, it stands for them: events retry it alone, and they wait until it has found a node, was refused
// for other reasons, or is gone. Each of them has had its own try and its own event before that.
//
// Only fresh pods are held: never the replacement of an instance that was rebuilt, nor one whose volume knows its node.
type holds struct {
	mu     sync.Mutex
	groups map[slots.Group]*hold
}

// hold is the pod that stands for its group, and those that wait for it.
type hold struct {
	spokesman *corev1.Pod
	room      slots.Room
	waiting   map[string]*corev1.Pod // by namespace and name
}

var _ fwk.PreEnqueuePlugin = &Plugin{}

// PreEnqueue keeps a pod out of the queue while a sibling stands for it. It may be called at any time, from several goroutines.
func (p *Plugin) PreEnqueue(_ context.Context, pod *corev1.Pod) *fwk.Status {
	group, grouped := slots.GroupOf(pod.Namespace, pod.Labels)
	if !grouped {
		return nil
	}
	p.holds.mu.Lock()
	defer p.holds.mu.Unlock()
	h := p.holds.groups[group]
	if h == nil || h.spokesman.UID == pod.UID || !tried(pod) || !p.fresh(pod) || !p.waits(h.spokesman) || !h.room.Covers(pod) ||
		corev1helpers.PodPriority(pod) > corev1helpers.PodPriority(h.spokesman) || neverEvicts(h.spokesman) && !neverEvicts(pod) {
		p.wishes.drop(pod)
		return nil
	}
	key, text := pod.Namespace+"/"+pod.Name, reason.Held.Because("no node can take %s of the same group, and this pod waits behind it", h.spokesman.Name)
	if _, known := h.waiting[key]; !known {
		p.handle.EventRecorder().Eventf(pod, nil, corev1.EventTypeWarning, "FailedScheduling", "Scheduling", "%s", text)
	}
	h.add(key, pod)
	p.wishes.drop(pod)
	return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, text)
}

// wishOf is the wish of a pod; false when it is not known, and anything may help. One that is held has none: events retry the one that it
// waits behind.
func (p *Plugin) wishOf(pod *corev1.Pod) (wish, bool) {
	if w, known := p.wishes.get(pod); known { // it was tried since
		return w, true
	}
	return wish{}, p.holds.holds(pod)
}

// holds reports whether the pod waits behind another one.
func (hs *holds) holds(pod *corev1.Pod) bool {
	group, grouped := slots.GroupOf(pod.Namespace, pod.Labels)
	if !grouped {
		return false
	}
	hs.mu.Lock()
	defer hs.mu.Unlock()
	h := hs.groups[group]
	return h != nil && h.waiting[pod.Namespace+"/"+pod.Name] != nil
}

// neverEvicts reports whether the pod takes no node from others, whatever their priority.
func neverEvicts(pod *corev1.Pod) bool {
	return pod.Spec.PreemptionPolicy != nil && *pod.Spec.PreemptionPolicy == corev1.PreemptNever
}

// tried reports whether the scheduler has said that it has no node for the pod. Nobody writes the status of a pod that is
// held: without a try of its own, people would not read why it waits, and an autoscaler would not see that it does.
func tried(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable
	})
}

// fresh reports whether the pod is one more of its group, and not the return of an instance that ran already.
func (p *Plugin) fresh(pod *corev1.Pod) bool {
	generation := pod.Annotations[v1alpha1.AnnotationRebuildGeneration]
	if generation != "" && generation != "0" || pod.Spec.SchedulingGroup != nil || pod.Status.NominatedNodeName != "" {
		return false
	}
	for _, claim := range p.claimsOfPod(pod) {
		if claim.Spec.VolumeName != "" || slots.NodeOfClaim(claim, nil, nil) != "" {
			return false
		}
	}
	return true
}

// waits reports whether a pod is still there, without a node, in the group for which it stands.
func (p *Plugin) waits(pod *corev1.Pod) bool {
	o, there, err := p.pods.GetByKey(pod.Namespace + "/" + pod.Name)
	now, ok := o.(*corev1.Pod)
	return err == nil && there && ok && stillWaits(pod, now)
}

// stillWaits is false, too, for one that asks for something else than before: it was resized, and may be alone in having no
// room.
func stillWaits(before, now *corev1.Pod) bool {
	return isPending(now, before.UID) && now.DeletionTimestamp == nil && now.Status.Phase == before.Status.Phase &&
		inGroupOf(before, now.Namespace, now.Labels) && slots.RoomFor(before).Covers(now)
}

// stand lets the pod stand for its siblings, after no node took it. They would fare no better: each node is closed to the
// whole group, or has no room for a pod like it.
func (p *Plugin) stand(ctx context.Context, s *state, pod *corev1.Pod) {
	if !s.hopeless(pod) || !p.fresh(pod) {
		p.release(ctx, pod)
		return
	}
	before := p.holds.replace(s.group, &hold{spokesman: pod, room: s.view.room, waiting: map[string]*corev1.Pod{}}, p.waits)
	p.awake(ctx, before)
}

// replace sets the hold of a group, unless the one that is there is still good, and hands back one that was not.
func (hs *holds) replace(g slots.Group, h *hold, good func(*corev1.Pod) bool) *hold {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	before := hs.groups[g]
	if before != nil && good(before.spokesman) {
		return nil
	}
	if hs.groups == nil {
		hs.groups = map[slots.Group]*hold{}
	}
	hs.groups[g] = h
	before.end()
	return before
}

// take ends the hold of a group if it is this pod's.
func (hs *holds) take(g slots.Group, spokesman types.UID) *hold {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	h := hs.groups[g]
	if h == nil || h.spokesman.UID != spokesman {
		return nil
	}
	delete(hs.groups, g)
	h.end()
	return h
}

// leave forgets a pod that waited and has a node, or is gone.
func (hs *holds) leave(pod *corev1.Pod) {
	group, grouped := slots.GroupOf(pod.Namespace, pod.Labels)
	if !grouped {
		return
	}
	hs.mu.Lock()
	defer hs.mu.Unlock()
	key := pod.Namespace + "/" + pod.Name
	if h := hs.groups[group]; h != nil && h.waiting[key] != nil {
		delete(h.waiting, key)
		measured().held.Dec()
	}
}

// add lets a pod wait.
func (h *hold) add(key string, pod *corev1.Pod) {
	if h.waiting[key] == nil {
		measured().held.Inc()
	}
	h.waiting[key] = pod
}

// end takes those that waited out of the count.
func (h *hold) end() {
	if h != nil {
		measured().held.Add(-float64(len(h.waiting)))
	}
}

// awake tries the pods of an ended hold again. The lock must be free: the queue calls PreEnqueue at once.
func (p *Plugin) awake(ctx context.Context, h *hold) {
	if h != nil && len(h.waiting) > 0 {
		p.handle.Activate(loggerOf(ctx), h.waiting)
	}
}

// hopeless reports whether no node can take any fresh pod like this one. What only holds for this pod, such as the nodes of its
// siblings, does not count; nor is anything hopeless for a pod that may evict others.
func (s *state) hopeless(pod *corev1.Pod) bool {
	if s.pinned != "" || s.narrow || !neverEvicts(pod) && s.priority > 0 {
		return false
	}
	if len(s.view.avoided) > 0 || len(s.delta.changed) > 0 {
		return false // nodes that are avoided come back without an event, and a sibling in doubt is not in its own way
	}
	for i := range s.index.marks {
		number := s.index.marks[i].number
		switch s.refusal(number, s.index.nodes[number].name) {
		case &nodeIsFull, &totalIsReached, &tooManyNodes, &roomIsPromised, &roomIsNeeded, &nodeIsTooSmall:
		case nil, &shardIsThere, &plannedForOther, &notPlanned:
			// A node that has no room for a pod like it is no hope either, whatever the plan says of it.
			seat := &s.view.seats[number]
			if seat.fit > 0 || s.mode == v1alpha1.PlacementBestEffort && seat.needed > 0 {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// release wakes those for whom the pod stands.
func (p *Plugin) release(ctx context.Context, pod *corev1.Pod) {
	if group, grouped := slots.GroupOf(pod.Namespace, pod.Labels); grouped {
		p.awake(ctx, p.holds.take(group, pod.UID))
	}
}

// releasing releases whoever waits for a pod that has come to its end, or to a node, without us.
func (p *Plugin) releasing(ctx context.Context) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(o, n any) {
			before, ok1 := o.(*corev1.Pod)
			now, ok2 := n.(*corev1.Pod)
			if ok1 && ok2 && !stillWaits(before, now) {
				p.holds.leave(before)
				p.release(ctx, before)
			}
		},
		DeleteFunc: func(o any) {
			if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = gone.Obj
			}
			if pod, ok := o.(*corev1.Pod); ok {
				p.holds.leave(pod)
				p.release(ctx, pod)
			}
		},
	}
}
