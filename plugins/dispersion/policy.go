package dispersion

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/slots"
)

// policy is what the plugin needs of a PlacementPolicy.
type policy struct {
	version  string
	counted  bool // the replicas are known for the current generation
	replicas int
	shards   int
	// limits of a group of that many replicas: M may be a percentage.
	limits func(replicas int) placement.Limits
	mode   v1alpha1.PlacementMode
}

func policyFrom(p *v1alpha1.PlacementPolicy) policy {
	spec := p.Spec.PlacementLimits
	out := policy{version: p.ResourceVersion, shards: p.Spec.ShardCount(), mode: spec.Mode}
	out.limits = func(replicas int) placement.Limits { return slots.LimitsOf(spec, replicas) }
	if p.Spec.Replicas != nil {
		out.counted, out.replicas = true, int(*p.Spec.Replicas)
	} else {
		out.counted, out.replicas = p.Status.ObservedGeneration == p.Generation, int(p.Status.Replicas)
	}
	out.replicas = min(max(0, out.replicas), placement.MaxReplicas) // a status may say anything
	return out
}

// fixed are limits that do not depend on the replicas.
func fixed(l placement.Limits) func(int) placement.Limits {
	return func(int) placement.Limits { return l }
}

// rulesOf finds the rules for a pod of the group, or the reason why the pod has to wait for them.
func (p *Plugin) rulesOf(g slots.Group, pod *corev1.Pod) (policy, reason.Code) {
	if g.Policy == "" {
		return p.defaults(), 0
	}
	found, ok := p.policies.policyOf(g)
	switch {
	case !ok:
		return policy{}, reason.PolicyNotFound
	case olderThan(found.version, pod.Annotations[v1alpha1.AnnotationPolicyVersion]):
		return policy{}, reason.PolicyOutdated
	case !found.counted:
		return policy{}, reason.PolicyNotCounted
	}
	return found, 0
}

// olderThan reports whether the seen version lies before the wanted one. Versions of one resource are comparable as
// numbers (KEP-5504), also when the object was deleted and created anew. A stamp that is no version holds nobody.
func olderThan(seen, wanted string) bool {
	if wanted == "" {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(seen, wanted)
	return err == nil && order < 0
}

func (p *Plugin) defaults() policy {
	d := p.args.Defaults
	return policy{counted: true, limits: fixed(placement.Limits{
		MaxPerNode:  valueOf(d.MaxInstancesPerNode),
		MaxNodes:    valueOf(d.MaxNodes),
		MaxPerShard: valueOf(d.MaxPerShard),
	})}
}

func valueOf(n *int32) int {
	if n == nil {
		return 0
	}
	return int(*n)
}
