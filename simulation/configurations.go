package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/simulation/farm"
)

// What an agent makes of the configuration that its pod is given, where a set has one. It is a model of the agent: the annotation reaches it a
// little later, what the engine takes while it runs is done at once, and for the rest it ends the engine, which the kubelet starts again with
// the file that it finds. A value that begins with BadValue the engine refuses: at once, or by not starting with it, and then the file of before
// comes back.

// BadValue is the beginning of values that no engine takes.
const BadValue = "bad"

// configured is how far an agent is with configurations.
type configured struct {
	file, runs api.Configuration // what the engine starts with, and what it runs with
	state      *api.ConfigurationState
	before     api.Configuration // the file of before, while the engine starts with another one
}

// configures has the agent of a process look at what its pod is given, a little later.
func (w *World) configures(m *machine, pod *corev1.Pod, p *process) {
	text := pod.Annotations[v1alpha1.AnnotationConfiguration]
	if p.engine == nil || text == "" {
		return
	}
	c := &p.engine.configured
	wanted, err := api.DecodeConfiguration(strings.NewReader(text))
	if err != nil {
		w.must(err)
		return
	}
	if c.file.Revision == "" { // the engine starts with it
		c.file = wanted
		return
	}
	if c.settled(wanted, pod.Annotations[v1alpha1.AnnotationRestartMaster]) {
		return
	}
	w.once("configure "+string(p.pod), w.between(100*time.Millisecond, 3*time.Second), func() { w.configure(m, p) })
}

// settled: the agent has nothing to do about it.
func (c *configured) settled(wanted api.Configuration, mayRestart string) bool {
	if c.state == nil {
		return c.runs.Revision == wanted.Revision
	}
	return c.state.Wanted == wanted.Revision && c.state.State != api.StateApplying && (c.state.State == api.StateRefused || mayRestart != wanted.Revision)
}

// configure brings what the pod is given to the engine.
func (w *World) configure(m *machine, p *process) {
	pod, there := find[*corev1.Pod](w, p.name)
	if !there || pod.UID != p.pod || !m.alive(p) || !m.reachable() {
		return
	}
	c := &p.engine.configured
	wanted, err := api.DecodeConfiguration(strings.NewReader(pod.Annotations[v1alpha1.AnnotationConfiguration]))
	if err != nil || c.settled(wanted, "") && !p.waitsAsMaster() {
		return
	}
	restarts, bad := change(c.runs, wanted)
	state := func(words, problem string) {
		c.state = &api.ConfigurationState{Wanted: wanted.Revision, State: words, Problem: problem}
	}
	switch {
	case c.runs.Revision == wanted.Revision: // it was taken back
		c.file, c.state = wanted, nil
	case !p.up():
		state(api.StateApplying, "")
		w.once("configure "+string(p.pod), time.Second, func() { w.configure(m, p) })
	case bad != "" && !restarts:
		state(api.StateRefused, "CONFIG SET failed - "+bad)
	case !restarts:
		c.file, c.runs, c.state = wanted, wanted, nil
	case p.engine.master && pod.Annotations[v1alpha1.AnnotationRestartMaster] != wanted.Revision:
		state(api.StateMaster, "")
	default:
		c.before, c.file = c.file, wanted
		state(api.StateApplying, "")
		w.tell(m.name, "the agent of %s ends its engine, for another configuration", p.name.Name)
		w.endEngine(m, p)
	}
	p.engine.agent.says()
}

func (p *process) waitsAsMaster() bool {
	s := p.engine.configured.state
	return s != nil && s.State == api.StateMaster
}

// change says what becomes of an engine that gets another configuration: whether it has to start again, and which value it does not take.
func change(from, to api.Configuration) (restarts bool, bad string) {
	for _, p := range slices.Concat(from.Parameters, to.Parameters) {
		was, had := from.Value(p.Name)
		is, has := to.Value(p.Name)
		if was == is && had == has {
			continue
		}
		class, _ := api.ClassOf(p.Name)
		restarts = restarts || !has || class == api.Static
		if strings.HasPrefix(is, BadValue) {
			bad = fmt.Sprintf("argument '%s' of '%s'", is, p.Name)
		}
	}
	return restarts, bad
}

// endEngine is what the agent's order to end does: the kubelet starts the container again.
func (w *World) endEngine(m *machine, p *process) {
	w.replicate()
	p.crashes()
	w.ends(p)
	w.kubelet(m.name, p.name)
	w.after(w.between(time.Second, 10*time.Second), "redis starts", func() { w.engineStarts(m, p) })
}

// engineStarts has the kubelet start an engine that has ended, with the file that is there.
func (w *World) engineStarts(m *machine, p *process) {
	if m.running[p.pod] != p {
		return
	}
	c := &p.engine.configured
	if _, bad := change(c.before, c.file); bad != "" && c.before.Revision != "" && c.state != nil { // it ends at once, again and again
		c.state = &api.ConfigurationState{Wanted: c.file.Revision, State: api.StateRefused, Problem: "it does not start: " + bad}
		c.file = c.before
		w.after(w.between(10*time.Second, 2*time.Minute), "redis starts", func() { w.engineStarts(m, p) })
		return
	}
	if w.restarts(m, p) {
		p.engine.down = false
		w.sync(m, p)
	}
}

// startsConfigured is an engine that runs again: with the file that it has found.
func (p *process) startsConfigured() {
	c := &p.engine.configured
	c.runs, c.before = c.file, api.Configuration{}
	if c.state != nil && c.state.State == api.StateApplying && c.state.Wanted == c.runs.Revision {
		c.state = nil
	}
}

// tells adds to a report what the agent knows of its engine's configuration.
func (r *reporter) tells(report api.Report) api.Report {
	c := &r.at.engine.configured
	if c.file.Revision == "" {
		return report
	}
	report.Revision, report.Configuration = "", nil
	if r.at.up() {
		report.Revision = c.runs.Revision
		if text, has := c.runs.Value("maxmemory"); has {
			report.MaxMemory, _ = api.BytesOf(text)
		}
	}
	if c.state != nil {
		state := *c.state
		report.Configuration = &state
	}
	return report
}

// says has the agent report at once.
func (r *reporter) says() {
	r.retry = time.Second
	r.push()
}

// Configurations is what the engines of a set run with, and what their agents say of it.
func (w *World) Configurations(set string) string {
	var b strings.Builder
	for _, pod := range all[*corev1.Pod](w) {
		if pod.Labels[v1alpha1.LabelInstanceSet] != set {
			continue
		}
		is := "does not run"
		if p, _ := w.processOfPod(pod); p != nil && p.engine != nil {
			var words []string
			for _, parameter := range p.engine.configured.runs.Parameters {
				words = append(words, parameter.Name+"="+parameter.Value)
			}
			is = strings.Join(words, " ")
			if s := p.engine.configured.state; s != nil {
				is += " (" + s.State + ")"
			}
		}
		fmt.Fprintf(&b, "%s %s\n", pod.Name, is)
	}
	return b.String()
}

// SetParameters gives a set's configuration parameters, name=value; without any there is none.
func SetParameters(s *v1alpha1.InstanceSet, parameters map[string]string) {
	s.Spec.Configuration = nil
	for name, value := range parameters { // the order says nothing
		if s.Spec.Configuration == nil {
			s.Spec.Configuration = &v1alpha1.Configuration{}
		}
		s.Spec.Configuration.Parameters = append(s.Spec.Configuration.Parameters, v1alpha1.ConfigurationParameter{Name: name, Value: value})
	}
	if s.Spec.Configuration != nil {
		slices.SortFunc(s.Spec.Configuration.Parameters, func(a, b v1alpha1.ConfigurationParameter) int { return strings.Compare(a.Name, b.Name) })
	}
}

// giveConfiguration gives a set with roles parameters, in seeds that have them.
func (p *play) giveConfiguration(s *v1alpha1.InstanceSet) {
	if p.choice.seed >= farm.FirstWithConfigurations && len(s.Spec.Roles) > 0 && p.choice.happens("configuration."+s.Name) {
		s.Spec.Configuration = &v1alpha1.Configuration{}
		p.goodConfiguration(s)
	}
}

// goodConfiguration is one that every engine takes, where a set has any. What cannot be changed stays: a set that was made anew may have begun
// with it.
func (p *play) goodConfiguration(s *v1alpha1.InstanceSet) {
	if s.Spec.Configuration == nil {
		return
	}
	good := map[string]string{"maxmemory": "1gb"}
	for _, pod := range all[*corev1.Pod](p.World) {
		given, err := api.DecodeConfiguration(strings.NewReader(pod.Annotations[v1alpha1.AnnotationConfiguration]))
		if value, has := given.Value("databases"); err == nil && has && pod.Labels[v1alpha1.LabelInstanceSet] == s.Name {
			good["databases"] = value
		}
	}
	SetParameters(s, good)
}

// changeParameters has people change some, also to what no engine takes, or what no instance may have.
func changeParameters(_ *play, d dice, s *v1alpha1.InstanceSet) string {
	if s.Spec.Configuration == nil {
		return ""
	}
	all := map[string]string{"maxmemory": []string{"1gb", "2gb", "3gb", BadValue}[d.Intn(4)]}
	if d.chance(0.5) {
		all["io-threads"] = []string{"2", "4", "4", BadValue}[d.Intn(4)]
	}
	if d.chance(0.1) {
		all[[]string{"databases", "nonsense"}[d.Intn(2)]] = "32"
	}
	SetParameters(s, all)
	return fmt.Sprintf("parameters %v", s.Spec.Configuration.Parameters)
}

// configuredFor: the engine runs with what its pod is given.
func (p *process) configuredFor(pod *corev1.Pod) bool {
	text := pod.Annotations[v1alpha1.AnnotationConfiguration]
	return p.engine == nil || text == "" || p.engine.configured.runs.Encode() == text
}

// runsOn reports whether a write gives a pod nothing but a configuration that its engine takes while it runs.
func (c *checker) runsOn(before *corev1.Pod, after client.Object) bool {
	pod, is := after.(*corev1.Pod)
	if !is || !equality.Semantic.DeepEqual(pod.Spec, before.Spec) {
		return false
	}
	p, _ := c.w.processOfPod(before)
	wanted, err := api.DecodeConfiguration(strings.NewReader(pod.Annotations[v1alpha1.AnnotationConfiguration]))
	if p == nil || p.engine == nil || err != nil {
		return false
	}
	restarts, _ := change(p.engine.configured.runs, wanted)
	return !restarts
}

// noRestart: with Strict, no agent is told that it may restart a master.
func (c *checker) noRestart(r request, before *corev1.Pod, after client.Object) {
	may := func(o client.Object) string { return o.GetAnnotations()[v1alpha1.AnnotationRestartMaster] }
	if pod, is := after.(*corev1.Pod); is && may(pod) != "" && may(pod) != may(before) {
		c.fail("a master hands over first", "%s tells an agent that it may restart one", r)
	}
}
