package v1

import (
	"cmp"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

const (
	defaultMaxPerShard           = 1
	defaultWeight                = 1
	defaultWorstDimensionPercent = 90

	defaultInterval   = 30
	defaultTimeout    = 10
	defaultIntervals  = 6 // until a reading is too old
	defaultPercentile = 95
	defaultWindow     = 900
	defaultRateWindow = 120
	defaultStep       = 30
	defaultNodeLabel  = "instance"
	// Names by the kernel and by systemd: eth0, em1, ib0, p1p1, eno1, ens5, enp3s0f1np1, enP2p1s0, enx<address>. Not
	// among them: bonds and bridges, VLANs (eth0.100), and the devices of pods (veth, cali, lxc, eni of the AWS CNI).
	defaultDevices = `eth[0-9]+|em[0-9]+|ib[0-9]+|p[0-9]+p[0-9]+|en[oPpsx][0-9a-zA-Z]+`
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
		args.Resources = []ResourceWeight{{Name: "cpu"}, {Name: "memory"}, {Name: v1alpha1.ResourceNetIngress}, {Name: v1alpha1.ResourceNetEgress}}
	}
	for i := range args.Resources {
		setDefault(&args.Resources[i].Weight, defaultWeight)
	}
	setDefault(&args.WorstDimensionPercent, defaultWorstDimensionPercent)
	if args.Load != nil {
		setLoadDefaults(args.Load)
	}
}

func setLoadDefaults(l *LoadSource) {
	setDefault(&l.IntervalSeconds, defaultInterval)
	setDefault(&l.TimeoutSeconds, min(defaultTimeout, *l.IntervalSeconds))
	setDefault(&l.MaxAgeSeconds, defaultIntervals**l.IntervalSeconds)
	p := l.Prometheus
	if p == nil {
		return
	}
	setDefault(&p.Percentile, defaultPercentile)
	setDefault(&p.WindowSeconds, defaultWindow)
	setDefault(&p.RateWindowSeconds, min(defaultRateWindow, *p.WindowSeconds))
	setDefault(&p.StepSeconds, min(defaultStep, *p.RateWindowSeconds))
	p.NodeLabel = cmp.Or(p.NodeLabel, defaultNodeLabel)
	p.Devices = cmp.Or(p.Devices, defaultDevices)
}

func setDefault(field **int32, value int32) {
	if *field == nil {
		*field = &value
	}
}
