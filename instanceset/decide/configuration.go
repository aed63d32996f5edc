package decide

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// A configuration is brought to an engine by the agent beside it, and whether that took it is known only when it says so. So, beside the rules
// of all updates (update.go):
//
//   - An instance that was given a configuration has arrived when its agent reports that revision. Silence is no failure: it is waited for.
//   - The first instance of the set has it alone, a replica where there is one, whose agent is heard where there is one. The others follow when its agent has reported it.
//   - What the engine refuses stops the update. That is written to the status before anything else is done; then each instance that has
//     it, and does not run with it, gets its former one back. It stays so until the template of that instance asks for something else.
//   - A parameter that is not known, or that cannot be changed where there is data, is seen before the first write. Pods that have to be made
//     meanwhile are made with what the last update ended with.
//   - What the engine takes while it runs disturbs no master; what takes a start hands it over before. An agent starts no master anew, unless it
//     is told that it may (AnnotationRestartMaster), in the write that gives it the configuration.

// configurationOf is the revision of the configuration that a revision of a template asks for; false if that is not known.
func (v *view) configurationOf(revision string) (string, bool) {
	if slices.Contains(v.revisions, revision) {
		return v.wantedConfiguration(), true
	}
	if c, known := v.configs[revision]; known {
		return c, true
	}
	asked := v.asked(revision)
	if asked == nil {
		return "", false
	}
	if v.configs == nil {
		v.configs = map[string]string{}
	}
	v.configs[revision] = podspec.ConfigurationRevision(asked.Configuration)
	return v.configs[revision], true
}

// wantedConfiguration is that of the set, the same for all of its templates.
func (v *view) wantedConfiguration() string {
	if v.wantsOnce == nil {
		v.wantsOnce = new(podspec.ConfigurationRevision(podspec.ConfigurationOf(v.Set)))
	}
	return *v.wantsOnce
}

// awaitAgents notes who has been given another configuration by an update, and does not run with it yet.
func (v *view) awaitAgents() {
	for n := range v.instances {
		i := &v.instances[n]
		pod := i.pod
		if pod == nil || pod.Target == "" || pod.Configuration == "" || pod.runs(pod.Configuration) {
			continue
		}
		for _, revision := range append(strings.Fields(pod.Passed), pod.Revision) {
			if c, known := v.configurationOf(revision); !known || c != pod.Configuration {
				awaits := *pod // the snapshot's own stays as it is
				awaits.Unapplied = true
				i.pod = &awaits
				break
			}
		}
	}
}

// runs reports whether the agent has said that the engine runs with a configuration, and is not about to bring another one to it.
func (p *Pod) runs(revision string) bool {
	return p.Reported.Revision == revision && (p.Reported.State == "" || p.Reported.State == agent.StateRefused)
}

// stands reports whether the agent has said of the configuration that the pod was given what becomes of it.
func (p *Pod) stands(state string) bool {
	return p.Reported.State == state && p.Reported.Wanted == p.Configuration && p.Configuration != ""
}

// awaited reports whether an instance has been given the configuration that is wanted, and its agent has not reported that. One that still has
// another one, which may have been refused, is not waited for.
func (p *planner) awaited(i *instance) bool {
	return i.pod.Unapplied && i.pod.Configuration == p.wantedConfiguration()
}

// configures reports whether parameters are among differences, and restarts whether one of them takes a start of the engine.
func configures(all []podspec.Difference) bool { return slices.ContainsFunc(all, isParameter) }

func restarts(all []podspec.Difference) bool {
	return slices.ContainsFunc(all, func(d podspec.Difference) bool { return isParameter(d) && d.Restarts })
}

func isParameter(d podspec.Difference) bool { return d.Class == podspec.InPlaceConfiguration }

// runsOn reports whether nothing that the update does to an instance stops its engine, as far as its agent has not said otherwise: what it has to
// do follows from what the engine runs with, which may be more than templates differ in.
func (p *planner) runsOn(i *instance) bool { return p.runsOnWith(i, p.wayOf(i).diffs) }

// runsOnWith is runsOn for a part of what the update does.
func (p *planner) runsOnWith(i *instance, part []podspec.Difference) bool {
	return p.wayOf(i).code == 0 && !i.pod.stands(agent.StateMaster) && p.inPlaceMode() != v1alpha1.InPlaceNever && !slices.ContainsFunc(part, func(d podspec.Difference) bool {
		return d.Class != podspec.InPlacePatch && (!isParameter(d) || d.Restarts)
	})
}

// mayTry reports whether an instance may be given the configuration that is wanted, as far as others have tried it.
func (p *planner) mayTry(i *instance) bool {
	want := p.wantedConfiguration()
	if i.pod.Configuration == want || !configures(p.wayOf(i).diffs) {
		return true
	}
	trial := p.trialOf(want)
	if p.triesNot(i) && !trial.proven {
		return false
	}
	return trial.proven || !trial.begun && !p.updates.trying
}

// trial is how far a configuration has been tried. Proven: an engine of the set runs with it. Begun: an instance has it, or gets it with a pod that is
// made anew.
type trial struct{ proven, begun bool }

// trialOf looks at all instances, once in a plan.
func (p *planner) trialOf(configuration string) trial {
	if p.tried == nil {
		p.tried = &trial{begun: len(p.replacing()) > 0}
		for n := range p.instances {
			i := &p.instances[n]
			if i.pod == nil || i.pod.Configuration != configuration {
				continue
			}
			p.tried.proven = p.tried.proven || i.pod.runs(configuration) || i.pod.Target == "" && i.ready() && !i.pod.stands(agent.StateRefused)
			p.tried.begun = p.tried.begun || i.online()
		}
	}
	return *p.tried
}

// configure is the write that gives a pod the configuration. A maxmemory follows the room that there is.
func (p *planner) configure(i *instance, want *corev1.Pod, all, now []podspec.Difference) move {
	if i.pod.Resize != 0 || i.pod.Unsettled && i.pod.Target == p.revision(i) {
		return move{}
	}
	return move{disturbs: true, change: p.write(i, ConfigurePod, want, all, now, reason.UpdateConfiguration)}
}

// awaitAgent is what comes next for an instance that has been given the configuration.
func (p *planner) awaitAgent(i *instance) move {
	if i.pod.stands(agent.StateMaster) {
		return p.restartsMaster(i)
	}
	return move{code: reason.ConfigurationWaits}
}

// restartsMaster is the write that lets an agent restart the master beside it, which waits for that. It is made, or not, as others that disturb
// a master are. Where the instance leads no more its agent goes on by itself.
func (p *planner) restartsMaster(i *instance) move {
	if !p.leads(i) || i.pod.Live == nil {
		return move{code: reason.ConfigurationWaits}
	}
	if i.pod.Live.Annotations[v1alpha1.AnnotationRestartMaster] == i.pod.Configuration { // it has yet to see that
		return move{code: reason.ConfigurationWaits}
	}
	after := i.pod.Live.DeepCopy()
	set(&after.Annotations, v1alpha1.AnnotationRestartMaster, i.pod.Configuration)
	return move{disturbs: true, change: &Change{
		Kind: ConfigurePod, Ordinal: i.ordinal, Object: p.name(i.ordinal), Reason: reason.UpdateConfiguration,
		Words: p.because(reason.UpdateConfiguration), UID: i.pod.UID, Before: i.pod.Live, After: after, Details: "restart-master",
	}}
}

// allowRestart says in the write of a configuration whether it may restart a master: it is made only if the strategy lets the instance be
// disturbed as it is.
func (p *planner) allowRestart(i *instance, annotations map[string]string, now []podspec.Difference) (details []string) {
	delete(annotations, v1alpha1.AnnotationRestartMaster)
	if restarts(now) && p.leads(i) && !p.runsOn(i) { // or nobody has asked whether it may
		annotations[v1alpha1.AnnotationRestartMaster] = p.wantedConfiguration()
		details = []string{"restart-master"}
	}
	return details
}

// hasRefused reports whether the status says that an engine has refused what the set asks for.
func (v *view) hasRefused() bool {
	stored := v.Set.Status.RefusedConfiguration
	return stored != nil && slices.Contains(v.revisions, stored.UpdateRevision)
}

// readRefusal finds out whether an engine has refused the configuration: of a pod that was given it, or that was made with it while others
// have yet to get it.
func (p *planner) readRefusal() {
	if p.hasRefused() {
		p.refused, p.refusalStored = p.Set.Status.RefusedConfiguration, true
		return
	}
	for n := range p.instances {
		i := &p.instances[n]
		if !i.online() || i.pod == nil || !i.pod.stands(agent.StateRefused) {
			continue
		}
		given := i.pod.Target == p.revision(i) && p.awaited(i)
		made := i.pod.Target == "" && i.pod.Revision == p.revision(i) && p.bases[i.template+1] != p.revision(i)
		if given || made {
			p.refused = &v1alpha1.RefusedConfiguration{UpdateRevision: p.revision(i), Ordinal: i.ordinal, Message: p.refusal(i)}
			return
		}
	}
}

// refusal is what was refused, and what the engine said.
func (p *planner) refusal(i *instance) string {
	var asked []string
	before := i.pod.Revision
	if before == p.revision(i) { // it was made with it
		before = p.bases[i.template+1]
	}
	if was := p.asked(before); was != nil {
		asked = podspec.ChangedParameters(was.Configuration, podspec.ConfigurationOf(p.Set))
	}
	said := i.pod.Reported.Problem
	if said == "" {
		said = "refused"
	}
	return cut(cut(strings.Join(asked, ", "), maxDetails/2)+": "+said, maxExceptionMessage)
}

// stopAt does what is left to do when a configuration was refused: who has arrived is labelled so, and who has not gets the former one back.
func (p *planner) stopAt(candidates []*instance) {
	for _, i := range candidates {
		p.waitUpdate(i, reason.ConfigurationRefused)
		if !p.refusalStored || i.pod.Target != p.revision(i) || i.pod.Configuration != p.wantedConfiguration() {
			continue
		}
		switch {
		case i.pod.stands(agent.StateRefused), i.pod.stands(agent.StateMaster):
			p.takeBack(i)
		case !i.pod.Unapplied:
			if next := p.nextMove(i); next.change != nil && next.change.Kind == PatchPod {
				p.add(*next.change)
			}
		}
	}
}

// noteConfigurations notes whose engine has refused what it was given.
func (p *planner) noteConfigurations() {
	if r := p.refused; r != nil && p.at(r.Ordinal) != nil {
		p.note(p.at(r.Ordinal), reason.ConfigurationRefused, r.Message)
	}
	for n := range p.instances {
		if i := &p.instances[n]; i.online() && i.pod != nil && i.pod.stands(agent.StateRefused) && (p.refused == nil || p.refused.Ordinal != i.ordinal) {
			p.note(i, reason.ConfigurationRefused, i.pod.Reported.Problem)
		}
	}
}

// keepsRefused reports whether an instance has a configuration that its engine has refused and nobody wants any more, and may not get the wanted one before
// another has tried that. It is unavailable for as long as it has the one, so that the others might wait for its place.
func (p *planner) keepsRefused(i *instance) bool {
	return i.pod.stands(agent.StateRefused) && i.pod.Configuration != p.wantedConfiguration() && !p.mayTry(i)
}

// takeBack gives an instance the configuration of its revision again. What else it has got of the template it keeps, until another one is
// brought to it.
func (p *planner) takeBack(i *instance) {
	asked := p.asked(i.pod.Revision)
	if asked == nil || asked.Configuration == nil || i.pod.Live == nil {
		return
	}
	former := podspec.ConfigurationRevision(asked.Configuration)
	if former == i.pod.Configuration { // it is that one which was refused
		return
	}
	after := i.pod.Live.DeepCopy()
	set(&after.Annotations, v1alpha1.AnnotationConfiguration, podspec.EncodedConfiguration(asked.Configuration))
	if after.Annotations[v1alpha1.AnnotationRestartMaster] == i.pod.Configuration { // who might try it as master may go back as one
		after.Annotations[v1alpha1.AnnotationRestartMaster] = former
	} else {
		delete(after.Annotations, v1alpha1.AnnotationRestartMaster)
	}
	p.add(Change{
		Kind: ConfigurePod, Ordinal: i.ordinal, Object: p.name(i.ordinal), Reason: reason.TakeBackConfiguration,
		Words: p.because(reason.TakeBackConfiguration), UID: i.pod.UID, Before: i.pod.Live, After: after, Details: "configuration",
	})
}

// judgeConfiguration finds out whether pods can be made with the configuration of the set.
func (v *view) judgeConfiguration() {
	v.unfit = make([]string, len(v.revisions))
	if today := podspec.ConfigurationOf(v.Set); today != nil {
		for t := range v.unfit {
			v.unfit[t] = v.whyUnfit(t, today)
		}
	}
}

// whyUnfit says why no pod is made with the configuration of today from a template (its place in revisions), "" for nothing.
func (v *view) whyUnfit(t int, today *v1alpha1.Configuration) string {
	if unknown := podspec.UnknownParameters(today); len(unknown) > 0 {
		return "unknown: " + strings.Join(unknown, ", ")
	}
	if container := podspec.UnknownConfigured(v.Set); container != "" {
		return "container " + container
	}
	made := slices.ContainsFunc(v.instances, func(i instance) bool { return !i.gone() })
	if v.bases[t] == v.revisions[t] || !made {
		return ""
	}
	if asked := v.asked(v.bases[t]); asked != nil {
		if fixed := podspec.FixedParameters(asked.Configuration, today); len(fixed) > 0 {
			return "changed: " + strings.Join(fixed, ", ")
		}
	}
	return ""
}

// fitConfiguration keeps instances from being made with a configuration that cannot be.
func fitConfiguration(p *planner, i *instance) (reason.Code, string, bool) {
	if i.offline || i.pod != nil && !i.pod.ended() || p.madeFrom(i) != p.revision(i) {
		return 0, "", true
	}
	why := p.unfit[i.template+1]
	return reason.ConfigurationInvalid, why, why == ""
}
