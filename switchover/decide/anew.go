package decide

import "fmt"

// anew says that From, which answers, has started again without something that it had, or nothing. Then it is no measure any more
// of what the one that takes over needs, and writes that are given back to it would cost the others all that it lacks: they copy
// whom they follow. A From that was seen in this run is known by what it had. Of one that was not, a replica may tell: what From
// has grows no more while it follows nobody, so nobody has more of the same history.
func (p *planner) anew() string {
	for _, had := range []Left{p.Most, p.Left} {
		if had.History != "" && !contains(p.from, had.instance()) {
			return fmt.Sprintf("%s has started again, and lacks some of the %d bytes that it had", p.from.Name, had.Offset)
		}
	}
	if !p.from.Held {
		return ""
	}
	if more := p.find(func(i *Instance) bool { return p.ofItsHistory(i) && i.Offset > p.from.Offset }); more != nil {
		return fmt.Sprintf("%s has started again, and lacks %d bytes that %s has", p.from.Name, more.Offset-p.from.Offset, more.Name)
	}
	return ""
}

// ofItsHistory: a replica that answers and has bytes of From's history.
func (p *planner) ofItsHistory(i *Instance) bool {
	return i != p.from && i.Reachable && !i.Master && i.History == p.from.History
}

// completed: the one that takes over is master with everything that anybody is known to have had. A From that has started again may
// follow it.
func (p *planner) completed(to *Instance) bool {
	if to == nil || !to.Reachable || !to.Master || !contains(to, p.from) {
		return false
	}
	for _, had := range []Left{p.Most, p.Left} {
		if had.History != "" && !contains(to, had.instance()) {
			return false
		}
	}
	return p.find(func(i *Instance) bool { return p.ofItsHistory(i) && !contains(to, i) }) == nil
}

// nothing is the offset that a server reports which has started with no data as a replica: Redis counts from 1 then.
const nothing = 1

// unmatched says who has, or may have, what From lacks, if nobody has seen in this run what From had as master. Such a From may have
// started with nothing, under a new history, and says so of itself no other way.
func (p *planner) unmatched() string {
	if p.Most.History != "" {
		return ""
	}
	for n := range p.Instances {
		switch i := &p.Instances[n]; {
		case i == p.from:
		case !i.Reachable && p.from.Offset <= nothing:
			return fmt.Sprintf("%s has nothing, and what %s has is not known", p.from.Name, i.Name)
		case i.Reachable && i.Offset > nothing && !contains(p.from, i) && (!i.Master || !within(i, p.from)):
			return fmt.Sprintf("%s has %d bytes that %s is not known to have", i.Name, i.Offset, p.from.Name)
		}
	}
	return ""
}

// within: what a master had before its promotion, another instance has too.
func within(x, other *Instance) bool {
	return x.Former != "" && (x.Former == other.History && other.Offset >= x.FormerEnd-1 || x.Former == other.Former && other.FormerEnd >= x.FormerEnd)
}

func (l Left) instance() *Instance { return &Instance{History: l.History, Offset: l.Offset} }

// mostOf is the most that From was seen to have as master, or of that afterwards. Before anything has begun a master is taken as it is.
func (m Memory) mostOf(from *Instance) Left {
	is, begun := Left{from.History, from.Offset}, !m.PausedAt.IsZero() || !m.StoppedAt.IsZero() || len(m.Told) > 0
	switch {
	case m.Most.History == "" && from.Master, m.Most.History != "" && contains(from, m.Most.instance()), from.Master && !begun:
		return is
	}
	return m.Most
}
