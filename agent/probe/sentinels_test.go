package probe

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
	"github.com/shoal-dev/shoal/switchover"
)

// answering is a server of Redis' protocol: answer gets a command with its arguments, separated by blanks. It counts connections.
func answering(t *testing.T, answer func(command string) string) (addr string, connections *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	connections = &atomic.Int64{}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			go func() {
				defer conn.Close()
				for in := bufio.NewReader(conn); ; {
					command, err := readCommand(in)
					if err != nil {
						return
					}
					text := "-ERR unknown command 'HELLO'\r\n"
					if !strings.HasPrefix(strings.ToLower(command), "hello") {
						text = answer(command)
					}
					_, _ = io.WriteString(conn, text)
				}
			}()
		}
	}()
	return listener.Addr().String(), connections
}

func readCommand(in *bufio.Reader) (string, error) {
	var parts, size int
	if _, err := fmt.Fscanf(in, "*%d\r\n", &parts); err != nil {
		return "", err
	}
	var words []string
	for range parts {
		if _, err := fmt.Fscanf(in, "$%d\r\n", &size); err != nil {
			return "", err
		}
		word := make([]byte, size+2)
		if _, err := io.ReadFull(in, word); err != nil {
			return "", err
		}
		words = append(words, string(word[:size]))
	}
	return strings.Join(words, " "), nil
}

func array(words ...string) string {
	text := fmt.Sprintf("*%d\r\n", len(words))
	for _, word := range words {
		text += bulk(word)
	}
	return text
}

func bulk(word string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(word), word) }

// sentinel is one that names a master, 10.0.0.<master>, by an election.
func sentinel(t *testing.T, says *atomic.Pointer[Election]) (addr string, connections *atomic.Int64) {
	t.Helper()
	return answering(t, func(command string) string {
		e := says.Load()
		host, port, _ := net.SplitHostPort(e.Master)
		switch {
		case strings.EqualFold(command, "client id"):
			return ":1\r\n"
		case strings.EqualFold(command, "sentinel myid"):
			return bulk(strings.Repeat("a", 40))
		case strings.HasPrefix(strings.ToLower(command), "sentinel master"):
			return array("name", "shard", "ip", host, "port", port, "flags", "master", "config-epoch", fmt.Sprint(e.Epoch), "quorum", "2",
				"num-other-sentinels", "2", "down-after-milliseconds", "5000", "failover-timeout", "20000")
		}
		return "+OK\r\n"
	})
}

// An election is what most of all Sentinels name. One that makes up a high number, or lags behind, is not believed; one alone neither.
func TestMostSentinels(t *testing.T) {
	old, new, bogus := Election{3, "10.0.0.1:6379"}, Election{4, "10.0.0.2:6379"}, Election{1 << 62, "10.0.0.9:6379"}
	for name, c := range map[string]struct {
		says []Election // an Epoch of -1 does not answer
		want Election
	}{
		"all":                {[]Election{new, new, new}, new},
		"one lags behind":    {[]Election{old, new, new}, new},
		"two lag behind":     {[]Election{old, new, old}, old},
		"one makes it up":    {[]Election{new, bogus, new}, new},
		"two are gone":       {[]Election{new, {Epoch: -1}, {Epoch: -1}}, Election{}},
		"nobody agrees":      {[]Election{old, new, bogus}, Election{}},
		"one is gone":        {[]Election{{Epoch: -1}, new, new}, new},
		"all are gone":       {[]Election{{Epoch: -1}, {Epoch: -1}, {Epoch: -1}}, Election{}},
		"two of four":        {[]Election{new, new, old, old}, Election{}},
		"they have no epoch": {[]Election{{0, "10.0.0.1:6379"}, {0, "10.0.0.1:6379"}, {0, "10.0.0.1:6379"}}, Election{0, "10.0.0.1:6379"}},
	} {
		t.Run(name, func(t *testing.T) {
			var addrs []string
			for _, e := range c.says {
				if e.Epoch < 0 {
					addrs = append(addrs, closed(t))
					continue
				}
				says := &atomic.Pointer[Election]{}
				says.Store(&e)
				addr, _ := sentinel(t, says)
				addrs = append(addrs, addr)
			}
			got, err := NewSentinels(addrs, "shard", func() (redis.Access, error) { return redis.Access{}, nil }).Most(t.Context())
			var failure *Failure
			if got != c.want || (err != nil) != (c.want == Election{}) || err != nil && !errors.As(err, &failure) {
				t.Errorf("%+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}

// One is asked over one connection, as long as it answers.
func TestOneSentinel(t *testing.T) {
	says, e := &atomic.Pointer[Election]{}, Election{3, "10.0.0.1:6379"}
	says.Store(&e)
	addr, connections := sentinel(t, says)
	s := NewSentinels([]string{addr}, "shard", func() (redis.Access, error) { return redis.Access{}, nil })
	for range 5 {
		if got, err := s.One(t.Context()); err != nil || got != e {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("there were %d connections", n)
	}
	nonsense := Election{3, "10.0.0.1:"}
	says.Store(&Election{Epoch: -5, Master: nonsense.Master})
	if got, err := s.One(t.Context()); err == nil {
		t.Errorf("%+v", got)
	}
	says.Store(&e)
	if got, err := s.One(t.Context()); err != nil || got != e || connections.Load() != 2 {
		t.Errorf("%+v, %v, over connection %d", got, err, connections.Load())
	}
	_ = s.Close()
}

// Settings are not changed beside somebody who has got the lock later: what they do may rest on them. To read them disturbs nobody.
func TestSettingsAreUnderTheLock(t *testing.T) {
	set := &atomic.Int64{}
	addr, _ := answering(t, func(command string) string {
		switch lower := strings.ToLower(command); {
		case lower == "client id":
			return ":5\r\n"
		case strings.HasPrefix(lower, "client list"):
			return bulk("id=4 addr=127.0.0.1:1 name=" + switchover.ConnectionName + "@7 db=0\nid=5 addr=127.0.0.1:2 name=" + switchover.ConnectionName + "@6 db=0\n")
		case strings.HasPrefix(lower, "config get"):
			return array("hz", "10")
		case strings.HasPrefix(lower, "config set"), strings.HasPrefix(lower, "client kill"):
			set.Add(1)
		}
		return "+OK\r\n"
	})
	p := NewRedis(addr, func() (redis.Access, error) { return redis.Access{}, nil })
	request := func(lock uint64) agent.Request {
		return agent.Request{Action: agent.ConfigSet, Lock: lock, Parameters: []agent.Parameter{{Name: "hz", Value: "10"}}}
	}
	if a, err := p.Act(t.Context(), request(6)); a.Changed || !errors.Is(err, redis.ErrLater) || set.Load() != 0 {
		t.Errorf("with a lock of before: %+v, %v, %d orders", a, err, set.Load())
	}
	if a, err := p.Act(t.Context(), agent.Request{Action: agent.ConfigGet, Parameters: []agent.Parameter{{Name: "hz"}}}); err != nil || len(a.Parameters) != 1 {
		t.Errorf("reading: %+v, %v", a, err)
	}
	if a, err := p.Act(t.Context(), request(7)); !a.Changed || err != nil || len(a.Parameters) != 1 || set.Load() != 1 {
		t.Errorf("with the lock: %+v, %v, %d orders", a, err, set.Load())
	}
	for _, action := range []agent.Action{agent.Protect, agent.Promote, agent.Unpause} {
		if _, err := p.Act(t.Context(), agent.Request{Action: action, Lock: 6}); !errors.Is(err, redis.ErrLater) || set.Load() != 1 {
			t.Errorf("%s with a lock of before: %v, %d orders", action, err, set.Load())
		}
	}
}
