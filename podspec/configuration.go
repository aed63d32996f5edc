package podspec

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// A configuration reaches the engine in two steps, as the volumes of a pod cannot be changed:
//
//	annotation --downward API--> file of the agent --agent--> redis.conf in a volume of the pod --> engine
//
// So it is there before the engine starts, also while no manager runs, and a container that restarts for another reason has the one that
// its pod was given, whatever the set says by then.
const (
	// AskedConfiguration is the folder of the agent with what its pod's annotations say.
	AskedConfiguration = "/var/run/shoal/configuration"
	// RenderedConfiguration is the folder of the agent into which it writes the engine's file.
	RenderedConfiguration = "/var/lib/shoal/configuration"
	// EngineConfiguration is the same folder as the engine has it, without the right to write. The file is redis.conf.
	EngineConfiguration = "/etc/shoal"

	askedVolume    = AgentContainer + "-configuration"
	renderedVolume = "shoal-configuration"
)

// startupSeconds is for how long the first file may take, before the kubelet starts the agent again. A configuration that cannot be takes
// for ever.
const startupSeconds = 600

// ConfigurationOf is the configuration of a set's engines, nil for none: in one order, with the defaults of the API server.
func ConfigurationOf(set *v1alpha1.InstanceSet) *v1alpha1.Configuration {
	if set.Spec.Configuration == nil || !WantsAgent(set) {
		return nil
	}
	c := set.Spec.Configuration.DeepCopy()
	c.Container = cmp.Or(c.Container, v1alpha1.ConfigurationContainer)
	slices.SortStableFunc(c.Parameters, func(a, b v1alpha1.ConfigurationParameter) int { return strings.Compare(a.Name, b.Name) })
	return c
}

// EncodedConfiguration is what the annotation of a pod says for a configuration.
func EncodedConfiguration(c *v1alpha1.Configuration) string { return encoded(c).Encode() }

// ConfigurationRevision is what an agent reports that has brought a configuration to its engine, "" for none.
func ConfigurationRevision(c *v1alpha1.Configuration) string {
	if c == nil {
		return ""
	}
	return encoded(c).Revision
}

func encoded(c *v1alpha1.Configuration) agent.Configuration {
	parameters := make([]agent.Parameter, 0, len(c.Parameters))
	for _, p := range c.Parameters {
		parameters = append(parameters, agent.Parameter{Name: p.Name, Value: p.Value})
	}
	return agent.NewConfiguration(parameters)
}

// GivenConfiguration is the revision of the configuration that a pod was given, "" for none, or for one that cannot be read.
func GivenConfiguration(pod *corev1.Pod) string {
	c, _ := given(pod)
	return c.Revision
}

// given reads the annotation. What somebody has put there instead is no configuration.
func given(pod *corev1.Pod) (agent.Configuration, bool) {
	text, has := pod.Annotations[v1alpha1.AnnotationConfiguration]
	if !has {
		return agent.Configuration{}, false
	}
	c, err := agent.DecodeConfiguration(strings.NewReader(text))
	return c, err == nil
}

// UnknownParameters are those of a configuration that Shoal does not know: no engine gets it.
func UnknownParameters(c *v1alpha1.Configuration) []string {
	var unknown []string
	if c != nil {
		for _, p := range c.Parameters {
			if _, known := agent.ClassOf(p.Name); !known {
				unknown = append(unknown, p.Name)
			}
		}
	}
	return unknown
}

// FixedParameters are those that cannot be changed on instances that have data, and are not the same in two configurations.
func FixedParameters(before, after *v1alpha1.Configuration) []string {
	if before == nil || after == nil {
		return nil
	}
	was, is := encoded(before), encoded(after)
	return slices.DeleteFunc(differing(was, is), func(name string) bool {
		class, known := agent.ClassOf(name)
		return !known || class != agent.Immutable
	})
}

// ChangedParameters are what differs between two configurations, for people: "hz = 20", or "hz" for one that is taken away.
func ChangedParameters(before, after *v1alpha1.Configuration) []string {
	if before == nil || after == nil {
		return nil
	}
	is := encoded(after)
	words := differing(encoded(before), is)
	for n, name := range words {
		if value, has := is.Value(name); has {
			words[n] = name + " = " + short(value, false)
		}
	}
	return words
}

// differing are the parameters that are not the same in two configurations, by name.
func differing(a, b agent.Configuration) []string {
	names := map[string]bool{}
	for _, p := range slices.Concat(a.Parameters, b.Parameters) {
		x, had := a.Value(p.Name)
		y, has := b.Value(p.Name)
		if had != has || x != y {
			names[p.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// MaxMemory is the maxmemory of a set's configuration in bytes, 0 for none.
func MaxMemory(c *v1alpha1.Configuration) int64 {
	if c != nil {
		for _, p := range c.Parameters {
			if n, ok := agent.BytesOf(p.Value); p.Name == "maxmemory" && ok {
				return n
			}
		}
	}
	return 0
}

// UnknownConfigured is the container of a set's configuration that spec.template does not have, "" if it has it.
func UnknownConfigured(set *v1alpha1.InstanceSet) string {
	c := ConfigurationOf(set)
	if c == nil || slices.ContainsFunc(set.Spec.Template.Spec.Containers, func(has corev1.Container) bool { return has.Name == c.Container }) {
		return ""
	}
	return c.Container
}

// EngineContainer is the container whose memory is the engine's: that of the configuration or, without one, the only one, or redis.
func EngineContainer(set *v1alpha1.InstanceSet) string {
	if c := ConfigurationOf(set); c != nil {
		return c.Container
	}
	if all := set.Spec.Template.Spec.Containers; len(all) == 1 {
		return all[0].Name
	}
	return v1alpha1.ConfigurationContainer
}

// mountConfiguration gives the engine its file. What the template mounts there is replaced.
func mountConfiguration(spec *corev1.PodSpec, set *v1alpha1.InstanceSet) {
	c := ConfigurationOf(set)
	if c == nil {
		return
	}
	at := slices.IndexFunc(spec.Containers, func(has corev1.Container) bool { return has.Name == c.Container })
	if at < 0 {
		return
	}
	engine := &spec.Containers[at]
	engine.VolumeMounts = slices.DeleteFunc(slices.Clone(engine.VolumeMounts), func(m corev1.VolumeMount) bool {
		return m.Name == renderedVolume || path.Clean(m.MountPath) == EngineConfiguration
	})
	engine.VolumeMounts = append(engine.VolumeMounts, corev1.VolumeMount{Name: renderedVolume, MountPath: EngineConfiguration, ReadOnly: true})
}

// configurationArgs, configurationMounts and configurationVolumes are the agent's part.
func configurationArgs(set *v1alpha1.InstanceSet) []string {
	if ConfigurationOf(set) == nil {
		return nil
	}
	return []string{"--configuration=" + AskedConfiguration, "--configuration-out=" + RenderedConfiguration}
}

func configurationMounts(set *v1alpha1.InstanceSet) []corev1.VolumeMount {
	if ConfigurationOf(set) == nil {
		return nil
	}
	return []corev1.VolumeMount{
		{Name: askedVolume, MountPath: AskedConfiguration, ReadOnly: true},
		{Name: renderedVolume, MountPath: RenderedConfiguration},
	}
}

func configurationVolumes(set *v1alpha1.InstanceSet) []corev1.Volume {
	if ConfigurationOf(set) == nil {
		return nil
	}
	file := func(name, annotation string) corev1.DownwardAPIVolumeFile {
		return corev1.DownwardAPIVolumeFile{Path: name, FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.annotations['" + annotation + "']"}}
	}
	return []corev1.Volume{
		{Name: askedVolume, VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{Items: []corev1.DownwardAPIVolumeFile{
			file("configuration", v1alpha1.AnnotationConfiguration), file("restart-master", v1alpha1.AnnotationRestartMaster),
		}}}},
		{Name: renderedVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
	}
}

// configurationPath stands for the annotation in differences.
const configurationPath = "configuration"

const (
	dynamicWhy   = "the agent changes the engine that runs, and reads it back"
	staticWhy    = "the engine reads it when it starts: the agent has the container restarted in place"
	removedWhy   = "the engine's own value is known when it has started again: the agent has the container restarted in place"
	immutableWhy = "it can be given when an instance is made, and not be changed: what is stored could not be read any more"
	unknownWhy   = "Shoal knows no such parameter, or lets nobody set it"
	wholeWhy     = "the volumes of a pod that exists cannot be changed"
)

// configurationDifferences are those of the parameters, each for itself. Like others, they are the template's doing, and what the pod has
// already is none.
func configurationDifferences(was, live, want *corev1.Pod) []Difference {
	const key = v1alpha1.AnnotationConfiguration
	before, did := was.Annotations[key]
	after, does := want.Annotations[key]
	switch {
	case before == after && did == does:
		return nil
	case !did:
		return []Difference{{Path: configurationPath, After: present, Class: Recreate, Why: wholeWhy, row: -1}}
	case !does:
		return []Difference{{Path: configurationPath, Before: present, Class: Recreate, Why: wholeWhy, row: -1}}
	case live.Annotations[key] == after:
		return nil
	}
	container := configured(want)
	wanted, _ := given(want)
	has, readable := given(live)
	if !readable { // somebody has written something else there: whatever it takes
		return []Difference{{
			Path: configurationPath, Before: present, After: present, Class: InPlaceConfiguration, Why: staticWhy, Container: container, Restarts: true, row: -1,
		}}
	}
	var all []Difference
	for _, name := range differing(has, wanted) {
		all = append(all, ofParameter(name, container, has, wanted))
	}
	return all
}

// ofParameter is the difference of one of them.
func ofParameter(name, container string, has, wanted agent.Configuration) Difference {
	d := Difference{Path: configurationPath + "[" + name + "]", Parameter: name, Class: InPlaceConfiguration, Container: container, row: -1}
	class, known := agent.ClassOf(name) // what is not known may be a secret
	if value, is := has.Value(name); is {
		d.Before = short(value, !known)
	}
	value, is := wanted.Value(name)
	if is {
		d.After = short(value, !known)
	}
	switch {
	case is && !known:
		d.Class, d.Why, d.Container = Refused, unknownWhy, ""
	case class == agent.Immutable:
		d.Class, d.Why, d.Container = Refused, immutableWhy, ""
	case !is:
		d.Restarts, d.Why = true, removedWhy
	case class == agent.Static:
		d.Restarts, d.Why = true, staticWhy
	default:
		d.Why = dynamicWhy
	}
	return d
}

// configured is the container that reads the file.
func configured(pod *corev1.Pod) string {
	for _, c := range pod.Spec.Containers {
		if slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == renderedVolume }) {
			return c.Name
		}
	}
	return v1alpha1.ConfigurationContainer // of a manager without agents
}
