// Package validation says which arguments of Shoal's scheduler plugins are allowed. Its errors name the field and the
// allowed range. It checks the internal form, after defaults were set, and changes nothing.
package validation

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// The ranges are those of PlacementPolicy, so that a group can move from the one to the other.
const (
	mostPerNode  = 10000
	mostNodes    = 20000
	mostPerShard = 100
	mostWeight   = 100
	day          = 86400 // seconds
)

// labelName is what Prometheus allows: it stands in queries as it is.
var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// resources are the dimensions that LoadBalance knows.
var resources = []string{"cpu", "memory", v1alpha1.ResourceNetIngress, v1alpha1.ResourceNetEgress}

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
		errs = append(errs, field.Required(list, "must name at least one of "+strings.Join(resources, ", ")+", or be left out"))
	}
	seen := sets.New[string]()
	for i, r := range args.Resources {
		errs = append(errs, once(r.Name, resources, seen, list.Index(i).Child("name"))...)
		errs = append(errs, between(r.Weight, 1, mostWeight, list.Index(i).Child("weight"))...)
	}
	errs = append(errs, between(args.WorstDimensionPercent, 0, 100, path.Child("worstDimensionPercent"))...)
	list, seen = path.Child("thresholds"), sets.New[string]()
	for i, t := range args.Thresholds {
		errs = append(errs, once(t.Name, resources, seen, list.Index(i).Child("name"))...)
		errs = append(errs, between(t.Percent, 1, 100, list.Index(i).Child("percent"))...)
	}
	if args.Load != nil {
		return append(errs, loadSource(args.Load, path.Child("load"))...)
	}
	if len(args.Thresholds) > 0 {
		errs = append(errs, field.Required(path.Child("load"), "thresholds are about measured load"))
	}
	return errs
}

func loadSource(l *config.LoadSource, path *field.Path) field.ErrorList {
	errs := between(l.IntervalSeconds, 5, 3600, path.Child("intervalSeconds"))
	errs = append(errs, between(l.TimeoutSeconds, 1, l.IntervalSeconds, path.Child("timeoutSeconds"))...)
	errs = append(errs, between(l.MaxAgeSeconds, l.IntervalSeconds, day, path.Child("maxAgeSeconds"))...)
	switch l.Type {
	case config.SourcePrometheus:
		return append(errs, prometheusSource(&l.Prometheus, path.Child("prometheus"))...)
	case config.SourceMetricsAPI:
		if l.Prometheus.URL != "" {
			errs = append(errs, field.Forbidden(path.Child("prometheus"), "type is "+l.Type))
		}
		return errs
	}
	return append(errs, field.NotSupported(path.Child("type"), l.Type, []string{config.SourcePrometheus, config.SourceMetricsAPI}))
}

func prometheusSource(p *config.PrometheusSource, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if u, err := url.Parse(p.URL); p.URL == "" {
		return append(errs, field.Required(path.Child("url"), "such as http://prometheus.monitoring:9090"))
	} else if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" {
		errs = append(errs, field.Invalid(path.Child("url"), p.URL, "must be http:// or https://, a host, and no query"))
	}
	if !labelName.MatchString(p.NodeLabel) {
		errs = append(errs, field.Invalid(path.Child("nodeLabel"), p.NodeLabel, "must be the name of a label in Prometheus"))
	}
	if _, err := regexp.Compile(p.Devices); err != nil {
		errs = append(errs, field.Invalid(path.Child("devices"), p.Devices, err.Error()))
	}
	errs = append(errs, between(p.Percentile, 1, 100, path.Child("percentile"))...)
	errs = append(errs, between(p.WindowSeconds, 1, day, path.Child("windowSeconds"))...)
	errs = append(errs, between(p.RateWindowSeconds, 1, p.WindowSeconds, path.Child("rateWindowSeconds"))...)
	errs = append(errs, between(p.StepSeconds, 1, p.RateWindowSeconds, path.Child("stepSeconds"))...)
	seen, list := sets.New[string](), path.Child("queries")
	for i, q := range p.Queries {
		errs = append(errs, once(q.Name, append([]string{config.QueryAge}, resources...), seen, list.Index(i).Child("name"))...)
		if q.Query == "" {
			errs = append(errs, field.Required(list.Index(i).Child("query"), "PromQL"))
		}
	}
	return errs
}

// once is for a name in a list, of which each may be there once.
func once(name string, known []string, seen sets.Set[string], path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if !slices.Contains(known, name) {
		errs = append(errs, field.NotSupported(path, name, known))
	}
	if seen.Has(name) {
		errs = append(errs, field.Duplicate(path, name))
	}
	seen.Insert(name)
	return errs
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
