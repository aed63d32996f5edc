package decide

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// Configurations in the fuzz of updates: parameters that the engine takes while it runs, those that take a start, one that no engine takes, one that
// cannot be changed and one that nobody knows; and agents that report in time, late, or not at all.

const (
	firstDatabases = "16"
	badValue       = "bad"
)

func parameters(spec *v1alpha1.InstanceSetSpec, all map[string]string) {
	spec.Configuration = &v1alpha1.Configuration{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if all[name] != "" {
			spec.Configuration.Parameters = append(spec.Configuration.Parameters, v1alpha1.ConfigurationParameter{Name: name, Value: all[name]})
		}
	}
}

// drawParameters changes the configuration of a set that has one.
func drawParameters(t *rapid.T, spec *v1alpha1.InstanceSetSpec) {
	if spec.Configuration == nil {
		return
	}
	draw := func(what string, from ...string) string { return rapid.SampledFrom(from).Draw(t, what) }
	all := map[string]string{
		"maxmemory": draw("maxmemory", "900mb", "1gb", "2gb", badValue), "io-threads": draw("io-threads", "", "2", "4", badValue), "databases": firstDatabases,
	}
	switch draw("not allowed", "", "", "", "", "databases", "nonsense") {
	case "databases":
		all["databases"] = "32"
	case "nonsense":
		all["nonsense"] = "1"
	}
	parameters(spec, all)
}

func given(pod *corev1.Pod) agent.Configuration {
	c, _ := agent.DecodeConfiguration(strings.NewReader(pod.Annotations[v1alpha1.AnnotationConfiguration]))
	return c
}

// agentsWork has agents bring to their engines what their pods were given, and say so: "done". Or one says that it is about to, "applying", or says
// nothing new, "".
func (w *world) agentsWork(how func() string) {
	for _, name := range slices.Sorted(maps.Keys(w.pods)) {
		pod := w.pods[name]
		if pod.Configuration == "" || !pod.Ready || pod.Terminating {
			continue
		}
		wanted := given(pod.Live)
		if _, runs := w.engines[pod.UID]; !runs && !refuses(wanted) { // it has started with it
			w.engines[pod.UID], pod.Reported = wanted, runsWith(wanted)
			continue
		}
		what := how()
		if what == "" || pod.Reported.Revision == wanted.Revision && pod.Reported.State == "" {
			continue
		}
		is := w.engines[pod.UID]
		say := func(state string) {
			pod.Reported = runsWith(is)
			pod.Reported.Wanted, pod.Reported.State, pod.Reported.Problem = wanted.Revision, state, "so it is"
		}
		switch {
		case is.Revision != "" && is.Revision == wanted.Revision: // it was taken back
			pod.Reported = runsWith(wanted)
		case refuses(wanted):
			say(agent.StateRefused)
		case what == "applying":
			say(agent.StateApplying)
		case restartsFor(is, wanted) && pod.Role == v1alpha1.RoleMaster && pod.Live.Annotations[v1alpha1.AnnotationRestartMaster] != wanted.Revision:
			say(agent.StateMaster)
		default:
			w.engines[pod.UID], pod.Reported = wanted, runsWith(wanted)
		}
	}
}

// runsWith is what an agent reports whose engine runs with a configuration.
func runsWith(c agent.Configuration) Reported {
	return Reported{Revision: c.Revision, MaxMemory: maxMemory(c)}
}

// maxMemory of an engine in bytes, 0 for no limit.
func maxMemory(c agent.Configuration) int64 {
	value, _ := c.Value("maxmemory")
	n, _ := agent.BytesOf(value)
	return n
}

// mayFill reports whether an engine may hold more than a limit of memory, or that of a master of its shard, which sends it to it.
func (w *world) mayFill(pod *Pod, limit int64) bool {
	v := newView(w.snapshot())
	more := func(p *Pod) bool { most := maxMemory(w.engines[p.UID]); return most == 0 || most > limit }
	led := false
	for _, i := range v.shard(v.at(pod.Ordinal)).members {
		if i.pod != nil && i.pod.Role == v1alpha1.RoleMaster {
			if led = true; more(i.pod) {
				return true
			}
		}
	}
	return !led || more(pod)
}

func refuses(c agent.Configuration) bool {
	return slices.ContainsFunc(c.Parameters, func(p agent.Parameter) bool { return p.Value == badValue })
}

func restartsFor(from, to agent.Configuration) bool {
	was, had := from.Value("io-threads")
	is, has := to.Value("io-threads")
	return was != is || had != has
}

// unapplied reports whether an engine does not run with what its pod was given.
func (w *world) unapplied(pod *Pod) bool {
	runs, known := w.engines[pod.UID]
	return known && runs.Revision != pod.Configuration
}

// restarts reports whether the agent restarts the engine because of a write.
func (w *world) restarts(c Change, pod *Pod) bool {
	wanted := given(c.After)
	return restartsFor(w.engines[pod.UID], wanted) && !refuses(wanted) && (pod.Role != v1alpha1.RoleMaster || c.After.Annotations[v1alpha1.AnnotationRestartMaster] == wanted.Revision)
}

// forbidsConfiguration says why a configuration must not be given to a pod as it is by a write.
func (w *world) forbidsConfiguration(c Change) string {
	if c.Kind == CreatePod {
		if _, has := given(podspec.Pod(w.set, c.Instance)).Value("nonsense"); has {
			return "nobody knows that parameter"
		}
	}
	pod := w.pods[c.Object]
	if c.Kind == PatchPod && pod.Configuration != "" && c.After.Labels[v1alpha1.LabelRevision] != c.Before.Labels[v1alpha1.LabelRevision] && w.unapplied(pod) {
		return "its engine does not run with what it was given"
	}
	if c.Kind != ConfigurePod {
		return ""
	}
	before, after := given(c.Before), given(c.After)
	was, _ := before.Value("databases")
	is, _ := after.Value("databases")
	_, unknown := after.Value("nonsense")
	may := func(o *corev1.Pod) string { return o.Annotations[v1alpha1.AnnotationRestartMaster] }
	strict := w.set.Spec.UpdateStrategy.Switchover == "" || w.set.Spec.UpdateStrategy.Switchover == v1alpha1.UpdateSwitchoverStrict
	refused, back := w.set.Status.RefusedConfiguration, c.Reason == reason.TakeBackConfiguration
	switch {
	case was != is:
		return "that cannot be changed"
	case unknown:
		return "nobody knows that parameter"
	case strict && pod.Role == v1alpha1.RoleMaster && may(c.After) != "" && may(c.After) != may(c.Before) && !back:
		return "its agent may restart a master"
	case refused != nil && refused.UpdateRevision == podspec.Revision(w.set, nil) && !back:
		return "it was refused"
	case !back && before.Revision != after.Revision:
		return w.forbidsTrial(c, after.Revision)
	}
	return ""
}

// forbidsTrial says why an instance must not get a configuration beside others.
func (w *world) forbidsTrial(c Change, revision string) string {
	tries := ""
	for name, other := range w.pods {
		switch {
		case w.engines[other.UID].Revision == revision:
			return ""
		case name != c.Object && other.Configuration == revision && !other.Terminating:
			tries = name
		}
	}
	if tries != "" {
		return tries + " tries it, and has not said that it took it"
	}
	return ""
}

// endConfigurations wants a configuration that every engine takes.
func endConfigurations(w *world) {
	spec := &w.set.Spec
	if spec.Configuration == nil {
		return
	}
	databases := firstDatabases
	v := newView(w.snapshot())
	if asked := v.asked(v.bases[0]); asked != nil && asked.Configuration != nil {
		for _, p := range asked.Configuration.Parameters {
			if p.Name == "databases" {
				databases = p.Value
			}
		}
	}
	parameters(spec, map[string]string{"maxmemory": "800mb", "io-threads": "8", "databases": databases})
}

// configured wants every engine to run with what the set asks for.
func configured(t *rapid.T, w *world) {
	want := podspec.ConfigurationRevision(podspec.ConfigurationOf(w.set))
	for name, pod := range w.pods {
		if pod.Configuration != want || want != "" && w.engines[pod.UID].Revision != want {
			t.Fatalf("%s does not have the configuration: %+v\n%+v", name, w.engines[pod.UID], w.set.Status.Conditions)
		}
	}
}
