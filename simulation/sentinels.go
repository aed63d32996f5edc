package simulation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/redis"
	"github.com/shoal-dev/shoal/roles"
)

// The Sentinels of a set with roles. They stand beside the nodes, look every two seconds, and do what Redis Sentinel does:
// find a master down, agree on that by quorum, elect one of them for an epoch, promote the replica that has most, tell each
// other, and turn round who follows somebody else or claims to be master beside the one who is. A set without an HA system has
// one person in their place, who is slower, and whom nobody can ask.

// watchers are the Sentinels of one set.
type watchers struct {
	w         *World
	set       string
	uid       types.UID // of the set that they were told of
	names     bool      // they call instances by name, and not by IP address
	people    bool
	sentinels []*sentinel
	headless  map[string]time.Time // since when somebody runs in a shard, and no master
}

type sentinel struct {
	number int
	addr   string
	lives  int  // how often it was made anew
	silent bool // it reaches nobody
	deaf   bool // it does not hear the others, and they do not hear it
	lonely bool // it was made anew, and has not met the others yet
	epoch  int64
	shards map[string]*watched
}

// watched is what a Sentinel knows of a shard.
type watched struct {
	master   string
	epoch    int64 // of the election that made it so
	replicas []string
	down     time.Time // since when the master is not one that answers
	voted    int64     // the last epoch in which it voted
	next     time.Time // when it may call another election
	stray    map[string]time.Time
}

// How long Sentinels wait, as they are mostly configured and built; and people.
const (
	watchEvery      = 2 * time.Second
	downAfter       = 5 * time.Second
	failoverTimeout = 20 * time.Second
	strayAfter      = 10 * time.Second // four times the period in which they tell each other, and some
	slowPerson      = 3 * time.Minute  // until a person sees what no Sentinel knows of
	personDownAfter = 40 * time.Second
	resetAfter      = 90 * time.Second
)

func (w *World) newWatchers(set string, names, people bool) *watchers {
	x := &watchers{w: w, set: set, names: names, people: people, headless: map[string]time.Time{}}
	n := 3
	if people {
		n = 1
	}
	for i := range n {
		x.sentinels = append(x.sentinels, &sentinel{number: i, addr: fmt.Sprintf("sentinel-%s-%d.sentinels:26379", set, i), shards: map[string]*watched{}})
	}
	w.after(w.between(0, watchEvery), "sentinels", x.watch)
	return x
}

// addrOf is how an instance is called.
func (w *World) addrOf(p *process) string {
	set, _ := splitName(p.name.Name)
	return w.addrFor(set, p.name.Name, p.ip)
}

// at is who answers at an address.
func (x *watchers) at(engines []copied, addr string) (copied, bool) {
	for _, c := range engines {
		if x.w.addrOf(c.process) == addr {
			return c, true
		}
	}
	return copied{}, false
}

// answers: the Sentinel reaches the Redis, and it answers.
func (s *sentinel) answers(c copied) bool { return !s.silent && c.on.reachable() && c.up() }

func (x *watchers) watch() {
	x.w.after(watchEvery, "sentinels", x.watch)
	set, there := find[*v1alpha1.InstanceSet](x.w, types.NamespacedName{Namespace: Namespace, Name: x.set})
	if !there || set.UID != x.uid { // whoever makes a set tells the Sentinels
		x.forget(nil)
		if !there {
			return
		}
		x.uid = set.UID
	}
	x.w.replicate()
	var shards []string
	for n := range *set.Spec.Replicas / x.w.shardSize[x.set] {
		shards = append(shards, podspec.Name(x.set, n))
	}
	x.forget(shards)
	for _, shard := range shards {
		x.watchShard(shard, x.w.shardEngines(shard))
	}
}

// forget drops all shards but these.
func (x *watchers) forget(but []string) {
	for _, s := range x.sentinels {
		for shard := range s.shards { // the order does not matter to deletions
			if !slices.Contains(but, shard) {
				delete(s.shards, shard)
			}
		}
	}
	maps.DeleteFunc(x.headless, func(shard string, _ time.Time) bool { return !slices.Contains(but, shard) })
}

func (x *watchers) watchShard(shard string, engines []copied) {
	for _, s := range x.sentinels {
		x.configure(s, shard, engines)
		if known := s.shards[shard]; known != nil && !s.silent {
			if x.look(s, known, engines); x.people {
				x.seeClaim(known, engines)
			}
		}
	}
	x.gossip(shard)
	for _, s := range x.sentinels {
		if known := s.shards[shard]; known != nil && !s.silent {
			x.elect(s, shard, known, engines)
			x.repair(s, known, engines)
		}
	}
	x.reset(shard, engines)
	x.rescue(shard, engines)
	x.w.ha.judge(shard)
}

// configure has a person, or what the person wrote, tell a Sentinel of a shard that it does not know: whom the others name, or
// who says that it is master.
func (x *watchers) configure(s *sentinel, shard string, engines []copied) {
	if s.silent || s.shards[shard] != nil {
		return
	}
	addr, epoch := "", int64(-1)
	for _, other := range x.sentinels {
		if known := other.shards[shard]; known != nil && !other.silent && known.epoch > epoch {
			addr, epoch = known.master, known.epoch
		}
	}
	if claims := x.claims(engines); addr == "" && len(claims) > 0 {
		addr = x.w.addrOf(claims[0].process)
	}
	if addr != "" {
		s.shards[shard] = &watched{master: addr, stray: map[string]time.Time{}}
	}
}

// claims are the masters that a person can reach, the one of the latest term first.
func (x *watchers) claims(engines []copied) []copied {
	var out []copied
	for _, c := range engines {
		if c.up() && c.on.reachable() && c.engine.master {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b copied) int { return b.engine.term - a.engine.term })
	return out
}

// look asks the master, and learns of its replicas.
func (x *watchers) look(s *sentinel, known *watched, engines []copied) {
	master, there := x.at(engines, known.master)
	if !there || !s.answers(master) || !master.engine.master {
		if known.down.IsZero() {
			known.down = time.Now()
		}
		return
	}
	known.down = time.Time{}
	for _, c := range engines {
		if c.up() && x.w.linked(c, master) {
			known.learn(x.w.addrOf(c.process))
		}
	}
}

// seeClaim: a person takes the only one who claims to be master for the master.
func (x *watchers) seeClaim(known *watched, engines []copied) {
	if claims := x.claims(engines); len(claims) == 1 && !known.down.IsZero() {
		known.move(x.w.addrOf(claims[0].process), known.epoch)
	}
}

func (k *watched) learn(addr string) {
	if addr != k.master && !slices.Contains(k.replicas, addr) {
		k.replicas = append(k.replicas, addr)
	}
}

// gossip: who hears of a later election takes it over.
func (x *watchers) gossip(shard string) {
	for _, s := range x.sentinels {
		for _, other := range x.sentinels {
			mine, theirs := s.shards[shard], other.shards[shard]
			if s == other || s.silent || s.deaf || other.silent || other.deaf || mine == nil || theirs == nil {
				continue
			}
			s.lonely = false
			s.epoch = max(s.epoch, other.epoch)
			if theirs.epoch > mine.epoch {
				mine.move(theirs.master, theirs.epoch)
			}
			for _, addr := range theirs.replicas {
				mine.learn(addr)
			}
		}
	}
}

// move names another master, by an election.
func (k *watched) move(master string, epoch int64) {
	former := k.master
	k.replicas = slices.DeleteFunc(k.replicas, func(addr string) bool { return addr == master })
	k.master, k.epoch, k.down = master, epoch, time.Time{}
	if former != master {
		k.learn(former)
	}
}

func (x *watchers) isDown(k *watched) bool {
	after := downAfter
	if x.people {
		after = personDownAfter
	}
	return !k.down.IsZero() && time.Since(k.down) >= after
}

// reaches reports whether a Sentinel and another one, or it itself, hear each other.
func (s *sentinel) reaches(other *sentinel) bool {
	return other == s || !other.silent && !other.deaf && !s.deaf
}

// elect calls an election where enough find the master down, and promotes the replica that has most.
func (x *watchers) elect(s *sentinel, shard string, known *watched, engines []copied) {
	if !x.isDown(known) || time.Now().Before(known.next) {
		return
	}
	found, votes := 0, 0
	epoch := s.epoch + 1
	for _, other := range x.sentinels {
		theirs := other.shards[shard]
		if theirs == nil || !s.reaches(other) {
			continue
		}
		if theirs.master == known.master && x.isDown(theirs) {
			found++
		}
		if theirs.voted < epoch {
			votes++
		}
	}
	most := len(x.sentinels)/2 + 1
	if found < most {
		return
	}
	known.next = time.Now().Add(2*failoverTimeout + x.w.choice.of("elections").between(0, 4*time.Second))
	s.epoch = epoch
	for _, other := range x.sentinels {
		if theirs := other.shards[shard]; theirs != nil && s.reaches(other) {
			other.epoch, theirs.voted = max(other.epoch, epoch), max(theirs.voted, epoch)
			theirs.next = known.next.Add(x.w.choice.of("elections").between(0, 4*time.Second))
		}
	}
	heir, there := x.heir(s, known, engines)
	if votes < most || !there {
		return
	}
	x.w.tell("sentinel", "%d promotes %s by election %d", s.number, heir.name.Name, epoch)
	x.w.promote(heir.process, heir.engine.term+1)
	known.move(x.w.addrOf(heir.process), epoch)
}

// heir is the replica that has most.
func (x *watchers) heir(s *sentinel, known *watched, engines []copied) (heir copied, there bool) {
	for _, c := range engines {
		if s.answers(c) && !c.engine.master && c.engine.follows != redis.Nobody && slices.Contains(known.replicas, x.w.addrOf(c.process)) &&
			!time.Now().Before(c.engine.loading) && (!there || c.offset > heir.offset) {
			heir, there = c, true
		}
	}
	return heir, there
}

// repair turns round who does not follow the master, once that has been so for a while, and the master answers. A person sees
// those too that no Sentinel knows of.
func (x *watchers) repair(s *sentinel, known *watched, engines []copied) {
	for _, c := range engines {
		addr := x.w.addrOf(c.process)
		if known.down.IsZero() && addr != known.master && s.answers(c) && (c.engine.master || c.engine.follows != known.master) {
			if known.stray[addr].IsZero() {
				known.stray[addr] = time.Now()
			}
			after := strayAfter
			if x.people || !slices.Contains(known.replicas, addr) {
				after = slowPerson
			}
			if time.Since(known.stray[addr]) < after {
				continue
			}
			x.w.tell("sentinel", "%d has %s follow %s", s.number, c.name.Name, known.master)
			x.w.follow(c.process, known.master)
		}
		delete(known.stray, addr)
	}
}

// reset has a person tell all Sentinels anew, when all have lost the master and somebody else is one.
func (x *watchers) reset(shard string, engines []copied) {
	claims := x.claims(engines)
	if len(claims) == 0 {
		return
	}
	addr := x.w.addrOf(claims[0].process)
	for _, s := range x.sentinels {
		known := s.shards[shard]
		if s.silent || s.deaf || known == nil || known.master == addr || known.down.IsZero() || time.Since(known.down) < resetAfter {
			return
		}
	}
	x.w.tell("user", "tells the Sentinels that %s is master of %s", claims[0].name.Name, shard)
	x.instruct(shard, addr)
}

// rescue has a person make a master where nobody will: there has been none for long, and Sentinels know of no replica, because the
// one that they name follows somebody who is gone, or because they have forgotten everything.
func (x *watchers) rescue(shard string, engines []copied) {
	var most *copied
	for _, c := range engines {
		if c.up() && c.on.reachable() && !time.Now().Before(c.engine.loading) && (most == nil || c.offset > most.offset) {
			most = &c
		}
	}
	switch since := x.headless[shard]; {
	case most == nil || x.w.anyMaster(shard):
		delete(x.headless, shard)
		return
	case since.IsZero():
		x.headless[shard] = time.Now()
		return
	case time.Since(since) < patience:
		return
	}
	x.w.tell("user", "makes %s the master of %s, as there is none, and tells the Sentinels", most.name.Name, shard)
	x.w.promote(most.process, most.engine.term+1)
	x.instruct(shard, x.w.addrOf(most.process))
}

// instruct tells all Sentinels who is master, whatever they knew.
func (x *watchers) instruct(shard, addr string) {
	for _, s := range x.sentinels {
		s.shards[shard] = &watched{master: addr, stray: map[string]time.Time{}}
	}
}

// anew makes a Sentinel anew: it has forgotten everything.
func (s *sentinel) anew() {
	s.lives++
	s.epoch, s.lonely, s.shards = 0, true, map[string]*watched{}
}

// question is a connection of the manager to a Sentinel.
type question struct{ s *sentinel }

var errNoAnswer = errors.New("no route to host")

// unknownShard is the answer of a Sentinel that knows of no such shard.
type unknownShard struct{}

// Error is in Sentinel's words.
func (unknownShard) Error() string { return "ERR No such master with that name" }

// RedisError marks what a server said.
func (unknownShard) RedisError() {}

func (o *operator) connectSentinel(_ context.Context, addr string, _ redis.Access) (roles.Asker, error) {
	for _, set := range o.w.ha.names() {
		for _, s := range o.w.ha.sets[set].sentinels {
			if s.addr == addr && !s.silent {
				return question{s}, nil
			}
		}
	}
	return nil, errNoAnswer
}

// View is whom it names.
func (q question) View(_ context.Context, shard string) (redis.View, error) {
	known := q.s.shards[shard]
	switch {
	case q.s.silent:
		return redis.View{}, errNoAnswer
	case known == nil:
		return redis.View{}, unknownShard{}
	}
	v := redis.View{
		ID: fmt.Sprintf("%s/%d", q.s.addr, q.s.lives), Master: known.master, Epoch: uint64(known.epoch), Quorum: 2, Peers: 2,
		Down: !known.down.IsZero(), DownAfter: downAfter, FailoverTimeout: failoverTimeout,
	}
	if q.s.lonely {
		v.Peers = 0
	}
	return v, nil
}

// Close does nothing.
func (question) Close() error { return nil }
