package decide

import (
	"cmp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/slots"
)

// Objects are what the API server has. They are only read.
type Objects struct {
	Set     *v1alpha1.InstanceSet
	Service *corev1.Service               // with the name of the set, nil if there is none
	Budget  *policyv1.PodDisruptionBudget // the same
	// Policy is the one named by spec.placementPolicyRef or, without that, like the set; nil if there is none.
	Policy  *v1alpha1.PlacementPolicy
	Pods    []*corev1.Pod
	Claims  []*corev1.PersistentVolumeClaim
	Volumes []*corev1.PersistentVolume
	Nodes   slots.Nodes
	// Revisions carry the set's label; whose they are is checked.
	Revisions []*appsv1.ControllerRevision
	// Switchovers are those of the set's shards.
	Switchovers []*v1alpha1.Switchover
	// Classes are the StorageClasses of claims that ask for less than their template does.
	Classes []*storagev1.StorageClass
	// Agent is what agents are made of today.
	Agent podspec.Agent
	// Reports are what agents said last, by pod. One that was not heard has none.
	Reports map[types.UID]Reported
	// Room is there while instances are on nodes that are cordoned.
	Room *Room
}

// Observe makes the next snapshot.
func (b *Observer) Observe(now time.Time, o Objects) Snapshot {
	b.begin(o.Set)
	s := Snapshot{Now: now, Set: o.Set, Agent: o.Agent, Service: presenceOf(o.Set, o.Service), Budget: observeBudget(o.Set, o.Budget), Policy: observePolicy(o.Set, o.Policy)}
	s.Pods = b.readPods(o.Set, o.Pods)
	nodes, pods := map[string]bool{}, make(map[int32]*corev1.Pod, len(s.Pods))
	for n := range s.Pods {
		p := &s.Pods[n]
		p.Reported = o.Reports[p.UID]
		nodes[p.Node], pods[p.Ordinal] = true, p.Live
	}
	s.observeAgents(now, o.Nodes, pods)
	volumes := make(map[string]*corev1.PersistentVolume, len(o.Volumes))
	for _, v := range o.Volumes {
		volumes[v.Name] = v
		s.Volumes = append(s.Volumes, observeVolume(v))
	}
	claims := b.readClaims(o.Set, o.Claims)
	s.Claims = make([]Claim, len(claims))
	for n := range claims {
		c, live := &s.Claims[n], claims[n].live
		*c = claims[n].claim
		c.Node = slots.NodeOfClaim(live, volumes[c.Volume], o.Nodes)
		c.Stays = slots.Stays(live, volumes[c.Volume], o.Nodes) || !mounts(pods[c.Ordinal], live.Name)
		nodes[c.Node] = true
	}
	for name := range nodes {
		if n := o.Nodes.Get(name); name != "" && n != nil {
			s.Nodes = append(s.Nodes, Node{Name: name, UID: n.UID, State: stateOf(n), Cordoned: n.Spec.Unschedulable})
		}
	}
	s.observeRoom(o, pods, volumes)
	s.Revisions = observeRevisions(o.Set, o.Revisions)
	s.Switchovers = observeSwitchovers(o.Set, o.Switchovers)
	for _, class := range o.Classes {
		if allowed := class.AllowVolumeExpansion; allowed != nil && *allowed {
			s.Expandable = append(s.Expandable, class.Name)
		}
	}
	s.sort()
	return s
}

// mounts reports whether the pod, nil for none, mounts the claim.
func mounts(pod *corev1.Pod, claim string) bool {
	return pod != nil && slots.Mounts(pod, claim)
}

// sort makes two snapshots of the same world equal. Lists that are out of order are replaced and not changed: others may have them too.
func (s *Snapshot) sort() {
	s.Pods = sorted(s.Pods, func(a, b *Pod) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	s.Claims = sorted(s.Claims, func(a, b *Claim) int {
		return cmp.Or(cmp.Compare(a.Ordinal, b.Ordinal), cmp.Compare(a.Volumes, b.Volumes))
	})
	s.Volumes = sorted(s.Volumes, func(a, b *Volume) int { return cmp.Compare(a.Name, b.Name) })
	s.Expandable = sorted(s.Expandable, func(a, b *string) int { return cmp.Compare(*a, *b) })
	s.Nodes = sorted(s.Nodes, func(a, b *Node) int { return cmp.Compare(a.Name, b.Name) })
	s.Places = sorted(s.Places, func(a, b *Place) int { return cmp.Compare(a.Node, b.Node) })
	s.Switchovers = sorted(s.Switchovers, func(a, b *Switchover) int { return cmp.Compare(a.Name, b.Name) })
	s.Revisions = sorted(s.Revisions, func(a, b *Revision) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Object, b.Object))
	})
}

// sorted is a list in order: itself where it is, which of 10,000 instances that nobody has added to it mostly is. Entries are compared where they
// are: to copy some hundred bytes for each comparison took longer than the rest of a plan.
func sorted[E any](all []E, compare func(a, b *E) int) []E {
	for n := 1; n < len(all); n++ {
		if compare(&all[n-1], &all[n]) > 0 {
			all = slices.Clone(all)
			sort.Slice(all, func(i, j int) bool { return compare(&all[i], &all[j]) < 0 })
			break
		}
	}
	return all
}

func presenceOf(set *v1alpha1.InstanceSet, service *corev1.Service) Presence {
	switch {
	case service == nil:
		return Absent
	case metav1.IsControlledBy(service, set):
		return Ours
	}
	return Foreign
}

func observeBudget(set *v1alpha1.InstanceSet, b *policyv1.PodDisruptionBudget) Budget {
	if b == nil {
		return Budget{}
	}
	seen := Budget{Presence: Foreign, UID: b.UID, Version: b.ResourceVersion}
	if metav1.IsControlledBy(b, set) {
		seen.Presence = Ours
		want, has := podspec.Budget(set).Spec, b.Spec
		if has.UnhealthyPodEvictionPolicy != nil && *has.UnhealthyPodEvictionPolicy == policyv1.IfHealthyBudget { // the default, which somebody may say
			has.UnhealthyPodEvictionPolicy = nil
		}
		seen.Changed = !equality.Semantic.DeepEqual(has, want)
	}
	return seen
}

func observePolicy(set *v1alpha1.InstanceSet, p *v1alpha1.PlacementPolicy) Policy {
	if p == nil {
		return Policy{}
	}
	out := Policy{
		Presence: Foreign, UID: p.UID, Version: p.ResourceVersion, Spec: &p.Spec,
		Counted: p.Status.ObservedGeneration == p.Generation, Targets: p.Status.Targets,
	}
	if metav1.IsControlledBy(p, set) {
		out.Presence = Ours
	}
	return out
}

func observePod(set *v1alpha1.InstanceSet, pod *corev1.Pod) (Pod, bool) {
	ordinal, ok := ordinalIn(pod.Name, set.Name)
	if !ok {
		return Pod{}, false
	}
	out := Pod{
		Ordinal:     ordinal,
		Foreign:     !metav1.IsControlledBy(pod, set),
		UID:         pod.UID,
		Node:        pod.Spec.NodeName,
		IP:          pod.Status.PodIP,
		Phase:       pod.Status.Phase,
		Terminating: pod.DeletionTimestamp != nil,
		Lost:        pod.Labels[v1alpha1.LabelLost] != "",
		Template:    pod.Labels[v1alpha1.LabelTemplate],
		Revision:    pod.Labels[v1alpha1.LabelRevision],
		Generation:  number(pod.Annotations[v1alpha1.AnnotationRebuildGeneration]),
		Failures:    int(number(pod.Annotations[v1alpha1.AnnotationTerminalFailures])),
		Created:     pod.CreationTimestamp.Time,
		MayLeave:    leaveOf(pod.Labels),
	}
	for _, c := range pod.Status.Conditions {
		switch {
		case c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse:
			out.Unscheduled = c.Message
		case c.Type == corev1.PodScheduled && c.Status == corev1.ConditionTrue:
			out.Bound = c.LastTransitionTime.Time
		}
	}
	out.Ready, out.ReadySince = podspec.EngineReady(pod)
	if out.ended() {
		out.Ended = endOf(pod)
	}
	observeUpdate(pod, &out)
	return out, true
}

// observeAgents adds what agents have to do with it. A pod that is not ready because of its agent alone is ready here, but not on a
// node that is silent: the node lifecycle controller says so in the condition that the agent has made false before.
func (s *Snapshot) observeAgents(now time.Time, nodes slots.Nodes, pods map[int32]*corev1.Pod) {
	for n := range s.Pods {
		p := &s.Pods[n]
		pod := pods[p.Ordinal]
		if p.Agent = podspec.AgentImage(pod) != ""; !p.Agent {
			continue
		}
		p.AgentProven, p.AgentDown = podspec.AgentProven(pod, now), podspec.AgentDown(pod)
		if !p.AgentDown {
			continue
		}
		if node := nodes.Get(p.Node); node == nil || stateOf(node) != NodeHealthy {
			p.Ready, p.ReadySince, p.AgentDown = false, time.Time{}, false
		}
	}
}

// endOf is the latest time that the pod's status knows. A pod that the kubelet refused (OutOfcpu) never ran a container,
// so that its creation has to do.
func endOf(pod *corev1.Pod) time.Time {
	end := pod.CreationTimestamp.Time
	later := func(t metav1.Time) {
		if t.After(end) {
			end = t.Time
		}
	}
	if pod.Status.StartTime != nil {
		later(*pod.Status.StartTime)
	}
	for _, c := range pod.Status.Conditions {
		later(c.LastTransitionTime)
	}
	for _, c := range pod.Status.ContainerStatuses {
		if c.State.Terminated != nil {
			later(c.State.Terminated.FinishedAt)
		}
	}
	return end
}

func observeClaim(set *v1alpha1.InstanceSet, claim *corev1.PersistentVolumeClaim) (Claim, bool) {
	for i := range set.Spec.VolumeClaimTemplates {
		template := set.Spec.VolumeClaimTemplates[i].Metadata.Name
		instance, ok := strings.CutPrefix(claim.Name, template+"-")
		if !ok {
			continue
		}
		ordinal, ok := ordinalIn(instance, set.Name)
		if !ok {
			continue
		}
		labels := claim.Labels
		ours := labels[v1alpha1.LabelInstanceSet] == set.Name && labels[v1alpha1.LabelOrdinal] == strconv.Itoa(int(ordinal))
		out := Claim{
			Ordinal:     ordinal,
			Volumes:     template,
			Foreign:     !ours,
			UID:         claim.UID,
			Version:     claim.ResourceVersion,
			Terminating: claim.DeletionTimestamp != nil,
			Retired:     labels[v1alpha1.LabelRetired] != "",
			Returning:   labels[v1alpha1.LabelRetired] == v1alpha1.ReturningValue,
			Lost:        labels[v1alpha1.LabelLost] != "",
			Volume:      claim.Spec.VolumeName,
			Template:    labels[v1alpha1.LabelTemplate],
			Generation:  number(claim.Annotations[v1alpha1.AnnotationRebuildGeneration]),
			Created:     claim.CreationTimestamp.Time,
			Asked:       claim.Spec.Resources.Requests[corev1.ResourceStorage],
			Has:         claim.Status.Capacity[corev1.ResourceStorage],
		}
		if claim.Spec.StorageClassName != nil {
			out.Class = *claim.Spec.StorageClassName
		}
		out.Growth, out.GrowthFailed = observeGrowth(claim)
		return out, true
	}
	return Claim{}, false
}

// observeGrowth reads how far a growth is. What the resizer and the kubelet say of it stays until they have done it, or are asked for
// something else.
func observeGrowth(claim *corev1.PersistentVolumeClaim) (words string, failed bool) {
	for _, c := range claim.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case corev1.PersistentVolumeClaimControllerResizeError, corev1.PersistentVolumeClaimNodeResizeError:
			failed, words = true, cmp.Or(c.Message, string(c.Type))
		case corev1.PersistentVolumeClaimFileSystemResizePending:
			words = cmp.Or(words, "which the node's file system has yet to follow")
		}
	}
	switch s := claim.Status.AllocatedResourceStatuses[corev1.ResourceStorage]; s {
	case corev1.PersistentVolumeClaimControllerResizeInfeasible, corev1.PersistentVolumeClaimNodeResizeInfeasible:
		failed, words = true, cmp.Or(words, string(s))
	}
	return cut(words, maxDetails), failed
}

func observeVolume(v *corev1.PersistentVolume) Volume {
	return Volume{
		Name:        v.Name,
		UID:         v.UID,
		Version:     v.ResourceVersion,
		Retain:      v.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimRetain,
		RetainedFor: v.Annotations[v1alpha1.AnnotationRetainedFor],
		Generation:  number(v.Annotations[v1alpha1.AnnotationRebuildGeneration]),
		OfNode:      v.Spec.HostPath != nil || v.Spec.Local != nil,
	}
}

func stateOf(n *corev1.Node) NodeState {
	if slots.OutOfService(n) {
		return NodeOutOfService
	}
	for _, t := range n.Spec.Taints {
		if t.Key == corev1.TaintNodeUnreachable || t.Key == corev1.TaintNodeNotReady {
			return NodeSilent
		}
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
			return NodeHealthy
		}
	}
	return NodeSilent
}

// ordinalIn splits <set>-<ordinal>. "r-01" is nobody's name.
func ordinalIn(name, set string) (int32, bool) {
	digits, ok := strings.CutPrefix(name, set+"-")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != digits {
		return 0, false
	}
	return int32(n), true
}

// leaveOf is since when a pod with these labels may leave, the zero time if it may not. The budget lets go whoever has the label, whatever it says: what
// is no time in seconds, be it nothing at all, says that it has been so for ever.
func leaveOf(labels map[string]string) time.Time {
	seconds, may := labels[v1alpha1.LabelMayLeave]
	if !may {
		return time.Time{}
	}
	return time.Unix(max(1, number(seconds)), 0)
}

// number reads a counter from an annotation; what is no number counts as 0.
func number(text string) int64 {
	if text == "" { // mostly, and an error would be made for nothing
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
