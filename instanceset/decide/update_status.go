package decide

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
)

// Bounds of what the status says of revisions, in entries and in bytes.
const (
	maxRevisions = 20
	maxOrdinals  = 1024
	more         = ",..."
)

func (p *planner) templateRevisions() []v1alpha1.TemplateRevision {
	var all []v1alpha1.TemplateRevision
	for t := range p.spec.Templates {
		all = append(all, v1alpha1.TemplateRevision{Name: p.spec.Templates[t].Name, UpdateRevision: p.revisions[t+1], CurrentRevision: p.bases[t+1]})
	}
	return all
}

// revisionsInUse are those that pods have. An instance whose pod is away keeps the one that it had.
func (p *planner) revisionsInUse() []v1alpha1.RevisionInUse {
	ordinals, pods := map[string]*ordinalSet{}, map[string]int32{}
	of := func(revision string) *ordinalSet {
		if ordinals[revision] == nil {
			ordinals[revision] = &ordinalSet{}
		}
		return ordinals[revision]
	}
	for t, revision := range p.revisions {
		if rest := p.Rest.of(t - 1); !rest.empty() {
			of(revision).join(rest)
			pods[revision] += rest.size()
		}
	}
	for n := range p.instances {
		i := &p.instances[n]
		revision := ""
		switch {
		case !i.wanted:
			continue
		case i.pod != nil:
			revision = i.pod.Revision
			pods[revision]++
		default:
			revision = p.had()[i.ordinal]
		}
		if revision != "" {
			of(revision).add(i.ordinal)
		}
	}
	var all []v1alpha1.RevisionInUse
	for _, name := range slices.Sorted(maps.Keys(ordinals)) {
		all = append(all, v1alpha1.RevisionInUse{Name: cut(name, 64), Replicas: pods[name], Ordinals: cutOrdinals(ordinals[name].format())})
	}
	slices.SortStableFunc(all, func(a, b v1alpha1.RevisionInUse) int { return cmp.Compare(b.Replicas, a.Replicas) })
	return all[:min(len(all), maxRevisions)]
}

// cutOrdinals shortens ranges between two of them.
func cutOrdinals(text string) string {
	if len(text) <= maxOrdinals {
		return text
	}
	return text[:strings.LastIndexByte(text[:maxOrdinals-len(more)+1], ',')] + more
}

// replacingRanges are the instances whose pod was removed to be made anew, until it is.
func (p *planner) replacingRanges() string {
	var all []int32
	for n := range p.instances {
		i := &p.instances[n]
		away := i.pod == nil || i.pod.Terminating
		if i.online() && (p.replacing()[i.ordinal] && away || slices.Contains(p.updates.replaced, i.ordinal)) {
			all = append(all, i.ordinal)
		}
	}
	return FormatOrdinals(all)
}

// settling are instances that have the revision and are still being brought to it.
func (p *planner) settling() []int32 {
	var all []int32
	for n := range p.instances {
		i := &p.instances[n]
		if i.online() && (i.pod == nil && p.replacing()[i.ordinal] || i.pod != nil && p.current(i) && i.pod.Unsettled) {
			all = append(all, i.ordinal)
		}
	}
	return all
}

// UpdateWaits are the reasons for which an update goes on with nobody, the one first that a person should hear of first.
var UpdateWaits = []reason.Code{reason.RevisionUnknown, reason.UnknownContainer, reason.HandoverFailed, reason.HandingOver, reason.ConfigurationRefused, reason.ConfigurationWaits, reason.ConfigurationTried, reason.OnlyCopy, reason.MemoryWaits, reason.ClaimGoing, reason.UpdateWaits, reason.MasterWaits}

// updatingCondition says how far an update is, and what keeps it from going on.
func (p *planner) updatingCondition() metav1.Condition {
	kind, u := v1alpha1.ConditionUpdating, &p.updates
	settling := p.settling()
	left := len(u.outdated) + len(u.held)
	if left+len(settling) == 0 {
		return condition(kind, false, reason.UpToDate, "%s", reason.UpToDate.Text())
	}
	done := count(left, "instance") + " to update"
	switch {
	case len(u.outdated) > 0 && p.spec.Paused:
		return condition(kind, false, reason.Paused, "%s; %s", done, reason.Paused.Text())
	case len(u.outdated) > 0 && p.spec.UpdateStrategy.Type == v1alpha1.UpdateOnDelete:
		return condition(kind, false, reason.UpdateNotByUs, "%s; %s", done, reason.UpdateNotByUs.Text())
	case len(u.blocked) > 0:
		return condition(kind, false, p.blockedBy(), "nothing is written: %s", p.blocks())
	case p.refused != nil && len(u.outdated) > 0:
		return condition(kind, false, reason.ConfigurationRefused, "%s; refused by %s: %s; kubectl shoal rollout undo %s puts the former back",
			done, p.name(p.refused.Ordinal), p.refused.Message, p.Set.Name)
	}
	if ordinal, why := p.stopper(); ordinal >= 0 && !p.writing() {
		return condition(kind, false, reason.UpdateStopped, "%s; %s does not come up (%s): if the template is at fault, put the old one back",
			done, p.name(ordinal), why)
	}
	going := slices.Concat(u.going, settling)
	slices.Sort(going)
	if going = slices.Compact(going); len(going) > 0 && len(u.outdated)+len(settling) > 0 || p.writing() {
		return condition(kind, true, reason.UpdateRunning, "%s; on their way: %s%s", done, cmp.Or(p.names(going), "none that is disturbed"), p.waiting())
	}
	for _, code := range UpdateWaits {
		if ordinals := u.waits[code]; len(ordinals) > 0 {
			slices.Sort(ordinals)
			return condition(kind, false, code, "%s; %s: %s%s", done, p.names(ordinals), code.Text(), p.others(code))
		}
	}
	if len(u.outdated) == 0 {
		return condition(kind, false, reason.UpdatePartition, "%s; %s", done, reason.UpdatePartition.Text())
	}
	return condition(kind, true, reason.UpdateRunning, "%s", done)
}

// writing reports whether this plan takes the update further.
func (p *planner) writing() bool {
	return len(p.updates.replaced) > 0 || slices.ContainsFunc(p.changes, func(c Change) bool {
		return c.Kind == PatchPod || c.Kind == ConfigurePod || c.Kind == ImagePod || c.Kind == ResizePod ||
			c.Kind == CreateSwitchover && !slices.Contains(p.exodus.going, c.Ordinal) // that one is asked for to leave a node
	})
}

// stopper is an instance that was updated and of which it is known why it does not come up; -1 for none.
func (p *planner) stopper() (int32, string) {
	if len(p.updates.outdated) == 0 && len(p.settling()) == 0 {
		return -1, ""
	}
	for n := range p.instances {
		i := &p.instances[n]
		if i.online() && i.pod != nil && !i.pod.Terminating && i.pod.Trouble != "" && !p.available(i) && (p.current(i) || i.pod.Target == p.revision(i)) {
			return i.ordinal, cut(i.pod.Trouble, 256)
		}
	}
	return -1, ""
}

// waiting says who waits for what, beside those that are on their way.
func (p *planner) waiting() string { return p.others(reason.UpdateWaits) }

func (p *planner) others(but reason.Code) string {
	text := ""
	for _, code := range slices.Sorted(maps.Keys(p.updates.waits)) {
		if code != but {
			text += fmt.Sprintf("; %s: %s", count(len(p.updates.waits[code]), "instance"), code.Message())
		}
	}
	return text
}

// blockedBy is the reason of a condition that names fields: that of the configuration where only parameters of it are among them.
func (p *planner) blockedBy() reason.Code {
	if slices.ContainsFunc(p.updates.blocked, func(b block) bool { return !strings.HasPrefix(b.path, "configuration[") }) {
		return reason.UpdateBlocked
	}
	return reason.ConfigurationInvalid
}

// blocks names the fields that keep the update back, with the instances.
func (p *planner) blocks() string {
	var all []string
	for _, b := range p.updates.blocked[:min(len(p.updates.blocked), 5)] {
		all = append(all, fmt.Sprintf("%s (%s) of ordinals %s", b.path, b.why, cut(FormatOrdinals(b.ordinals), 100)))
	}
	text := strings.Join(all, "; ")
	if n := len(p.updates.blocked) - 5; n > 0 {
		text += fmt.Sprintf("; and %d fields more", n)
	}
	return text
}
