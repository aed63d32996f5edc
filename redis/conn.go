package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// Conn is one connection to one server or Sentinel. After the first error of the network every call fails: whoever goes on
// opens another Conn, and looks again at what the process is before the next order. It is not for concurrent use.
type Conn struct {
	addr   string
	access Access
	client *goredis.Client
	conn   *goredis.Conn
}

// Connect opens a connection to host:port and authenticates. It takes at most as long as connecting and two commands may.
func Connect(ctx context.Context, addr string, access Access) (*Conn, error) {
	client := goredis.NewClient(access.options(addr))
	c := &Conn{addr: addr, access: access, client: client, conn: client.Conn()}
	ctx, cancel := context.WithTimeout(ctx, access.dialTimeout()+2*access.ioTimeout())
	defer cancel()
	if err := c.conn.Do(ctx, "CLIENT", "ID").Err(); err != nil { // not do: its bound is that of a command alone
		_ = c.Close() // what is wrong is known already
		return nil, fmt.Errorf("connecting to %s: %w", addr, access.scrub(err))
	}
	return c, nil
}

// Guarded is an error if a password was given for the default user and the server wants none of him: it takes any, from anybody, and is not
// the server that was meant. With the name of the user before it such a password is accepted, and without it is not. Of other users
// nothing is said, as a server without them refuses them.
func (c *Conn) Guarded(ctx context.Context) error {
	if c.access.Password == "" || c.access.Username != "" && c.access.Username != "default" {
		return nil
	}
	return c.order(ctx, "logging in without a name to", "AUTH", string(c.access.Password))
}

// Addr is the host:port that was connected to.
func (c *Conn) Addr() string { return c.addr }

// Close ends the connection.
func (c *Conn) Close() error { return errors.Join(c.conn.Close(), c.client.Close()) }

func (c *Conn) do(ctx context.Context, args ...any) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, c.access.ioTimeout())
	defer cancel()
	answer, err := c.conn.Do(ctx, args...).Result()
	return answer, c.access.scrub(err)
}

// order gives a command whose answer says nothing more than that it was done.
func (c *Conn) order(ctx context.Context, doing string, args ...any) error {
	if _, err := c.do(ctx, args...); err != nil {
		return fmt.Errorf("%s %s: %w", doing, c.addr, err)
	}
	return nil
}

// ErrLater says that the caller has lost its lock: somebody of a later generation has a connection.
var ErrLater = errors.New("another one with a later lock is at work")

// Evict ends all other connections that have the name of this one, and returns how many; if one of them is of a later
// generation, it ends none and returns ErrLater. What was sent on one of them and not yet carried out never will be: whoever
// evicts knows that no late order of a predecessor follows.
func (c *Conn) Evict(ctx context.Context) (int, error) {
	ids, err := c.others(ctx)
	if err != nil {
		return 0, fmt.Errorf("evicting others from %s: %w", c.addr, err)
	}
	for n, id := range ids {
		if _, err := c.do(ctx, "CLIENT", "KILL", "ID", id); err != nil {
			return n, fmt.Errorf("ending connection %s of %s: %w", id, c.addr, err)
		}
	}
	return len(ids), nil
}

// Yield returns ErrLater if somebody of a later generation has a connection with the name of this one, and ends none.
func (c *Conn) Yield(ctx context.Context) error {
	_, err := c.others(ctx)
	return err
}

// ErrOthers says that somebody else is at work.
var ErrOthers = errors.New("another one is at work")

// Alone returns ErrOthers if somebody else has a connection with the name of this one, of whatever generation, and ends none.
func (c *Conn) Alone(ctx context.Context) error {
	ids, err := c.others(ctx)
	if errors.Is(err, ErrLater) || len(ids) > 0 {
		return ErrOthers
	}
	return err
}

// others are the connections with the name of this one. The error is ErrLater if one of them is of a later generation.
func (c *Conn) others(ctx context.Context) (ids []string, err error) {
	if c.access.Name == "" {
		return nil, errors.New("the connection has no name")
	}
	own, err := c.do(ctx, "CLIENT", "ID")
	if err != nil {
		return nil, fmt.Errorf("asking %s for the number of the connection: %w", c.addr, err)
	}
	list, err := c.do(ctx, "CLIENT", "LIST", "TYPE", "normal")
	if err != nil {
		return nil, fmt.Errorf("listing the connections of %s: %w", c.addr, err)
	}
	text, _ := list.(string)
	ids, later := c.access.namesakes(text, fmt.Sprint(own))
	if later {
		return nil, ErrLater
	}
	return ids, nil
}

// namesakes reads CLIENT LIST: one client per line, of fields key=value. A name without a generation is of the first.
func (a Access) namesakes(list, own string) (ids []string, later bool) {
	for line := range strings.Lines(list) {
		fields := map[string]string{}
		for _, field := range strings.Fields(line) {
			key, value, _ := strings.Cut(field, "=")
			fields[key] = value
		}
		name, text, _ := strings.Cut(fields["name"], "@")
		if name != a.Name || fields["id"] == "" || fields["id"] == own {
			continue
		}
		generation, _ := strconv.ParseUint(text, 10, 64)
		ids, later = append(ids, fields["id"]), later || generation > a.Generation
	}
	return ids, later
}

// record is an answer of names and values: the lines of INFO, or a list of pairs.
type record map[string]string

func (r record) number(key string) int64 {
	n, err := strconv.ParseInt(r[key], 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// pairs reads [name, value, name, value ...].
func pairs(answer any) record {
	list, _ := answer.([]any)
	out := record{}
	for i := 0; i+1 < len(list); i += 2 {
		out[fmt.Sprint(list[i])] = fmt.Sprint(list[i+1])
	}
	return out
}

// lines reads the answer of INFO into r.
func (r record) lines(text string) {
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok {
			r[key] = value
		}
	}
}
