package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Kind is what a process says that it is.
type Kind string

// The kinds of the command ROLE. A replica calls itself a slave there.
const (
	Master   Kind = "master"
	Replica  Kind = "replica"
	Sentinel Kind = "sentinel"
)

// Role is the answer to the command ROLE (https://redis.io/docs/latest/commands/role/).
type Role struct {
	Kind Kind
	// Offset is the replication offset in bytes: of a master, what it has produced; of a replica, what it has received,
	// -1 before its first synchronisation. A master that never had a replica has offset 0. Sentinels have none.
	Offset int64
	// Link is the state of a replica's link to its master: connect, connecting, sync or connected.
	Link string
}

// The client library would also print each failure to the standard error. The caller gets it as an error and decides.
func init() { goredis.SetLogger(silence{}) }

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

const (
	dialTimeout = 500 * time.Millisecond
	ioTimeout   = 500 * time.Millisecond
)

// AskRole connects to host:port, asks once, and closes the connection. It takes at most about a second, and less when ctx
// ends earlier. There are no retries: the caller asks again when it decides again.
func AskRole(ctx context.Context, addr string) (Role, error) {
	client := goredis.NewClient(Access{}.options(addr))
	ctx, cancel := context.WithTimeout(ctx, dialTimeout+ioTimeout)
	defer cancel()
	answer, err := client.Do(ctx, "ROLE").Slice()
	if err = errors.Join(err, client.Close()); err != nil {
		return Role{}, fmt.Errorf("asking %s for its role: %w", addr, err)
	}
	role, err := parse(answer)
	if err != nil {
		return Role{}, fmt.Errorf("understanding the role of %s: %w", addr, err)
	}
	return role, nil
}

// parse reads ["master", offset, replicas], ["slave", host, port, link, offset] or ["sentinel", masters].
func parse(answer []any) (Role, error) {
	if len(answer) == 0 {
		return Role{}, errors.New("the answer is empty")
	}
	switch word := answer[0]; word {
	case "master":
		if offset, ok := at[int64](answer, 1); ok {
			return Role{Kind: Master, Offset: offset}, nil
		}
	case "slave":
		link, ok := at[string](answer, 3)
		offset, known := at[int64](answer, 4)
		if ok && known {
			return Role{Kind: Replica, Offset: offset, Link: link}, nil
		}
	case "sentinel":
		return Role{Kind: Sentinel}, nil
	default:
		return Role{}, errors.New("the answer names no known role")
	}
	return Role{}, fmt.Errorf("the answer of a %v is incomplete", answer[0])
}

func at[T any](answer []any, i int) (T, bool) {
	var none T
	if i >= len(answer) {
		return none, false
	}
	value, ok := answer[i].(T)
	return value, ok
}
