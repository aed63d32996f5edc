package main

import (
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"

	"github.com/shoal-dev/shoal/api/config/validation"
	"github.com/shoal-dev/shoal/plugins/dispersion"
	"github.com/shoal-dev/shoal/plugins/loadbalance"
)

// checkConfig refuses what kube-scheduler would find later or never: arguments of our plugins that are out of range,
// with the place where they stand, and arguments for a plugin that does not exist, which it passes over in silence.
func checkConfig(file string) error {
	config, err := options.LoadConfigFromFile(klog.Background(), file)
	if err != nil {
		return err
	}
	known := plugins.NewInTreeRegistry()
	var errs field.ErrorList
	for i := range config.Profiles {
		for j, c := range config.Profiles[i].PluginConfig {
			path := field.NewPath("profiles").Index(i).Child("pluginConfig").Index(j)
			if _, upstream := known[c.Name]; !upstream && others[c.Name] == nil && c.Name != dispersion.Name && c.Name != loadbalance.Name {
				errs = append(errs, field.Invalid(path.Child("name"), c.Name, "there is no such plugin"))
			}
			errs = append(errs, validation.Validate(c.Args, path.Child("args"))...)
		}
	}
	return errs.ToAggregate()
}
