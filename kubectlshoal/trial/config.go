package trial

import (
	"fmt"
	"os"
	"slices"

	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/manifests"
	"github.com/shoal-dev/shoal/plugins/registry"
)

// Config is a configuration of the scheduler, and where it comes from.
type Config struct {
	// Source is "the shipped configuration", or the name of a file.
	Source  string
	profile schedulerconfig.KubeSchedulerProfile
}

// LoadConfig reads a KubeSchedulerConfiguration as the scheduler does at its start: strictly. An empty name stands for the
// configuration that Shoal installs. Of several profiles, that of shoal-scheduler is taken, and the first without one.
func LoadConfig(name string) (*Config, error) {
	source, text := "the shipped configuration", manifests.SchedulerConfig
	if name != "" {
		var err error
		if text, err = os.ReadFile(name); err != nil {
			return nil, fmt.Errorf("reading the scheduler's configuration: %w", err)
		}
		source = name
	}
	c, problems := registry.Check(text)
	if err := registry.Error(problems); err != nil {
		return nil, fmt.Errorf("reading %s: %w", source, err)
	}
	i := slices.IndexFunc(c.Profiles, func(p schedulerconfig.KubeSchedulerProfile) bool { return p.SchedulerName == v1alpha1.SchedulerName })
	profile := c.Profiles[max(0, i)]
	byRequests(&profile)
	return &Config{Source: source, profile: profile}, nil
}

// byRequests has LoadBalance go by requests, as it does where nothing is measured: a command that answers a question, maybe about
// a dump of last week, does not wait for measurements of now.
func byRequests(profile *schedulerconfig.KubeSchedulerProfile) {
	for i := range profile.PluginConfig {
		if args, ok := profile.PluginConfig[i].Args.(*config.LoadBalanceArgs); ok {
			args = args.DeepCopy()
			args.Load, args.Thresholds = nil, nil
			profile.PluginConfig[i].Args = args
		}
	}
}
