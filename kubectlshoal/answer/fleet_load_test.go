package answer

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shoal-dev/shoal/load"
)

// Dimensions of one node may be of different times: what is too old is not shown as measured, and the age is that of the oldest
// share that is shown.
func TestDimensionsOfDifferentAges(t *testing.T) {
	node := &corev1.Node{Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("8Gi")}}} // and no bandwidth
	now := time.Unix(5000, 0)
	of := func(amount int64, age int) load.Value {
		return load.Value{Amount: amount, At: now.Add(-time.Duration(age) * time.Second)}
	}
	for name, c := range map[string]struct {
		reading load.Reading
		from    string
		shown   Fill // 1 % of each is asked for
		counts  bool
	}{
		"one age":                  {load.Reading{of(3000, 5), of(6<<30, 5)}, "measured 5s ago", Fill{CPU: 75, Memory: 75}, true},
		"two ages":                 {load.Reading{of(3000, 5), of(6<<30, 40)}, "measured 40s ago", Fill{CPU: 75, Memory: 75}, true},
		"memory is too old":        {load.Reading{of(3000, 5), of(6<<30, 400)}, "cpu measured 5s ago, memory requests", Fill{CPU: 75, Memory: 1}, true},
		"cpu is too old":           {load.Reading{of(3000, 400), of(6<<30, 5)}, "cpu requests, memory measured 5s ago", Fill{CPU: 1, Memory: 75}, true},
		"both are too old":         {load.Reading{of(3000, 300), of(6<<30, 400)}, "requests, measured 6m40s ago", Fill{CPU: 1, Memory: 1}, false},
		"only what nobody can use": {load.Reading{load.CPU: of(3000, 400), load.Ingress: of(1, 5)}, "requests, measured 6m40s ago", Fill{CPU: 1, Memory: 1}, false},
		"nothing":                  {load.Reading{}, "requests", Fill{CPU: 1, Memory: 1}, false},
	} {
		n := NodeHeat{Fill: Fill{CPU: 1, Memory: 1}, Load: loadOf(node, c.reading, Reading{At: now, MaxAge: 3 * time.Minute})}
		if n.From() != c.from || n.Shown() != c.shown || n.Load.counts() != c.counts {
			t.Errorf("%s: %q, %+v, counts: %v; want %q, %+v", name, n.From(), n.Shown(), n.Load.counts(), c.from, c.shown)
		}
	}
}
