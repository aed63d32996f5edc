// Package forward passes connections on from sockets that listen in one network namespace to the same ports of loopback
// in another: the sockets are made outside and handed over, the connections to the targets are made where this runs.
package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// dialTimeout is for a target on loopback: it answers at once, or is not there.
const dialTimeout = 5 * time.Second

// Run forwards until ctx ends. Each file is a listening TCP socket.
func Run(ctx context.Context, files []*os.File) error {
	var listeners []net.Listener
	for _, file := range files {
		listener, err := net.FileListener(file)
		if err != nil {
			return fmt.Errorf("taking over %s: %w", file.Name(), err)
		}
		_ = file.Close()
		listeners = append(listeners, listener)
	}
	stop := context.AfterFunc(ctx, func() {
		for _, listener := range listeners {
			_ = listener.Close()
		}
	})
	defer stop()
	failed := make(chan error, len(listeners))
	for _, listener := range listeners {
		go func() { failed <- accept(ctx, listener) }()
	}
	for range listeners {
		if err := <-failed; err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

func accept(ctx context.Context, listener net.Listener) error {
	for {
		outside, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting on %s: %w", listener.Addr(), err)
		}
		go pass(ctx, outside, listener.Addr().String())
	}
}

// pass connects one connection with the target. What cannot be connected is closed, as a port is on which nobody listens.
func pass(ctx context.Context, outside net.Conn, target string) {
	defer func() { _ = outside.Close() }()
	inside, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", target)
	if err != nil {
		return
	}
	defer func() { _ = inside.Close() }()
	var both sync.WaitGroup
	both.Go(func() { oneWay(inside, outside) })
	both.Go(func() { oneWay(outside, inside) })
	both.Wait()
}

// oneWay copies until the source ends, and then ends the target's input: the other direction may still have to answer.
func oneWay(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if tcp, ok := to.(*net.TCPConn); ok && err == nil {
		_ = tcp.CloseWrite()
		return
	}
	_, _ = to.Close(), from.Close()
}
