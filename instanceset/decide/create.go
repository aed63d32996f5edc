package decide

import (
	"slices"
	"strings"
	"time"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// Waiting times before a pod that ended is replaced: none the first time, then 10 s, doubled each time up to 5 minutes.
// A pod that lived for steadyAfter starts the count anew.
const (
	firstBackoff = 10 * time.Second
	maxBackoff   = 5 * time.Minute
	steadyAfter  = 10 * time.Minute
)

const foreignRecheck = 30 * time.Second

// create makes what wanted instances lack: claims first, then the pod, in one worker.
func (p *planner) create() {
	for n := range p.instances {
		i := &p.instances[n]
		if !i.wanted {
			continue
		}
		if i.online() && i.pod == nil {
			p.missing++
		}
		p.stopReturning(i)
		if p.spec.Paused || i.pod != nil && i.pod.ended() || i.offline && i.pod == nil && i.gone() {
			continue
		}
		if !p.creatable(i) {
			continue
		}
		p.reviveClaims(i)
		if !i.online() || i.pod != nil && !p.waitsForClaims(i) {
			continue
		}
		p.createClaims(i)
		if i.pod == nil {
			p.createPod(i, 0)
		}
	}
}

// waitsForClaims reports whether a pod without a node can use claims that are made now.
func (p *planner) waitsForClaims(i *instance) bool {
	return i.pod.Node == "" && !i.pod.Terminating && !i.pod.Lost && p.generation(i) == i.pod.Generation
}

// blockers are the reasons why nothing may be created for an instance now, in the order in which they are told. A code of
// 0 is a wait that passes by itself.
var blockers = []func(*planner, *instance) (code reason.Code, detail string, ok bool){
	notForeign, knownContainers, fitConfiguration, settledClaims, livingNode, notHeld,
}

func (p *planner) creatable(i *instance) bool {
	code, detail, ok := p.makable(i)
	if code != 0 {
		p.note(i, code, detail)
		p.again(foreignRecheck) // objects of others raise no event here
	}
	return ok
}

// makable reports whether nothing keeps the pod of an instance from being made, and what does.
func (p *planner) makable(i *instance) (reason.Code, string, bool) {
	for _, blocker := range blockers {
		if code, detail, ok := blocker(p, i); !ok {
			return code, detail, false
		}
	}
	return 0, "", true
}

func notForeign(_ *planner, i *instance) (reason.Code, string, bool) {
	return reason.ForeignObject, i.foreign, i.foreign == ""
}

func knownContainers(p *planner, i *instance) (reason.Code, string, bool) {
	if i.template == plain || i.offline || i.pod != nil && !i.pod.ended() {
		return 0, "", true
	}
	template := &p.spec.Templates[i.template]
	unknown := podspec.UnknownContainers(p.Set, template)
	return reason.UnknownContainer, "template " + template.Name + ", container " + strings.Join(unknown, ", "), len(unknown) == 0
}

// settledClaims waits for claims that are going away: the new pod would wait for them anyway, and one that is being
// rebuilt must not be met by a pod before its data is given up.
func settledClaims(_ *planner, i *instance) (reason.Code, string, bool) {
	moving := slices.ContainsFunc(i.claims, func(c *Claim) bool { return c != nil && (c.Terminating || c.Lost) })
	return 0, "", !moving
}

// livingNode keeps an instance whose volume is on a dead node from plain creation: the pod would wait for ever. A node
// that is only silent may come back, and the pod with it. A rebuild tells why it waits, but with mode Never there is none.
func livingNode(p *planner, i *instance) (reason.Code, string, bool) {
	pin := i.pin()
	switch {
	case pin == "" || i.offline || i.pod != nil && !i.pod.ended():
		return 0, "", true
	case p.state(pin) == NodeGone:
		return reason.VolumeGoneNodeDeleted, "node " + pin, false
	case p.state(pin) == NodeOutOfService && p.spec.Rebuild.Mode == v1alpha1.RebuildNever:
		return reason.RebuildNever, "node " + pin, false
	}
	return 0, "", p.state(pin) != NodeOutOfService
}

func notHeld(p *planner, _ *instance) (reason.Code, string, bool) { return 0, "", !p.hold }

// reviveClaims gives the volumes of an instance that is wanted again their slot back once its pod is placed, and not
// before: meanwhile the slot may have been given to another instance, and only the scheduler knows whether the limits
// still have a place for this one.
func (p *planner) reviveClaims(i *instance) {
	if i.pod == nil || i.pod.Node == "" || i.pod.Lost {
		return
	}
	for _, c := range i.claims {
		if c != nil && c.Retired {
			change := p.claimChange(UnlabelClaim, c, reason.ReviveClaim)
			change.Label, change.Version, change.Pod, change.PodUID = v1alpha1.LabelRetired, c.Version, p.name(i.ordinal), i.pod.UID
			p.add(change)
		}
	}
}

// stopReturning retires claims again whose pod went before it was seen with them, or whose manager did. Until then the scheduler
// keeps their places.
func (p *planner) stopReturning(i *instance) {
	if p.spec.Paused || i.foreign != "" || i.pod != nil && i.pod.Node != "" && !i.pod.ended() {
		return
	}
	for _, c := range i.claims {
		if c != nil && c.Returning && !c.Lost && !c.Terminating {
			p.retireAgain(c)
		}
	}
}

// retireAgain writes onto the version that was seen: whoever else is about to give the claim its slot back is refused by that, or has
// given it before.
func (p *planner) retireAgain(c *Claim) {
	change := p.claimChange(LabelClaim, c, reason.ReviveClaim)
	change.Words = reason.ReviveClaim.Because("its pod went before its volume counted again")
	change.Label, change.Value, change.Version = v1alpha1.LabelRetired, v1alpha1.RetiredValue, c.Version
	p.add(change)
}

func (p *planner) build(i *instance) podspec.Instance {
	b := p.policy
	b.Ordinal, b.Revision, b.RebuildGeneration = i.ordinal, p.madeFrom(i), p.generation(i)
	if i.template != plain {
		b.Template = &p.spec.Templates[i.template]
	}
	if b.Revision != p.revision(i) {
		b.Asked = p.asked(b.Revision)
	}
	if b.Agent = p.Agent; b.Agent.Image != "" {
		if like := p.agentsLike()[b.Revision]; like != nil {
			b.AgentOf, b.AgentOfUID = p.name(like.Ordinal), like.UID
		}
	}
	return b
}

// agentsLike are instances whose agent others get, by revision. The instances of a revision have one agent, as they have one Redis:
// a new manager brings a new one to those that are rolled out after it, and to no others. An agent that never ran is no example: its
// image may not be there, and would stay for as long as the revision. One that ended is deleted before others are made.
func (v *view) agentsLike() map[string]*Pod {
	if v.agents == nil {
		v.agents = map[string]*Pod{}
		for n := range v.instances { // ascending: the same answer each time
			pod := v.instances[n].pod
			if pod == nil || !pod.Agent || !pod.AgentProven || pod.ended() {
				continue
			}
			if like := v.agents[pod.Revision]; like == nil || like.Terminating && !pod.Terminating {
				v.agents[pod.Revision] = pod
			}
		}
	}
	return v.agents
}

func (p *planner) createClaims(i *instance) {
	b := p.build(i)
	for t, c := range i.claims {
		if c != nil {
			continue
		}
		p.add(Change{
			Kind: CreateClaim, Ordinal: i.ordinal, Reason: reason.CreateInstance, Words: p.because(reason.CreateInstance),
			Object:   podspec.ClaimName(p.spec.VolumeClaimTemplates[t].Metadata.Name, p.Set.Name, i.ordinal),
			Instance: b, Volumes: t,
		})
	}
}

func (p *planner) createPod(i *instance, failures int) {
	b := p.build(i)
	b.TerminalFailures = failures
	if i.pod != nil && len(i.claims) == 0 { // in place of a pod that ended: what it held is gone
		b.RebuildGeneration = max(b.RebuildGeneration, p.nextGeneration(i))
	}
	code := reason.CreateInstance
	if failures > 0 {
		code = reason.ReplaceTerminal
	}
	p.add(Change{
		Kind: CreatePod, Ordinal: i.ordinal, Object: p.name(i.ordinal), Reason: code, Words: p.because(code), Instance: b,
	})
}

// replaceEnded replaces pods that will not run again. The pod that ended is left in place until it is due, so that what
// is known of it survives a restart of the controller, and its successor is created right after it in the same worker,
// because it carries the count of failures on.
func (p *planner) replaceEnded() {
	for n := range p.instances {
		i := &p.instances[n]
		if !i.online() || i.pod == nil || !i.pod.ended() || i.pod.Terminating {
			continue
		}
		p.missing++
		if p.spec.Paused || i.lost() || !p.creatable(i) || !p.safeToRemove(i) {
			continue
		}
		failures, due := p.dueAfterEnd(i.pod)
		if wait := due.Sub(p.Now); wait > 0 {
			p.note(i, reason.ReplaceTerminal, "it is replaced at "+due.UTC().Format("15:04:05")+" UTC")
			p.again(wait)
			continue
		}
		p.deletePod(i, reason.ReplaceTerminal)
		p.createClaims(i)
		p.createPod(i, failures+1)
	}
}

// dueAfterEnd is how many pods ended in a row before this one, and when this one may be replaced.
func (p *planner) dueAfterEnd(pod *Pod) (failures int, due time.Time) {
	failures = pod.Failures
	if pod.Ended.Sub(pod.Created) >= steadyAfter {
		failures = 0
	}
	if failures == 0 {
		return 0, pod.Ended
	}
	wait := maxBackoff
	if failures <= 5 { // 10, 20, 40, 80, 160 s
		wait = firstBackoff << (failures - 1)
	}
	return failures, pod.Ended.Add(wait)
}
