package receive

import (
	"net"
	"net/netip"
	"sync"
)

// Bounds of connections. An agent has one, for the time of one report.
const (
	// maxConnections at once, of all together: more wait until some have ended, and no connection lasts longer than its
	// timeouts.
	maxConnections = 1024
	// maxPerAddress at once: more are closed, so that one pod that holds connections open does not keep the others out. Where
	// pods appear under the address of their node, they share it.
	maxPerAddress = 64
)

// bounded is a listener that keeps the bounds. busy is told of each connection that it closes.
type bounded struct {
	net.Listener
	perAddress int
	busy       func()
	room       chan struct{}
	done       chan struct{}
	stop       sync.Once

	mu   sync.Mutex
	open map[netip.Addr]int
}

func bound(l net.Listener, all, perAddress int, busy func()) *bounded {
	return &bounded{
		Listener: l, perAddress: perAddress, busy: busy,
		room: make(chan struct{}, all), done: make(chan struct{}), open: map[netip.Addr]int{},
	}
}

// Accept waits for room and for a connection.
func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.room <- struct{}{}:
	case <-b.done:
		return nil, net.ErrClosed
	}
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			<-b.room
			return nil, err
		}
		from := addressOf(c)
		if b.enter(from) {
			return &connection{Conn: c, leave: func() { b.leave(from) }}, nil
		}
		_ = c.Close()
		b.busy()
	}
}

// Close ends Accept, also where it waits for room.
func (b *bounded) Close() error {
	b.stop.Do(func() { close(b.done) })
	return b.Listener.Close()
}

func addressOf(c net.Conn) netip.Addr {
	at, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{} // all of them share one bound
	}
	return at.Addr().Unmap()
}

func (b *bounded) enter(from netip.Addr) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open[from] >= b.perAddress {
		return false
	}
	b.open[from]++
	return true
}

func (b *bounded) leave(from netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open[from]--; b.open[from] == 0 {
		delete(b.open, from)
	}
	<-b.room
}

type connection struct {
	net.Conn
	once  sync.Once
	leave func()
}

func (c *connection) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.leave)
	return err
}
