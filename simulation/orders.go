package simulation

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/types"

	api "github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
	"github.com/shoal-dev/shoal/roles/handover"
	"github.com/shoal-dev/shoal/switchover/decide"
)

// How orders travel to agents, and votes and news to Sentinels.

var errUnheard = errors.New("no answer in time: whether it was done is not known")

// do carries out a step.
func (h *handing) do(s decide.Step) (epoch uint64, err error) {
	switch s.Do {
	case decide.Elect:
		return h.elect()
	case decide.Tell:
		return 0, h.announce(h.addrOf(s.Instance))
	}
	r := api.Request{}
	switch s.Do {
	case decide.SetFence:
		r.Action, r.Parameters = api.ConfigSet, []api.Parameter{
			{Name: "min-replicas-max-lag", Value: strconv.Itoa(int(s.Fence.Lag.Seconds()))}, {Name: "min-replicas-to-write", Value: strconv.Itoa(s.Fence.Replicas)},
		}
	case decide.Pause:
		r.Action, r.Milliseconds = api.Pause, s.Long.Milliseconds()
	case decide.Unpause:
		r.Action = api.Unpause
	case decide.Demote:
		r.Action = api.Demote
	case decide.Promote, decide.Return:
		r.Action = api.Promote
	case decide.Follow:
		r.Action, r.Master = api.Follow, h.addrOf(s.Master)
	}
	for _, m := range h.members {
		if m.name == s.Instance {
			return 0, h.order(m, r)
		}
	}
	return 0, errors.New("there is no instance " + s.Instance)
}

// order gives one order over the session from which it was decided. After the first error there is another session.
func (h *handing) order(m member, r api.Request) error {
	l := h.lines[m.name]
	if l.number == 0 {
		return fmt.Errorf("the session with %s is lost: %w", m.name, l.trouble)
	}
	if err := h.sleep(h.world().between(time.Millisecond, 3*time.Millisecond)); err != nil {
		return err
	}
	_, slow, err := h.ask(m, l, r)
	if slow {
		if err := h.sleep(handover.Answers); err != nil {
			return err
		}
	}
	if err != nil {
		*l = wire{failed: time.Now(), trouble: err}
	}
	return err
}

// ask has a request arrive at an agent, unless a fault has it otherwise. Slow: no answer comes.
func (h *handing) ask(m member, l *wire, r api.Request) (a api.Answer, slow bool, err error) {
	w := h.world()
	if _, err := h.lock(); err != nil {
		return a, false, err
	}
	r.Version, r.Lock, r.BootID, r.Line = api.Version, h.held, l.boot, l.number
	if l.number == 0 {
		r.BootID = ""
	}
	d, f := w.choice.of("orders"), w.ha.orders
	switch {
	case f.lost > 0 && d.chance(f.lost):
		return a, true, errUnheard
	case f.late > 0 && d.chance(f.late): // whatever becomes of who gave it
		late := d.between(handover.Answers, f.most)
		w.after(late, "a late order", func() { w.carryOut(m, r) })
		w.agenda.poked()
		return a, true, errUnheard
	}
	a, reached, refused := w.carryOut(m, r)
	w.agenda.poked()
	switch {
	case refused:
		return a, false, errors.New("connection refused")
	case !reached, f.unheard > 0 && d.chance(f.unheard):
		return a, true, errUnheard
	case a.Refused == api.RefusedLock:
		return a, false, fmt.Errorf("%s: %w", a.Problem, redis.ErrLater)
	case a.Refused != "":
		return a, false, fmt.Errorf("%s: %s", a.Refused, a.Problem)
	}
	return a, false, nil
}

// carryOut is a request that has arrived. Refused: nothing runs there.
func (w *World) carryOut(m member, r api.Request) (a api.Answer, reached, refused bool) {
	on := w.machines[m.node]
	if on == nil || !on.reachable() || w.ha.agentsCut {
		return a, false, false
	}
	p := on.running[m.pod]
	if p == nil || p.engine == nil {
		return a, false, true
	}
	before := w.writable(p.name)
	a, news := p.engine.agent.steps.Act(w.ctx, r)
	p.engine.agent.heed(news)
	w.checker.ordered(p, r, a, before)
	return a, true, false
}

func (h *handing) addrOf(name string) string {
	for _, m := range h.members {
		if m.name == name {
			return m.addr
		}
	}
	return ""
}

// addrFor is how an instance with that IP address is called.
func (w *World) addrFor(set, name, ip string) string {
	if x := w.ha.sets[set]; x != nil && !x.names {
		return ip + ":6379"
	}
	return name + "." + set + ":6379"
}

// sentinels are what those of the set say.
func (h *handing) sentinels() (out []decide.Sentinel) {
	x := h.world().ha.sets[h.shard.Set.Name]
	if x == nil || h.request.Static {
		return nil
	}
	for _, s := range x.sentinels {
		d := decide.Sentinel{Addr: s.addr}
		known := s.shards[h.shard.Name]
		switch {
		case s.silent:
			d.Trouble = "no route to host"
		case known == nil:
			d.Trouble = unknownShard{}.Error()
		default:
			d.Reachable, d.Master, d.Epoch, d.Quorum, d.Peers = true, known.master, uint64(known.epoch), 2, 2
			d.Down, d.DownAfter, d.FailoverTimeout = !known.down.IsZero() && time.Since(known.down) >= downAfter, downAfter, failoverTimeout
			if s.lonely {
				d.Peers = 0
			}
		}
		out = append(out, d)
	}
	return out
}

// elect asks for votes, further ahead each time.
func (h *handing) elect() (uint64, error) {
	x := h.world().ha.sets[h.shard.Set.Name]
	epoch := int64(h.memory.Epoch)
	for _, s := range h.seen {
		epoch = max(epoch, int64(s.Epoch))
	}
	for ahead := int64(1); ahead < 1<<10; ahead *= 2 {
		epoch += ahead
		if err := h.sleep(h.world().between(time.Millisecond, 5*time.Millisecond)); err != nil {
			return 0, err
		}
		votes, answers := 0, 0
		for _, s := range x.sentinels {
			known := s.shards[h.shard.Name]
			if s.silent || known == nil {
				continue
			}
			answers++
			if known.voted < epoch && s.epoch <= epoch {
				known.voted, s.epoch = epoch, epoch
				known.next = time.Now().Add(2 * failoverTimeout)
				votes++
			}
		}
		switch most := len(x.sentinels)/2 + 1; {
		case votes >= most:
			return uint64(epoch), nil
		case answers < most:
			return 0, fmt.Errorf("%d of %d Sentinels that are needed answer", answers, most)
		}
	}
	return 0, errors.New("no epoch found in which most Sentinels vote")
}

// announce tells each Sentinel who is master by the election that was won.
func (h *handing) announce(addr string) error {
	x := h.world().ha.sets[h.shard.Set.Name]
	if err := h.sleep(h.world().between(time.Millisecond, 3*time.Millisecond)); err != nil {
		return err
	}
	var failed error
	for _, s := range x.sentinels {
		known := s.shards[h.shard.Name]
		if s.silent || known == nil {
			failed = errNoAnswer
			continue
		}
		if epoch := int64(h.memory.Epoch); known.epoch < epoch {
			known.move(addr, epoch)
			s.epoch = max(s.epoch, epoch)
		}
	}
	h.world().ha.judge(h.shard.Name)
	return failed
}

// writable are the masters of an instance's shard that take writes, and can be reached.
func (w *World) writable(of types.NamespacedName) (out []string) {
	w.replicate()
	for _, c := range w.shardEngines(w.shardOf(of)) {
		if c.up() && c.on.reachable() && w.takesWrites(c) {
			out = append(out, c.name.Name)
		}
	}
	return out
}

// takesWrites: it is a master, writes are not held, and as many follow it as it needs.
func (w *World) takesWrites(c copied) bool {
	return c.engine.master && !time.Now().Before(c.engine.pausedUntil) && (c.engine.fence.Lag == 0 || len(w.followersOf(c)) >= c.engine.fence.Replicas)
}

// followersOf are the replicas that are in sync with a master.
func (w *World) followersOf(master copied) (out []copied) {
	for _, c := range w.shardEngines(w.shardOf(master.name)) {
		if c.up() && c.pod != master.pod && w.linked(c, master) {
			out = append(out, c)
		}
	}
	return out
}
