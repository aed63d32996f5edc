package decide

import (
	"cmp"
	"slices"
	"time"
)

// failOver is what Sentinels do of themselves when the one that they name does not answer, or is no master: one is elected, and
// promotes whoever has most. What that one does not have is lost, whether anybody hands over or not. Who gave a vote calls no
// election for a while.
func (w *world) failOver() {
	named := w.newest()
	for _, s := range w.sentinels {
		if w.now.Before(s.hold) || s.master != named {
			return
		}
	}
	m := w.by(named)
	if m.master && !m.frozen || slices.ContainsFunc(w.sentinels, func(s *sentinel) bool { return s.failing > 0 }) {
		return
	}
	epoch := uint64(0)
	for _, s := range w.sentinels {
		epoch = max(epoch, s.voted+1, s.epoch+1)
	}
	leader := w.sentinels[w.IntN(3)]
	leader.failing, leader.promoted = epoch, ""
	for _, s := range w.sentinels {
		s.voted, s.hold = epoch, w.now.Add(5*time.Second)
	}
	w.tell("a Sentinel begins a failover")
}

// goOn is what a Sentinel does that has won its election: it promotes somebody, and then the news is with two of the three at
// once. One that hears of a later election gives up.
func (w *world) goOn(leader *sentinel) {
	if leader.epoch >= leader.failing {
		leader.failing = 0
		return
	}
	if leader.promoted != "" {
		late := w.IntN(6)
		for n, s := range w.sentinels {
			if s.epoch < leader.failing && (s == leader || n != late) {
				s.epoch, s.master = leader.failing, leader.promoted
			}
		}
		leader.failing = 0
		return
	}
	m := w.by(leader.master)
	var best *server
	for _, s := range w.servers { // whatever it says that it is
		if s != m && !s.frozen && !s.down && (best == nil || len(s.log) > len(best.log)) {
			best = s
		}
	}
	if best == nil {
		leader.failing = 0
		return
	}
	w.failovers++
	w.tell("Sentinels promote %s", best.name)
	m.past, leader.promoted = true, best.name
	// From was killed, and follows of itself one that Sentinels were not told of: they promote somebody beside it (docs/switchover.md).
	if of := slices.IndexFunc(w.servers, func(s *server) bool { return s.master && m.killed && !m.master && m.of == s.name }); of >= 0 {
		w.servers[of].past = true
	}
	w.promote(best)
	best.past = false
	w.acked = slices.DeleteFunc(w.acked, func(write int) bool { return !slices.Contains(best.log, write) })
}

// newest is whom the Sentinels name that know of the latest election.
func (w *world) newest() string {
	return slices.MaxFunc(w.sentinels, func(a, b *sentinel) int { return cmp.Compare(a.epoch, b.epoch) }).master
}

// convert is what Sentinels do of themselves with whoever does not follow the one that they name, if that is master.
func (w *world) convert(s *server) {
	names := 0
	for _, one := range w.sentinels {
		if one.failing > 0 && one.promoted == s.name { // they leave it time for the news
			return
		}
		if m := w.by(one.master); m != s && m.master && !m.frozen {
			names++
		}
	}
	if m := w.by(w.sentinels[0].master); names == 3 && m != s && (s.master || w.failsOver && s.of != m.name) {
		w.tell("Sentinels make %s follow %s", s.name, m.name)
		w.replicaOf(s, m.name)
	}
}
