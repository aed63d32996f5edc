package policy

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

func TestMetricsAreSumsOverAllPolicies(t *testing.T) {
	noon := time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)
	of := func(name string, nodes, lost, percent int32, feasible metav1.ConditionStatus, reason string, ago time.Duration) *v1alpha1.PlacementPolicy {
		p := &v1alpha1.PlacementPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}}
		p.Status = v1alpha1.PlacementPolicyStatus{Replicas: 10, Instances: 9, NodesUsed: nodes, LostNodes: lost, BlastRadius: &v1alpha1.BlastRadius{Percent: percent}}
		meta.SetStatusCondition(&p.Status.Conditions, metav1.Condition{Type: "Feasible", Status: feasible, Reason: reason, LastTransitionTime: metav1.NewTime(noon.Add(-ago))})
		return p
	}
	c := Metrics(t.Context(), newAPI(t,
		of("a", 3, 0, 40, metav1.ConditionTrue, "Feasible", time.Hour), of("b", 4, 1, 25, metav1.ConditionFalse, "NotEnoughRoom", time.Minute),
		of("c", 5, 2, 10, metav1.ConditionFalse, "LimitsTooTight", 10*time.Minute)), func() time.Time { return noon })
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(c); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{} // by name and values of labels, in the order of the labels' names
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := f.GetName()
			for _, l := range m.GetLabel() {
				key += " " + l.GetValue()
			}
			got[key] = m.GetGauge().GetValue()
		}
	}
	want := map[string]float64{
		"shoal_policy_policies": 3, "shoal_policy_wanted_instances": 30, "shoal_policy_placed_instances": 27,
		"shoal_policy_used_nodes": 12, "shoal_policy_lost_nodes": 3, "shoal_policy_blast_radius_worst_percent": 40,
		"shoal_policy_condition_policies Feasible True Feasible":        1,
		"shoal_policy_condition_policies NotEnoughRoom False Feasible":  1,
		"shoal_policy_condition_policies LimitsTooTight False Feasible": 1,
		"shoal_policy_condition_oldest_seconds True Feasible":           3600,
		"shoal_policy_condition_oldest_seconds False Feasible":          600,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

func TestMetricsOfABrokenCacheAreAnError(t *testing.T) {
	broken := Metrics(t.Context(), &unread{}, time.Now)
	if n, err := testutil.CollectAndLint(broken); err == nil || !strings.Contains(err.Error(), "no network") {
		t.Errorf("got %v, %v", n, err)
	}
}

// unread is a cache that cannot be read.
type unread struct{ client.Reader }

func (unread) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return errors.New("no network")
}
