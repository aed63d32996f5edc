package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// State is what a server says of itself: INFO, its limit of memory, and the two settings that keep a master from taking writes alone.
type State struct {
	// RunID is another one after each start of the process.
	RunID, Version string
	// Kind is Master or Replica.
	Kind Kind
	// Master is host:port of the master that a replica was told to follow, whether it reaches it or not.
	Master string
	// LinkUp: the replica is connected to its master and in sync. LinkDown is how long it has not been, -1 if it never was.
	LinkUp   bool
	LinkDown time.Duration
	// Syncing: a full copy is on its way to this replica. What it holds now may be nothing.
	Syncing bool
	// History is the replication id; two instances of one history agree on every byte up to the lesser offset. Before a
	// promotion the history had the name Former, and the first byte that is not of it is FormerEnd (-1: there was none).
	History, Former string
	FormerEnd       int64
	// Offset in bytes: of a master, what it has produced; of a replica, what it has carried out.
	Offset int64
	// Keys is how many there are in all databases, -1 if the server does not say.
	Keys int64
	// Followers are the replicas that are connected to this instance.
	Followers []Follower
	// Priority is replica-priority; with 0 the instance is never to be promoted.
	Priority int
	// Loading: the data is being read from the disk.
	Loading bool
	// Rewriting: its append-only file is being written anew, or is about to be. Until it has one it refuses to end.
	Rewriting bool
	// MinReplicas and MaxLag are min-replicas-to-write and min-replicas-max-lag. A master that has fewer replicas than that
	// takes no writes; either being 0 turns that off.
	MinReplicas int
	MaxLag      time.Duration
	// MaxMemory is maxmemory in bytes; 0: there is no limit, or the server does not say.
	MaxMemory int64
	// FailingOver is what the command FAILOVER is about: no-failover, or a state of it.
	FailingOver string
}

// Follower is a replica as its master sees it.
type Follower struct {
	Addr   string
	Online bool
	// Offset in bytes is what it has confirmed; Lag is how long ago it said anything, in whole seconds.
	Offset int64
	Lag    time.Duration
}

// State asks a server for its state, in one round trip.
func (c *Conn) State(ctx context.Context) (State, error) {
	ctx, cancel := context.WithTimeout(ctx, c.access.ioTimeout())
	defer cancel()
	pipe := c.conn.Pipeline()
	var sections []*goredis.StringCmd
	r := record{}
	for _, section := range []string{"server", "persistence", "replication", "keyspace"} {
		sections = append(sections, pipe.Info(ctx, section))
	}
	// Two commands: before Redis 7.0 each takes one pattern.
	settings := []*goredis.Cmd{pipe.Do(ctx, "CONFIG", "GET", "min-replicas-*"), pipe.Do(ctx, "CONFIG", "GET", "maxmemory")}
	if _, err := pipe.Exec(ctx); err != nil {
		return State{}, fmt.Errorf("asking %s for its state: %w", c.addr, c.access.scrub(err))
	}
	for _, section := range sections {
		r.lines(section.Val())
	}
	if keyspace := sections[len(sections)-1].Val(); strings.Contains(keyspace, "# Keyspace") {
		r[told] = "1"
	}
	for _, setting := range settings {
		for key, value := range pairs(setting.Val()) {
			r[key] = value
		}
	}
	state, err := readState(r)
	if err != nil {
		return State{}, fmt.Errorf("understanding the state of %s: %w", c.addr, err)
	}
	return state, nil
}

func readState(r record) (State, error) {
	s := State{
		RunID: r["run_id"], Version: r["redis_version"], Loading: r["loading"] == "1",
		Rewriting: r["aof_rewrite_in_progress"] == "1" || r["aof_rewrite_scheduled"] == "1",
		History:   r["master_replid"], Former: r["master_replid2"], FormerEnd: r.number("second_repl_offset"),
		MinReplicas: int(r.number("min-replicas-to-write")), MaxLag: time.Duration(r.number("min-replicas-max-lag")) * time.Second,
		MaxMemory: max(0, r.number("maxmemory")), FailingOver: r["master_failover_state"], Followers: followers(r), Keys: keys(r),
	}
	if strings.Trim(s.Former, "0") == "" {
		s.Former = ""
	}
	switch r["role"] {
	case "master":
		s.Kind, s.Offset, s.Priority = Master, r.number("master_repl_offset"), -1
	case "slave":
		s.Kind, s.Offset, s.Priority = Replica, r.number("slave_repl_offset"), int(r.number("slave_priority"))
		s.Master = net.JoinHostPort(r["master_host"], r["master_port"])
		s.LinkUp, s.Syncing = r["master_link_status"] == "up", r["master_sync_in_progress"] == "1"
		if s.LinkDown = time.Duration(r.number("master_link_down_since_seconds")) * time.Second; s.LinkDown < 0 {
			s.LinkDown = -1
		}
		if s.LinkUp {
			s.LinkDown = 0
		}
	default:
		return State{}, errors.New("the answer names no role of a server")
	}
	if s.RunID == "" || s.History == "" || s.MinReplicas < 0 || s.MaxLag < 0 || s.Offset < 0 && s.Kind == Master {
		return State{}, errors.New("the answer is incomplete")
	}
	return s, nil
}

// told is set in a record if the server has said how many keys there are: of an empty database it says nothing.
const told = "# Keyspace"

// keys reads db0:keys=3,expires=0,avg_ttl=0 and those after it.
func keys(r record) int64 {
	if r[told] == "" {
		return -1
	}
	sum := int64(0)
	for name, text := range r {
		if _, err := strconv.Atoi(strings.TrimPrefix(name, "db")); err != nil || !strings.HasPrefix(name, "db") {
			continue
		}
		f := record{}
		for _, field := range strings.Split(text, ",") {
			key, value, _ := strings.Cut(field, "=")
			f[key] = value
		}
		sum += max(0, f.number("keys"))
	}
	return sum
}

// followers reads slave0:ip=127.0.0.1,port=6380,state=online,offset=42,lag=0 and those after it.
func followers(r record) (out []Follower) {
	for i := range r.number("connected_slaves") {
		f := record{}
		for _, field := range strings.Split(r["slave"+strconv.FormatInt(i, 10)], ",") {
			key, value, _ := strings.Cut(field, "=")
			f[key] = value
		}
		out = append(out, Follower{
			Addr: net.JoinHostPort(f["ip"], f["port"]), Online: f["state"] == "online",
			Offset: f.number("offset"), Lag: time.Duration(f.number("lag")) * time.Second,
		})
	}
	return out
}
