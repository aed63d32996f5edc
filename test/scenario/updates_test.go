package scenario

import (
	"strings"

	"github.com/cockroachdb/datadriven"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/simulation"
)

// ofUpdates are what people do to templates and strategies, and to Switchovers.
var ofUpdates = map[string]verb{
	"template": func(w *simulation.World, d *datadriven.TestData) error {
		var bad error
		err := w.Edit(first(d), func(s *v1alpha1.InstanceSet) { bad = setTemplate(d, s) })
		if bad != nil {
			return bad
		}
		return err
	},
	"strategy": edit(setStrategy),
	"parameters": edit(func(d *datadriven.TestData, s *v1alpha1.InstanceSet) {
		simulation.SetParameters(s, parametersOf(d.CmdArgs[1:]))
	}),
	"switchover": func(w *simulation.World, d *datadriven.TestData) error {
		return w.Switchover(first(d), d.CmdArgs[1].Key, d.CmdArgs[2].Key)
	},
	"behind": func(w *simulation.World, d *datadriven.TestData) error {
		return w.Behind(first(d), long(d, d.CmdArgs[1].Key))
	},
}

// setUpdates gives a set a strategy before it is created: updates=Only, Prefer or Never, with the words of the command strategy.
func setUpdates(w *simulation.World, d *datadriven.TestData, s *v1alpha1.InstanceSet) error {
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "updates":
			w.WithContainers()
			s.Spec.UpdateStrategy.InPlace = v1alpha1.InPlaceMode(arg.Vals[0])
		case "exporter", "limit", "toleration", "label":
			if err := simulation.SetTemplate(&s.Spec.Template, arg.Key, arg.Vals[0]); err != nil {
				return err
			}
		case "parameters":
			all := map[string]string{}
			for _, p := range arg.Vals {
				name, value, _ := strings.Cut(p, ":")
				all[name] = value
			}
			simulation.SetParameters(s, all)
		case "large":
			s.Spec.Templates = []v1alpha1.InstanceTemplate{{Name: "large", Replicas: ptr.To(int32(parse(d, arg.Vals[0])))}}
		}
	}
	setStrategy(d, s)
	return nil
}

func parametersOf(args []datadriven.CmdArg) map[string]string {
	all := map[string]string{}
	for _, arg := range args {
		all[arg.Key] = strings.ReplaceAll(strings.Join(arg.Vals, ","), "_", " ")
	}
	return all
}

func setTemplate(d *datadriven.TestData, s *v1alpha1.InstanceSet) error {
	for _, arg := range d.CmdArgs[1:] {
		value := ""
		if len(arg.Vals) > 0 {
			value = arg.Vals[0]
		}
		if err := simulation.SetTemplate(&s.Spec.Template, arg.Key, value); err != nil {
			return err
		}
	}
	return nil
}

func setStrategy(d *datadriven.TestData, s *v1alpha1.InstanceSet) {
	u := &s.Spec.UpdateStrategy
	for _, arg := range d.CmdArgs[1:] {
		switch arg.Key {
		case "inPlace":
			u.InPlace = v1alpha1.InPlaceMode(arg.Vals[0])
		case "type":
			u.Type = v1alpha1.UpdateStrategyType(arg.Vals[0])
		case "partition":
			u.Partition = int32(parse(d, arg.Vals[0]))
		case "maxUnavailable":
			u.MaxUnavailable = ptr.To(intstr.Parse(arg.Vals[0]))
		case "switchover":
			u.Switchover = v1alpha1.UpdateSwitchover(arg.Vals[0])
		case "minReady":
			s.Spec.MinReadySeconds = int32(parse(d, arg.Vals[0]))
		}
	}
}
