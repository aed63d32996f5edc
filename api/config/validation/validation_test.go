package validation_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/config/validation"
)

func dispersion(change func(*config.DispersionArgs)) runtime.Object {
	args := &config.DispersionArgs{Defaults: config.GroupLimits{MaxPerShard: new(int32(1))}}
	change(args)
	return args
}

func loadBalance(change func(*config.LoadBalanceArgs)) runtime.Object {
	args := &config.LoadBalanceArgs{Resources: []config.ResourceWeight{{Name: "cpu", Weight: 1}, {Name: "memory", Weight: 1}}, WorstDimensionPercent: 70}
	change(args)
	return args
}

// measured has the metrics API as its source, and a threshold.
func measured(change func(*config.LoadBalanceArgs, *config.LoadSource)) runtime.Object {
	return loadBalance(func(a *config.LoadBalanceArgs) {
		a.Thresholds = []config.ResourceThreshold{{Name: "cpu", Percent: 85}}
		a.Load = &config.LoadSource{Type: config.SourceMetricsAPI, IntervalSeconds: 30, TimeoutSeconds: 10, MaxAgeSeconds: 180}
		change(a, a.Load)
	})
}

func prometheus(_ *config.LoadBalanceArgs, l *config.LoadSource) {
	l.Type = config.SourcePrometheus
	l.Prometheus = config.PrometheusSource{
		URL: "https://p:9090/prefix", NodeLabel: "instance", Percentile: 95, WindowSeconds: 900, RateWindowSeconds: 120, StepSeconds: 30, Devices: "eth0",
	}
}

func TestValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		args runtime.Object
		want string // nothing: accepted
	}{
		"no limits":                       {args: dispersion(func(*config.DispersionArgs) {})},
		"the lowest cap over all groups":  {args: dispersion(func(a *config.DispersionArgs) { a.MaxInstancesPerNode = 1 })},
		"the highest cap over all groups": {args: dispersion(func(a *config.DispersionArgs) { a.MaxInstancesPerNode = 10000 })},
		"a cap below zero": {
			args: dispersion(func(a *config.DispersionArgs) { a.MaxInstancesPerNode = -1 }),
			want: "pluginConfig[0].args.maxInstancesPerNode: Invalid value: -1: must be between 0 and 10000",
		},
		"a cap too high": {
			args: dispersion(func(a *config.DispersionArgs) { a.MaxInstancesPerNode = 10001 }),
			want: "pluginConfig[0].args.maxInstancesPerNode: Invalid value: 10001: must be between 0 and 10000",
		},
		"all limits of a group": {args: dispersion(func(a *config.DispersionArgs) {
			a.Defaults = config.GroupLimits{MaxInstancesPerNode: new(int32(10000)), MaxNodes: new(int32(20000)), MaxPerShard: new(int32(100))}
		})},
		"no instance per node": {
			args: dispersion(func(a *config.DispersionArgs) { a.Defaults.MaxInstancesPerNode = new(int32(0)) }),
			want: "pluginConfig[0].args.defaults.maxInstancesPerNode: Invalid value: 0: must be between 1 and 10000",
		},
		"no nodes": {
			args: dispersion(func(a *config.DispersionArgs) { a.Defaults.MaxNodes = new(int32(0)) }),
			want: "pluginConfig[0].args.defaults.maxNodes: Invalid value: 0: must be between 1 and 20000",
		},
		"too many of a shard": {
			args: dispersion(func(a *config.DispersionArgs) { a.Defaults.MaxPerShard = new(int32(101)) }),
			want: "pluginConfig[0].args.defaults.maxPerShard: Invalid value: 101: must be between 1 and 100",
		},
		"the defaults of LoadBalance": {args: loadBalance(func(*config.LoadBalanceArgs) {})},
		"one resource, the heaviest": {args: loadBalance(func(a *config.LoadBalanceArgs) {
			a.Resources = []config.ResourceWeight{{Name: "memory", Weight: 100}}
		})},
		"only the worst dimension": {args: loadBalance(func(a *config.LoadBalanceArgs) { a.WorstDimensionPercent = 100 })},
		"only the spread":          {args: loadBalance(func(a *config.LoadBalanceArgs) { a.WorstDimensionPercent = 0 })},
		"more than all": {
			args: loadBalance(func(a *config.LoadBalanceArgs) { a.WorstDimensionPercent = 101 }),
			want: "pluginConfig[0].args.worstDimensionPercent: Invalid value: 101: must be between 0 and 100",
		},
		"no resources": {
			args: loadBalance(func(a *config.LoadBalanceArgs) { a.Resources = nil }),
			want: "pluginConfig[0].args.resources: Required value: must name at least one of cpu, memory, shoal.dev/net-ingress-mbps, shoal.dev/net-egress-mbps, or be left out",
		},
		"an unknown resource": {
			args: loadBalance(func(a *config.LoadBalanceArgs) { a.Resources[1].Name = "ephemeral-storage" }),
			want: `pluginConfig[0].args.resources[1].name: Unsupported value: "ephemeral-storage": supported values: "cpu", "memory", "shoal.dev/net-ingress-mbps", "shoal.dev/net-egress-mbps"`,
		},
		"a resource twice": {
			args: loadBalance(func(a *config.LoadBalanceArgs) { a.Resources[1].Name = "cpu" }),
			want: `pluginConfig[0].args.resources[1].name: Duplicate value: "cpu"`,
		},
		"a weight of zero": {
			args: loadBalance(func(a *config.LoadBalanceArgs) { a.Resources[0].Weight = 0 }),
			want: "pluginConfig[0].args.resources[0].weight: Invalid value: 0: must be between 1 and 100",
		},
		"a weight too high": {
			args: loadBalance(func(a *config.LoadBalanceArgs) { a.Resources[0].Weight = 101 }),
			want: "pluginConfig[0].args.resources[0].weight: Invalid value: 101: must be between 1 and 100",
		},
		"measured by the metrics API": {args: measured(func(*config.LoadBalanceArgs, *config.LoadSource) {})},
		"measured by Prometheus":      {args: measured(prometheus)},
		"thresholds without a source": {
			args: measured(func(a *config.LoadBalanceArgs, _ *config.LoadSource) { a.Load = nil }),
			want: "pluginConfig[0].args.load: Required value: thresholds are about measured load",
		},
		"a threshold of nothing": {
			args: measured(func(a *config.LoadBalanceArgs, _ *config.LoadSource) { a.Thresholds[0].Percent = 0 }),
			want: "pluginConfig[0].args.thresholds[0].percent: Invalid value: 0: must be between 1 and 100",
		},
		"a threshold twice": {
			args: measured(func(a *config.LoadBalanceArgs, _ *config.LoadSource) {
				a.Thresholds = append(a.Thresholds, a.Thresholds[0])
			}),
			want: `pluginConfig[0].args.thresholds[1].name: Duplicate value: "cpu"`,
		},
		"an unknown source": {
			args: measured(func(_ *config.LoadBalanceArgs, l *config.LoadSource) { l.Type = "InfluxDB" }),
			want: `pluginConfig[0].args.load.type: Unsupported value: "InfluxDB": supported values: "Prometheus", "MetricsAPI"`,
		},
		"a timeout longer than the interval": {
			args: measured(func(_ *config.LoadBalanceArgs, l *config.LoadSource) { l.TimeoutSeconds = 31 }),
			want: "pluginConfig[0].args.load.timeoutSeconds: Invalid value: 31: must be between 1 and 30",
		},
		"older than the interval": {
			args: measured(func(_ *config.LoadBalanceArgs, l *config.LoadSource) { l.MaxAgeSeconds = 29 }),
			want: "pluginConfig[0].args.load.maxAgeSeconds: Invalid value: 29: must be between 30 and 86400",
		},
		"two sources": {
			args: measured(func(_ *config.LoadBalanceArgs, l *config.LoadSource) { l.Prometheus.URL = "http://p" }),
			want: "pluginConfig[0].args.load.prometheus: Forbidden: type is MetricsAPI",
		},
		"no address": {
			args: measured(func(a *config.LoadBalanceArgs, l *config.LoadSource) { prometheus(a, l); l.Prometheus.URL = "" }),
			want: "pluginConfig[0].args.load.prometheus.url: Required value: such as http://prometheus.monitoring:9090",
		},
		"an address without a scheme": {
			args: measured(func(a *config.LoadBalanceArgs, l *config.LoadSource) { prometheus(a, l); l.Prometheus.URL = "p:9090" }),
			want: `pluginConfig[0].args.load.prometheus.url: Invalid value: "p:9090": must be http:// or https://, a host, and no query`,
		},
		"a label that would be PromQL": {
			args: measured(func(a *config.LoadBalanceArgs, l *config.LoadSource) {
				prometheus(a, l)
				l.Prometheus.NodeLabel = "a) or (b"
			}),
			want: `pluginConfig[0].args.load.prometheus.nodeLabel: Invalid value: "a) or (b": must be the name of a label in Prometheus`,
		},
		"devices that are no expression": {
			args: measured(func(a *config.LoadBalanceArgs, l *config.LoadSource) { prometheus(a, l); l.Prometheus.Devices = "(" }),
			want: `pluginConfig[0].args.load.prometheus.devices: Invalid value: "(": error parsing regexp: missing closing ): ` + "`(`",
		},
		"rates over more than the window": {
			args: measured(func(a *config.LoadBalanceArgs, l *config.LoadSource) {
				prometheus(a, l)
				l.Prometheus.RateWindowSeconds = 901
			}),
			want: "pluginConfig[0].args.load.prometheus.rateWindowSeconds: Invalid value: 901: must be between 1 and 900",
		},
		"a query without text": {
			args: measured(func(a *config.LoadBalanceArgs, l *config.LoadSource) {
				prometheus(a, l)
				l.Prometheus.Queries = []config.Query{{Name: "age"}}
			}),
			want: "pluginConfig[0].args.load.prometheus.queries[0].query: Required value: PromQL",
		},
		"arguments of somebody else": {args: &runtime.Unknown{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := validation.Validate(tc.args, field.NewPath("pluginConfig").Index(0).Child("args")).ToAggregate(); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}
