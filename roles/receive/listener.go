package receive

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// Bounds of connections. An agent has one, for the time of one report.
const (
	// maxConnections at once, of all together: more wait until some have ended, and no connection lasts longer than its
	// timeouts.
	maxConnections = 1024
	// maxPerAddress at once that have not shown yet who they are: where pods appear under the address of their node, or of a gateway,
	// thousands share one. The oldest makes room for the next: an agent shows its certificate within milliseconds. Who holds connections
	// open from many addresses at once can fill all the room, for as long as a handshake may take.
	maxPerAddress = 64
	// maxPerIdentity at once of one pod, wherever they come from: a report that is sent again may overlap with the one before.
	maxPerIdentity = 4
)

// bounded is a listener that keeps the bounds. busy is told of each connection that it closes.
type bounded struct {
	net.Listener
	perAddress int
	busy       func()
	room       chan struct{}
	done       chan struct{}
	stop       sync.Once

	mu      sync.Mutex
	unknown map[netip.Addr][]*connection // by age
	known   map[string]int               // by identity
}

func bound(l net.Listener, all, perAddress int, busy func()) *bounded {
	return &bounded{
		Listener: l, perAddress: perAddress, busy: busy,
		room: make(chan struct{}, all), done: make(chan struct{}), unknown: map[netip.Addr][]*connection{}, known: map[string]int{},
	}
}

// Accept waits for room and for a connection.
func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.room <- struct{}{}:
	case <-b.done:
		return nil, net.ErrClosed
	}
	accepted, err := b.Listener.Accept()
	if err != nil {
		<-b.room
		return nil, err
	}
	c := &connection{Conn: accepted, of: b, from: addressOf(accepted)}
	if oldest := b.enter(c); oldest != nil {
		_ = oldest.Close() // whoever it is has not said in time who it is, and comes again
		b.busy()
	}
	return c, nil
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

// enter returns the connection that has to go.
func (b *bounded) enter(c *connection) (oldest *connection) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unknown[c.from] = append(b.unknown[c.from], c)
	if all := b.unknown[c.from]; len(all) > b.perAddress {
		return all[0]
	}
	return nil
}

// leave is for a connection that has ended.
func (b *bounded) leave(c *connection) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget(c)
	if c.identity != "" {
		if b.known[c.identity]--; b.known[c.identity] == 0 {
			delete(b.known, c.identity)
		}
	}
	<-b.room
}

func (b *bounded) forget(c *connection) {
	all := slices.DeleteFunc(b.unknown[c.from], func(other *connection) bool { return other == c })
	if b.unknown[c.from] = all; len(all) == 0 {
		delete(b.unknown, c.from)
	}
}

type connection struct {
	net.Conn
	of       *bounded
	from     netip.Addr
	identity string // "" while it is not known
	once     sync.Once
}

// is counts the connection as one of an identity, which has proven that it is; false if that has too many.
func (c *connection) is(identity string) bool {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.of.known[identity] >= maxPerIdentity || c.identity != "" {
		return false
	}
	c.of.forget(c)
	c.of.known[identity]++
	c.identity = identity
	return true
}

// Close makes room for another one before it ends this one.
func (c *connection) Close() error {
	c.once.Do(func() { c.of.leave(c) })
	return c.Conn.Close()
}
