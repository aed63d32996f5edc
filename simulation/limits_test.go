package simulation

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/slots"
)

// uses has so many instances on each node, two of a shard side by side.
func uses(nodes map[string]int) usage {
	u := usage{}
	for node, instances := range nodes {
		for n := range instances {
			u[place{slots.Instance{Name: fmt.Sprintf("%s-%d", node, n)}, node}] = fmt.Sprintf("%s/%d", node, n/2)
		}
	}
	return u
}

// A limit that was lowered below what is in use allows no node to go further, whatever the others have.
func TestGoingFurtherIsAViolation(t *testing.T) {
	p := &v1alpha1.PlacementPolicy{}
	p.Name, p.Spec.MaxInstancesPerNode, p.Spec.MaxNodes = "p", ptr.To(intstr.FromInt32(3)), ptr.To[int32](2)
	p.Spec.ShardSpread = []v1alpha1.ShardSpread{{Max: 2}}
	for what, c := range map[string]struct {
		before, now map[string]int
		want        string
	}{
		"within the limits":                   {map[string]int{"a": 1}, map[string]int{"a": 3, "b": 1}, ""},
		"one more than M":                     {map[string]int{"a": 3}, map[string]int{"a": 4}, "group p: 4 instances on one node, at most 3 are allowed"},
		"as many as before M was lowered":     {map[string]int{"a": 5, "b": 2}, map[string]int{"a": 5, "b": 3}, ""},
		"more on a node that was within M":    {map[string]int{"a": 5, "b": 3}, map[string]int{"a": 5, "b": 4}, "group p: 4 instances on one node, at most 3 are allowed"},
		"one node more than K":                {map[string]int{"a": 1, "b": 1}, map[string]int{"a": 1, "b": 1, "c": 1}, "group p: 3 nodes in use, at most 2 are allowed"},
		"the nodes of before K was lowered":   {map[string]int{"a": 1, "b": 1, "c": 1}, map[string]int{"a": 2, "b": 1, "c": 1}, ""},
		"another node than before K was less": {map[string]int{"a": 1, "b": 1, "c": 1}, map[string]int{"a": 1, "b": 1, "d": 1}, "group p: 3 nodes in use, at most 2 are allowed"},
	} {
		if got := exceeded(p, uses(c.before), uses(c.now)); got != c.want {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
	p.Spec.ShardSpread[0].Max = 1
	if got, want := exceeded(p, uses(map[string]int{"a": 1}), uses(map[string]int{"a": 2})), "group p: 2 instances of one shard on one node, at most 1 are allowed"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	p.Spec.Mode = v1alpha1.PlacementBestEffort
	if got := exceeded(p, nil, uses(map[string]int{"a": 9})); got != "" {
		t.Errorf("BestEffort: %q", got)
	}
}
