package simulation

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/agent/probe"
	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/redis"
	"github.com/shoal-dev/shoal/switchover/decide"
)

// The Redis of a set with roles. Each instance is what it was made last: a master, or a replica of some address. It starts as the
// entrypoint of the image has it (images/redis/shoal-redis), from what its volume remembers and its siblings say; Sentinels
// (sentinels.go) promote and turn round. A Redis that may not start yet waits, and answers nobody.

// engine is the Redis of one process, and the agent beside it.
type engine struct {
	master  bool
	follows string // host:port of the master of a replica, redis.Nobody while it is protected
	term    int    // how often the shard's data had another master
	loading time.Time
	down    bool // it was killed, and has yet to start again
	agent   *reporter
	handed
	configured
}

// handed is what is of importance while a master is handed over.
type handed struct {
	history, former string // names of what its data is, see redis.State
	formerEnd       int64
	fence           decide.Fence
	// Writes are held between these.
	pausedSince, pausedUntil time.Time
	line                     uint64        // the number of the connection that may order, 0 for none
	behind                   time.Duration // by how much a replica lags
}

// mark is what a volume remembers of the Redis on it.
type mark struct {
	master bool
	term   int
}

// markKey is where a process remembers: on its first volume, or as long as its pod lives.
func markKey(p *process) string {
	if len(p.volumes) > 0 {
		return p.volumes[0]
	}
	return string(p.pod)
}

// shardEngines are the processes of a shard of a set with roles, by ordinal.
func (w *World) shardEngines(shard string) []copied {
	var out []copied
	for _, name := range w.machineNames() {
		m := w.machines[name]
		for _, p := range sorted(m.running) {
			if p.engine != nil && !m.off && w.shardOf(p.name) == shard {
				out = append(out, copied{p, m})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b copied) int { return ordinalOf(a.name.Name) - ordinalOf(b.name.Name) })
	return out
}

// up: it is a Redis that runs, and not a process that waits to be one.
func (p *process) up() bool { return p.synced && !p.stopping && !p.engine.down }

// reach reports whether two machines reach each other.
func reach(a, b *machine) bool { return a == b && !a.off || a.reachable() && b.reachable() }

// findings are what an instance that starts finds out.
type findings struct {
	masters []copied // the one of the latest term first
	newest  int
	held    bool // somebody follows nobody: a switchover is under way
	present bool // somebody is there, or cannot be asked
}

func (w *World) survey(m *machine, p *process) (f findings) {
	for _, c := range w.shardEngines(w.shardOf(p.name)) {
		if c.name == p.name || reach(m, c.on) && !c.up() {
			continue // whoever waits to start has no port open
		}
		f.present = true
		if !reach(m, c.on) {
			continue
		}
		f.newest = max(f.newest, c.engine.term)
		f.held = f.held || c.engine.follows == redis.Nobody
		if c.engine.master {
			f.masters = append(f.masters, c)
		}
	}
	slices.SortStableFunc(f.masters, func(a, b copied) int { return b.engine.term - a.engine.term })
	return f
}

// startEngine starts the Redis of a process if it may start, and reports whether it has. Who has waited for long is helped by a
// person: the others have burnt, or what is on the volume contradicts them.
func (w *World) startEngine(m *machine, p *process) bool {
	f := w.survey(m, p)
	offset, data := w.copyOf(p)
	was, marked := w.ha.marks[markKey(p)]
	data = data || marked && len(p.volumes) == 0
	helped := p.waited >= patience
	switch {
	case f.held && !helped:
		return false
	case len(f.masters) > 0:
		leader := f.masters[0].engine.term
		rivals := len(f.masters) > 1 && f.masters[1].engine.term == leader
		refuses := rivals || data && (leader < was.term || was.master && leader == was.term)
		if refuses && !helped {
			return false
		}
		w.begin(m, p, offset)
		w.follow(p, w.addrOf(f.masters[0].process))
	case data && was.master && f.newest <= was.term:
		w.begin(m, p, offset)
		w.promote(p, was.term)
	case w.mayBeFirst(p, data, f):
		w.begin(m, p, 0)
		w.promote(p, 1)
	case helped && !w.anyMaster(w.shardOf(p.name)):
		w.tell("user", "makes %s the master, as no other one will come back", p.name.Name)
		w.begin(m, p, offset)
		w.promote(p, max(f.newest, was.term)+1)
	default:
		return false
	}
	return true
}

// equip gives a process its Redis and agent, where its set has roles.
func (w *World) equip(m *machine, p *process) {
	set, _ := splitName(p.name.Name)
	if w.ha != nil && w.ha.sets[set] != nil {
		p.engine = &engine{}
		if w.containers != nil {
			p.engine.behind = w.between(0, w.containers.behind)
		}
		w.bootAgent(copied{p, m}, set)
	}
}

// syncEngine starts the Redis of a process, or has it try again a little later.
func (w *World) syncEngine(m *machine, p *process) {
	switch {
	case p.synced || p.stopping || p.engine.down:
	case w.startEngine(m, p):
		w.kubelet(m.name, p.name)
	default:
		p.waited += syncPeriod
		w.after(syncPeriod, "sync "+p.name.Name, func() { w.sync(m, p) })
	}
}

// mayBeFirst: it is the first instance of a shard that never had data.
func (w *World) mayBeFirst(p *process, data bool, f findings) bool {
	pod, there := find[*corev1.Pod](w, p.name)
	first := int32(ordinalOf(p.name.Name))%max(1, w.shardSize[p.engine.agent.set]) == 0
	return there && first && !data && !f.present && pod.Annotations[v1alpha1.AnnotationRebuildGeneration] == "0"
}

// anyMaster reports whether a master runs, whoever reaches it.
func (w *World) anyMaster(shard string) bool {
	return slices.ContainsFunc(w.shardEngines(shard), func(c copied) bool { return c.up() && c.engine.master })
}

func (w *World) begin(_ *machine, p *process, offset int64) {
	w.replicate()
	w.born[w.shardOf(p.name)], p.synced, p.offset = true, true, offset
	p.startsConfigured()
	for _, v := range p.volumes {
		w.data[v] = offset
	}
	if offset > 0 {
		p.engine.loading = time.Now().Add(w.between(0, 3*time.Second))
	}
}

// promote makes a Redis a master of a term.
func (w *World) promote(p *process, term int) {
	w.replicate()
	p.engine.master, p.engine.follows, p.engine.term = true, "", term
	w.histories++
	p.engine.former, p.engine.formerEnd, p.engine.history = p.engine.history, p.offset+1, "h"+strconv.Itoa(w.histories)
	w.ha.marks[markKey(p)] = mark{true, term}
	shard := w.shardOf(p.name)
	lost := max(0, w.written[shard]-p.offset)
	w.tell("redis", "%s is master of %s, and has not the last %d bytes that were written", p.name.Name, shard, lost)
	w.written[shard] = p.offset
	w.engineChanged(p)
}

// follow makes a Redis a replica, of nobody if it is to be protected.
func (w *World) follow(p *process, addr string) {
	w.replicate()
	if p.engine.master {
		w.ha.marks[markKey(p)] = mark{false, p.engine.term}
	}
	p.engine.master, p.engine.follows = false, addr
	w.tell("redis", "%s follows %s", p.name.Name, addr)
	w.replicate()
	w.engineChanged(p)
}

// engineChanged has the agent notice within the time between two of its looks.
func (w *World) engineChanged(p *process) {
	p.engine.agent.lookSoon()
	if p.waitsAsMaster() && !p.engine.master {
		if m := p.engine.agent.at.on; m.running[p.pod] == p {
			w.once("configure "+string(p.pod), pollEvery, func() { w.configure(m, p) })
		}
	}
	w.ha.judge(w.shardOf(p.name))
}

// ends is a Redis whose process has ended. What it was told for as long as it runs is forgotten.
func (w *World) ends(p *process) {
	p.engine.down, p.synced, p.ready, p.waited = true, false, false, 0
	p.engine.fence, p.engine.pausedUntil, p.engine.line = decide.Fence{}, time.Time{}, 0
	w.engineChanged(p)
}

// kill ends the Redis of an instance, and not its pod: the kubelet starts it again.
func (w *World) kill(m *machine, p *process) {
	w.replicate()
	w.tell("fault", "the redis of %s is killed", p.name.Name)
	p.crashes()
	w.ends(p)
	if len(p.containers) > 0 {
		w.kubelet(m.name, p.name)
	} else if pod, there := find[*corev1.Pod](w, p.name); there && pod.UID == p.pod && m.reachable() && isReady(pod) {
		changed := pod.DeepCopy()
		setReady(changed, corev1.ConditionFalse)
		w.systemUpdate(changed, "status")
	}
	w.after(w.between(time.Second, 10*time.Second), "redis starts", func() {
		if m.running[p.pod] == p && w.restarts(m, p) {
			p.engine.down = false
			w.sync(m, p)
		}
	})
}

// followRoles is follow of replication.go for a shard with roles: each master takes writes, and its replicas take them over
// while they reach it. A replica that was ahead of its master throws that away.
func (w *World) followRoles(shard string, copies []copied, elapsed time.Duration) {
	var latest *copied
	for n := range copies {
		c := &copies[n]
		if !c.engine.master {
			continue
		}
		w.ha.mastered[c.pod] = time.Now()
		if len(copies) > 1 || c.offset > 0 {
			c.offset += int64(w.writingFor(*c, elapsed).Seconds() * bytesPerSecond)
		}
		if latest == nil || c.engine.term > latest.engine.term {
			latest = c
		}
		for _, r := range copies {
			if w.linked(r, *c) {
				w.catchUp(r, *c)
				w.ha.marks[markKey(r.process)] = mark{false, r.engine.term}
			}
		}
	}
	for _, c := range copies {
		for _, v := range c.volumes {
			if _, kept := w.data[v]; kept {
				w.data[v] = c.offset
			}
		}
	}
	if latest != nil {
		w.written[shard] = latest.offset
	}
}

// writingFor is how much of the last while a master took writes.
func (w *World) writingFor(c copied, elapsed time.Duration) time.Duration {
	e := c.engine
	if e.fence.Lag > 0 && len(w.followersOf(c)) < e.fence.Replicas {
		return 0
	}
	from, to := time.Now().Add(-elapsed), time.Now()
	if e.pausedSince.After(from) {
		from = e.pausedSince
	}
	if e.pausedUntil.Before(to) {
		to = e.pausedUntil
	}
	return elapsed - max(0, to.Sub(from))
}

// catchUp has a replica take over what its master has, as far as it does not lag.
func (w *World) catchUp(r, master copied) {
	lag := r.engine.behind
	if now := time.Now(); now.Before(master.engine.pausedUntil) {
		lag -= now.Sub(master.engine.pausedSince)
	}
	offset := master.offset - int64(max(0, lag).Seconds()*bytesPerSecond)
	if r.engine.history == master.engine.history {
		offset = min(max(offset, r.offset), master.offset)
	}
	r.offset, r.engine.term = max(0, offset), master.engine.term
	r.engine.history, r.engine.former, r.engine.formerEnd = master.engine.history, master.engine.former, master.engine.formerEnd
}

// linked: the replica is in sync with the master.
func (w *World) linked(replica, master copied) bool {
	return !replica.engine.master && replica.engine.follows == w.addrOf(master.process) && reach(replica.on, master.on)
}

// masterOf is whom a replica is in sync with.
func (w *World) masterOf(r copied) *copied {
	for _, c := range w.shardEngines(w.shardOf(r.name)) {
		if c.up() && c.engine.master && w.linked(r, c) {
			return &c
		}
	}
	return nil
}

// stateOf is what an agent reads from a Redis.
func (w *World) stateOf(c copied) redis.State {
	s := redis.State{
		Version: "7.0.0", Kind: redis.Master, Offset: c.offset, History: "h" + strconv.Itoa(c.engine.term), FormerEnd: -1, Priority: 100,
		Loading: time.Now().Before(c.engine.loading),
	}
	if !c.engine.master {
		s.Kind, s.Master, s.LinkUp = redis.Replica, c.engine.follows, w.masterOf(c) != nil
	}
	return s
}

// station is the engine as its agent has it: it looks, and does what the manager orders.
type station struct {
	w  *World
	at copied
}

var errNoRedis = errors.New("connection refused")

// Look is one look.
func (s station) Look(context.Context) (agent.Report, error) {
	if !s.at.up() {
		return agent.Report{}, &probe.Failure{Reason: "unreachable", Err: errNoRedis}
	}
	s.w.replicate()
	return probe.ReportOf(s.w.stateOf(s.at)), nil
}

// Act does what a request asks for.
func (s station) Act(_ context.Context, r agent.Request) (agent.Answer, error) {
	if !s.at.up() {
		return agent.Answer{}, &probe.Failure{Reason: "unreachable", Err: errNoRedis}
	}
	s.w.replicate()
	e := s.at.engine
	switch {
	case r.Action == agent.Look && r.Line == 0:
		s.w.lines++
		e.line = s.w.lines
		return agent.Answer{Line: e.line, State: s.w.shown(s.at)}, nil
	case r.Line != 0 && r.Line != e.line:
		return agent.Answer{}, probe.ErrLine
	case r.Action == agent.Look:
		return agent.Answer{Line: e.line, State: s.w.shown(s.at)}, nil
	case r.Line == 0 && r.Action != agent.ConfigGet && r.Action != agent.ConfigSet:
		e.line = 0
	}
	needed, err := probe.Judge(s.w.stateOf(s.at), r)
	if err != nil || !needed {
		return agent.Answer{}, err
	}
	switch r.Action {
	case agent.Protect, agent.Demote, agent.Leave:
		s.w.follow(s.at.process, redis.Nobody)
	case agent.Join, agent.Follow:
		s.w.follow(s.at.process, r.Master)
	case agent.Promote:
		s.w.promote(s.at.process, s.at.engine.term+1)
	case agent.Pause:
		e.pausedSince, e.pausedUntil = time.Now(), time.Now().Add(time.Duration(r.Milliseconds)*time.Millisecond)
	case agent.Unpause:
		e.pausedUntil = time.Now()
	case agent.ConfigSet:
		e.configure(r.Parameters)
	default: // other configuration is not modelled
	}
	return agent.Answer{Changed: true}, nil
}

// configure sets the fence.
func (e *engine) configure(parameters []agent.Parameter) {
	for _, p := range parameters {
		n, _ := strconv.Atoi(p.Value)
		switch p.Name {
		case "min-replicas-to-write":
			e.fence.Replicas = n
		case "min-replicas-max-lag":
			e.fence.Lag = time.Duration(n) * time.Second
		}
	}
	if e.fence.Replicas == 0 {
		e.fence = decide.Fence{Lag: e.fence.Lag}
	}
}

// shown is what an agent answers when it looks for a manager.
func (w *World) shown(c copied) *agent.State {
	s, e := w.stateOf(c), c.engine
	out := &agent.State{
		Role: agent.RoleMaster, Master: s.Master, LinkUp: s.LinkUp, Loading: s.Loading, History: e.history, Former: e.former, FormerEnd: e.formerEnd,
		Offset: c.offset, Priority: s.Priority, MinReplicas: e.fence.Replicas, MaxLagSeconds: int64(e.fence.Lag.Seconds()),
	}
	if s.Kind == redis.Replica {
		out.Role = agent.RoleReplica
	}
	for _, f := range w.followersOf(c) {
		out.Followers = append(out.Followers, agent.Follower{Address: w.addrOf(f.process), Online: true, Offset: f.offset})
	}
	return out
}

// Close does nothing.
func (station) Close() error { return nil }

// engineNamed is the process of an instance.
func (w *World) engineNamed(name string) (copied, bool) {
	shard := w.shardOf(types.NamespacedName{Namespace: Namespace, Name: name})
	for _, c := range w.shardEngines(shard) {
		if c.name.Name == name {
			return c, true
		}
	}
	return copied{}, false
}
