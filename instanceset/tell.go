package instanceset

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

const (
	maxEventNames = 10
	maxEventNote  = 1024 // the API's limit, in bytes
)

// count adds to the metrics.
func (r *reconciler) count(succeeded []decide.Change, failures []decide.Failure) {
	for _, c := range succeeded {
		r.changes.WithLabelValues(string(c.Kind), c.Reason.String()).Inc()
	}
	for _, f := range failures {
		r.failures.WithLabelValues(string(f.Change.Kind), f.Reason.String()).Inc()
	}
}

// tell makes one event for each reason, however many instances it is about, of what was done and of what failed.
func (r *reconciler) tell(set *v1alpha1.InstanceSet, succeeded []decide.Change, failures []decide.Failure) {
	for _, e := range eventsOf(set, succeeded) {
		r.events.Eventf(set, nil, corev1.EventTypeNormal, e.code.Name(), string(e.action), "%s", e.note)
	}
	for _, code := range []reason.Code{reason.ForeignObject, reason.WriteFailed} {
		var first *decide.Failure
		n := 0
		for i := range failures {
			if failures[i].Reason == code {
				n++
				if first == nil {
					first = &failures[i]
				}
			}
		}
		if first != nil {
			note := code.Because("%d writes failed, the first: %s", n, first.Message)
			r.events.Eventf(set, nil, corev1.EventTypeWarning, code.Name(), string(first.Change.Kind), "%s", shorten(note))
		}
	}
}

type told struct {
	code   reason.Code
	action decide.Kind
	note   string
}

func eventsOf(set *v1alpha1.InstanceSet, changes []decide.Change) []told {
	var codes []reason.Code
	first := map[reason.Code]decide.Change{}
	ordinals := map[reason.Code][]int32{}
	for _, c := range changes {
		if one, known := first[c.Reason]; !known {
			codes = append(codes, c.Reason)
			first[c.Reason] = c
		} else if one.Words != c.Words { // each has words of its own: only what the catalogue says holds for all
			one.Words = c.Reason.Message()
			first[c.Reason] = one
		}
		if c.Ordinal != decide.SetWide {
			ordinals[c.Reason] = append(ordinals[c.Reason], c.Ordinal)
		}
	}
	var all []told
	for _, code := range codes {
		note := first[code].Words
		if about := ordinals[code]; len(about) > 0 {
			slices.Sort(about)
			note = namesOf(set.Name, slices.Compact(about)) + ": " + note
		}
		all = append(all, told{code, first[code].Kind, shorten(note)})
	}
	return all
}

func namesOf(set string, ordinals []int32) string {
	var names []string
	for _, o := range ordinals[:min(len(ordinals), maxEventNames)] {
		names = append(names, podspec.Name(set, o))
	}
	text := strings.Join(names, ", ")
	if more := len(ordinals) - maxEventNames; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func shorten(note string) string {
	if len(note) > maxEventNote {
		return strings.ToValidUTF8(note[:maxEventNote-3], "") + "..."
	}
	return note
}
