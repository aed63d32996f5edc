package fidelity

import (
	"encoding/json"
	"maps"
	"math/rand"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Script is the course, and n requests that are drawn from a seed.
func Script(seed int64, n int) []Step {
	w := &writer{Rand: rand.New(rand.NewSource(seed)), kinds: kinds(), there: map[string]bool{}}
	for requests(w.steps) < n {
		w.next()
	}
	return append(course(), w.steps...)
}

// requests is how many steps ask the server for something.
func requests(script []Step) int {
	n := 0
	for _, s := range script {
		if s.Verb != "collect" {
			n++
		}
	}
	return n
}

type writer struct {
	*rand.Rand
	kinds map[string]kind
	there map[string]bool // what probably exists
	steps []Step
}

func (w *writer) some(of []string) string { return of[w.Intn(len(of))] }

func (w *writer) raw(of []string) json.RawMessage { return json.RawMessage(w.some(of)) }

// someKind draws a kind by its weight.
func (w *writer) someKind() string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(w.kinds)) {
		for range w.kinds[name].weight {
			names = append(names, name)
		}
	}
	return w.some(names)
}

func (w *writer) next() {
	s := Step{Kind: w.someKind()}
	k := w.kinds[s.Kind]
	s.Name = w.some(k.names)
	if w.Intn(3) == 0 {
		s.As = "manager"
	}
	key := s.Kind + s.Name
	switch dice := w.Intn(20); {
	case !w.there[key] && dice < 14 || dice == 0:
		w.create(s, k)
	case dice < 5:
		w.update(s, k)
	case dice < 12:
		w.patch(s, k)
	case dice < 15:
		w.subresource(s, k)
	default:
		w.remove(s)
	}
}

func (w *writer) create(s Step, k kind) {
	s.Verb, s.Object = "create", w.raw(k.good)
	if w.Intn(4) == 0 {
		s.Object = w.raw(k.bad)
	} else {
		w.there[s.Kind+s.Name] = true
	}
	if s.Owner = ""; slices.Contains([]string{"pod", "claim", "service", "policy"}, s.Kind) && w.Intn(3) == 0 {
		s.Owner = w.some(w.kinds["set"].names)
	}
	w.steps = append(w.steps, s)
}

func (w *writer) anyChange(k kind) json.RawMessage {
	if w.Intn(3) == 0 {
		return w.raw(metadataChanges())
	}
	return w.raw(k.changes)
}

func (w *writer) preconditions(s *Step) {
	s.Seen = w.some([]string{"", "current", "current", "stale"})
	s.UID = w.some([]string{"", "", "current", "other"})
}

func (w *writer) update(s Step, k kind) {
	s.Verb, s.Change = "update", w.anyChange(k)
	w.preconditions(&s)
	if string(s.Change) == "[]" || string(s.Change) == `{"spec":"a string"}` || string(s.Change) == `{"spec":{"replicas":"three"}}` {
		s.Change = json.RawMessage(`{}`) // no typed client could send that
	}
	w.steps = append(w.steps, s)
	w.settle(s)
}

func (w *writer) patch(s Step, k kind) {
	s.Verb, s.How, s.Change = "patch", types.MergePatchType, w.anyChange(k)
	s.UID = w.some([]string{"", "", "current", "other"})
	if s.Seen = w.some([]string{"", "", "current", "stale"}); string(s.Change) == "[]" {
		s.Seen, s.UID = "", ""
	}
	switch dice := w.Intn(6); {
	case dice == 0:
		s.How, s.Seen, s.Change = types.JSONPatchType, "", w.raw(metadataOperations())
	case dice == 1 && len(k.strategic) > 0:
		s.How, s.Seen, s.Change = types.StrategicMergePatchType, "", w.raw(k.strategic)
	}
	w.steps = append(w.steps, s)
	w.settle(s)
}

// subresource writes a status, scales, binds or resizes.
func (w *writer) subresource(s Step, k kind) {
	switch dice := w.Intn(4); {
	case s.Kind == "pod" && dice == 0:
		s.Verb, s.Node = "bind", w.some(w.kinds["node"].names)
		s.UID = w.some([]string{"", "current", "other"})
	case s.Kind == "pod" && dice == 1:
		s.Verb, s.Sub, s.How = "patch", "resize", types.StrategicMergePatchType
		s.Change = w.raw([]string{
			`{"spec":{"containers":[{"name":"redis","resources":{"requests":{"cpu":"200m"}}}]}}`,
			`{"spec":{"containers":[{"name":"redis","resources":{"requests":{"cpu":"200m"},"limits":{"cpu":"100m"}}}]}}`,
			`{"spec":{"containers":[{"name":"redis","image":"redis:5"}]}}`,
		})
	case s.Kind == "set" && dice < 2:
		s.Verb, s.Number = "scale", int32(w.Intn(9)-1)
		s.Seen = w.some([]string{"", "current", "stale"})
	case len(k.status) == 0:
		w.patch(s, k)
		return
	case dice == 2:
		s.Verb, s.Sub, s.Change = "update", "status", w.raw(k.status)
		s.Seen = w.some([]string{"current", "stale"})
	default:
		s.Verb, s.Sub, s.How, s.Change = "patch", "status", types.MergePatchType, w.raw(k.status)
	}
	w.steps = append(w.steps, s)
}

func (w *writer) remove(s Step) {
	s.Verb = "delete"
	w.preconditions(&s)
	s.Force = w.Intn(3) == 0
	if s.Kind == "set" { // not Foreground: the real garbage collector would end that in the middle of some later step
		s.Cascade = metav1.DeletionPropagation(w.some([]string{"", "", "Background", "Orphan"}))
	}
	if s.UID != "other" && s.Seen != "stale" {
		w.there[s.Kind+s.Name] = false
	}
	w.steps = append(w.steps, s)
	w.settle(s)
}

// settle waits for the garbage collector after whatever may have ended an owner: it works on its own, and would race with
// the steps to come.
func (w *writer) settle(s Step) {
	if s.Kind == "set" {
		w.steps = append(w.steps, Step{Verb: "collect"})
	}
}
