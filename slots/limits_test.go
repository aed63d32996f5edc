package slots

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
)

func TestLimitsOf(t *testing.T) {
	m := func(v intstr.IntOrString) v1alpha1.PlacementLimits {
		return v1alpha1.PlacementLimits{MaxInstancesPerNode: &v}
	}
	for name, c := range map[string]struct {
		spec     v1alpha1.PlacementLimits
		replicas int
		want     placement.Limits
	}{
		"nothing is set":              {v1alpha1.PlacementLimits{}, 10, placement.Limits{MaxPerShard: 1}},
		"a number":                    {m(intstr.FromInt32(3)), 10, placement.Limits{MaxPerNode: 3, MaxPerShard: 1}},
		"a percentage":                {m(intstr.FromString("25%")), 8, placement.Limits{MaxPerNode: 2, MaxPerShard: 1}},
		"a percentage is rounded":     {m(intstr.FromString("25%")), 11, placement.Limits{MaxPerNode: 2, MaxPerShard: 1}},
		"a percentage is at least 1":  {m(intstr.FromString("25%")), 3, placement.Limits{MaxPerNode: 1, MaxPerShard: 1}},
		"a percentage of nothing":     {m(intstr.FromString("25%")), 0, placement.Limits{MaxPerNode: 1, MaxPerShard: 1}},
		"all of them on one node":     {m(intstr.FromString("100%")), 7, placement.Limits{MaxPerNode: 7, MaxPerShard: 1}},
		"nodes, and room for a shard": {v1alpha1.PlacementLimits{MaxNodes: ptr.To[int32](4), ShardSpread: []v1alpha1.ShardSpread{{Max: 2}}}, 10, placement.Limits{MaxNodes: 4, MaxPerShard: 2}},
	} {
		if got := LimitsOf(c.spec, c.replicas); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}
