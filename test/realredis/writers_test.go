//go:build redis

package realredis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// write is one key, and what became of it.
type write struct {
	key         string
	at          int // the server that was asked
	sent, acked time.Time
	ok          bool
	// replicas is what WAIT said, -1 where it was not asked.
	replicas int64
}

// dial connects as a writer does.
func (s *shard) dial(n int) *goredis.Client {
	from := &net.TCPAddr{IP: net.ParseIP(s.writer())}
	return goredis.NewClient(&goredis.Options{
		Addr: s.fronts[n].addr(), Protocol: 2, DisableIdentity: true, PoolSize: 1, MaxRetries: -1, DialerRetries: 1, ReadTimeout: 3 * time.Second,
		Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return (&net.Dialer{LocalAddr: from, Timeout: time.Second}).DialContext(ctx, network, addr)
		},
	})
}

// load is writers that ask Sentinel for the master, as clients do, whenever they are refused.
type load struct {
	s    *shard
	stop context.CancelFunc
	all  sync.WaitGroup
	mu   sync.Mutex
	done [][]write
}

var runs atomic.Int64

// write starts so many writers; each second one asks with WAIT for a replica that has it.
func (s *shard) write(writers int) *load {
	ctx, stop := context.WithCancel(context.Background())
	l := &load{s: s, stop: stop, done: make([][]write, writers)}
	run := runs.Add(1)
	for w := range writers {
		l.all.Go(func() { l.writer(ctx, w, fmt.Sprintf("run%d-w%d", run, w)) })
	}
	s.t.Cleanup(func() { l.end() }) // of a test that fails before it does so
	return l
}

func (l *load) writer(ctx context.Context, w int, prefix string) {
	clients := map[int]*goredis.Client{}
	defer func() {
		for _, c := range clients {
			_ = c.Close()
		}
	}()
	at := l.s.resolve(ctx, w)
	for n := 0; ctx.Err() == nil; n++ {
		if clients[at] == nil {
			clients[at] = l.s.dial(at)
		}
		done := put(clients[at], at, fmt.Sprintf("%s-%d", prefix, n), w%2 == 1)
		l.mu.Lock()
		l.done[w] = append(l.done[w], done)
		l.mu.Unlock()
		if !done.ok {
			_ = clients[at].Close()
			delete(clients, at)
			at = l.s.resolve(ctx, w)
		}
		if l.s.pace > 0 {
			pass(l.s.pace)
		}
	}
}

// put writes a key. Not acknowledged means that it may be there and may not.
func put(c *goredis.Client, at int, key string, wait bool) write {
	done := write{key: key, at: at, sent: time.Now(), replicas: -1}
	err := c.Set(context.Background(), key, key, 0).Err()
	done.acked, done.ok = time.Now(), err == nil
	if done.ok && wait {
		if n, err := c.Wait(context.Background(), 1, 100*time.Millisecond).Result(); err == nil {
			done.replicas = n
		}
	}
	return done
}

// resolve asks Sentinels, one after the other, for the master.
func (s *shard) resolve(ctx context.Context, begin int) int {
	for n := begin; ctx.Err() == nil; n++ {
		if len(s.sentinels) == 0 {
			if masters := s.masters(); len(masters) > 0 {
				return masters[0]
			}
			continue
		}
		c := goredis.NewSentinelClient(&goredis.Options{Addr: s.sentinels[n%len(s.sentinels)], Protocol: 2, DisableIdentity: true, MaxRetries: -1, DialTimeout: 200 * time.Millisecond, ReadTimeout: 200 * time.Millisecond})
		addr, err := c.GetMasterAddrByName(ctx, monitor).Result()
		_ = c.Close()
		if err == nil && len(addr) == 2 {
			if at := slices.IndexFunc(s.fronts, func(f *front) bool { return f.addr() == net.JoinHostPort(addr[0], addr[1]) }); at >= 0 {
				return at
			}
		}
		pass(time.Millisecond)
	}
	return 0
}

// end stops the writers and returns what they did.
func (l *load) end() (all []write) {
	l.stop()
	l.all.Wait()
	return slices.Concat(l.done...)
}

// gap is the longest time in which a writer got nothing acknowledged, between two of its acknowledged writes.
func (l *load) gap() (longest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, of := range l.done {
		var last time.Time
		for _, w := range of {
			if w.ok {
				if !last.IsZero() {
					longest = max(longest, w.acked.Sub(last))
				}
				last = w.acked
			}
		}
	}
	return longest
}

// acknowledged counts; it is for waiting until writes go on.
func (l *load) acknowledged() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, of := range l.done {
		for _, w := range of {
			if w.ok {
				n++
			}
		}
	}
	return n
}

// waited counts those of the acknowledged that a replica had confirmed too, as WAIT said.
func (l *load) waited() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, of := range l.done {
		for _, w := range of {
			if w.ok && w.replicas > 0 {
				n++
			}
		}
	}
	return n
}

// lost are the acknowledged writes that a server does not have.
func (s *shard) lost(master int, all []write) (keys []string, err error) {
	var acked []string
	for _, w := range all {
		if w.ok {
			acked = append(acked, w.key)
		}
	}
	for part := range slices.Chunk(acked, 500) {
		values, err := s.direct[master].MGet(context.Background(), part...).Result()
		if err != nil {
			return nil, err
		}
		for i, value := range values {
			if value != part[i] {
				keys = append(keys, part[i])
			}
		}
	}
	if len(acked) == 0 {
		err = errors.New("nothing was acknowledged at all")
	}
	return keys, err
}

// witnesses write to every server all the time, whatever it is.
type witnesses struct {
	stop context.CancelFunc
	all  sync.WaitGroup
	done [][]write
}

func (s *shard) witness() *witnesses {
	ctx, stop := context.WithCancel(context.Background())
	w := &witnesses{stop: stop, done: make([][]write, len(s.servers))}
	run := runs.Add(1)
	for n := range s.servers {
		w.all.Go(func() {
			c := s.dial(n)
			defer c.Close()
			for i := 0; ctx.Err() == nil; i++ {
				if done := put(c, n, fmt.Sprintf("witness%d-%d-%d", run, n, i), false); done.ok {
					w.done[n] = append(w.done[n], done)
				}
				pass(time.Millisecond)
			}
		})
	}
	s.t.Cleanup(func() { w.end() })
	return w
}

// end stops them, and returns what was acknowledged.
func (w *witnesses) end() []write {
	w.stop()
	w.all.Wait()
	return slices.Concat(w.done...)
}

// against says what speaks against servers having taken writes in an order, one after the other, and no others; or nothing.
// An acknowledgement is read some time after it was given. So only a write that was sent after one at a later server was
// acknowledged is known to have come after that.
func against(order []int, all []write) string {
	var first, last = map[int]write{}, map[int]write{}
	for _, w := range all {
		if !w.ok {
			continue
		}
		if !slices.Contains(order, w.at) {
			return fmt.Sprintf("server %d took %s", w.at, w.key)
		}
		if f, ok := first[w.at]; !ok || w.acked.Before(f.acked) {
			first[w.at] = w
		}
		if l, ok := last[w.at]; !ok || w.sent.After(l.sent) {
			last[w.at] = w
		}
	}
	for i, a := range order {
		for _, b := range order[i+1:] {
			before, took := last[a]
			after, followed := first[b]
			if took && followed && before.sent.After(after.acked) {
				return fmt.Sprintf("server %d took %s, sent %s after server %d took %s", a, before.key, before.sent.Sub(after.acked), b, after.key)
			}
		}
	}
	return ""
}
