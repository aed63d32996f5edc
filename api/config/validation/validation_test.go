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
			want: "pluginConfig[0].args.resources: Required value: must name at least one of cpu and memory, or be left out",
		},
		"an unknown resource": {
			args: loadBalance(func(a *config.LoadBalanceArgs) { a.Resources[1].Name = "ephemeral-storage" }),
			want: `pluginConfig[0].args.resources[1].name: Unsupported value: "ephemeral-storage": supported values: "cpu", "memory"`,
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
