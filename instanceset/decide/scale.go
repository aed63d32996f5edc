package decide

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
)

// remove takes away what belongs to ordinals that are no longer wanted.
func (p *planner) remove() {
	if !p.spec.Paused {
		p.removeAll(func(i *instance) bool { return !i.wanted }, p.spec.PersistentVolumeClaimRetentionPolicy.WhenScaled, reason.ScaleIn)
	}
}

// removeAll removes the instances that are condemned, highest ordinal first, and returns how many of them are not done.
// Claims follow their pod: until it is gone, its process may write to them.
func (p *planner) removeAll(condemned func(*instance) bool, retention v1alpha1.RetentionType, code reason.Code) int {
	left := 0
	for n := len(p.instances) - 1; n >= 0; n-- {
		i := &p.instances[n]
		if !condemned(i) {
			continue
		}
		if i.pod != nil {
			left++
			if !i.pod.Terminating {
				p.deletePod(i, code)
			}
			continue
		}
		left += p.removeClaims(i, retention)
	}
	p.leaving += left
	return left
}

// removeClaims returns how many claims are not done. A claim that was retired once is kept for good: when the policy
// changes from Retain to Delete, what people have kept under the old one must not vanish.
func (p *planner) removeClaims(i *instance, retention v1alpha1.RetentionType) int {
	left := 0
	for _, c := range i.claims {
		if c == nil || c.Retired && !c.Returning || c.Terminating {
			continue
		}
		left++
		if c.Returning {
			p.retireAgain(c)
			continue
		}
		if retention == v1alpha1.DeleteClaims {
			p.add(p.claimChange(DeleteClaim, c, reason.DeleteClaim))
			continue
		}
		change := p.claimChange(LabelClaim, c, reason.RetireClaim)
		change.Label, change.Value = v1alpha1.LabelRetired, v1alpha1.RetiredValue
		p.add(change)
	}
	return left
}

// takeOffline deletes the pods of offline ordinals. Their claims stay as they are.
func (p *planner) takeOffline() {
	for n := range p.instances {
		i := &p.instances[n]
		if !i.wanted || !i.offline || i.pod == nil {
			continue
		}
		p.leaving++
		if !p.spec.Paused && !i.pod.Terminating && p.safeToRemove(i) {
			p.deletePod(i, reason.TakeOffline)
		}
	}
}

// clearPending deletes pods that have no node and cannot use the claims that are to come: those that were declared lost
// before they were placed, and those whose claim vanished, which would tell their entrypoint of data that is not there.
// Nothing runs in a pod without a node.
func (p *planner) clearPending() {
	if p.spec.Paused {
		return
	}
	for n := range p.instances {
		i := &p.instances[n]
		if !i.online() || i.pod == nil || i.pod.Node != "" || i.pod.Terminating || i.pod.ended() || p.anyClaimLost(i) {
			continue
		}
		if i.pod.Lost || len(i.claims) > 0 && p.generation(i) > i.pod.Generation {
			p.deletePod(i, reason.ReplacePending)
		}
	}
}

// strandedAfter is how long a pod is bound before it is taken for stranded: pods and claims are seen by different watches,
// and the claim of a pod that was bound a moment ago may only look as if it had no volume.
const strandedAfter = 30 * time.Second

// replaceStranded deletes pods that are on a node and can never start there. Nothing is given up with them: the deletion
// waits for the kubelet, and claims stay as they are. As everywhere, a pod goes only if another one may be created.
func (p *planner) replaceStranded() {
	for n := range p.instances {
		i := &p.instances[n]
		if !p.stranded(i) || p.spec.Paused || !p.creatable(i) || !p.safeToRemove(i) {
			continue
		}
		if wait := i.pod.Bound.Add(strandedAfter).Sub(p.Now); wait > 0 {
			p.again(wait)
			continue
		}
		p.deletePod(i, reason.ReplaceStranded)
	}
}

// stranded reports whether the pod has a node, has not started, and has a claim for which nobody makes a volume there: the
// scheduler promises claims before it binds their pod, and never after. A node that does not answer is left to rebuild.
func (p *planner) stranded(i *instance) bool {
	pod := i.pod
	if !i.online() || pod == nil || pod.Node == "" || pod.Terminating || pod.Lost ||
		pod.Phase != corev1.PodPending || pod.IP != "" || p.state(pod.Node) != NodeHealthy {
		return false
	}
	return slices.ContainsFunc(i.claims, func(c *Claim) bool {
		return c == nil || c.Volume == "" && c.Node == "" || c.Node != "" && c.Node != pod.Node
	})
}

func (p *planner) anyClaimLost(i *instance) bool {
	for _, c := range i.claims {
		if c != nil && c.Lost {
			return true
		}
	}
	return false
}
