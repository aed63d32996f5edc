package v1

import (
	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/shoal-dev/shoal/api/config"
)

// AddConversions registers the conversions between this package and package config, in both directions: the scheduler
// publishes its configuration in the versioned form.
func AddConversions(s *runtime.Scheme) error {
	pairs := []struct {
		from, to any
		convert  conversion.ConversionFunc
	}{
		{&DispersionArgs{}, &config.DispersionArgs{}, func(from, to any, _ conversion.Scope) error {
			dispersionToInternal(from.(*DispersionArgs), to.(*config.DispersionArgs))
			return nil
		}},
		{&config.DispersionArgs{}, &DispersionArgs{}, func(from, to any, _ conversion.Scope) error {
			dispersionFromInternal(from.(*config.DispersionArgs), to.(*DispersionArgs))
			return nil
		}},
		{&LoadBalanceArgs{}, &config.LoadBalanceArgs{}, func(from, to any, _ conversion.Scope) error {
			loadBalanceToInternal(from.(*LoadBalanceArgs), to.(*config.LoadBalanceArgs))
			return nil
		}},
		{&config.LoadBalanceArgs{}, &LoadBalanceArgs{}, func(from, to any, _ conversion.Scope) error {
			loadBalanceFromInternal(from.(*config.LoadBalanceArgs), to.(*LoadBalanceArgs))
			return nil
		}},
	}
	for _, p := range pairs {
		if err := s.AddConversionFunc(p.from, p.to, p.convert); err != nil {
			return err
		}
	}
	return nil
}

func dispersionToInternal(in *DispersionArgs, out *config.DispersionArgs) {
	out.Defaults = config.GroupLimits(*in.Defaults.DeepCopy())
	out.MaxInstancesPerNode = valueOf(in.MaxInstancesPerNode)
}

func dispersionFromInternal(in *config.DispersionArgs, out *DispersionArgs) {
	out.Defaults = GroupLimits(*in.Defaults.DeepCopy())
	out.MaxInstancesPerNode = new(in.MaxInstancesPerNode)
}

func loadBalanceToInternal(in *LoadBalanceArgs, out *config.LoadBalanceArgs) {
	out.Resources = make([]config.ResourceWeight, len(in.Resources))
	for i, r := range in.Resources {
		out.Resources[i] = config.ResourceWeight{Name: r.Name, Weight: valueOf(r.Weight)}
	}
	out.WorstDimensionPercent = valueOf(in.WorstDimensionPercent)
	out.Thresholds = nil
	for _, t := range in.Thresholds {
		out.Thresholds = append(out.Thresholds, config.ResourceThreshold(t))
	}
	out.Load = nil
	if in.Load != nil {
		out.Load = loadToInternal(in.Load)
	}
}

func loadToInternal(in *LoadSource) *config.LoadSource {
	out := &config.LoadSource{
		Type: in.Type, IntervalSeconds: valueOf(in.IntervalSeconds), TimeoutSeconds: valueOf(in.TimeoutSeconds), MaxAgeSeconds: valueOf(in.MaxAgeSeconds),
	}
	if p := in.Prometheus; p != nil {
		out.Prometheus = config.PrometheusSource{
			URL: p.URL, NodeLabel: p.NodeLabel, Devices: p.Devices, BearerTokenFile: p.BearerTokenFile, CAFile: p.CAFile,
			Percentile: valueOf(p.Percentile), WindowSeconds: valueOf(p.WindowSeconds),
			RateWindowSeconds: valueOf(p.RateWindowSeconds), StepSeconds: valueOf(p.StepSeconds),
		}
		for _, q := range p.Queries {
			out.Prometheus.Queries = append(out.Prometheus.Queries, config.Query(q))
		}
	}
	return out
}

func loadBalanceFromInternal(in *config.LoadBalanceArgs, out *LoadBalanceArgs) {
	out.Resources = make([]ResourceWeight, len(in.Resources))
	for i, r := range in.Resources {
		out.Resources[i] = ResourceWeight{Name: r.Name, Weight: new(r.Weight)}
	}
	out.WorstDimensionPercent = new(in.WorstDimensionPercent)
	out.Thresholds = nil
	for _, t := range in.Thresholds {
		out.Thresholds = append(out.Thresholds, ResourceThreshold(t))
	}
	out.Load = nil
	if in.Load != nil {
		out.Load = loadFromInternal(in.Load)
	}
}

func loadFromInternal(in *config.LoadSource) *LoadSource {
	out := &LoadSource{
		Type: in.Type, IntervalSeconds: new(in.IntervalSeconds), TimeoutSeconds: new(in.TimeoutSeconds), MaxAgeSeconds: new(in.MaxAgeSeconds),
	}
	if p := &in.Prometheus; p.URL != "" {
		out.Prometheus = &PrometheusSource{
			URL: p.URL, NodeLabel: p.NodeLabel, Devices: p.Devices, BearerTokenFile: p.BearerTokenFile, CAFile: p.CAFile,
			Percentile: new(p.Percentile), WindowSeconds: new(p.WindowSeconds),
			RateWindowSeconds: new(p.RateWindowSeconds), StepSeconds: new(p.StepSeconds),
		}
		for _, q := range p.Queries {
			out.Prometheus.Queries = append(out.Prometheus.Queries, Query(q))
		}
	}
	return out
}

// valueOf reads a field that has been defaulted.
func valueOf(n *int32) int32 {
	if n == nil {
		return 0
	}
	return *n
}
