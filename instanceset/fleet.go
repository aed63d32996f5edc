package instanceset

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// Metrics are the numbers of all InstanceSets together, computed when they are asked for: one list from the cache, without a
// request to the API server. Register them in the process that leads alone, or sums count every set twice. When ctx ends or the
// cache cannot be read, they are an error of the scrape.
func Metrics(ctx context.Context, cache client.Reader, now func() time.Time) prometheus.Collector {
	return &fleet{
		fleetDescs: newFleetDescs(),
		now:        now,
		sets: func() (list v1alpha1.InstanceSetList, err error) {
			if err = cache.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil { // read only: nothing of it is changed
				err = fmt.Errorf("listing instance sets for metrics: %w", err)
			}
			return list, err
		},
	}
}

// fleet tells how all sets are, from their specs and status in the cache. It keeps nothing, so that what it says is never older
// than the cache, and never names a set.
type fleet struct {
	fleetDescs
	sets func() (v1alpha1.InstanceSetList, error)
	now  func() time.Time
}

// sums are the numbers of the sets that were added.
type sums struct {
	wanted, ready, available, offline int64

	conditions map[[3]string]int           // type, status, reason
	oldest     map[[2]string]time.Duration // type, status
	exceptions map[string]int              // reason
}

func (s *sums) add(set *v1alpha1.InstanceSet, now time.Time) {
	s.wanted += int64(ptr.Deref(set.Spec.Replicas, 1))
	s.ready += int64(set.Status.ReadyReplicas)
	s.available += int64(set.Status.AvailableReplicas)
	s.offline += int64(set.Status.OfflineReplicas)
	for _, c := range set.Status.Conditions {
		s.conditions[[3]string{c.Type, string(c.Status), c.Reason}]++
		key := [2]string{c.Type, string(c.Status)}
		s.oldest[key] = max(s.oldest[key], now.Sub(c.LastTransitionTime.Time))
	}
	for _, e := range set.Status.Exceptions {
		s.exceptions[e.Reason]++
	}
}

// Describe is part of prometheus.Collector.
func (f *fleet) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{f.total, f.conditions, f.oldest, f.wanted, f.ready, f.available, f.offline, f.exceptions} {
		descs <- d
	}
}

// Collect is part of prometheus.Collector.
func (f *fleet) Collect(metrics chan<- prometheus.Metric) {
	list, err := f.sets()
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(f.total, err)
		return
	}
	all := sums{conditions: map[[3]string]int{}, oldest: map[[2]string]time.Duration{}, exceptions: map[string]int{}}
	for i := range list.Items {
		all.add(&list.Items[i], f.now())
	}
	send := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	send(f.total, float64(len(list.Items)))
	send(f.wanted, float64(all.wanted))
	send(f.ready, float64(all.ready))
	send(f.available, float64(all.available))
	send(f.offline, float64(all.offline))
	for labels, n := range all.conditions {
		send(f.conditions, float64(n), labels[:]...)
	}
	for labels, age := range all.oldest {
		send(f.oldest, age.Seconds(), labels[:]...)
	}
	for code, n := range all.exceptions {
		send(f.exceptions, float64(n), code)
	}
}
