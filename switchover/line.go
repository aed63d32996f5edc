package switchover

import (
	"context"
	"fmt"
	"io"
	"time"
)

// line is the session with one process, if there is one.
type line[S io.Closer] struct {
	addr string
	open func(context.Context) (S, error)
	// there: session is one.
	there   bool
	session S
	// vital: a step needs this process, which is tried again soon. Others are left alone for a while after they failed, or each
	// look would wait for them.
	vital bool
	until time.Time
	// trouble is why there was no session, at that time.
	trouble error
	failed  time.Time
}

const leftAlone, leftAloneVital = time.Second, 20 * time.Millisecond

// ready opens a session if need be.
func (l *line[S]) ready(ctx context.Context) error {
	if l.there {
		return nil
	}
	again := l.until
	if l.vital {
		again = l.failed.Add(leftAloneVital)
	}
	if l.trouble != nil && time.Now().Before(again) {
		return l.trouble
	}
	l.until = time.Now().Add(leftAlone)
	session, err := l.open(ctx)
	if err == nil {
		l.session, l.there = session, true
		return nil
	}
	l.trouble, l.failed = err, time.Now()
	return err
}

// drop ends the session, because of trouble or because it is not needed any more: the next look opens another.
func (l *line[S]) drop(trouble error) {
	if l.there {
		_ = l.session.Close()
		l.there, l.until, l.trouble = false, time.Now().Add(leftAlone), trouble
	}
}

// on does something in the session that there is. An answer that is an error ends it too: what was seen in it does not hold
// any more.
func (l *line[S]) on(do func(S) error) error {
	if !l.there {
		return fmt.Errorf("the connection to %s is lost: %w", l.addr, l.trouble)
	}
	err := do(l.session)
	if err != nil {
		l.drop(err)
	}
	return err
}
