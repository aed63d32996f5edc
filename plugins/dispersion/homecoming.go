package dispersion

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/slots"
)

// A pod that comes back to its volume is let in also where its group is over a limit that was lowered: its slot is there already.
// But the scheduler may see the claim long after the API server has replaced it, and then the slot is not there any more, and the
// pod would be one more. Nothing about a pod says which claim it means. So where the slot is what lets it in, the API server is
// asked before the pod is bound. That is rare, and costs one call.
//
// The same goes for a pod that is let in because siblings are on the node, while the group is over its limit of nodes: should the last
// of them have gone, the pod would open the node anew. That is asked before its claims are promised to the node, in the cycle itself.

const claimsKey fwk.StateKey = Name + "/claims"

// relied are the claims, by name, whose slot lets a pod in.
type relied map[string]types.UID

// Clone returns the claims themselves: nobody changes them.
func (r relied) Clone() fwk.StateData { return r }

// relyOnSlot notes the claims of a pod that is let in for the sake of its slot alone.
func (p *Plugin) relyOnSlot(cs fwk.CycleState, s *state, pod *corev1.Pod, node string) {
	if !s.holds || !s.over(node) {
		return
	}
	claims := relied{}
	for _, claim := range p.claimsOfPod(pod) {
		claims[claim.Name] = claim.UID
	}
	cs.Write(claimsKey, claims)
}

// relyOnSiblings asks whether one of those is on the node still for whose sake alone a pod is let in.
func (p *Plugin) relyOnSiblings(ctx context.Context, s *state, pod *corev1.Pod, node string) *fwk.Status {
	if s.holds || s.mode == v1alpha1.PlacementBestEffort || s.limits.MaxNodes == 0 || s.used() <= s.limits.MaxNodes {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	holders := s.holdersOn(node)
	for _, sibling := range holders[:min(len(holders), askMost)] {
		there, err := p.isThere(ctx, sibling, node)
		if err != nil {
			return fwk.AsStatus(fmt.Errorf("asking whether a sibling of pod %s is still on node %s: %w", pod.Name, node, err))
		}
		if there {
			return nil
		}
	}
	return fwk.NewStatus(fwk.Unschedulable, reason.NodeVacated.Message())
}

// holder is what holds a slot: a pod, or a claim.
type holder struct {
	pod   *corev1.Pod
	claim *corev1.PersistentVolumeClaim
}

// holdersOn is what holds slots of the group on a node: first pods that are shown bound, then claims, and last pods that may still
// be assumed.
func (s *state) holdersOn(node string) []holder {
	var bound, assumed, claims []holder
	for instance, held := range s.tally.Instances { // sorted below
		for _, slot := range held {
			switch {
			case slot.Node != node:
			case slot.Pod != nil && s.index.shownOn(slot.Pod, node):
				bound = append(bound, holder{pod: slot.Pod})
			case slot.Pod != nil:
				assumed = append(assumed, holder{pod: slot.Pod})
			default:
				for _, claim := range s.index.ledger.ClaimsAt(s.group, instance, node) {
					claims = append(claims, holder{claim: claim})
				}
			}
		}
	}
	byPod := func(a, b holder) int { return cmp.Compare(a.pod.Name, b.pod.Name) }
	slices.SortFunc(bound, byPod)
	slices.SortFunc(assumed, byPod)
	slices.SortFunc(claims, func(a, b holder) int { return cmp.Compare(a.claim.Name, b.claim.Name) })
	return slices.Concat(bound, claims, assumed)
}

// shownOn reports whether the informer shows the pod on the node.
func (x *index) shownOn(pod *corev1.Pod, node string) bool {
	shown := x.informed[pod.Namespace+"/"+pod.Name]
	return shown != nil && shown.UID == pod.UID && shown.Spec.NodeName == node
}

// over reports whether the group has more than a limit allows that it keeps, with the pod's slot on the node.
func (s *state) over(node string) bool {
	number, there := s.index.names[node]
	if !there || number >= len(s.view.seats) {
		return false
	}
	l, above := &s.limits, func(limit, n int) bool { return limit > 0 && n > limit }
	if capped := above(s.total, int(s.view.seats[number].all)+s.delta.all[node]); capped || s.mode == v1alpha1.PlacementBestEffort {
		return capped
	}
	return above(l.MaxPerNode, s.heldOn(node)) || above(l.MaxNodes, s.used()) ||
		s.shard != "" && above(l.MaxPerShard, s.siblings[node]+s.delta.shards[node])
}

// isThere asks the API server whether a slot on the node is still held.
func (p *Plugin) isThere(ctx context.Context, h holder, node string) (bool, error) {
	if h.pod == nil {
		claim, err := p.claimThere(ctx, h.claim.Namespace, h.claim.Name, h.claim.UID)
		return claim != nil, err // one that is being deleted holds its slot until it is gone
	}
	pod, err := p.handle.ClientSet().CoreV1().Pods(h.pod.Namespace).Get(ctx, h.pod.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading pod %s: %w", h.pod.Name, err)
	}
	return pod.UID == h.pod.UID && pod.Spec.NodeName == node && !slots.Ended(pod) && pod.Labels[v1alpha1.LabelLost] == "", nil
}

// slotIsThere asks the API server whether the claims on which the pod relies are still those that the scheduler has seen.
func (p *Plugin) slotIsThere(ctx context.Context, cs fwk.CycleState, pod *corev1.Pod) *fwk.Status {
	data, err := cs.Read(claimsKey)
	claims, ok := data.(relied)
	if err != nil || !ok {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		claim, err := p.claimThere(ctx, pod.Namespace, name, claims[name])
		if err != nil {
			return fwk.AsStatus(fmt.Errorf("asking whether pod %s still holds its slot before it is bound: %w", pod.Name, err))
		}
		if claim == nil || claim.DeletionTimestamp != nil {
			return fwk.NewStatus(fwk.Unschedulable, reason.ClaimReplaced.Message())
		}
	}
	return nil
}

// claimThere asks for a claim; nil when it is another one, or holds no slot.
func (p *Plugin) claimThere(ctx context.Context, namespace, name string, uid types.UID) (*corev1.PersistentVolumeClaim, error) {
	claim, err := p.handle.ClientSet().CoreV1().PersistentVolumeClaims(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading claim %s: %w", name, err)
	}
	if claim.UID != uid || givenUp(claim.Labels) {
		return nil, nil
	}
	return claim, nil
}

// isReturning reports whether a claim is about to hold its slot again.
func isReturning(labels map[string]string) bool {
	return labels[v1alpha1.LabelLost] == "" && labels[v1alpha1.LabelRetired] == v1alpha1.ReturningValue
}

// givenUp reports whether a claim with these labels holds no slot any more.
func givenUp(labels map[string]string) bool {
	return labels[v1alpha1.LabelLost] != "" || labels[v1alpha1.LabelRetired] != ""
}
