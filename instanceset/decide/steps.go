package decide

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// way is from what a pod was made of to what is wanted: the same for all pods of a revision and a template.
type way struct {
	revision, passed, from string // of the pod; from is its template
	to                     int    // the template that it is to have
}

// path is what is found on a way.
type path struct {
	was   []podspec.Instance // what the pod may have parts of
	diffs []podspec.Difference
	code  reason.Code // why it cannot be gone, 0 if it can
	// disturbs: it takes more than a patch.
	disturbs bool
}

// wayOf works out what a way takes, once.
func (p *planner) wayOf(i *instance) *path {
	w := way{i.pod.Revision, i.pod.Passed, i.pod.Template, i.template}
	if found := p.ways[w]; found != nil {
		return found
	}
	if p.ways == nil {
		p.ways = map[way]*path{}
	}
	found := p.explore(w, i)
	p.ways[w] = found
	return found
}

func (p *planner) explore(w way, i *instance) *path {
	if p.stored[p.revision(i)] == nil {
		return &path{code: reason.RecordRevision} // by this plan; nothing is brought to what could be forgotten
	}
	if i.template != plain && len(podspec.UnknownContainers(p.Set, &p.spec.Templates[i.template])) > 0 {
		return &path{code: reason.UnknownContainer}
	}
	found := &path{}
	for _, revision := range append([]string{w.revision}, strings.Fields(w.passed)...) {
		if p.asked(revision) == nil {
			return &path{code: reason.RevisionUnknown}
		}
		found.was = append(found.was, p.buildOf(i, w.from, revision))
	}
	want := p.wanted(i)
	for _, b := range found.was {
		was := podspec.Pod(p.Set, b)
		found.diffs = union(found.diffs, podspec.Diff(was, was, want))
	}
	for n := range found.was { // what the one has and the other has not may be on the pod or not
		for m := range found.was {
			if n != m {
				found.diffs = union(found.diffs, podspec.Diff(podspec.Pod(p.Set, found.was[n]), podspec.Pod(p.Set, found.was[m]), want))
			}
		}
	}
	found.disturbs = slices.ContainsFunc(found.diffs, func(d podspec.Difference) bool {
		return d.Class != podspec.InPlacePatch || p.inPlaceMode() == v1alpha1.InPlaceNever
	})
	return found
}

// wanted is the pod as it would be made today.
func (p *planner) wanted(i *instance) *corev1.Pod {
	b := p.build(i)
	b.Revision, b.Asked = p.revision(i), nil
	return podspec.Pod(p.Set, b)
}

// union adds the differences that are new.
func union(all, others []podspec.Difference) []podspec.Difference {
	for _, d := range others {
		if !slices.ContainsFunc(all, func(has podspec.Difference) bool { return has.Path == d.Path }) {
			all = append(all, d)
		}
	}
	slices.SortStableFunc(all, func(a, b podspec.Difference) int { return int(a.Class - b.Class) })
	return all
}

// judgeAll looks at all instances that are out of date, before anything is written to the first. Those whose way is not known are
// left out.
func (p *planner) judgeAll(candidates []*instance) {
	for _, i := range candidates {
		for _, d := range p.wayOf(i).diffs {
			if d.Class == podspec.Refused || d.Class == podspec.Recreate && p.inPlaceMode() == v1alpha1.InPlaceOnly {
				p.block(i, d)
			}
		}
	}
}

func (p *planner) blockEach(i *instance, diffs []podspec.Difference) {
	for _, d := range diffs {
		if d.Class >= podspec.Recreate {
			p.block(i, d)
		}
	}
}

func (p *planner) block(i *instance, d podspec.Difference) {
	all := p.updates.blocked
	n := slices.IndexFunc(all, func(b block) bool { return b.path == d.Path })
	if n < 0 {
		p.updates.blocked = append(all, block{d.Path, d.Class.String() + ": " + d.Why, []int32{i.ordinal}})
		return
	}
	all[n].ordinals = append(all[n].ordinals, i.ordinal)
}

// move is what comes next for an instance: a change, or the reason why there is none now. With neither, it is on its way.
type move struct {
	change   *Change
	disturbs bool
	again    bool // it replaces a resize that cannot be carried out
	code     reason.Code
}

func (p *planner) nextMove(i *instance) move {
	way, mode := p.wayOf(i), p.inPlaceMode()
	going := i.pod.Target == p.revision(i)
	switch {
	case way.code == reason.RecordRevision:
		p.again(soon)
		return move{}
	case way.code != 0:
		p.note(i, way.code, "")
		return move{code: way.code}
	case going && i.pod.Node != "" && p.awaited(i):
		return p.awaitAgent(i)
	case going && i.pod.Node != "" && (i.pod.Unsettled && i.pod.Resize == 0 || !i.ready() && i.pod.Trouble == ""):
		// What was written before comes first, and a container that is started anew is not disturbed in that. A resize that its
		// kubelet cannot carry out may never be: another one takes its place.
		return move{}
	}
	if again := p.resizeAgain(i, way); again != nil {
		return *again
	}
	switch {
	case mode == v1alpha1.InPlaceNever && len(way.diffs) > 0:
		return p.recreate(i)
	case slices.ContainsFunc(way.diffs, func(d podspec.Difference) bool { return d.Class == podspec.Recreate }):
		return p.recreate(i)
	case i.pod.Live == nil:
		return move{}
	case len(beforeResize(way.diffs)) == 0 && p.takesMemory(i, way.diffs):
		return p.waitForMemory(i)
	}
	return p.inPlace(i, way)
}

// recreate deletes the pod if another one can be made in its place. A volume on a node that does not answer would hold it up. A claim that
// somebody has deleted goes with the pod, and the data with it: that is for a person.
func (p *planner) recreate(i *instance) move {
	if slices.ContainsFunc(i.claims, func(c *Claim) bool { return c != nil && c.Terminating }) {
		p.note(i, reason.ClaimGoing, "")
		return move{code: reason.ClaimGoing}
	}
	if code := p.mayTakeData(i); code != 0 {
		if code == reason.OnlyCopy {
			p.note(i, code, map[bool]string{true: "it is master"}[p.takesDataAlong(i)])
		}
		return move{code: code}
	}
	node := i.node()
	if node != "" && p.state(node) != NodeHealthy || !p.safeToRemove(i) || !p.creatable(i) {
		return move{code: reason.UpdateWaits}
	}
	return move{disturbs: true, change: &Change{
		Kind: DeletePod, Ordinal: i.ordinal, Object: p.name(i.ordinal), Reason: reason.UpdateRecreate, Words: p.because(reason.UpdateRecreate),
		UID: i.pod.UID,
	}}
}

// inPlace is the next write to a pod that stays.
func (p *planner) inPlace(i *instance, way *path) move {
	want := p.wanted(i)
	diffs := p.differences(i, way, want)
	of := func(class podspec.Class) []podspec.Difference {
		return slices.DeleteFunc(slices.Clone(diffs), func(d podspec.Difference) bool { return d.Class != class })
	}
	has := func(class podspec.Class) bool { return len(of(class)) > 0 }
	takes := p.takesMemory(i, diffs) // the last step, for which the others do not wait
	resizes := has(podspec.InPlaceResize) && !takes
	disturbs := has(podspec.InPlaceConfiguration) || has(podspec.InPlaceImage) || resizes
	configures := has(podspec.InPlaceConfiguration) && !p.raisesMemory(diffs)
	switch {
	case has(podspec.Refused) || has(podspec.Recreate) && p.inPlaceMode() == v1alpha1.InPlaceOnly:
		p.blockEach(i, diffs)
		return move{}
	case has(podspec.Recreate):
		return p.recreate(i)
	case len(diffs) == 0 && i.pod.Unapplied:
		return p.awaitAgent(i)
	case len(diffs) == 0 && i.pod.Unsettled:
		return move{}
	case has(podspec.InPlacePatch), len(diffs) == 0, resizes && !configures && !has(podspec.InPlaceImage) && i.pod.Target != p.revision(i):
		return move{disturbs: disturbs, change: p.write(i, PatchPod, want, diffs, of(podspec.InPlacePatch), reason.UpdateMetadata)}
	case configures:
		return p.configure(i, want, diffs, of(podspec.InPlaceConfiguration))
	case has(podspec.InPlaceImage):
		return move{disturbs: true, change: p.write(i, ImagePod, want, diffs, of(podspec.InPlaceImage), reason.UpdateImage)}
	case takes:
		return p.waitForMemory(i)
	}
	return move{disturbs: true, change: p.write(i, ResizePod, want, diffs, of(podspec.InPlaceResize), reason.UpdateResources)}
}

// differences are what the pod has otherwise than it is wanted.
func (p *planner) differences(i *instance, way *path, want *corev1.Pod) (all []podspec.Difference) {
	for _, b := range way.was {
		b.Ordinal, b.RebuildGeneration = i.ordinal, p.generation(i)
		all = union(all, podspec.Diff(podspec.Pod(p.Set, b), i.pod.Live, want))
	}
	return all
}

// classes are what the writes to a pod carry out.
var classes = map[Kind]podspec.Class{PatchPod: podspec.InPlacePatch, ConfigurePod: podspec.InPlaceConfiguration, ImagePod: podspec.InPlaceImage, ResizePod: podspec.InPlaceResize}

// write is one write to a pod: of all that is different, what is done now. Its metadata says where the pod is afterwards; the subresource resize
// takes none.
func (p *planner) write(i *instance, kind Kind, want *corev1.Pod, all, now []podspec.Difference, code reason.Code) *Change {
	after := podspec.Applied(i.pod.Live, want, now, classes[kind])
	var details, containers []string
	// An earlier write may not be carried out yet, and a configuration is not before the agent says so.
	last := len(all) == len(now) && kind != ConfigurePod && !i.pod.Unapplied && (kind != PatchPod || !i.pod.Unsettled)
	for _, d := range now {
		details = append(details, d.Path)
		if d.Restarts && !slices.Contains(containers, d.Container) {
			containers = append(containers, d.Container)
		}
	}
	if kind != ResizePod {
		after.Labels, after.Annotations = maps.Clone(after.Labels), maps.Clone(after.Annotations)
		p.mark(i, after, last)
		if kind == ConfigurePod {
			details = append(details, p.allowRestart(i, after.Annotations, now)...)
		}
		if kind == ImagePod {
			set(&after.Annotations, v1alpha1.AnnotationRestarting, containerIDs(i.pod.Live, append(containers, restarting(i.pod.Live)...)))
		}
	}
	return &Change{
		Kind: kind, Ordinal: i.ordinal, Object: p.name(i.ordinal), Reason: code, Words: p.because(code), UID: i.pod.UID,
		Before: i.pod.Live, After: after, Details: cut(strings.Join(details, " "), maxDetails),
	}
}

const maxDetails = 256

// inPlaceMode is what the set says, or the default of the schema.
func (v *view) inPlaceMode() v1alpha1.InPlaceMode {
	return cmp.Or(v.spec.UpdateStrategy.InPlace, v1alpha1.InPlaceOnly)
}

// mark writes the revision if this is the last write, and where the pod is going otherwise. Where it was going before stays: it may have parts
// of that.
func (p *planner) mark(i *instance, after *corev1.Pod, last bool) {
	if !last {
		passed := slices.DeleteFunc(strings.Fields(i.pod.Passed), func(r string) bool { return r == p.revision(i) })
		set(&after.Annotations, v1alpha1.AnnotationTargetRevision, strings.Join(append(passed, p.revision(i)), " "))
		return
	}
	delete(after.Annotations, v1alpha1.AnnotationTargetRevision)
	set(&after.Labels, v1alpha1.LabelRevision, p.revision(i))
	if name := p.templateName(i); name != "" {
		set(&after.Labels, v1alpha1.LabelTemplate, name)
	}
}

func set(to *map[string]string, key, value string) {
	if *to == nil {
		*to = map[string]string{}
	}
	(*to)[key] = value
}
