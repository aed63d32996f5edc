//go:build redis

package realredis

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// fault is what happens to the bytes of a connection in one direction.
type fault struct {
	delay time.Duration
	// frozen: nothing goes on, and the sender's buffers fill. swallowed: everything disappears.
	frozen, swallowed bool
}

// towards is a direction, as the one sees it who has connected.
type towards bool

const (
	request towards = false
	answer  towards = true
)

type pair struct {
	from           netip.Addr
	client, server net.Conn
}

// front is where a server is reached. Whom a connection belongs to is known by the address that it comes from.
type front struct {
	listener net.Listener
	server   string
	all      sync.WaitGroup

	mu     sync.Mutex
	cond   *sync.Cond
	closed bool
	faults map[netip.Addr]map[towards]fault
	pairs  map[*pair]bool
	met    map[netip.Addr]int // how many times bytes or connections from an address have met a fault
}

func newFront(t testing.TB, ip, port, server string) *front {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(ip, port))
	if err != nil {
		t.Fatal(err)
	}
	f := &front{listener: listener, server: server, faults: map[netip.Addr]map[towards]fault{}, pairs: map[*pair]bool{}, met: map[netip.Addr]int{}}
	f.cond = sync.NewCond(&f.mu)
	f.all.Go(f.accept)
	t.Cleanup(f.close)
	return f
}

func (f *front) addr() string { return f.listener.Addr().String() }

// set has a fault happen to the connections from an address from now on, those that are there and those that come.
func (f *front) set(from string, direction towards, is fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ip := netip.MustParseAddr(from)
	if f.faults[ip] == nil {
		f.faults[ip] = map[towards]fault{}
	}
	f.faults[ip][direction] = is
	f.cond.Broadcast()
}

// blackHole swallows both directions, and heal ends every fault.
func (f *front) blackHole(from string) {
	f.set(from, request, fault{swallowed: true})
	f.set(from, answer, fault{swallowed: true})
}

func (f *front) heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = map[netip.Addr]map[towards]fault{}
	f.cond.Broadcast()
}

// reset ends the connections from an address as a crashed machine that is back would.
func (f *front) reset(from string) {
	for _, p := range f.of(from) {
		_ = p.client.(*net.TCPConn).SetLinger(0)
		_, _ = p.client.Close(), p.server.Close()
		f.hit(p)
	}
}

// halfClose ends the side of the server: the other one is not told.
func (f *front) halfClose(from string) {
	f.set(from, answer, fault{frozen: true})
	for _, p := range f.of(from) {
		_ = p.server.Close()
		f.hit(p)
	}
}

func (f *front) of(from string) (out []*pair) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p := range f.pairs {
		if p.from == netip.MustParseAddr(from) {
			out = append(out, p)
		}
	}
	return out
}

func (f *front) close() {
	f.mu.Lock()
	f.closed = true
	f.cond.Broadcast()
	pairs := f.pairs
	f.pairs = map[*pair]bool{}
	f.mu.Unlock()
	_ = f.listener.Close()
	for p := range pairs {
		_, _ = p.client.Close(), p.server.Close()
	}
	f.all.Wait()
}

func (f *front) accept() {
	for {
		client, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.all.Go(func() { f.serve(client) })
	}
}

func (f *front) serve(client net.Conn) {
	server, err := net.DialTimeout("tcp", f.server, time.Second)
	if err != nil {
		_ = client.Close()
		return
	}
	p := &pair{from: client.RemoteAddr().(*net.TCPAddr).AddrPort().Addr(), client: client, server: server}
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		_, _ = client.Close(), server.Close()
		return
	}
	f.pairs[p] = true
	f.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { f.pump(p, request, client, server) })
	both.Go(func() { f.pump(p, answer, server, client) })
	both.Wait()
	f.mu.Lock()
	delete(f.pairs, p)
	f.mu.Unlock()
}

type chunk struct {
	read time.Time
	data []byte
}

// pump carries one direction. What was read waits in a queue, so that a delay holds nothing up but the bytes.
func (f *front) pump(p *pair, direction towards, in, out net.Conn) {
	queue := make(chan chunk, 256)
	f.all.Go(func() {
		defer close(queue)
		for {
			data := make([]byte, 32<<10)
			n, err := in.Read(data)
			if n > 0 {
				queue <- chunk{time.Now(), data[:n]}
			}
			if err != nil {
				return
			}
		}
	})
	for c := range queue {
		is, open := f.fault(p, direction)
		if !open {
			break
		}
		if is.swallowed {
			continue
		}
		if wait := time.Until(c.read.Add(is.delay)); is.delay > 0 && wait > 0 {
			pass(wait)
		}
		if _, err := out.Write(c.data); err != nil {
			break
		}
	}
	if is, open := f.fault(p, direction); !open || !is.frozen { // half closed: the other side is not told
		_, _ = in.Close(), out.Close()
	}
	for range queue { // until the reader has seen that it is closed
	}
}

// fault waits until the direction is not frozen.
func (f *front) fault(p *pair, direction towards) (is fault, open bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if is := f.faults[p.from][direction]; is != (fault{}) {
		f.met[p.from]++
	}
	for f.faults[p.from][direction].frozen && !f.closed {
		f.cond.Wait()
	}
	return f.faults[p.from][direction], !f.closed
}

// hits is how many times bytes or connections from an address have met a fault.
func (f *front) hits(from string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.met[netip.MustParseAddr(from)]
}

func (f *front) hit(p *pair) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.met[p.from]++
}
