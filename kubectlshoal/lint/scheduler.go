package lint

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/plugins/dispersion"
	"github.com/shoal-dev/shoal/plugins/registry"
)

// scheduler judges a configuration as the scheduler does at its start, and says what would start and not do what is meant.
func (l *linter) scheduler(d *document, o object) {
	l.Objects++
	c, problems := registry.Check(d.text)
	for _, p := range problems {
		l.add(o, p.Path, p.Text, "")
	}
	if c == nil {
		return
	}
	i := slices.IndexFunc(c.Profiles, func(p schedulerconfig.KubeSchedulerProfile) bool { return p.SchedulerName == v1alpha1.SchedulerName })
	if i < 0 {
		l.add(o, "profiles", "no profile has the schedulerName "+v1alpha1.SchedulerName+": pods of InstanceSets would wait for ever", "")
		return
	}
	if !enables(c.Profiles[i].Plugins, dispersion.Name) {
		l.add(o, "profiles", "the profile "+v1alpha1.SchedulerName+" does not enable the plugin "+dispersion.Name+": no limit would be kept", "")
	}
}

func enables(p *schedulerconfig.Plugins, name string) bool {
	return p != nil && (slices.Contains(p.Names(), name) ||
		slices.ContainsFunc(p.MultiPoint.Enabled, func(p schedulerconfig.Plugin) bool { return p.Name == name }))
}

// configMap looks for configurations of the scheduler, as manifests/install has one.
func (l *linter) configMap(o object) {
	data := nodeAt(o.at, "data")
	found := false
	for i := 0; data != nil && i+1 < len(data.Content); i += 2 {
		value := data.Content[i+1]
		if !strings.Contains(value.Value, "kind: "+registry.Kind) {
			continue
		}
		found = true
		inside := &document{file: o.file, before: o.before + value.Line, text: []byte(value.Value)}
		if value.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
			inside.before-- // it begins on the line of its key
		}
		if f := inside.parse(); f != nil {
			l.Findings = append(l.Findings, *f)
		} else if inside.root != nil {
			l.scheduler(inside, object{inside, inside.root, inside.value})
		}
	}
	if !found {
		l.Others++
	}
}
