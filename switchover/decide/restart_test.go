package decide

import "slices"

// The servers of a third of the worlds are killed and start again, as shoal-redis starts them: as what they were last, if that is
// sure. What they were is written down at once here.

// note is what a server writes down of itself: a promotion when it takes writes, and the term of the master that it follows.
func (w *world) note(s *server) {
	switch {
	case s.master && !s.marked && (s.fence.Lag == 0 || w.followers(s) >= s.fence.Replicas):
		s.marked, s.term = true, s.term+1
	case s.master:
	default:
		if s.marked = false; s.linked && s.of != "" && w.by(s.of).master {
			s.term = w.by(s.of).term
		}
	}
}

// kill ends a server; what is on its way to it never arrives.
func (w *world) kill(s *server) {
	w.tell("%s is killed", s.name)
	w.note(s)
	w.kills++
	s.killed = true
	s.down, s.late, s.fence, s.linked, s.master = true, nil, w.configured, false, false
	for _, r := range w.servers {
		if r.of == s.name {
			r.linked = false
		}
	}
}

// start has a server that was killed ask the others who is master, and start as what that makes it, or wait.
func (w *world) start(s *server) {
	var leader *server
	newest := 0
	for _, o := range w.servers {
		switch {
		case o == s, o.frozen, o.down:
		case !o.master && o.of == "":
			return // a switchover is under way
		case o.master && leader != nil && o.term == leader.term:
			return
		case o.master && (leader == nil || o.term > leader.term):
			leader = o
		}
		if !o.frozen && !o.down {
			newest = max(newest, o.term)
		}
	}
	switch {
	case leader != nil && (!w.restart || leader.term > s.term || leader.term == s.term && !s.marked): // in peace a person helps
		w.replicaOf(s, leader.name)
	case leader == nil && s.marked && newest <= s.term:
		w.histories++
		s.master, s.of, s.history, s.former, s.formerEnd = true, "", w.histories, -1, -1
	default:
		return
	}
	s.down = false
	w.tell("%s starts again, master: %t, of %s", s.name, s.master, s.of)
}

// restarts: one server at a time is killed now and then, and one that was starts again.
func (w *world) restarts() {
	down := slices.IndexFunc(w.servers, func(s *server) bool { return s.down })
	if down >= 0 && w.IntN(6) == 0 {
		w.start(w.servers[down])
	}
	for _, s := range w.servers {
		if !s.down {
			w.note(s)
		}
	}
	if s := w.servers[w.IntN(len(w.servers))]; w.restart && down < 0 && w.IntN(60) == 0 {
		w.kill(s)
	}
}

// restartsEmpty: one server at a time is killed now and then, and starts again as docs/roles.md has a redis-server start that keeps
// nothing: it follows nobody. Where it had alone what clients were told is there, it is not killed: nobody could help.
func (w *world) restartsEmpty() {
	if down := slices.IndexFunc(w.servers, func(s *server) bool { return s.down }); down >= 0 {
		if s := w.servers[down]; w.IntN(6) == 0 {
			w.histories++
			s.down, s.of, s.log, s.history, s.former, s.formerEnd = false, "", nil, w.histories, -1, -1
			w.tell("%s starts again, with nothing", s.name)
		}
		return
	}
	s := w.servers[w.IntN(len(w.servers))]
	if w.calm || w.IntN(60) != 0 || !slices.ContainsFunc(w.servers, func(o *server) bool { return o != s && !o.frozen && w.hasAll(o) }) {
		return
	}
	w.kill(s)
}

// hasAll: a server has every write that was acknowledged.
func (w *world) hasAll(s *server) bool {
	has := map[int]bool{}
	for _, write := range s.log {
		has[write] = true
	}
	return !slices.ContainsFunc(w.acked, func(write int) bool { return !has[write] })
}
