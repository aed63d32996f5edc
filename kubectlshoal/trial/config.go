package trial

import (
	"fmt"
	"os"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"

	"github.com/shoal-dev/shoal/api/config"
	configscheme "github.com/shoal-dev/shoal/api/config/scheme"
	configv1 "github.com/shoal-dev/shoal/api/config/v1"
	"github.com/shoal-dev/shoal/api/config/validation"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/manifests"
	"github.com/shoal-dev/shoal/plugins/registry"
)

// Shipped is the Source of the configuration that Shoal installs.
const Shipped = "the shipped configuration"

// Config is a configuration of the scheduler, and where it comes from.
type Config struct {
	// Source is Shipped, or the name of a file.
	Source string
	// Load is where LoadBalance would measure load; nil where requests decide.
	Load *config.LoadSource
	// Unread says what the scheduler would read and a trial does not, and what that leaves untried: an answer is incomplete without it.
	Unread []string
	// Tried is called after each pod that a Scheduler has tried, for who shows that it goes on; nil for nobody.
	Tried   func()
	profile schedulerconfig.KubeSchedulerProfile
}

// LoadConfig reads a KubeSchedulerConfiguration as the scheduler does at its start: strictly. An empty name stands for the
// configuration that Shoal installs. Of several profiles, that of shoal-scheduler is taken, and the first without one.
func LoadConfig(name string) (*Config, error) {
	source, text := Shipped, manifests.SchedulerConfig
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
	load, unread := byRequests(&profile)
	return &Config{Source: source, Load: load, Unread: append(unread, unscored(profile.Plugins)...), profile: profile}, nil
}

// byRequests has LoadBalance go by requests, as it does where nothing is measured: a command that answers a question, maybe about
// a dump of last week, does not wait for measurements of now. It returns where load would be measured, and what is not tried for want of it.
func byRequests(profile *schedulerconfig.KubeSchedulerProfile) (from *config.LoadSource, unread []string) {
	for i := range profile.PluginConfig {
		args, ok := profile.PluginConfig[i].Args.(*config.LoadBalanceArgs)
		switch {
		case !ok:
			continue
		case len(args.Thresholds) > 0:
			unread = append(unread, "measured load: its thresholds, which may close nodes, were not tried, and nodes were ranked by requests")
		case args.Load != nil:
			unread = append(unread, "measured load: nodes were ranked by requests")
		}
		args, from = args.DeepCopy(), args.Load
		args.Load, args.Thresholds = nil, nil
		profile.PluginConfig[i].Args = args
	}
	return from, unread
}

// AtPrometheus is from with the URL of a Prometheus: the queries and labels are those of from, or where it is nil or another
// kind of source, what LoadBalance has by default. Credentials are not carried over: they are for the server that the
// configuration names. A URL that LoadBalance would not take is an error.
func AtPrometheus(url string, from *config.LoadSource) (*config.LoadSource, error) {
	s := runtime.NewScheme()
	if err := configscheme.AddToScheme(s); err != nil {
		return nil, err
	}
	given := &configv1.LoadBalanceArgs{Load: &configv1.LoadSource{Type: config.SourcePrometheus, Prometheus: &configv1.PrometheusSource{URL: url}}}
	s.Default(given)
	args := &config.LoadBalanceArgs{}
	if err := s.Convert(given, args, nil); err != nil {
		return nil, fmt.Errorf("filling in how Prometheus is asked: %w", err)
	}
	if from != nil && from.Type == config.SourcePrometheus {
		args.Load = from.DeepCopy()
		p := &args.Load.Prometheus
		p.URL, p.BearerTokenFile, p.CAFile = url, "", ""
	}
	return args.Load, validation.Validate(args, nil).ToAggregate()
}
