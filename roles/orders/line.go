package orders

import (
	"context"
	"strconv"
	"time"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
)

// Line is a connection of an agent to its engine, over which somebody looks and orders, as over a *redis.Conn. An order is carried
// out over the connection that showed what it was decided from, or not at all: whoever opens a line after this one ends it, and
// with it all orders that are still under way. After the first error other than a refusal because of the state, whoever goes on
// opens another. It is not for concurrent use.
type Line struct {
	client *Client
	to     Target
	road   interface{ CloseIdleConnections() }
	send   func(context.Context, agent.Request) (agent.Answer, error)
	boot   string
	number uint64
	// Epoch is that of the election for which orders are given, 0 for none. An agent that knows of a later one refuses.
	Epoch int64
}

// Open makes a line, which ends all others to the same engine, and those of whoever is connected to it directly to hand over
// its master (redis.Conn.Evict). The error is redis.ErrLater where somebody with a later lock was met.
func (c *Client) Open(ctx context.Context, to Target) (*Line, error) {
	road := c.road(to, true)
	l := &Line{client: c, to: to, road: road}
	l.send = func(ctx context.Context, r agent.Request) (agent.Answer, error) { return c.send(ctx, road, to, r) }
	a, err := l.send(ctx, agent.Request{Action: agent.Look})
	if err != nil {
		road.CloseIdleConnections()
		return nil, err
	}
	l.boot, l.number = a.Report.BootID, a.Line
	return l, nil
}

// Addr is the address of the agent.
func (l *Line) Addr() string { return l.to.Address }

// Close ends the connection to the agent, who ends his to the engine soon.
func (l *Line) Close() error {
	l.road.CloseIdleConnections()
	return nil
}

func (l *Line) order(ctx context.Context, r agent.Request) (agent.Answer, error) {
	r.BootID, r.Line, r.Epoch = l.boot, l.number, l.Epoch
	return l.send(ctx, r)
}

func (l *Line) do(ctx context.Context, r agent.Request) error {
	_, err := l.order(ctx, r)
	return err
}

// State looks. Of Version, LinkDown and Keys nothing is known.
func (l *Line) State(ctx context.Context) (redis.State, error) {
	a, err := l.order(ctx, agent.Request{Action: agent.Look})
	if err != nil {
		return redis.State{}, err
	}
	return stateOf(*a.State), nil
}

// Follow makes the engine a replica of host:port; it is refused for a master, but for redis.Nobody, which demotes one.
func (l *Line) Follow(ctx context.Context, master string) error {
	if master == redis.Nobody {
		return l.do(ctx, agent.Request{Action: agent.Demote})
	}
	return l.do(ctx, agent.Request{Action: agent.Follow, Master: master})
}

// Promote makes the engine a master. It is refused while its data is not complete.
func (l *Line) Promote(ctx context.Context) error {
	return l.do(ctx, agent.Request{Action: agent.Promote})
}

// Pause holds every write for so long (rounded up to milliseconds; at most agent.MaxPause), without refusing it. Unpause ends that.
func (l *Line) Pause(ctx context.Context, long time.Duration) error {
	return l.do(ctx, agent.Request{Action: agent.Pause, Milliseconds: (long + time.Millisecond - 1).Milliseconds()})
}

// Unpause lets what was held go on, whoever paused it.
func (l *Line) Unpause(ctx context.Context) error {
	return l.do(ctx, agent.Request{Action: agent.Unpause})
}

// SetMinReplicas sets min-replicas-to-write and min-replicas-max-lag (rounded to seconds) until the next start.
func (l *Line) SetMinReplicas(ctx context.Context, n int, lag time.Duration) error {
	return l.do(ctx, agent.Request{Action: agent.ConfigSet, Parameters: []agent.Parameter{
		{Name: "min-replicas-max-lag", Value: strconv.Itoa(int(lag.Round(time.Second).Seconds()))},
		{Name: "min-replicas-to-write", Value: strconv.Itoa(n)},
	}})
}

func stateOf(s agent.State) redis.State {
	out := redis.State{
		RunID: s.RunID, Kind: redis.Master, Keys: -1, Master: s.Master, LinkUp: s.LinkUp, Syncing: s.Syncing, Loading: s.Loading,
		History: s.History, Former: s.Former, FormerEnd: s.FormerEnd, Offset: s.Offset, Priority: s.Priority,
		MinReplicas: s.MinReplicas, MaxLag: time.Duration(s.MaxLagSeconds) * time.Second, FailingOver: s.FailingOver,
	}
	if s.Role == agent.RoleReplica {
		out.Kind = redis.Replica
	}
	for _, f := range s.Followers {
		out.Followers = append(out.Followers, redis.Follower{Addr: f.Address, Online: f.Online, Offset: f.Offset, Lag: time.Duration(f.LagSeconds) * time.Second})
	}
	return out
}
