package instanceset

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/shoal-dev/shoal/collectors"
)

// metrics of the controller. Labels are kinds of changes and codes of reasons, of which there are a few dozen.
type metrics struct {
	changes    *prometheus.CounterVec
	failures   *prometheus.CounterVec
	probes     *prometheus.CounterVec
	staleCache prometheus.Counter
}

func newMetrics(registry prometheus.Registerer) (metrics, error) {
	m := metrics{
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_instanceset_changes_total",
			Help: "Changes that were carried out, by kind and by the code of their reason.",
		}, []string{"kind", "reason"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_instanceset_change_failures_total",
			Help: "Changes that the API server refused or that met an object of somebody else, by kind and by the code of their reason.",
		}, []string{"kind", "reason"}),
		probes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_instanceset_holder_probes_total",
			Help: "Instances that were asked for their role before a rebuild, by what they answered.",
		}, []string{"answer"}),
		staleCache: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shoal_instanceset_stale_cache_total",
			Help: "Reconciles that were put off because the cache did not show the controller's own writes yet.",
		}),
	}
	var err error
	m.changes, err = collectors.Register(registry, m.changes, err)
	m.failures, err = collectors.Register(registry, m.failures, err)
	m.probes, err = collectors.Register(registry, m.probes, err)
	m.staleCache, err = collectors.Register(registry, m.staleCache, err)
	return m, err
}

// fleetDescs are what Metrics tells of all sets together.
type fleetDescs struct {
	total, conditions, oldest, wanted, ready, available, offline, exceptions *prometheus.Desc
}

func newFleetDescs() fleetDescs {
	return fleetDescs{
		total:      prometheus.NewDesc("shoal_instanceset_sets", "InstanceSets.", nil, nil),
		conditions: prometheus.NewDesc("shoal_instanceset_condition_sets", "InstanceSets, by type, status and reason of a condition.", []string{"type", "status", "reason"}, nil),
		oldest:     prometheus.NewDesc("shoal_instanceset_condition_oldest_seconds", "For how long the InstanceSet has had a condition in this status that has had it for longest.", []string{"type", "status"}, nil),
		wanted:     prometheus.NewDesc("shoal_instanceset_wanted_instances", "Instances that all InstanceSets want (spec.replicas), offline ones included.", nil, nil),
		ready:      prometheus.NewDesc("shoal_instanceset_ready_instances", "Instances of all InstanceSets that are Ready.", nil, nil),
		available:  prometheus.NewDesc("shoal_instanceset_available_instances", "Instances of all InstanceSets that have been Ready for minReadySeconds.", nil, nil),
		offline:    prometheus.NewDesc("shoal_instanceset_offline_instances", "Wanted instances of all InstanceSets that are held offline.", nil, nil),
		exceptions: prometheus.NewDesc("shoal_instanceset_exception_instances", "Instances that are not as wanted, by the code of the reason. Of each InstanceSet the 50 worst count.", []string{"reason"}, nil),
	}
}
