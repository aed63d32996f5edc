package agent

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"sync"
)

// guests is a listener whose connections have to show who they are. Whoever reaches the pod can make some, and say nothing: where all the room
// is taken, the oldest of the address that has most of it makes room for the next. So the manager, who shows a certificate within milliseconds,
// does not wait behind others, and another address than theirs is never the one that goes. Who has shown that he is a manager takes no room.
type guests struct {
	net.Listener
	mu      sync.Mutex
	unknown []*guest // by age, at most MaxConnections
}

type guest struct {
	net.Conn
	of   *guests
	from string
}

// Accept waits for a connection.
func (g *guests) Accept() (net.Conn, error) {
	conn, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	from, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	one := &guest{conn, g, from}
	if out := g.enter(one); out != nil {
		_ = out.Close() // whoever it is has not said in time who it is
	}
	return one, nil
}

// enter returns the one that has to go.
func (g *guests) enter(one *guest) *guest {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unknown = append(g.unknown, one)
	if len(g.unknown) <= MaxConnections {
		return nil
	}
	of, out := map[string]int{}, g.unknown[0]
	for _, other := range g.unknown {
		of[other.from]++
	}
	for _, other := range g.unknown {
		if of[other.from] > of[out.from] {
			out = other
		}
	}
	return out
}

func (g *guests) leave(one *guest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unknown = slices.DeleteFunc(g.unknown, func(other *guest) bool { return other == one })
}

// Close ends the connection, and makes room.
func (one *guest) Close() error {
	one.of.leave(one)
	return one.Conn.Close()
}

// known is what a server does with a connection that has asked for something, after it has shown who it is.
func known(c net.Conn, state http.ConnState) {
	if secure, is := c.(*tls.Conn); is && state == http.StateActive {
		if one, is := secure.NetConn().(*guest); is {
			one.of.leave(one)
		}
	}
}
