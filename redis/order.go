package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"
)

// Nobody is the address of no Redis. A server that is told to follow it takes no writes, keeps its data and its replicas,
// and waits for another order.
const Nobody = "127.0.0.1:1"

// Pause holds every command that writes, for so long (rounded up to milliseconds), without refusing it. Expiry and eviction
// pause too, so that the offset stands still but for the PING that a master sends its replicas every ten seconds. It ends by
// itself. From Redis 6.2 on.
func (c *Conn) Pause(ctx context.Context, long time.Duration) error {
	return c.order(ctx, "pausing the writes of", "CLIENT", "PAUSE", (long + time.Millisecond - 1).Milliseconds(), "WRITE")
}

// Unpause lets what was held go on, whoever paused it.
func (c *Conn) Unpause(ctx context.Context) error {
	return c.order(ctx, "ending the pause of", "CLIENT", "UNPAUSE")
}

// Follow makes the server a replica of host:port. If the master there does not have all that this one has, what it has is
// replaced.
func (c *Conn) Follow(ctx context.Context, master string) error {
	host, port, err := net.SplitHostPort(master)
	if err != nil {
		return err
	}
	return c.order(ctx, "giving "+master+" as its master to", "REPLICAOF", host, port)
}

// Promote makes the server a master.
func (c *Conn) Promote(ctx context.Context) error {
	return c.order(ctx, "promoting", "REPLICAOF", "NO", "ONE")
}

// SetMinReplicas sets min-replicas-to-write and min-replicas-max-lag (rounded to seconds) until the next start.
func (c *Conn) SetMinReplicas(ctx context.Context, n int, lag time.Duration) error {
	return c.order(ctx, "setting min-replicas-to-write of", "CONFIG", "SET",
		"min-replicas-max-lag", strconv.Itoa(int(lag.Round(time.Second).Seconds())), "min-replicas-to-write", strconv.Itoa(n))
}

// Shutdown tells the server to end, and returns when it hangs up; it is bound by ctx and Access.IO. It writes its data set to the disk
// before, whatever it holds and is set to, and can go on where it was when it starts again (https://redis.io/docs/latest/commands/shutdown/). A
// master waits for its replicas before, for as long as shutdown-timeout says. An error that Answered knows is a refusal, after which it
// goes on. Whether it has ended after another one, or none, is seen from its RunID.
func (c *Conn) Shutdown(ctx context.Context) error {
	_, err := c.conn.Do(ctx, "SHUTDOWN", "SAVE").Result()
	var slow net.Error
	silent := ctx.Err() != nil || errors.As(err, &slow) && slow.Timeout()
	if err == nil || !silent && !Answered(err) {
		return nil // it hangs up, and says nothing
	}
	return fmt.Errorf("ending %s: %w", c.addr, err) // without the password, which Redis repeats of commands that it does not know alone
}

// Settings reads settings by their names (CONFIG GET); one that the server does not know is absent. From Redis 7.0 on.
func (c *Conn) Settings(ctx context.Context, names ...string) (map[string]string, error) {
	args := []any{"CONFIG", "GET"}
	for _, name := range names {
		args = append(args, name)
	}
	answer, err := c.do(ctx, args...)
	if err != nil {
		return nil, fmt.Errorf("reading settings of %s: %w", c.addr, err)
	}
	return pairs(answer), nil
}

// Set changes settings until the next start: all of them, or none if the server refuses one. From Redis 7.0 on.
func (c *Conn) Set(ctx context.Context, settings map[string]string) error {
	args := []any{"CONFIG", "SET"}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, name, settings[name])
	}
	return c.order(ctx, "changing settings of", args...)
}
