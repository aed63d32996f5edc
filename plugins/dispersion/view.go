package dispersion

import (
	"math"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/shoal-dev/shoal/placement"
	"github.com/shoal-dev/shoal/slots"
)

const (
	// maxViews bounds how many views are kept of groups that are complete.
	maxViews = 256
	// maxSeats bounds the memory of all views: so many seats take 250 MB. That is a view for each of a thousand groups on 5,000
	// nodes. Groups whose pods wait, or that are not complete, are not evicted below it: their pods take turns, and each would make its view anew, which
	// costs a look at every node, and lose its plan, and with it the room that is kept for it.
	maxSeats = 5 << 20
)

// changelog holds the numbers of nodes that have changed, oldest first. Each view remembers how far it has read.
type changelog struct {
	entries []entry
	dropped int // from the front
	begun   int // what stands before may have been read: only what came later needs no second entry
}

// entry is a node that has changed, and the group that this does not concern: what a group needs on a node is said to the others.
type entry struct{ number, except int32 }

// nobody is excepted: the numbers of groups begin with 0.
const nobody = -1

func (c *changelog) add(number int) { c.tell(number, nobody) }

// tell notes a change for all groups but one.
func (c *changelog) tell(number int, except int32) {
	n := len(c.entries)
	if n == c.begun || c.entries[n-1].number != int32(number) {
		c.entries = append(c.entries, entry{int32(number), except})
	} else if c.entries[n-1].except != except {
		c.entries[n-1].except = nobody
	}
}

// begin begins an update. It drops the older half when there are too many; a view that has not read them is made anew.
func (c *changelog) begin(most int) {
	if len(c.entries) > most {
		half := len(c.entries) / 2
		c.dropped += half
		c.entries = append(c.entries[:0], c.entries[half:]...)
	}
	c.begun = len(c.entries)
}

// end is the position after the last one, for a view that reads to there.
func (c *changelog) end() int {
	c.begun = len(c.entries)
	return c.dropped + len(c.entries)
}

// view is every node as a group sees it for one kind of pod, kept from one pod to the next.
type view struct {
	group  slots.Group
	id     int32 // of the group
	room   slots.Room
	limits placement.Limits
	shards int // 0 when they do not limit what a node can take
	total  int // cap over all groups

	seats []seat // by the number of the node
	ranks []rank // of the seats
	sums
	peak int // the largest capacity that a node ever had

	read  int // of the changelog
	cycle int // when it was last used
	plan  *plan
	moves []move

	avoided   map[int]time.Time // nodes that other plugins refused, and until when nothing is planned there
	advice    *advice           // nil until a pod found no node
	told      string            // what the event of a pod said last beside the reasons of nodes
	published []demand          // what other groups know that this one needs
	spare     []demand          // room for the next
	replicas  int               // R when the plan was made
	done      bool              // all of them are placed, and need nothing more

	numbers, best []int // of lowest: those of all seats, and room to work in
}

// rank orders seats for lowest, and is all that it reads of them: by how many instances they hold, and then by load. The seats of
// thousands of nodes would be fetched from memory for each pod.
type rank uint32

const (
	// noRank is that of a node which can take nothing more, or from which nothing more is wanted.
	noRank   rank = math.MaxUint32
	loadBits      = 10 // mostLoad has as many
	mostHeld      = 1<<(32-loadBits) - 2
)

func (s *seat) rank() rank {
	if s.capacity <= 0 {
		return noRank
	}
	return rank(min(s.held, mostHeld))<<loadBits | rank(s.load)
}

func (r rank) held() uint32 { return uint32(r) >> loadBits }
func (r rank) load() int    { return int(r & (1<<loadBits - 1)) }

// all are the numbers of all seats.
func (v *view) all() []int {
	for len(v.numbers) < len(v.seats) {
		v.numbers = append(v.numbers, len(v.numbers))
	}
	return v.numbers[:len(v.seats)]
}

// sums are what the guard needs of all seats.
type sums struct {
	closed placement.Histogram // nodes that are not in use
	used   int                 // |S|
	left   int                 // what the nodes in use can take
}

func (t *sums) book(s seat, by int) {
	if s.held > 0 {
		t.used += by
		t.left += by * int(s.capacity)
		return
	}
	t.closed.Add(int(s.capacity), by)
}

// seat is one node in a view.
type seat struct {
	held     int32 // slots of the group
	promised int32 // those that only a claim holds
	fit      int32 // pods like this one that fit, before anything is promised to the group itself
	needed   int32 // those that would fit if other groups did not need the room
	free     int32 // of those, what is not promised
	capacity int32 // what the group can still place there within its limits
	all      int32 // slots of all groups
	lowest   int32 // priority among the group's pods there; the highest number if there are none
	avoided  bool  // other plugins refuse it
	load     int32 // thousandths of CPU or memory in use or planned by other groups, the fuller one
}

// viewOf finds the view for a pod, or makes it, and brings it up to date.
func (x *index) viewOf(group slots.Group, pod *corev1.Pod, limits placement.Limits, shards, total int) *view {
	if limits.MaxPerNode > 0 && shards*max(limits.MaxPerShard, 1) >= limits.MaxPerNode || limits.MaxPerShard == 0 {
		shards = 0 // M binds first
	}
	var v *view
	for _, known := range x.views[group] {
		if known.total == total && known.room.Covers(pod) {
			v = known
			break
		}
	}
	switch {
	case v == nil:
		v = x.newView(group, pod, limits, shards, total)
	case v.read < x.changes.dropped:
		v.plan, v.moves = nil, nil
		v.limits, v.shards = limits, shards
		x.fill(v)
	case v.limits != limits || v.shards != shards:
		x.sync(v)
		v.plan, v.moves = nil, nil // what is published stands until it is known what comes in its place
		v.relimit(limits, shards)
	default:
		x.sync(v)
	}
	v.cycle = x.cycle
	return v
}

func (x *index) newView(group slots.Group, pod *corev1.Pod, limits placement.Limits, shards, total int) *view {
	x.evict()
	v := &view{group: group, id: x.id(group), room: slots.RoomFor(pod), limits: limits, shards: shards, total: total}
	x.views[group] = append(x.views[group], v)
	if len(x.views[group]) == 1 {
		x.reroom(group)
	}
	x.fill(v)
	return v
}

// evict drops views when there are too many. It may drop two for each that comes: there were more while more groups waited.
func (x *index) evict() {
	for range 2 {
		if !x.evictGroup() {
			return
		}
	}
}

// evictGroup drops the views of the group that was not looked at for the longest time: of those of which no pod waits and which need no
// room for anybody, or, when there is no memory left, of all, those last of which pods wait. It reports whether it had to.
func (x *index) evictGroup() bool {
	n, seats := 0, len(x.nodes)
	var oldest, idle, complete slots.Group
	age, idleAge, completeAge := math.MaxInt, math.MaxInt, math.MaxInt
	for group, views := range x.views {
		last := 0
		for _, v := range views {
			n, seats, last = n+1, seats+len(v.seats), max(last, v.cycle)
		}
		if last < age { // cycles differ
			oldest, age = group, last
		}
		if k := x.groups[group]; k != nil && len(k.waiting) > 0 {
			continue
		}
		if last < idleAge {
			idle, idleAge = group, last
		}
		if last < completeAge && !x.needsRoom(group) {
			complete, completeAge = group, last
		}
	}
	switch {
	case n >= maxViews && completeAge < math.MaxInt:
		x.drop(complete)
	case n >= maxViews && seats > maxSeats && idleAge < math.MaxInt:
		x.drop(idle)
	case n >= maxViews && seats > maxSeats:
		x.drop(oldest)
	default:
		return false
	}
	return true
}

// needsRoom reports whether room is kept from others for a group of which no pod waits: its policy wants more instances than are placed,
// or volumes of it keep places for instances that are absent.
func (x *index) needsRoom(g slots.Group) bool {
	if tally := x.ledger.Group(g); tally != nil && len(tally.Promised) > 0 {
		return true
	}
	return g.Policy != "" && slices.ContainsFunc(x.views[g], func(v *view) bool { return v.plan != nil && !v.done })
}

// fill makes all seats of a view.
func (x *index) fill(v *view) {
	v.seats, v.ranks = make([]seat, len(x.nodes)), make([]rank, len(x.nodes))
	v.sums, v.peak = sums{}, 0
	held := x.ledger.Group(v.group)
	for number := range x.nodes {
		x.refresh(v, held, number)
	}
	v.read = x.changes.end()
}

// sync brings the seats up to date of which something has changed.
func (x *index) sync(v *view) {
	if v.read == x.changes.end() {
		return
	}
	for len(v.seats) < len(x.nodes) {
		v.seats, v.ranks = append(v.seats, seat{}), append(v.ranks, noRank)
	}
	held := x.ledger.Group(v.group)
	if changed := x.changes.entries[v.read-x.changes.dropped:]; len(changed) < len(x.nodes) {
		for _, e := range changed {
			if e.except != v.id {
				x.refresh(v, held, int(e.number))
			}
		}
	} else { // many pods of other groups came since: no node is looked at twice
		for number := range x.nodes {
			x.refresh(v, held, number)
		}
	}
	v.read = x.changes.end()
}

func (x *index) refresh(v *view, held *slots.Tally, number int) {
	n := x.nodes[number]
	s := seat{all: int32(n.all), lowest: math.MaxInt32}
	_, s.avoided = v.avoided[number]
	if held != nil {
		s.held, s.promised = int32(held.PerNode[n.name]), int32(held.Promised[n.name])
	}
	if n.info != nil {
		s.fit = int32(roomOn(v.room, n.info))
		others := x.neededBy(v, number)
		if others.any && s.fit > 0 {
			left := int32(v.room.Fit(minus(freeOn(v.room, n.info), others.total)))
			s.needed, s.fit = s.fit-left, left
		}
		if s.load = loadOf(n.info, others.planned); v.room.Discouraged(n.object) {
			s.load = mostLoad // among equal nodes the others come first: what is not named, no other plugin's score can prefer
		}
	}
	for i := range n.pods {
		if t := &n.pods[i]; t.pod != nil && t.group == v.id {
			s.lowest = min(s.lowest, t.priority)
		}
	}
	v.seat(number, s)
}

// seat replaces a seat, with what it can take worked out.
func (v *view) seat(number int, s seat) {
	s, before := v.worked(s), v.seats[number]
	v.book(before, -1)
	v.book(s, +1)
	v.seats[number], v.ranks[number] = s, s.rank()
	v.peak = max(v.peak, int(s.capacity))
	v.plan.check(number, before, s)
}

func (v *view) worked(s seat) seat {
	s.free = s.fit - s.promised
	if v.total > 0 {
		s.free = min(s.free, int32(v.total)-s.all)
	}
	g := placement.Group{Limits: v.limits, Shards: v.shards}
	s.capacity = int32(min(g.Capacity(placement.Node{Held: int(s.held), Free: int(max(s.free, 0)), Unusable: s.avoided}), placement.MaxReplicas))
	return s
}

// relimit works out anew what the nodes can take.
func (v *view) relimit(limits placement.Limits, shards int) {
	v.limits, v.shards = limits, shards
	for number, s := range v.seats {
		v.seat(number, s)
	}
}

// mostLoad is the load of a full node.
const mostLoad = 1000

// loadOf is how full a node is, with what others have planned there: else two groups that are planned one after the other, before
// either has pods, would share their nodes while others are empty.
func loadOf(info *framework.NodeInfo, planned slots.Amount) int32 {
	share := func(used, has int64) int32 {
		if has <= 0 || used >= has {
			return mostLoad
		}
		return int32(float64(used) / float64(has) * mostLoad)
	}
	return max(
		share(info.NonZeroRequested.MilliCPU+planned.MilliCPU, info.Allocatable.MilliCPU),
		share(info.NonZeroRequested.Memory+planned.Memory, info.Allocatable.Memory),
	)
}
