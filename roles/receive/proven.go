package receive

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"github.com/shoal-dev/shoal/api/agent"
)

// proven is a listener whose connections have shown who they are, to the end of the handshake. TLS has the certificate looked at before
// the signature of whoever shows it: anybody has the certificate of a pod, and could hold connections open in its name.
type proven struct {
	*bounded
	config *tls.Config
	busy   func(agent.Identity) // is told of each connection that is one too many of its pod
	ready  chan accepted
}

type accepted struct {
	conn net.Conn
	err  error
}

func prove(ctx context.Context, b *bounded, config *tls.Config, busy func(agent.Identity)) *proven {
	p := &proven{bounded: b, config: config, busy: busy, ready: make(chan accepted)}
	go p.run(ctx)
	return p
}

// Accept waits for a connection that has shown who it is.
func (p *proven) Accept() (net.Conn, error) {
	select {
	case a := <-p.ready:
		return a.conn, a.err
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// run makes the handshakes beside each other; the room of the listener bounds them.
func (p *proven) run(ctx context.Context) {
	for {
		c, err := p.bounded.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // whoever serves knows which errors pass
			p.hand(accepted{err: err})
		default:
			go p.shake(ctx, c)
		}
	}
}

func (p *proven) shake(ctx context.Context, c net.Conn) {
	ctx, stop := context.WithTimeout(ctx, readTimeout)
	defer stop()
	secure := tls.Server(c, p.config)
	if err := secure.HandshakeContext(ctx); err != nil || !p.counts(c, secure) || !p.hand(accepted{conn: secure}) {
		_ = c.Close() // there is nobody to tell
	}
}

// counts counts a connection as one of its pod's, if that has not too many.
func (p *proven) counts(c net.Conn, secure *tls.Conn) bool {
	id, err := agent.IdentityOf(secure.ConnectionState().PeerCertificates[0])
	if err != nil { // it was admitted: that cannot be
		return false
	}
	one, ours := c.(*connection)
	if !ours || one.is(id.String()) {
		return true
	}
	p.busy(id)
	return false
}

// hand hands a connection over; false if nobody takes it any more.
func (p *proven) hand(a accepted) bool {
	select {
	case p.ready <- a:
		return true
	case <-p.done:
		return false
	}
}
