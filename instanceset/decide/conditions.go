package decide

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
)

// maxMessage is the most bytes of a condition's message, and maxNames the most instances that it names.
const (
	maxMessage = 1024
	maxNames   = 10
)

func (p *planner) conditions(t tally) []metav1.Condition {
	all := slices.Clone(p.Set.Status.Conditions)
	for _, c := range []metav1.Condition{p.readyCondition(t), p.progressing(t), p.withGrowth(p.updatingCondition()), p.placed(t), p.rebuildingCondition(), p.paused()} {
		c.Message = cut(c.Message, maxMessage)
		c.ObservedGeneration = p.Set.Generation
		c.LastTransitionTime = metav1.NewTime(p.Now)
		meta.SetStatusCondition(&all, c)
	}
	if c, leaves := p.leavingCondition(); leaves {
		c.Message = cut(c.Message, maxMessage)
		c.ObservedGeneration = p.Set.Generation
		c.LastTransitionTime = metav1.NewTime(p.Now)
		meta.SetStatusCondition(&all, c)
	} else {
		meta.RemoveStatusCondition(&all, v1alpha1.ConditionLeaving)
	}
	return all
}

func condition(kind string, status bool, code reason.Code, format string, args ...any) metav1.Condition {
	c := metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Reason: code.Name(), Message: code.Because(format, args...)}
	if status {
		c.Status = metav1.ConditionTrue
	}
	return c
}

func (p *planner) readyCondition(t tally) metav1.Condition {
	if len(t.unready) == 0 {
		return condition(v1alpha1.ConditionReady, true, reason.AllReady, "%d of %d instances are Ready", t.online, t.online)
	}
	return condition(v1alpha1.ConditionReady, false, reason.NotAllReady, "%d of %d instances are Ready; not: %s",
		t.online-int32(len(t.unready)), t.online, p.names(t.unready))
}

// progressing tells first what stops the set for good, because that needs a person. Paused comes before the policy: a
// policy that counts the set would change nothing for it.
func (p *planner) progressing(t tally) metav1.Condition {
	kind := v1alpha1.ConditionProgressing
	switch {
	case p.spec.Paused && p.missing+p.leaving > 0:
		return condition(kind, false, reason.Paused, "%d instances would be created; spec.paused is set", p.missing)
	case p.heldFor == reason.PolicyMissing:
		return condition(kind, false, p.heldFor, "%d instances wait: placement policy %s does not exist", p.missing, p.spec.PlacementPolicyRef.Name)
	case p.heldFor == reason.PolicyBehind && p.missing > 0 && !p.Policy.Counted:
		return condition(kind, false, p.heldFor, "%d instances wait: placement policy %s is not counted for its current generation",
			p.missing, p.spec.PlacementPolicyRef.Name)
	case p.heldFor == reason.PolicyBehind && p.missing > 0 && p.countedByPolicy().Replicas < p.wantedCount():
		return condition(kind, false, p.heldFor, "%d instances wait: placement policy %s counts %d of the %d that the set wants",
			p.missing, p.spec.PlacementPolicyRef.Name, p.countedByPolicy().Replicas, p.wantedCount())
	case p.heldFor == reason.PolicyBehind && p.missing > 0:
		return condition(kind, false, p.heldFor, "%d instances wait: placement policy %s counted generation %d of the set, which is at %d",
			p.missing, p.spec.PlacementPolicyRef.Name, p.countedByPolicy().ObservedGeneration, p.Set.Generation)
	}
	for _, code := range []reason.Code{reason.ForeignObject, reason.UnknownContainer, reason.ConfigurationInvalid} {
		if at := slices.IndexFunc(p.notes, func(n note) bool { return n.code == code }); at >= 0 {
			return condition(kind, false, code, "%s: %s", p.notes[at].detail, code.Text())
		}
	}
	ignored := ""
	if p.ignored {
		ignored = fmt.Sprintf("placement policy %s does not name the set in scaleTargetRefs: %s",
			p.spec.PlacementPolicyRef.Name, reason.SetNotCounted.Message())
	}
	switch {
	case p.missing+p.leaving+len(t.unplaced) > 0:
		c := condition(kind, true, reason.Working, "%d to create, %d to remove, %d without a node", p.missing, p.leaving, len(t.unplaced))
		if p.ignored {
			c.Message += "; " + ignored
		}
		return c
	case p.ignored:
		return metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Reason: reason.SetNotCounted.Name(), Message: ignored}
	}
	return condition(kind, false, reason.Settled, "nothing is being created or removed")
}

func (p *planner) placed(t tally) metav1.Condition {
	kind := v1alpha1.ConditionPlaced
	switch {
	case len(t.unplaced) == 0:
		return condition(kind, true, reason.AllPlaced, "%d pods have a node", t.pods)
	case t.unscheduled == "":
		return condition(kind, false, reason.Unschedulable, "%d of %d pods have no node yet: %s", len(t.unplaced), t.pods, p.names(t.unplaced))
	}
	return condition(kind, false, reason.Unschedulable, "%d of %d pods have no node; %s: %s",
		len(t.unplaced), t.pods, p.name(t.unscheduledOf), cut(t.unscheduled, maxMessage-256))
}

func (p *planner) paused() metav1.Condition {
	if p.spec.Paused {
		return condition(v1alpha1.ConditionPaused, true, reason.Paused, "spec.paused is set: no pod or claim is written")
	}
	return condition(v1alpha1.ConditionPaused, false, reason.NotPaused, "spec.paused is not set")
}

// waits are the reasons for which a rebuild does not go on, what needs a person first.
var waits = []reason.Code{
	reason.FencingWithdrawn, reason.VolumeUnknown, reason.RebuildHeld, reason.NoReadyPeer, reason.HolderUnproven, reason.RebuildManual,
	reason.RebuildNever, reason.Paused, reason.ShardBusy, reason.JustMade, reason.NodeDeleted, reason.NodeUnreachable,
}

func (p *planner) rebuildingCondition() metav1.Condition {
	kind := v1alpha1.ConditionRebuilding
	var first reason.Code
	var parts []string
	for _, code := range waits {
		ordinals := p.noted(code)
		if len(ordinals) == 0 {
			continue
		}
		if first == 0 {
			first = code
		}
		parts = append(parts, code.Because("%s%s: %s: %s", count(len(ordinals), "instance"), p.details(code), p.names(ordinals), code.Text()))
	}
	switch {
	case len(p.rebuilding) > 0:
		slices.Sort(p.rebuilding)
		parts = slices.Insert(parts, 0, reason.Rebuilding.Because("%s: %s", count(len(p.rebuilding), "instance"), p.names(p.rebuilding)))
		return metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: reason.Rebuilding.Name(), Message: strings.Join(parts, "; ")}
	case p.spec.Rebuild.Mode == v1alpha1.RebuildNever:
		return condition(kind, false, reason.RebuildNever, "%s", reason.RebuildNever.Text())
	case first != 0:
		return metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Reason: first.Name(), Message: strings.Join(parts, "; ")}
	}
	return condition(kind, false, reason.RebuildDone, "%s", reason.RebuildDone.Text())
}

// details are what the notes of that code are about, most of all nodes: the first three that differ.
func (p *planner) details(code reason.Code) string {
	var all []string
	for _, n := range p.notes {
		if n.code == code && n.detail != "" && !slices.Contains(all, n.detail) {
			if len(all) == 3 {
				return " (" + strings.Join(all, ", ") + ", ...)"
			}
			all = append(all, n.detail)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return " (" + strings.Join(all, ", ") + ")"
}

// noted are the ordinals with a note of that code, ascending.
func (p *planner) noted(code reason.Code) []int32 {
	var all []int32
	for _, n := range p.notes {
		if n.code == code && n.ordinal != SetWide {
			all = append(all, n.ordinal)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// names lists instances: the first ten, and how many more.
func (p *planner) names(ordinals []int32) string {
	var all []string
	for _, o := range ordinals[:min(len(ordinals), maxNames)] {
		all = append(all, p.name(o))
	}
	text := strings.Join(all, ", ")
	if more := len(ordinals) - maxNames; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// cut shortens a text to a number of bytes, between two characters.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := limit - len("...")
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "..."
}
