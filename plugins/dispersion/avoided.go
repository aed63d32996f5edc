package dispersion

import (
	"time"

	fwk "k8s.io/kube-scheduler/framework"
)

// avoidFor is how long neither plan nor guard count on a node that other plugins refused.
const avoidFor = time.Minute

// avoid marks the nodes that we allowed and others refused, if there are nodes that we kept for the sake of the plan or the
// guard. It reports whether there is something new.
func (p *Plugin) avoid(s *state, statuses fwk.NodeToStatusReader) bool {
	if s.pinned != "" || s.plan == nil {
		return false
	}
	var refused []int
	kept := false
	for i := range s.index.marks {
		number := s.index.marks[i].number
		seat, name := s.view.seats[number], s.index.nodes[number].name
		switch broken := s.refusal(number, name); {
		case broken == &nodeIsTooSmall, broken == &plannedForOther, broken == &notPlanned:
			kept = kept || seat.fit > 0
		case broken == nil && seat.capacity > 0 && statuses.Get(name).IsRejected():
			refused = append(refused, number)
		}
	}
	if !kept || len(refused) == 0 {
		return false
	}
	if s.view.avoided == nil {
		s.view.avoided = map[int]time.Time{}
	}
	for _, number := range refused {
		s.view.avoided[number] = p.now().Add(avoidFor)
		s.index.changes.add(number)
	}
	return true
}

// expire counts on the nodes again whose time is over.
func (x *index) expire(v *view, now time.Time) {
	for number, until := range v.avoided {
		if now.After(until) {
			delete(v.avoided, number)
			x.changes.add(number)
		}
	}
}

// nextReturn is when the first node is counted on again; zero if all are.
func (v *view) nextReturn() time.Time {
	first := time.Time{}
	for _, until := range v.avoided {
		if first.IsZero() || until.Before(first) {
			first = until
		}
	}
	return first
}
