// Package validation says which arguments of Shoal's scheduler plugins are allowed. Its errors name the field and the
// allowed range. It checks the internal form, after defaults were set, and changes nothing.
package validation

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/shoal-dev/shoal/api/config"
)

// The ranges are those of PlacementPolicy, so that a group can move from the one to the other.
const (
	mostPerNode  = 10000
	mostNodes    = 20000
	mostPerShard = 100
	mostWeight   = 100
)

// resources are the dimensions that LoadBalance can measure.
var resources = []string{"cpu", "memory"}

// Validate checks the arguments of a plugin of ours; path is where they stand. It has nothing to say about others.
func Validate(args runtime.Object, path *field.Path) field.ErrorList {
	switch typed := args.(type) {
	case *config.DispersionArgs:
		return dispersionArgs(typed, path)
	case *config.LoadBalanceArgs:
		return loadBalanceArgs(typed, path)
	}
	return nil
}

func dispersionArgs(args *config.DispersionArgs, path *field.Path) field.ErrorList {
	errs := between(args.MaxInstancesPerNode, 0, mostPerNode, path.Child("maxInstancesPerNode"))
	defaults := path.Child("defaults")
	errs = append(errs, betweenIfSet(args.Defaults.MaxInstancesPerNode, 1, mostPerNode, defaults.Child("maxInstancesPerNode"))...)
	errs = append(errs, betweenIfSet(args.Defaults.MaxNodes, 1, mostNodes, defaults.Child("maxNodes"))...)
	return append(errs, betweenIfSet(args.Defaults.MaxPerShard, 1, mostPerShard, defaults.Child("maxPerShard"))...)
}

func loadBalanceArgs(args *config.LoadBalanceArgs, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	list := path.Child("resources")
	if len(args.Resources) == 0 {
		errs = append(errs, field.Required(list, "must name at least one of cpu and memory, or be left out"))
	}
	seen := sets.New[string]()
	for i, r := range args.Resources {
		if known := sets.New(resources...); !known.Has(r.Name) {
			errs = append(errs, field.NotSupported(list.Index(i).Child("name"), r.Name, resources))
		}
		if seen.Has(r.Name) {
			errs = append(errs, field.Duplicate(list.Index(i).Child("name"), r.Name))
		}
		seen.Insert(r.Name)
		errs = append(errs, between(r.Weight, 1, mostWeight, list.Index(i).Child("weight"))...)
	}
	return append(errs, between(args.WorstDimensionPercent, 0, 100, path.Child("worstDimensionPercent"))...)
}

func betweenIfSet(value *int32, low, high int32, path *field.Path) field.ErrorList {
	if value == nil {
		return nil
	}
	return between(*value, low, high, path)
}

func between(value, low, high int32, path *field.Path) field.ErrorList {
	if value < low || value > high {
		return field.ErrorList{field.Invalid(path, value, fmt.Sprintf("must be between %d and %d", low, high))}
	}
	return nil
}
