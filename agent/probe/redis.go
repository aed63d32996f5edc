package probe

import (
	"context"
	"sync"
	"time"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
)

// Redis asks a Redis server, over one connection that is used until it breaks, and acts on it over others.
type Redis struct {
	addr   string
	access func() (redis.Access, error)
	conn   *redis.Conn // of Look

	acting sync.Mutex // of line and lines
	line   line
	lines  uint64
}

// NewRedis asks the server at host:port. Access is read for each new connection: a password may change.
func NewRedis(addr string, access func() (redis.Access, error)) *Redis {
	return &Redis{addr: addr, access: access}
}

// Look asks. It takes no longer than connecting and three commands may.
func (r *Redis) Look(ctx context.Context) (agent.Report, error) {
	state, err := r.state(ctx)
	if err != nil {
		_ = r.closeLook() // the next look makes another
		return agent.Report{}, fail(err)
	}
	return reportOf(state), nil
}

func (r *Redis) state(ctx context.Context) (redis.State, error) {
	if r.conn == nil {
		conn, err := r.connect(ctx, "shoal-agent", 0)
		if err != nil {
			return redis.State{}, err
		}
		r.conn = conn
	}
	return r.conn.State(ctx)
}

func (r *Redis) connect(ctx context.Context, name string, generation uint64) (*redis.Conn, error) {
	return r.connectWithin(ctx, name, generation, 0)
}

// connectWithin is connect where a command may take longer than access says.
func (r *Redis) connectWithin(ctx context.Context, name string, generation uint64, io time.Duration) (*redis.Conn, error) {
	access, err := r.access()
	if err != nil {
		return nil, &Failure{refused, err}
	}
	access.Name, access.Generation, access.IO = name, generation, max(access.IO, io)
	conn, err := redis.Connect(ctx, r.addr, access)
	if err != nil {
		return nil, err
	}
	if err := conn.Guarded(ctx); err != nil {
		_ = conn.Close() // what is wrong is known already
		return nil, err
	}
	return conn, nil
}

// Close ends the connections, if there are any.
func (r *Redis) Close() error {
	r.acting.Lock()
	r.hangUp()
	r.acting.Unlock()
	return r.closeLook()
}

func (r *Redis) closeLook() error {
	if r.conn == nil {
		return nil
	}
	err := r.conn.Close()
	r.conn = nil
	return err
}

func reportOf(s redis.State) agent.Report {
	r := agent.Report{
		Role: agent.RoleMaster, Engine: "redis/" + s.Version, ReplicationID: s.History, Offset: max(0, s.Offset), Loading: s.Loading, MaxMemory: s.MaxMemory,
	}
	switch {
	case s.Keys > 0:
		r.Holds = agent.HoldsData
	case s.Keys == 0 && !s.Loading && !s.Syncing: // of a copy that is on its way nothing is there yet
		r.Holds = agent.HoldsNothing
	}
	if s.Kind == redis.Replica {
		r.Role, r.MasterAddr, r.LinkUp, r.Protected = agent.RoleReplica, s.Master, s.LinkUp, s.Master == redis.Nobody
	}
	return r
}
