package policy

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// fleet tells how all policies are, from their status in the cache. It keeps nothing, so that what it says is never older than
// the cache, and never names a policy.
type fleet struct {
	policies func() (v1alpha1.PlacementPolicyList, error)
	now      func() time.Time

	total, conditions, oldest, wanted, placed, used, lost, blast *prometheus.Desc
}

// Metrics are the numbers of all PlacementPolicies together, computed when they are asked for: one list from the cache, without a
// request to the API server. Register them in the process that leads alone, or sums count every policy twice. When ctx ends or
// the cache cannot be read, they are an error of the scrape.
func Metrics(ctx context.Context, cache client.Reader, now func() time.Time) prometheus.Collector {
	return &fleet{
		policies: func() (list v1alpha1.PlacementPolicyList, err error) {
			if err = cache.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil { // read only: nothing of it is changed
				err = fmt.Errorf("listing policies for metrics: %w", err)
			}
			return list, err
		},
		now:        now,
		total:      prometheus.NewDesc("shoal_policy_policies", "PlacementPolicies.", nil, nil),
		conditions: prometheus.NewDesc("shoal_policy_condition_policies", "PlacementPolicies, by type, status and reason of a condition.", []string{"type", "status", "reason"}, nil),
		oldest:     prometheus.NewDesc("shoal_policy_condition_oldest_seconds", "For how long the PlacementPolicy has had a condition in this status that has had it for longest.", []string{"type", "status"}, nil),
		wanted:     prometheus.NewDesc("shoal_policy_wanted_instances", "Instances that the groups of all PlacementPolicies want.", nil, nil),
		placed:     prometheus.NewDesc("shoal_policy_placed_instances", "Instances of all PlacementPolicies that hold a slot.", nil, nil),
		used:       prometheus.NewDesc("shoal_policy_used_nodes", "Nodes on which a group holds a slot, summed over all PlacementPolicies.", nil, nil),
		lost:       prometheus.NewDesc("shoal_policy_lost_nodes", "Nodes from which instances are being rebuilt elsewhere, summed over all PlacementPolicies.", nil, nil),
		blast:      prometheus.NewDesc("shoal_policy_blast_radius_worst_percent", "The largest share of one group's instances, 0 to 100, that the loss of one node would take.", nil, nil),
	}
}

// Describe is part of prometheus.Collector.
func (f *fleet) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{f.total, f.conditions, f.oldest, f.wanted, f.placed, f.used, f.lost, f.blast} {
		descs <- d
	}
}

// Collect is part of prometheus.Collector.
func (f *fleet) Collect(metrics chan<- prometheus.Metric) {
	list, err := f.policies()
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(f.total, err)
		return
	}
	var wanted, placed, used, lost, blast int64
	conditions, oldest := map[[3]string]int{}, map[[2]string]time.Duration{}
	for i := range list.Items {
		s := &list.Items[i].Status
		wanted += int64(s.Replicas)
		placed += int64(s.Instances)
		used += int64(s.NodesUsed)
		lost += int64(s.LostNodes)
		if s.BlastRadius != nil {
			blast = max(blast, int64(s.BlastRadius.Percent))
		}
		for _, c := range s.Conditions {
			conditions[[3]string{c.Type, string(c.Status), c.Reason}]++
			key := [2]string{c.Type, string(c.Status)}
			oldest[key] = max(oldest[key], f.now().Sub(c.LastTransitionTime.Time))
		}
	}
	send := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	send(f.total, float64(len(list.Items)))
	send(f.wanted, float64(wanted))
	send(f.placed, float64(placed))
	send(f.used, float64(used))
	send(f.lost, float64(lost))
	send(f.blast, float64(blast))
	for labels, n := range conditions {
		send(f.conditions, float64(n), labels[:]...)
	}
	for labels, age := range oldest {
		send(f.oldest, age.Seconds(), labels[:]...)
	}
}
