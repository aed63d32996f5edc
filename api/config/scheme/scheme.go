// Package scheme makes the arguments of Shoal's plugins known to kube-scheduler. Arguments that kube-scheduler does not
// know it hands over undecoded, and a misspelt field would pass in silence: known ones it decodes strictly.
package scheme

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	schedulerscheme "k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	schedulerv1 "k8s.io/kubernetes/pkg/scheduler/apis/config/v1"

	"github.com/shoal-dev/shoal/api/config"
	configv1 "github.com/shoal-dev/shoal/api/config/v1"
)

// Register adds the arguments to both schemes of kube-scheduler: the one that decodes its configuration, and the one
// that defaults and converts arguments. Call it once, before a configuration is read.
func Register() error {
	for _, s := range []*runtime.Scheme{schedulerscheme.Scheme, schedulerv1.GetPluginArgConversionScheme()} {
		if err := AddToScheme(s); err != nil {
			return fmt.Errorf("registering the arguments of Shoal's plugins: %w", err)
		}
	}
	return nil
}

// AddToScheme adds types, defaults and conversions to one scheme.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(schedulerconfig.SchemeGroupVersion, &config.DispersionArgs{}, &config.LoadBalanceArgs{})
	s.AddKnownTypes(schedulerv1.SchemeGroupVersion, &configv1.DispersionArgs{}, &configv1.LoadBalanceArgs{})
	configv1.AddDefaults(s)
	return configv1.AddConversions(s)
}
