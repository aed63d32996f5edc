package dispersion

import (
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
)

// A pod that comes back to its volume is let in also where its group is over a limit that was lowered: its slot is there already.
// But the scheduler may see the claim long after the API server has replaced it, and then the slot is not there any more, and the
// pod would be one more. Nothing about a pod says which claim it means. So where the slot is what lets it in, the API server is
// asked before the pod is bound. That is rare, and costs one call.

const claimsKey fwk.StateKey = Name + "/claims"

// relied are the claims, by name, whose slot lets a pod in.
type relied map[string]types.UID

// Clone returns the claims themselves: nobody changes them.
func (r relied) Clone() fwk.StateData { return r }

// relyOnSlot notes the claims of a pod that is let in for the sake of its slot alone.
func (p *Plugin) relyOnSlot(cs fwk.CycleState, s *state, pod *corev1.Pod, node string) {
	if !s.holds || s.mode == v1alpha1.PlacementBestEffort || !s.over(node) {
		return
	}
	claims := relied{}
	for _, claim := range p.claimsOfPod(pod) {
		claims[claim.Name] = claim.UID
	}
	cs.Write(claimsKey, claims)
}

// over reports whether the group has more than a limit allows, with the pod's slot on the node.
func (s *state) over(node string) bool {
	number, there := s.index.names[node]
	if !there || number >= len(s.view.seats) {
		return false
	}
	l, above := &s.limits, func(limit, n int) bool { return limit > 0 && n > limit }
	return above(l.MaxPerNode, s.heldOn(node)) || above(l.MaxNodes, s.used()) ||
		above(s.total, int(s.view.seats[number].all)+s.delta.all[node]) ||
		s.shard != "" && above(l.MaxPerShard, s.siblings[node]+s.delta.shards[node])
}

// slotIsThere asks the API server whether the claims on which the pod relies are still those that the scheduler has seen.
func (p *Plugin) slotIsThere(ctx context.Context, cs fwk.CycleState, pod *corev1.Pod) *fwk.Status {
	data, err := cs.Read(claimsKey)
	claims, ok := data.(relied)
	if err != nil || !ok {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		claim, err := p.handle.ClientSet().CoreV1().PersistentVolumeClaims(pod.Namespace).Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err), err == nil && (claim.UID != claims[name] || claim.DeletionTimestamp != nil || givenUp(claim.Labels)):
			return fwk.NewStatus(fwk.Unschedulable, reason.ClaimReplaced.Message())
		case err != nil:
			return fwk.AsStatus(fmt.Errorf("reading claim %s before pod %s is bound to its node: %w", name, pod.Name, err))
		}
	}
	return nil
}

// isReturning reports whether a claim is about to hold its slot again.
func isReturning(labels map[string]string) bool {
	return labels[v1alpha1.LabelLost] == "" && labels[v1alpha1.LabelRetired] == v1alpha1.ReturningValue
}

// givenUp reports whether a claim with these labels holds no slot any more.
func givenUp(labels map[string]string) bool {
	return labels[v1alpha1.LabelLost] != "" || labels[v1alpha1.LabelRetired] != ""
}
