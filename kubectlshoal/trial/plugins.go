package trial

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/plugins/dispersion"
	"github.com/shoal-dev/shoal/plugins/loadbalance"
	"github.com/shoal-dev/shoal/plugins/registry"
)

// plugins are those of shoal-scheduler beside upstream's. Dispersion reads the policies of the snapshot. Others than ours would ask a server
// for load: in their place stands a score that prefers no node.
func (s *Scheduler) plugins() map[string]registry.Constructor {
	all := registry.OutOfTree()
	for name := range all {
		if foreign(name) {
			all[name] = func(context.Context, runtime.Object, fwk.Handle) (fwk.Plugin, error) { return indifferent(name), nil }
		}
	}
	all[dispersion.Name] = func(ctx context.Context, args runtime.Object, h fwk.Handle) (fwk.Plugin, error) {
		return dispersion.NewWith(ctx, args, h, s.replicas[reflect.TypeFor[*v1alpha1.PlacementPolicy]()])
	}
	return all
}

// foreign reports whether a plugin is neither upstream's nor ours.
func foreign(name string) bool {
	return registry.OutOfTree()[name] != nil && name != dispersion.Name && name != loadbalance.Name
}

// unscored says of each plugin of a profile in whose place an indifferent one stands what is not tried.
func unscored(plugins *schedulerconfig.Plugins) []string {
	var all []string
	for _, set := range []schedulerconfig.PluginSet{plugins.MultiPoint, plugins.PreScore, plugins.Score} {
		for _, p := range set.Enabled {
			text := fmt.Sprintf("the load that %s asks for: its score was not tried", p.Name)
			if foreign(p.Name) && !slices.Contains(all, text) {
				all = append(all, text)
			}
		}
	}
	return all
}

// indifferent is a plugin, by its name, that finds all nodes equally good.
type indifferent string

var (
	_ fwk.PreScorePlugin = indifferent("")
	_ fwk.ScorePlugin    = indifferent("")
)

// Name of the plugin in whose place it stands.
func (i indifferent) Name() string { return string(i) }

// PreScore has nothing to prepare.
func (indifferent) PreScore(context.Context, fwk.CycleState, *corev1.Pod, []fwk.NodeInfo) *fwk.Status {
	return nil
}

// Score is the same for every node.
func (indifferent) Score(context.Context, fwk.CycleState, *corev1.Pod, fwk.NodeInfo) (int64, *fwk.Status) {
	return 0, nil
}

// ScoreExtensions has none.
func (indifferent) ScoreExtensions() fwk.ScoreExtensions { return nil }
