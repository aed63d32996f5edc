package v1

import (
	"k8s.io/apimachinery/pkg/runtime"
)

const (
	defaultMaxPerShard           = 1
	defaultWeight                = 1
	defaultWorstDimensionPercent = 70
)

// AddDefaults registers the defaults of this package.
func AddDefaults(s *runtime.Scheme) {
	s.AddTypeDefaultingFunc(&DispersionArgs{}, func(obj any) { SetDefaults_DispersionArgs(obj.(*DispersionArgs)) })
	s.AddTypeDefaultingFunc(&LoadBalanceArgs{}, func(obj any) { SetDefaults_LoadBalanceArgs(obj.(*LoadBalanceArgs)) })
}

// SetDefaults_DispersionArgs fills in what the user left out.
func SetDefaults_DispersionArgs(args *DispersionArgs) {
	setDefault(&args.MaxInstancesPerNode, 0)
	setDefault(&args.Defaults.MaxPerShard, defaultMaxPerShard)
}

// SetDefaults_LoadBalanceArgs fills in what the user left out. A weight that is written as 0 stays 0, so that validation
// refuses it: it is not the same as no weight.
func SetDefaults_LoadBalanceArgs(args *LoadBalanceArgs) {
	if args.Resources == nil {
		args.Resources = []ResourceWeight{{Name: "cpu"}, {Name: "memory"}}
	}
	for i := range args.Resources {
		setDefault(&args.Resources[i].Weight, defaultWeight)
	}
	setDefault(&args.WorstDimensionPercent, defaultWorstDimensionPercent)
}

func setDefault(field **int32, value int32) {
	if *field == nil {
		*field = &value
	}
}
