package slots

import (
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
)

// LimitsOf are the limits of a policy as numbers, for a group that wants that many replicas. A percentage is taken of
// the replicas, rounded down, and is at least 1, also for 0 replicas. A limit of 0 does not limit: M and K are 0 where
// the policy sets none. The shard rule is 1 where it sets none, as the CRD's default is.
//
// Scheduler, policy status and checkers resolve limits here and nowhere else: two of them that round differently would
// disagree about what is allowed.
func LimitsOf(spec v1alpha1.PlacementLimits, replicas int) placement.Limits {
	l := placement.Limits{MaxPerShard: 1}
	for _, s := range spec.ShardSpread {
		l.MaxPerShard = int(s.Max)
	}
	if spec.MaxNodes != nil {
		l.MaxNodes = int(*spec.MaxNodes)
	}
	switch m := spec.MaxInstancesPerNode; {
	case m == nil:
	case m.Type == intstr.Int:
		l.MaxPerNode = m.IntValue()
	default:
		if percent, err := intstr.GetScaledValueFromIntOrPercent(m, 100, false); err == nil { // the CRD's schema allows no other form
			l.MaxPerNode = placement.PercentOf(percent, replicas)
		}
	}
	return l
}
