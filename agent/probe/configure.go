package probe

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/shoal-dev/shoal/redis"
	"github.com/shoal-dev/shoal/switchover"
)

// What the configuration of a Redis takes. Each of these is done over a connection of its own, with the name of those who hand over
// masters and of the lowest lock: whoever hands over ends it. While anybody has such a connection the error is redis.ErrOthers, and nothing
// was done: what a switchover rests on, a fence among it, does not change under its hands.

const (
	// maxShutdown bounds how long a Redis may write its data to the disk before it ends.
	maxShutdown = 10 * time.Minute
	// prompt bounds everything else.
	prompt = 5 * time.Second
)

// Inspect returns what the server is, and its values of those parameters; one that it does not know is absent.
func (r *Redis) Inspect(ctx context.Context, names ...string) (state redis.State, values map[string]string, err error) {
	err = r.alone(ctx, 0, func(ctx context.Context, conn *redis.Conn) error {
		if state, err = conn.State(ctx); err != nil || len(names) == 0 {
			return err
		}
		values, err = conn.Settings(ctx, names...)
		return err
	})
	return state, values, err
}

// Configure changes parameters until the next start, all or none, and reads them back. An error that redis.Answered knows is a
// refusal of the server.
func (r *Redis) Configure(ctx context.Context, settings map[string]string) (values map[string]string, err error) {
	err = r.alone(ctx, 0, func(ctx context.Context, conn *redis.Conn) error {
		if err := conn.Set(ctx, settings); err != nil {
			return err
		}
		values, err = conn.Settings(ctx, slices.Collect(maps.Keys(settings))...)
		return err
	})
	return values, err
}

// Shutdown ends the server of that run, see redis.Conn, unless may has an error for what it is now: it may have become a master since
// anybody looked. Another run is left alone.
func (r *Redis) Shutdown(ctx context.Context, run string, may func(redis.State) error) error {
	return r.alone(ctx, maxShutdown, func(quick context.Context, conn *redis.Conn) error {
		if state, err := conn.State(quick); err != nil || state.RunID != run {
			return err
		} else if err := may(state); err != nil {
			return err
		}
		return conn.Shutdown(ctx)
	})
}

// alone does something while nobody else is at work. The server may take most for an answer, or what access says if that is longer;
// the context ends all but a Shutdown.
func (r *Redis) alone(ctx context.Context, most time.Duration, do func(context.Context, *redis.Conn) error) error {
	r.acting.Lock()
	defer r.acting.Unlock()
	quick, cancel := context.WithTimeout(ctx, prompt)
	defer cancel()
	conn, err := r.connectWithin(quick, switchover.ConnectionName, 0, most)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = conn.Close() }() // whatever it says, what was asked for is done or not
	if err := conn.Alone(quick); err != nil {
		return err
	}
	return do(quick, conn)
}
