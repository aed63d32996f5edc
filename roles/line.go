package roles

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/shoal-dev/shoal/redis"
)

// asker is a connection to a Sentinel.
type asker interface {
	View(ctx context.Context, shard string) (redis.View, error)
	Close() error
}

// connector makes a connection, dialer one with what a set says of how to log in.
type (
	connector func(ctx context.Context, addr string, as redis.Access) (asker, error)
	dialer    func(ctx context.Context, addr string) (asker, error)
)

func connect(ctx context.Context, addr string, as redis.Access) (asker, error) {
	return redis.Connect(ctx, addr, as)
}

// with logs in to whom it reaches.
func (c connector) with(l *login) dialer {
	return func(ctx context.Context, addr string) (asker, error) {
		as, err := l.get(ctx)
		if err != nil {
			return nil, errLogin
		}
		return c(ctx, addr, as)
	}
}

var (
	errLate   = errors.New("it takes too long to answer")
	errClosed = errors.New("the set does not name this Sentinel any more")
)

// line are the connections to one Sentinel, one for each question that is under way. They are kept, the one that was used last
// is taken first. A Sentinel that does not answer, or takes long, is left alone for a moment and then tried by one question:
// each of thousands of shards would wait for it otherwise.
type line struct {
	addr    string
	connect dialer
	now     func() time.Time

	mu      sync.Mutex
	free    []asker
	closed  bool
	trouble error
	until   time.Time // until when it is left alone
	tried   bool      // somebody finds out whether it still has trouble
}

// leftAlone is for how long; slow is an answer that counts and is the last one for as long.
const (
	leftAlone = 2 * time.Second
	slow      = 200 * time.Millisecond
)

func (l *line) ask(ctx context.Context, shard string) (redis.View, error) {
	conn, err := l.take()
	if err != nil {
		return redis.View{}, err
	}
	if conn == nil {
		if conn, err = l.connect(ctx, l.addr); err != nil {
			l.rest(err)
			return redis.View{}, err
		}
	}
	begun := l.now()
	v, err := conn.View(ctx, shard)
	switch took := l.now().Sub(begun); {
	case err != nil && !redis.Answered(err):
		_ = conn.Close() // an answer may still be to come on it
		l.rest(err)
	case took >= slow:
		l.give(conn)
		l.rest(errLate)
	default: // one that does not know this shard may know the next one
		l.give(conn)
		l.well()
	}
	if err != nil {
		return redis.View{}, fmt.Errorf("asking who is master: %w", err)
	}
	return v, nil
}

// take is a connection that nobody uses, nil if there is none, or why the Sentinel is left alone.
func (l *line) take() (asker, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return nil, errClosed
	case l.trouble != nil && (l.tried || l.now().Before(l.until)):
		return nil, l.trouble
	}
	l.tried = l.trouble != nil
	last := len(l.free) - 1
	if last < 0 {
		return nil, nil
	}
	conn := l.free[last]
	l.free = l.free[:last]
	return conn, nil
}

func (l *line) give(conn asker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed { // while the question was under way
		_ = conn.Close() // nobody asks over it again
		return
	}
	l.free = append(l.free, conn)
}

func (l *line) well() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trouble, l.tried = nil, false
}

// rest leaves the Sentinel alone. What else is connected to it has the same trouble.
func (l *line) rest(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trouble, l.until, l.tried = err, l.now().Add(leftAlone), false
	if !errors.Is(err, errLate) {
		l.hangUp()
	}
}

func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.hangUp()
}

func (l *line) hangUp() {
	for _, conn := range l.free {
		_ = conn.Close() // whatever is wrong with it, it is not used again
	}
	l.free = nil
}
