package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// View is what a Sentinel knows of a shard.
type View struct {
	// ID is the Sentinel's own, 40 hexadecimal digits.
	ID string
	// Master is host:port of who is master in its opinion, and Epoch the number of the election that made it so.
	Master string
	Epoch  uint64
	// Quorum is how many Sentinels must find the master down before one of them calls an election; Peers are the others that
	// it knows. An election needs the votes of most of them all, and of no less than Quorum.
	Quorum, Peers int
	// Down: it does not reach the master, or the master says that it is none. FailingOver: it is about to promote another.
	Down, FailingOver bool
	// DownAfter is for how long the master must be silent to be found down. Twice FailoverTimeout is how long a Sentinel that
	// gave its vote calls no election itself.
	DownAfter, FailoverTimeout time.Duration
}

// View asks a Sentinel for the shard that it knows by that name.
func (c *Conn) View(ctx context.Context, shard string) (View, error) {
	ctx, cancel := context.WithTimeout(ctx, c.access.ioTimeout())
	defer cancel()
	pipe := c.conn.Pipeline()
	id, master := pipe.Do(ctx, "SENTINEL", "MYID"), pipe.Do(ctx, "SENTINEL", "MASTER", shard)
	if _, err := pipe.Exec(ctx); err != nil {
		return View{}, fmt.Errorf("asking Sentinel %s about %s: %w", c.addr, shard, c.access.scrub(err))
	}
	view, err := readView(fmt.Sprint(id.Val()), pairs(master.Val()))
	if err != nil {
		return View{}, fmt.Errorf("understanding what Sentinel %s says of %s: %w", c.addr, shard, err)
	}
	return view, nil
}

// Answered reports whether an error is what a server said, as that it knows of no such shard: the connection is sound.
func Answered(err error) bool {
	var reply goredis.Error
	return errors.As(err, &reply)
}

func readView(id string, r record) (View, error) {
	millis := func(key string) time.Duration { return time.Duration(r.number(key)) * time.Millisecond }
	v := View{
		ID: id, Master: net.JoinHostPort(r["ip"], r["port"]), Epoch: uint64(max(0, r.number("config-epoch"))),
		Quorum: int(r.number("quorum")), Peers: int(r.number("num-other-sentinels")),
		DownAfter: millis("down-after-milliseconds"), FailoverTimeout: millis("failover-timeout"),
	}
	for flag := range strings.SplitSeq(r["flags"], ",") {
		switch flag {
		case "s_down", "o_down":
			v.Down = true
		case "failover_in_progress":
			v.FailingOver = true
		}
	}
	if r["ip"] == "" || r.number("config-epoch") < 0 || v.Quorum < 1 || v.Peers < 0 || v.DownAfter <= 0 || v.FailoverTimeout <= 0 {
		return View{}, errors.New("the answer is incomplete")
	}
	return v, nil
}

// Vote asks a Sentinel for its vote in the election of that epoch, as another Sentinel would, for the shard whose master is
// at host:port in its opinion. It votes once in an epoch, for the first who asks, and in no epoch before one that it knows
// of. Who has the votes of most Sentinels may promote, and says who is master with Announce. Source: the leader election in
// sentinel.c of Redis, and "SENTINEL is-master-down-by-addr" in its documentation.
func (c *Conn) Vote(ctx context.Context, master string, epoch uint64, candidate string) (bool, error) {
	host, port, err := net.SplitHostPort(master)
	if err != nil {
		return false, err
	}
	answer, err := c.do(ctx, "SENTINEL", "IS-MASTER-DOWN-BY-ADDR", host, port, epoch, candidate)
	if err != nil {
		return false, fmt.Errorf("asking Sentinel %s for its vote: %w", c.addr, err)
	}
	list, _ := answer.([]any)
	leader, known := at[string](list, 1)
	voted, ok := at[int64](list, 2)
	if !known || !ok {
		return false, fmt.Errorf("understanding the vote of Sentinel %s: the answer is incomplete", c.addr)
	}
	return leader == candidate && voted == int64(epoch), nil
}

// Announce tells a Sentinel who is master since the election of that epoch. Sentinels tell each other with this message;
// it is sent in the name of another one that the Sentinel knows, because of strangers it makes new peers. A Sentinel that
// knows of a later election ignores it.
func (c *Conn) Announce(ctx context.Context, shard, master string, epoch uint64) error {
	host, port, err := net.SplitHostPort(master)
	if err != nil {
		return err
	}
	answer, err := c.do(ctx, "SENTINEL", "SENTINELS", shard)
	if err != nil {
		return fmt.Errorf("asking Sentinel %s for its peers: %w", c.addr, err)
	}
	peers, _ := answer.([]any)
	if len(peers) == 0 {
		return fmt.Errorf("telling Sentinel %s of a master: it knows no other Sentinel, and listens to nobody else", c.addr)
	}
	peer := pairs(peers[0])
	hello := fmt.Sprintf("%s,%s,%s,%d,%s,%s,%s,%d", peer["ip"], peer["port"], peer["runid"], epoch, shard, host, port, epoch)
	return c.order(ctx, "telling of a master to Sentinel", "PUBLISH", "__sentinel__:hello", hello)
}
