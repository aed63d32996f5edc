package config

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DispersionArgs are the arguments of the plugin Dispersion.
//
// +kubebuilder:object:root=true
type DispersionArgs struct {
	metav1.TypeMeta

	// Defaults are the limits of groups that have no PlacementPolicy.
	Defaults GroupLimits
	// MaxInstancesPerNode is the most instances of all groups together on one node, from 1 to 10000; 0 is no limit.
	MaxInstancesPerNode int32
}

// GroupLimits are the limits of one group. Nil is no limit.
type GroupLimits struct {
	// MaxInstancesPerNode (M) is the most instances of the group on one node, from 1 to 10000.
	MaxInstancesPerNode *int32
	// MaxNodes (K) is the most nodes on which the group may hold a slot, from 1 to 20000.
	MaxNodes *int32
	// MaxPerShard is the most instances of one shard on one node, from 1 to 100.
	MaxPerShard *int32
}

// LoadBalanceArgs are the arguments of the plugin LoadBalance.
//
// +kubebuilder:object:root=true
type LoadBalanceArgs struct {
	metav1.TypeMeta

	// Resources are the dimensions of load, each named once.
	Resources []ResourceWeight
	// WorstDimensionPercent is how much the fullest dimension decides, from 0 to 100. The rest is decided by how far
	// the dimensions are apart.
	WorstDimensionPercent int32
	// Thresholds close nodes whose measured load would be above them. They need a Load.
	Thresholds []ResourceThreshold
	// Load is where measured load comes from. Nil: requests decide.
	Load *LoadSource
}

// ResourceWeight is one dimension of load.
type ResourceWeight struct {
	// Name is cpu, memory, shoal.dev/net-ingress-mbps or shoal.dev/net-egress-mbps.
	Name string
	// Weight is how much the dimension counts, from 1 to 100.
	Weight int32
}

// ResourceThreshold is the most of a resource that may be in use.
type ResourceThreshold struct {
	// Name as in ResourceWeight.
	Name string
	// Percent of what is allocatable, from 1 to 100.
	Percent int32
}

// The types of a LoadSource.
const (
	SourcePrometheus = "Prometheus"
	SourceMetricsAPI = "MetricsAPI"
)

// LoadSource says where measured load comes from, and how often.
type LoadSource struct {
	// Type is SourcePrometheus or SourceMetricsAPI.
	Type string
	// IntervalSeconds between two measurements, from 5 to 3600.
	IntervalSeconds int32
	// TimeoutSeconds of one measurement, from 1 to IntervalSeconds.
	TimeoutSeconds int32
	// MaxAgeSeconds is how old a node's load may be, from IntervalSeconds to 86400. After that its requests count.
	MaxAgeSeconds int32
	// Prometheus is for SourcePrometheus alone.
	Prometheus PrometheusSource
}

// PrometheusSource says which Prometheus is asked, and what.
type PrometheusSource struct {
	// URL of the server.
	URL string
	// NodeLabel is the label of the series that names the node.
	NodeLabel string
	// Percentile of the window, from 1 to 100.
	Percentile int32
	// WindowSeconds, RateWindowSeconds and StepSeconds, each from 1 to 86400 and not longer than the one before.
	WindowSeconds, RateWindowSeconds, StepSeconds int32
	// Devices is a regular expression (RE2) for physical network devices.
	Devices string
	// BearerTokenFile and CAFile are paths, or empty.
	BearerTokenFile, CAFile string
	// Queries replace built-in ones.
	Queries []Query
}

// QueryAge is the name of the query for the time of a node's newest sample.
const QueryAge = "age"

// Query is PromQL for one dimension, or for QueryAge.
type Query struct{ Name, Query string }
