package decide

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// keepPolicy keeps the set's own PlacementPolicy, or looks for the one that it refers to, and holds the creation of pods
// until their limits are known. Policy and pods reach the scheduler by different watches: the own policy is raised in a
// plan before the one that creates the pods, and lowered only when nothing of the surplus is left.
func (p *planner) keepPolicy() {
	switch {
	case p.spec.PlacementPolicyRef != nil:
		p.usePolicy(p.spec.PlacementPolicyRef.Name)
		p.awaitPolicy()
	case p.spec.Placement != nil:
		p.usePolicy(p.Set.Name)
		p.keepOwnPolicy()
	}
}

// awaitPolicy waits until the policy of somebody else counts all that the set wants. A number in spec.replicas is a
// person's own, and may be anything. Nothing is to be done when the set shrinks: its surplus only leaves, and the
// scheduler works with the larger of the sum and the pods that it knows (docs/adr/0006).
func (p *planner) awaitPolicy() {
	if p.Policy.Presence == Absent {
		p.hold, p.heldFor = true, reason.PolicyMissing
		return
	}
	if p.Policy.Spec.Replicas != nil || len(p.Policy.Spec.ScaleTargetRefs) == 0 {
		return
	}
	named := v1alpha1.ScaleTargetRef{Kind: "InstanceSet", Name: p.Set.Name}
	if !slices.Contains(p.Policy.Spec.ScaleTargetRefs, named) {
		p.ignored = true
		return
	}
	counted := p.countedByPolicy()
	if !p.Policy.Counted || counted.Replicas < p.wantedCount() || counted.ObservedGeneration != p.Set.Generation {
		p.hold, p.heldFor = true, reason.PolicyBehind
	}
}

// countedByPolicy is how many instances of the set are in the policy's sum, and of which generation of the set they are
// read. A number that is large enough is not enough: of a set that went from 60 to 40 and back, the policy may have the 60
// of before, and be about to count 40.
func (p *planner) countedByPolicy() v1alpha1.ScaleTargetCount {
	for _, t := range p.Policy.Targets {
		if t.Kind == "InstanceSet" && t.Name == p.Set.Name {
			return t
		}
	}
	return v1alpha1.ScaleTargetCount{}
}

func (p *planner) usePolicy(name string) {
	p.policy = podspec.Instance{Policy: name, PolicyVersion: p.Policy.Version}
}

func (p *planner) keepOwnPolicy() {
	wanted, shards := p.wantedCount(), p.wantedShards()
	if p.Policy.Presence == Absent {
		c := p.setWide(CreatePolicy, reason.RaisePolicy)
		c.Replicas, c.Shards = wanted, shards
		p.add(c)
		p.hold, p.heldFor = true, reason.RaisePolicy
		return
	}
	if p.Policy.Presence == Foreign {
		p.hold, p.heldFor = true, reason.ForeignObject
		p.notes = append(p.notes, note{ordinal: SetWide, code: reason.ForeignObject, detail: "placement policy " + p.Set.Name})
		return
	}
	var has, hasShards int32
	if p.Policy.Spec.Replicas != nil {
		has = *p.Policy.Spec.Replicas
	}
	if p.Policy.Spec.Shards != nil {
		hasShards = *p.Policy.Spec.Shards
	}
	code := reason.ChangeLimits
	switch {
	case has < wanted:
		code, p.hold, p.heldFor = reason.RaisePolicy, true, reason.RaisePolicy
	case has > wanted && !p.surplusGone():
		wanted, shards = has, max(shards, hasShards)
	case has > wanted:
		code = reason.LowerPolicy
	}
	if equality.Semantic.DeepEqual(podspec.Policy(p.Set, wanted, shards).Spec, *p.Policy.Spec) {
		return
	}
	if code == reason.ChangeLimits {
		p.hold, p.heldFor = true, code // a pod that is stamped with the old version could be placed by the old limits
	}
	c := p.setWide(UpdatePolicy, code)
	c.UID, c.Version, c.Replicas, c.Shards = p.Policy.UID, p.Policy.Version, wanted, shards
	p.add(c)
}

func (p *planner) wantedCount() int32 {
	n := p.Rest.all().size()
	for i := range p.instances {
		if p.instances[i].wanted {
			n++
		}
	}
	return n
}

// surplusGone reports whether no instance that is no longer wanted can hold a slot.
func (p *planner) surplusGone() bool {
	return !slices.ContainsFunc(p.instances, func(i instance) bool {
		counts := func(c *Claim) bool { return c != nil && (!c.Retired || c.Returning) }
		return !i.wanted && (i.pod != nil || slices.ContainsFunc(i.claims, counts))
	})
}
