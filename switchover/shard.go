package switchover

import (
	"context"
	"slices"
	"sync"

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
	// Called reports whether an address is one more of them; nil is none.
	Called func(addr string) bool `json:"-"`
	// Open begins a session with it; nil connects to Addr with Shard.Access.
	Open Open `json:"-"`
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
	// Access is to those instances that are connected to, SentinelAccess to the Sentinels. The names of the connections are set
	// by Run.
	Access, SentinelAccess redis.Access
	// Lock is how many times the lock for the shard has changed hands, such as the leaseTransitions of a Lease: who holds it
	// shuts out whoever held it before.
	Lock uint64
}

// ConnectionName is that of everybody who may change a master, so that the next one ends the connections of the one before.
const ConnectionName = "shoal-switchover"

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

func (r *run) lookAt(ctx context.Context, i Instance, l *line[Session]) decide.Instance {
	out := decide.Instance{Name: i.Name, Addr: i.Addr, Node: i.Node, Avoid: i.Avoid, Outdated: i.Outdated}
	if err := l.ready(ctx); err != nil {
		out.Trouble = err.Error()
		return out
	}
	var s redis.State
	if err := l.on(func(c Session) (err error) { s, err = c.State(ctx); return err }); err != nil {
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

// known is the address of the instance that has this alias, if there is one.
func (r *run) known(addr string) string {
	for _, i := range r.shard.Instances {
		if slices.Contains(i.Aliases, addr) || i.Called != nil && i.Called(addr) {
			return i.Addr
		}
	}
	return addr
}

func (r *run) listenTo(ctx context.Context, l *line[*redis.Conn]) decide.Sentinel {
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
