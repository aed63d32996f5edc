package registry

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	schedulerv1 "k8s.io/kube-scheduler/config/v1"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	upstream "k8s.io/kubernetes/pkg/scheduler/apis/config/validation"
	"sigs.k8s.io/yaml"

	configscheme "github.com/shoal-dev/shoal/api/config/scheme"
	"github.com/shoal-dev/shoal/api/config/validation"
	"github.com/shoal-dev/shoal/spelling"
)

// Kind and GroupVersion are what a configuration must name.
const Kind = "KubeSchedulerConfiguration"

// GroupVersion of the one version that is read.
var GroupVersion = schedulerv1.SchemeGroupVersion

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	// Path is where, as in "profiles[0].pluginConfig[1].args.resources[0].weight"; "" if that is not known.
	Path string
	Text string
}

func (p Problem) String() string {
	if p.Path == "" {
		return p.Text
	}
	return p.Path + ": " + p.Text
}

// Error makes one error of all problems, nil if there are none.
func Error(problems []Problem) error {
	var errs []error
	for _, p := range problems {
		errs = append(errs, errors.New(p.String()))
	}
	return errors.Join(errs...)
}

// Check reads a configuration as kube-scheduler does, strictly, and says all that is wrong with it: what kube-scheduler would
// refuse, and what it would find late or never, such as arguments of our plugins that are out of range, and names of plugins
// that do not exist where it passes over them in silence. The configuration is nil if it cannot be read at all.
func Check(text []byte) (*schedulerconfig.KubeSchedulerConfiguration, []Problem) {
	if err := configscheme.Register(); err != nil {
		return nil, []Problem{{Text: err.Error()}}
	}
	o, gvk, err := scheme.Codecs.UniversalDecoder().Decode(text, nil, nil)
	problems := decoding(err)
	c, ok := o.(*schedulerconfig.KubeSchedulerConfiguration)
	switch {
	case ok && (err == nil || runtime.IsStrictDecodingError(err)):
	case err == nil:
		return nil, []Problem{{Path: "kind", Text: fmt.Sprintf("expected %s, got %s", Kind, gvk.Kind)}}
	default:
		return nil, problems
	}
	c.APIVersion = gvk.GroupVersion().String() // conversion clears it, and the validation asks for it
	problems = append(problems, unknownPlugins(text)...)
	if errs := upstream.ValidateKubeSchedulerConfiguration(c); errs != nil {
		for _, err := range errs.Errors() {
			problems = append(problems, problemOf(err))
		}
	}
	for i := range c.Profiles {
		for j, p := range c.Profiles[i].PluginConfig {
			path := field.NewPath("profiles").Index(i).Child("pluginConfig").Index(j).Child("args")
			for _, err := range validation.Validate(p.Args, path) {
				problems = append(problems, problemOf(err))
			}
		}
	}
	return c, problems
}

func problemOf(err error) Problem {
	var at *field.Error
	if errors.As(err, &at) {
		return Problem{at.Field, at.ErrorBody()}
	}
	return Problem{Text: err.Error()}
}

var (
	inArgs      = regexp.MustCompile(`^decoding \.(profiles\[\d+\]\.pluginConfig\[\d+\]): (?:strict decoding error: )?decoding args for plugin ([^:]+): `)
	wrongFields = regexp.MustCompile(`(unknown|duplicate) field "([^"]+)"`)
	wrongType   = regexp.MustCompile(`cannot unmarshal (\S+) into Go (?:struct field \w+\.(\S+) of type|value of type) (\S+)`)
)

// decoding takes apart what the decoder says.
func decoding(err error) []Problem {
	if err == nil {
		return nil
	}
	if runtime.IsNotRegisteredError(err) || runtime.IsMissingVersion(err) || runtime.IsMissingKind(err) {
		return []Problem{{Path: "apiVersion", Text: fmt.Sprintf("expected apiVersion %s and kind %s, which is the only one that this version reads", GroupVersion, Kind)}}
	}
	if strict, ok := runtime.AsStrictDecodingError(err); ok {
		var all []Problem
		for _, err := range strict.Errors() {
			all = append(all, decodingOne(err.Error())...)
		}
		return all
	}
	return decodingOne(err.Error())
}

func decodingOne(text string) []Problem {
	prefix, root := "", reflect.TypeFor[schedulerv1.KubeSchedulerConfiguration]()
	if m := inArgs.FindStringSubmatch(text); m != nil {
		prefix, root, text = m[1]+".args.", argsOf(m[2]), text[len(m[0]):]
	}
	var all []Problem
	for _, m := range wrongFields.FindAllStringSubmatch(text, -1) {
		why := m[1] + " field"
		if m[1] == "unknown" {
			siblings, last := fieldsBeside(root, m[2])
			why += spelling.Guess(last, siblings)
		}
		all = append(all, Problem{prefix + m[2], why})
	}
	if m := wrongType.FindStringSubmatch(text); m != nil && all == nil {
		return []Problem{{strings.TrimSuffix(prefix+m[2], "."), fmt.Sprintf("expected %s, got %s", strings.TrimPrefix(m[3], "*"), m[1])}}
	}
	if all == nil {
		all = []Problem{{strings.TrimSuffix(prefix, "."), text}}
	}
	return all
}

// unknownPlugins looks at the text, not at the configuration: in that one, upstream's plugins stand before those of the file.
func unknownPlugins(text []byte) []Problem {
	var file schedulerv1.KubeSchedulerConfiguration
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil // the decoder said so
	}
	known := names()
	var all []Problem
	check := func(path *field.Path, name string) {
		if name != "*" && !slices.Contains(known, name) {
			all = append(all, problemOf(field.Invalid(path.Child("name"), name, "there is no such plugin"+spelling.Guess(name, known))))
		}
	}
	for i, profile := range file.Profiles {
		path := field.NewPath("profiles").Index(i)
		for j, c := range profile.PluginConfig {
			check(path.Child("pluginConfig").Index(j), c.Name)
		}
		if profile.Plugins == nil {
			continue
		}
		points := reflect.ValueOf(*profile.Plugins)
		for n := range points.NumField() {
			set, ok := points.Field(n).Interface().(schedulerv1.PluginSet)
			if !ok {
				continue
			}
			point := path.Child("plugins").Child(nameOf(points.Type().Field(n)))
			for j, p := range set.Enabled {
				check(point.Child("enabled").Index(j), p.Name)
			}
			for j, p := range set.Disabled {
				check(point.Child("disabled").Index(j), p.Name)
			}
		}
	}
	return all
}
