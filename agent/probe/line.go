package probe

import (
	"context"
	"errors"
	"time"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
	"github.com/shoal-dev/shoal/switchover"
)

// line is the connection of a Look, which is kept for the orders that are decided from it: they are carried out over that
// connection or not at all. So whoever ends it, as each later actor does, knows that none of them follows; and an engine that
// has started anew carries out none that was decided from what it was before.
type line struct {
	conn *redis.Conn
	// number is of this process; lock is of whoever looked.
	number, lock uint64
	idle         *time.Timer
}

// idleLine is for how long a line that nobody uses is kept. Whoever decides looks again much sooner.
const idleLine = 10 * time.Second

// open makes the line anew, and ends all other connections of its name.
func (r *Redis) open(ctx context.Context, lock uint64) error {
	r.hangUp()
	conn, err := r.connect(ctx, switchover.ConnectionName, lock)
	if err != nil {
		return fail(err)
	}
	if _, err := conn.Evict(ctx); err != nil {
		_ = conn.Close() // what is wrong is known already
		return trouble(err)
	}
	r.lines++
	number := r.lines
	r.line = line{conn, number, lock, time.AfterFunc(idleLine, func() {
		r.acting.Lock()
		defer r.acting.Unlock()
		if r.line.number == number {
			r.hangUp()
		}
	})}
	return nil
}

// onLine does what is asked for over the line. After an error what was seen on it does not hold any more.
func (r *Redis) onLine(ctx context.Context, request agent.Request) (agent.Answer, error) {
	if r.line.conn == nil || r.line.number != request.Line || r.line.lock != request.Lock {
		return agent.Answer{}, ErrLine
	}
	r.line.idle.Reset(idleLine)
	a, err := carryOut(ctx, r.line.conn, request)
	if refusal := (*Refusal)(nil); err != nil && !errors.As(err, &refusal) {
		r.hangUp()
	}
	a.Line = request.Line
	return a, err
}

// hangUp ends the line, if there is one.
func (r *Redis) hangUp() {
	if r.line.conn == nil {
		return
	}
	r.line.idle.Stop()
	_ = r.line.conn.Close() // whatever it says, it is not used any more
	r.line = line{}
}

func stateOf(s redis.State) *agent.State {
	out := &agent.State{
		RunID: s.RunID, Role: agent.RoleMaster, Master: s.Master, LinkUp: s.LinkUp, Syncing: s.Syncing, Loading: s.Loading,
		History: s.History, Former: s.Former, FormerEnd: s.FormerEnd, Offset: s.Offset, Priority: s.Priority,
		MinReplicas: s.MinReplicas, MaxLagSeconds: int64(s.MaxLag / time.Second), FailingOver: s.FailingOver,
	}
	if s.Kind == redis.Replica {
		out.Role = agent.RoleReplica
	}
	for _, f := range s.Followers[:min(len(s.Followers), agent.MaxFollowers)] {
		out.Followers = append(out.Followers, agent.Follower{Address: f.Addr, Online: f.Online, Offset: f.Offset, LagSeconds: int64(f.Lag / time.Second)})
	}
	return out
}
