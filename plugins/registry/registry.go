// Package registry knows which plugins shoal-scheduler has beside upstream's, and what is wrong with a configuration. It
// decides from the text of the configuration alone, so that the scheduler at its start and `kubectl shoal lint` say the same.
// It starts nothing and reads no file.
package registry

import (
	"context"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	_ "sigs.k8s.io/scheduler-plugins/apis/config/scheme" // the arguments of its plugins
	"sigs.k8s.io/scheduler-plugins/pkg/trimaran/loadvariationriskbalancing"
	"sigs.k8s.io/scheduler-plugins/pkg/trimaran/lowriskovercommitment"
	"sigs.k8s.io/scheduler-plugins/pkg/trimaran/targetloadpacking"

	"github.com/shoal-dev/shoal/plugins/dispersion"
	"github.com/shoal-dev/shoal/plugins/loadbalance"
)

// Constructor makes a plugin.
type Constructor = func(context.Context, runtime.Object, fwk.Handle) (fwk.Plugin, error)

// OutOfTree are the plugins beside upstream's, by name: ours, and Trimaran, plugins of scheduler-plugins that look at measured
// load too. Those are there for those who used them before, and do nothing unless a profile names them.
func OutOfTree() map[string]Constructor {
	return map[string]Constructor{
		dispersion.Name:                 dispersion.Shared(),
		loadbalance.Name:                loadbalance.New,
		loadvariationriskbalancing.Name: loadvariationriskbalancing.New,
		lowriskovercommitment.Name:      lowriskovercommitment.New,
		targetloadpacking.Name:          targetloadpacking.New,
	}
}

// names are those of all plugins that a profile may name, in alphabetical order.
func names() []string {
	all := slices.Collect(maps.Keys(plugins.NewInTreeRegistry()))
	return slices.Sorted(slices.Values(slices.AppendSeq(all, maps.Keys(OutOfTree()))))
}
