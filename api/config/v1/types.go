package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DispersionArgs are the arguments of the plugin Dispersion.
//
// +kubebuilder:object:root=true
type DispersionArgs struct {
	metav1.TypeMeta `json:",inline"`

	// defaults are the limits of groups that have no PlacementPolicy: pods with the label shoal.dev/cluster and without
	// shoal.dev/placement-policy.
	// +optional
	Defaults GroupLimits `json:"defaults,omitempty"`
	// maxInstancesPerNode is the most instances of all groups together on one node, whichever policies they have: from
	// 1 to 10000; 0, the default, is no limit.
	// +optional
	MaxInstancesPerNode *int32 `json:"maxInstancesPerNode,omitempty"`
}

// GroupLimits are the limits of one group. Without a policy its total is the pods that exist so far: maxNodes always
// holds, but only a PlacementPolicy lets the guard against dead-locks keep room for pods that are created later.
type GroupLimits struct {
	// maxInstancesPerNode (M) is the most instances of the group on one node, from 1 to 10000. Unset is no limit. There
	// is no percentage, because the total is not known.
	// +optional
	MaxInstancesPerNode *int32 `json:"maxInstancesPerNode,omitempty"`
	// maxNodes (K) is the most nodes on which the group may hold a slot, from 1 to 20000. Unset is no limit.
	// +optional
	MaxNodes *int32 `json:"maxNodes,omitempty"`
	// maxPerShard is the most instances of one shard (label shoal.dev/shard) on one node, from 1 to 100. The default is 1.
	// +optional
	MaxPerShard *int32 `json:"maxPerShard,omitempty"`
}

// LoadBalanceArgs are the arguments of the plugin LoadBalance.
//
// +kubebuilder:object:root=true
type LoadBalanceArgs struct {
	metav1.TypeMeta `json:",inline"`

	// resources are the dimensions of load, each named once. The default is cpu, memory, shoal.dev/net-ingress-mbps and
	// shoal.dev/net-egress-mbps with weight 1; on nodes that do not advertise the latter two, the others decide.
	// +optional
	Resources []ResourceWeight `json:"resources,omitempty"`
	// worstDimensionPercent (w) is how much the fullest dimension decides, from 0 to 100, and the rest is decided by how
	// far the dimensions are apart: score = 100 * (1 - (w * max(u) + (1 - w) * stddev(u))). The default is 90.
	// +optional
	WorstDimensionPercent *int32 `json:"worstDimensionPercent,omitempty"`
	// thresholds close nodes whose measured load would be above them with the pod, each resource named once. They need
	// load. A node that was not measured lately is not closed, and none is while more than 30 % of the nodes are so.
	// +optional
	Thresholds []ResourceThreshold `json:"thresholds,omitempty"`
	// load is where measured load comes from. Unset: what pods request decides.
	// +optional
	Load *LoadSource `json:"load,omitempty"`
}

// ResourceWeight is one dimension of load.
type ResourceWeight struct {
	// name is cpu, memory, shoal.dev/net-ingress-mbps or shoal.dev/net-egress-mbps.
	Name string `json:"name"`
	// weight is how much the dimension counts, from 1 to 100. The default is 1.
	// +optional
	Weight *int32 `json:"weight,omitempty"`
}

// ResourceThreshold is the most of a resource that may be in use.
type ResourceThreshold struct {
	// name is that of a resource, as in resources.
	Name string `json:"name"`
	// percent of what is allocatable, from 1 to 100.
	Percent int32 `json:"percent"`
}

// LoadSource says where measured load comes from, and how often.
type LoadSource struct {
	// type is Prometheus, or MetricsAPI: metrics.k8s.io, which has CPU and memory only, and no percentile.
	Type string `json:"type"`
	// intervalSeconds between two measurements, from 5 to 3600; up to a fifth is added by chance. The default is 30.
	// +optional
	IntervalSeconds *int32 `json:"intervalSeconds,omitempty"`
	// timeoutSeconds of one measurement, from 1 to intervalSeconds. The default is 10, or intervalSeconds if that is less.
	// +optional
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`
	// maxAgeSeconds is how old a node's load may be, from intervalSeconds to 86400. After that its requests count. The
	// default is six intervals.
	// +optional
	MaxAgeSeconds *int32 `json:"maxAgeSeconds,omitempty"`
	// prometheus says which server is asked, and what. Required with type Prometheus, and only allowed there.
	// +optional
	Prometheus *PrometheusSource `json:"prometheus,omitempty"`
}

// PrometheusSource says which Prometheus is asked, and what.
type PrometheusSource struct {
	// url of the server, such as http://prometheus.monitoring:9090.
	URL string `json:"url"`
	// nodeLabel is the label of node-exporter's series that names the node: its name or an address, with or without a
	// port. The default is instance.
	// +optional
	NodeLabel string `json:"nodeLabel,omitempty"`
	// percentile of the values in the window, from 1 to 100. The default is 95.
	// +optional
	Percentile *int32 `json:"percentile,omitempty"`
	// windowSeconds is what the percentile is taken of, up to 86400. The default is 900.
	// +optional
	WindowSeconds *int32 `json:"windowSeconds,omitempty"`
	// rateWindowSeconds is what rates are over: at least two scrapes, at most the window. The default is 120.
	// +optional
	RateWindowSeconds *int32 `json:"rateWindowSeconds,omitempty"`
	// stepSeconds between the values in the window, at most rateWindowSeconds. The default is 30.
	// +optional
	StepSeconds *int32 `json:"stepSeconds,omitempty"`
	// devices is a regular expression (RE2) that the names of physical network devices match as a whole. Virtual ones, such as
	// those of pods, bridges and VLANs, carry the same bytes again. The default knows the usual names.
	// +optional
	Devices string `json:"devices,omitempty"`
	// bearerTokenFile has the token for the server; it is read anew when it changes.
	// +optional
	BearerTokenFile string `json:"bearerTokenFile,omitempty"`
	// caFile has the certificates that the server is trusted by. The default is those of the system.
	// +optional
	CAFile string `json:"caFile,omitempty"`
	// queries replace the built-in ones, for instance by recording rules.
	// +optional
	Queries []Query `json:"queries,omitempty"`
}

// Query is PromQL that gives an instant vector with one series per node.
type Query struct {
	// name is that of a resource, or age for the time of a node's newest sample in seconds since 1970.
	Name string `json:"name"`
	// query gives cores, bytes, or bytes per second.
	Query string `json:"query"`
}
