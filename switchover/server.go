package switchover

import (
	"context"
	"errors"
	"time"

	"github.com/shoal-dev/shoal/redis"
)

// Session is how one server is looked at and told what to do: a connection to it (*redis.Conn is one), or an agent that has one.
// It is opened by Instance.Open. After the first error it is closed, also where the server has refused something: what was seen
// does not hold any more, and whoever goes on opens another one and looks again.
type Session interface {
	// State is what the server says of itself.
	State(context.Context) (redis.State, error)
	// SetMinReplicas sets the fence: a master with fewer replicas than n takes no writes.
	SetMinReplicas(ctx context.Context, n int, lag time.Duration) error
	// Pause holds writes for so long; Unpause ends that.
	Pause(ctx context.Context, long time.Duration) error
	Unpause(context.Context) error
	// Follow makes the server a replica of host:port. A master is told to follow redis.Nobody alone: it keeps its data and takes
	// no writes. Promote makes it a master.
	Follow(ctx context.Context, master string) error
	Promote(context.Context) error
	// Close ends the session. An order that is under way may be carried out or not.
	Close() error
}

// Open begins a session with one server, and ends all others: from then on no order arrives there that was given in another
// one. It returns redis.ErrLater, and ends none, if somebody has a session who got the lock later. What it calls lock is
// Shard.Lock.
type Open func(ctx context.Context, lock uint64) (Session, error)

// direct opens a connection of one's own.
func direct(addr string, access redis.Access) Open {
	return func(ctx context.Context, lock uint64) (Session, error) {
		conn, err := evicting(ctx, addr, access, lock)
		if err != nil {
			return nil, err // not a nil connection in an interface that is not nil
		}
		return conn, nil
	}
}

// evicting connects, and ends everybody else's connections, or finds that somebody has the lock by now.
func evicting(ctx context.Context, addr string, access redis.Access, lock uint64) (*redis.Conn, error) {
	access.Name, access.Generation = ConnectionName, lock
	conn, err := redis.Connect(ctx, addr, access)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Evict(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}
