package dispersion

import (
	"fmt"
	"math"
	"time"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/reason"
)

// adviseEvery is how often at most the advice for a group is worked out anew while its numbers are the same. A thousand pods of a
// group that does not fit fail one after the other, and it costs as much as some plans.
const adviseEvery = 5 * time.Second

// advice is what was last said about a group that cannot be completed.
type advice struct {
	text    string
	numbers numbers
	until   time.Time
}

// numbers are what an advice is about. With others it is made anew at once: the event of a pod that is not tried again stays, and
// would speak of instances for years that were placed a second later.
type numbers struct {
	limits                                  placement.Limits
	replicas, shards, remaining, used, most int
}

// advice is for the event of a pod that found no node: when its whole group cannot be placed, what would let it be. It is
// empty when the reason lies elsewhere.
func (p *Plugin) advice(s *state) string {
	if s.mode == v1alpha1.PlacementBestEffort {
		return "" // no limit is in its way
	}
	if m := s.mix; m != nil && m.leftOver > 0 {
		return reason.NotEnoughRoom.Because("%s", placement.Shortage(m.leftOver, s.replicas, m.least))
	} else if m != nil {
		return ""
	}
	sums := s.sums()
	now := numbers{
		limits: s.limits, replicas: s.replicas, shards: s.shards, remaining: s.remaining, used: sums.used,
		most: sums.closed.Guard(s.limits.MaxNodes, sums.used, sums.left, math.MaxInt32).Reachable,
	}
	if a := s.view.advice; a != nil && a.numbers == now && p.now().Before(a.until) {
		return a.text
	}
	g := s.index.groupOf(s.view, s.remaining)
	for i := range g.Nodes {
		n := s.index.nodes[i]
		if n.info == nil || !s.view.room.Cordoned(n.object) {
			continue
		}
		g.Nodes[i].Unusable, g.Nodes[i].Cordoned = true, true
		g.Nodes[i].Free = max(0, s.view.room.Fit(freeOn(s.view.room, n.info))-int(s.view.seats[i].promised))
	}
	_, g.Rows, _ = s.index.rowsOf(s.view, s.shards, s.replicas, s.remaining)
	text := ""
	if a := placement.Assess(g, s.replicas); !a.Feasible {
		code := reason.NotEnoughRoom
		if a.LimitsTooTight {
			code = reason.LimitsTooTight
		}
		text = code.Because("%s", fmt.Sprintf("no room for %d of %d replicas within the limits: %s", a.Unplaceable, s.replicas, a.Advice()))
	}
	s.view.advice = &advice{text, now, p.now().Add(adviseEvery)}
	return text
}

// groupOf is the group of a view as package placement sees it, without its shards' rows.
func (x *index) groupOf(v *view, remaining int) placement.Group {
	g := placement.Group{Limits: v.limits, Shards: v.shards, Remaining: remaining, Nodes: make([]placement.Node, len(v.seats))}
	for i, s := range v.seats {
		g.Nodes[i] = placement.Node{Held: int(s.held), Free: int(max(s.free, 0)), Unusable: s.avoided, Load: int(s.load)}
	}
	return g
}
