package dispersion

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/slots"
)

// PreFilter counts the slots of the pod's group and computes the guard. A pod that must wait for its policy is refused
// here, so that the reason stands in its event; wake retries it.
func (p *Plugin) PreFilter(_ context.Context, cs fwk.CycleState, pod *corev1.Pod, nodes []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	group, grouped := slots.GroupOf(pod.Namespace, pod.Labels)
	if !grouped {
		return nil, fwk.NewStatus(fwk.Skip)
	}
	rules, wait := p.rulesOf(group, pod)
	if wait != 0 {
		return nil, fwk.NewStatus(fwk.UnschedulableAndUnresolvable, wait.Message())
	}
	s := &base{group: group, instance: slots.InstanceOfPod(pod), shard: pod.Labels[v1alpha1.LabelShard], total: int(p.args.MaxInstancesPerNode)}
	for _, claim := range p.claimsOfPod(pod) {
		if claim.Labels[v1alpha1.LabelLost] != "" {
			return nil, fwk.NewStatus(fwk.UnschedulableAndUnresolvable, reason.VolumeLost.Message())
		}
		if node := p.nodeOfClaim(claim); node != "" {
			s.pinned = node
		}
	}
	v := p.view(group, pod, nodes)
	s.count(v, group, pod)
	s.judge(v, rules, pod, nodes)
	cs.Write(stateKey, &state{base: s})
	return nil, nil
}

// view is the world of the pod's group, and of all groups when there is a cap over all of them.
type view struct {
	world   slots.World
	slots   []slots.Slot
	pending []*corev1.Pod // pods of the group without a node, the pod itself included
}

// view joins the snapshot, which alone knows assumed pods, with the informer cache, which alone knows pods on Nodes that
// were deleted, pods that wait, and claims.
func (p *Plugin) view(group slots.Group, pod *corev1.Pod, nodes []fwk.NodeInfo) view {
	everyGroup := p.args.MaxInstancesPerNode > 0
	v := view{world: slots.World{Volume: p.volume, Nodes: snapshotNodes{p.handle.SnapshotSharedLister().NodeInfos(), nodes}}}
	inSnapshot := map[types.UID]bool{}
	for _, info := range nodes {
		for _, pi := range info.GetPods() {
			placed := pi.GetPod()
			if g, ok := slots.GroupOf(placed.Namespace, placed.Labels); ok && (everyGroup || g == group) {
				v.world.Pods = append(v.world.Pods, placed)
				inSnapshot[placed.UID] = true
			}
		}
	}
	for _, known := range p.known(group, everyGroup) {
		if known.UID != pod.UID {
			v.world.Pods = append(v.world.Pods, p.doubtful(known)...)
		}
		if inSnapshot[known.UID] {
			continue
		}
		v.world.Pods = append(v.world.Pods, known)
		if g, _ := slots.GroupOf(known.Namespace, known.Labels); known.Spec.NodeName == "" && g == group {
			v.pending = append(v.pending, known)
		}
	}
	v.world.Claims = p.claimsInView(group, everyGroup, v.pending)
	priority := corev1helpers.PodPriority(pod)
	v.world.Nominated = func(other *corev1.Pod) bool {
		return other.UID != pod.UID && other.Status.NominatedNodeName != "" && corev1helpers.PodPriority(other) >= priority
	}
	v.slots = slots.Count(v.world)
	return v
}

// count fills the base from the slots of the world. The pod's own slot is among them if its volume holds one: then
// nothing is added by placing the pod there.
func (s *base) count(v view, group slots.Group, pod *corev1.Pod) {
	s.counted, s.held, s.shards = map[slots.Instance]bool{}, map[string]int{}, map[string]int{}
	s.all, s.weaker, s.slots = map[string]int{}, map[string]bool{}, v.slots
	priority := corev1helpers.PodPriority(pod)
	for _, slot := range v.slots {
		s.all[slot.Node]++
		if slot.Group != group {
			continue
		}
		s.counted[slot.Instance] = true
		s.holds = s.holds || slot.Instance == s.instance && slot.Node == s.pinned
		s.held[slot.Node]++
		if s.shard != "" && slot.Shard == s.shard {
			s.shards[slot.Node]++
		}
		if slot.Pod != nil && corev1helpers.PodPriority(slot.Pod) < priority {
			s.weaker[slot.Node] = true
		}
	}
}

// judge computes the guard and what each node can still take.
func (s *base) judge(v view, rules policy, pod *corev1.Pod, nodes []fwk.NodeInfo) {
	replicas, shards := s.totals(v, rules)
	s.limits = rules.limits(replicas)
	s.capacity, s.room = make(map[string]int, len(nodes)), make(map[string]int, len(nodes))
	g := placement.Group{Limits: s.limits, Shards: shards, Remaining: replicas - len(s.counted), Nodes: make([]placement.Node, 0, len(nodes))}

	s.promised = s.promises(v)
	room := slots.RoomFor(pod)
	alive := map[string]bool{}
	for _, info := range nodes {
		name := info.Node().Name
		alive[name] = true
		free := roomOn(room, info) - s.promised[name]
		if s.total > 0 {
			free = min(free, s.total-s.all[name])
		}
		s.room[name] = free
		n := placement.Node{Held: s.held[name], Free: max(free, 0)}
		s.capacity[name] = g.Capacity(n)
		g.Nodes = append(g.Nodes, n)
	}
	for name, held := range s.held { // a deleted Node still counts, and can take nothing; the order does not matter to a sum
		if !alive[name] {
			g.Nodes = append(g.Nodes, placement.Node{Held: held, Unusable: true})
		}
	}
	s.guard = placement.NewGuard(g)
	s.level = level(s.limits, replicas, len(nodes))
}

// totals are R and the number of shards. Policy and pods come by different watches, so R is never less than the
// instances that are known.
func (s *base) totals(v view, rules policy) (replicas, shards int) {
	known, shardNames := map[slots.Instance]bool{s.instance: true}, map[string]bool{s.shard: true}
	for i := range s.counted {
		known[i] = true
	}
	for _, pod := range v.pending {
		known[slots.InstanceOfPod(pod)] = true
	}
	for _, pod := range v.world.Pods {
		shardNames[pod.Labels[v1alpha1.LabelShard]] = true
	}
	delete(shardNames, "")
	replicas = max(rules.replicas, len(known))
	switch {
	case s.shard == "":
		return replicas, 0
	case rules.shards > 0:
		return replicas, max(rules.shards, len(shardNames))
	case len(known) >= replicas: // every instance is known, so every shard is
		return replicas, len(shardNames)
	}
	return replicas, 0
}

// promises counts, per node, the group's slots that only a claim holds: their pods will come back and need the room.
func (s *base) promises(v view) map[string]int {
	out := map[string]int{}
	for _, slot := range v.slots {
		if slot.Pod == nil && slot.Group == s.group {
			out[slot.Node]++
		}
	}
	return out
}

// known are the pods of the informer cache.
func (p *Plugin) known(group slots.Group, everyGroup bool) []*corev1.Pod {
	if !everyGroup {
		return p.podsOf(group)
	}
	var pods []*corev1.Pod
	for _, o := range p.pods.List() {
		if pod, ok := o.(*corev1.Pod); ok {
			pods = append(pods, pod)
		}
	}
	return pods
}

// claimsInView are the claims of the group, and those that its waiting pods mount: a StatefulSet's claims may lack the
// labels.
func (p *Plugin) claimsInView(group slots.Group, everyGroup bool, pending []*corev1.Pod) []*corev1.PersistentVolumeClaim {
	claims := p.claimsOf(group)
	if everyGroup {
		claims = claims[:0:0]
		for _, o := range p.claims.List() {
			if claim, ok := o.(*corev1.PersistentVolumeClaim); ok {
				claims = append(claims, claim)
			}
		}
		return claims
	}
	for _, pod := range pending {
		for _, claim := range p.claimsOfPod(pod) {
			if _, grouped := slots.GroupOf(claim.Namespace, claim.Labels); !grouped {
				claims = append(claims, claim)
			}
		}
	}
	return claims
}

func (p *Plugin) claimsOfPod(pod *corev1.Pod) []*corev1.PersistentVolumeClaim {
	var claims []*corev1.PersistentVolumeClaim
	for _, name := range slots.ClaimNames(pod) {
		o, ok, err := p.claims.GetByKey(pod.Namespace + "/" + name)
		if claim, typed := o.(*corev1.PersistentVolumeClaim); err == nil && ok && typed {
			claims = append(claims, claim)
		}
	}
	return claims
}

func (p *Plugin) volume(name string) *corev1.PersistentVolume {
	v, err := p.volumes.Get(name)
	if err != nil { // a lister fails only with NotFound
		return nil
	}
	return v
}

func (p *Plugin) nodeOfClaim(claim *corev1.PersistentVolumeClaim) string {
	var volume *corev1.PersistentVolume
	if claim.Spec.VolumeName != "" {
		volume = p.volume(claim.Spec.VolumeName)
	}
	return slots.NodeOfClaim(claim, volume, snapshotNodes{lister: p.handle.SnapshotSharedLister().NodeInfos()})
}

// snapshotNodes finds nodes in the scheduler's snapshot.
type snapshotNodes struct {
	lister fwk.NodeInfoLister
	list   []fwk.NodeInfo
}

// Get returns the node of that name, nil when the snapshot has none.
func (s snapshotNodes) Get(name string) *corev1.Node {
	info, err := s.lister.Get(name)
	if err != nil {
		return nil
	}
	return info.Node()
}

// ByHostname is only reached when a node's hostname label differs from its name.
func (s snapshotNodes) ByHostname(value string) string {
	list := s.list
	if list == nil {
		list, _ = s.lister.List() // the snapshot's List never fails
	}
	for _, info := range list {
		if info.Node().Labels[corev1.LabelHostname] == value {
			return info.Node().Name
		}
	}
	return ""
}
