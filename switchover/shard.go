package switchover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/shoal-dev/shoal/redis"
	"github.com/shoal-dev/shoal/switchover/decide"
)

// Instance is one Redis server of the shard.
type Instance struct {
	// Name is what a request calls it.
	Name string
	// Addr is host:port as the Sentinels know it, and as others are told to follow it. Aliases are what else its replicas may
	// call it, such as a name of DNS, as it stands in their REPLICAOF. A replica of an address that is none of these follows
	// somebody unknown, and neither takes over nor has writes given back to From.
	Addr    string
	Aliases []string
	// Node is where it runs. Avoid: the node is about to go, or unsound. Outdated: the instance is about to be updated.
	Node            string
	Avoid, Outdated bool
}

// Shard is where everybody is.
type Shard struct {
	Instances []Instance
	// Sentinels are host:port; Monitor is the name by which they know the shard.
	Sentinels []string
	Monitor   string
	// Access is to the instances, SentinelAccess to the Sentinels. The names of their connections are set by Run.
	Access, SentinelAccess redis.Access
	// Lock is how many times the lock for the shard has changed hands, such as the leaseTransitions of a Lease: who holds it
	// shuts out whoever held it before.
	Lock uint64
}

// ConnectionName is that of everybody who may change a master, so that the next one ends the connections of the one before.
const ConnectionName = "shoal-switchover"

// line is the connection to one process; it is nil while there is none.
type line struct {
	addr   string
	access redis.Access
	conn   *redis.Conn
	// vital: a step needs this process, which is tried again soon. Others are left alone for a while after they failed, or each
	// look would wait for them.
	vital bool
	until time.Time
	// trouble is why there was no connection, at that time.
	trouble error
	failed  time.Time
}

const leftAlone, leftAloneVital = time.Second, 20 * time.Millisecond

// ready connects if need be, and ends everybody else's connections, or finds that somebody has the lock by now.
func (l *line) ready(ctx context.Context) error {
	if l.conn != nil {
		return nil
	}
	again := l.until
	if l.vital {
		again = l.failed.Add(leftAloneVital)
	}
	if l.trouble != nil && time.Now().Before(again) {
		return l.trouble
	}
	l.until = time.Now().Add(leftAlone)
	conn, err := redis.Connect(ctx, l.addr, l.access)
	if err == nil {
		if _, err = conn.Evict(ctx); err == nil {
			l.conn = conn
			return nil
		}
		err = errors.Join(err, conn.Close())
	}
	l.trouble, l.failed = err, time.Now()
	return err
}

// drop closes the connection, because of trouble or because it is not needed any more: the next look makes another.
func (l *line) drop(trouble error) {
	if l.conn != nil {
		_ = l.conn.Close()
		l.conn, l.until, l.trouble = nil, time.Now().Add(leftAlone), trouble
	}
}

// on does something on the connection that there is. An answer of Redis that is an error breaks it too: what was seen on it
// does not hold any more.
func (l *line) on(do func(*redis.Conn) error) error {
	if l.conn == nil {
		return fmt.Errorf("the connection to %s is lost: %w", l.addr, l.trouble)
	}
	err := do(l.conn)
	if err != nil {
		l.drop(err)
	}
	return err
}

func (r *run) look(ctx context.Context) ([]decide.Instance, []decide.Sentinel) {
	instances := make([]decide.Instance, len(r.shard.Instances))
	sentinels := make([]decide.Sentinel, len(r.shard.Sentinels))
	var all sync.WaitGroup
	for n, i := range r.shard.Instances {
		r.instances[i.Name].vital = i.Name == r.request.From || i.Name == r.memory.Target && r.memory.GivenUp == 0
		all.Go(func() { instances[n] = r.lookAt(ctx, i, r.instances[i.Name]) })
	}
	for n, l := range r.sentinels {
		all.Go(func() { sentinels[n] = r.listenTo(ctx, l) })
	}
	all.Wait()
	return instances, sentinels
}

func (r *run) lookAt(ctx context.Context, i Instance, l *line) decide.Instance {
	out := decide.Instance{Name: i.Name, Addr: i.Addr, Node: i.Node, Avoid: i.Avoid, Outdated: i.Outdated}
	if err := l.ready(ctx); err != nil {
		out.Trouble = err.Error()
		return out
	}
	var s redis.State
	if err := l.on(func(c *redis.Conn) (err error) { s, err = c.State(ctx); return err }); err != nil {
		out.Trouble = err.Error()
		return out
	}
	out.Reachable, out.Master, out.Of, out.Held = true, s.Kind == redis.Master, r.known(s.Master), s.Master == redis.Nobody
	out.LinkUp, out.Syncing, out.Loading = s.LinkUp, s.Syncing, s.Loading
	out.History, out.Former, out.FormerEnd, out.Offset = s.History, s.Former, s.FormerEnd, s.Offset
	out.Followers, out.Priority = len(s.Followers), s.Priority
	out.Fence = decide.Fence{Replicas: s.MinReplicas, Lag: s.MaxLag}
	out.FailingOver = s.FailingOver != "" && s.FailingOver != "no-failover"
	return out
}

// known is the address of the instance that has this one or this alias, if there is one.
func (r *run) known(addr string) string {
	for _, i := range r.shard.Instances {
		if slices.Contains(i.Aliases, addr) {
			return i.Addr
		}
	}
	return addr
}

func (r *run) listenTo(ctx context.Context, l *line) decide.Sentinel {
	out := decide.Sentinel{Addr: l.addr}
	if err := l.ready(ctx); err != nil {
		out.Trouble = err.Error()
		return out
	}
	var v redis.View
	if err := l.on(func(c *redis.Conn) (err error) { v, err = c.View(ctx, r.shard.Monitor); return err }); err != nil {
		out.Trouble = err.Error()
		return out
	}
	out.Reachable, out.Master, out.Epoch, out.Quorum, out.Peers = true, v.Master, v.Epoch, v.Quorum, v.Peers
	out.Down, out.FailingOver, out.DownAfter, out.FailoverTimeout = v.Down, v.FailingOver, v.DownAfter, v.FailoverTimeout
	return out
}
