package kubectlshoal

import (
	"fmt"
	"io"
	"time"
)

// patience is how long a command may say nothing, and pace how often a line is written that somebody reads.
const patience, pace = time.Second, 250 * time.Millisecond

// progress is a line at the end of a terminal that says that a command is still at it. It is gone before anything else is written.
type progress struct {
	out         io.Writer // nil where nobody looks
	now         func() time.Time
	began, last time.Time
	tried       int
	shown       bool
}

// tick counts one pod that was tried.
func (p *progress) tick() {
	if p.out == nil {
		return
	}
	now := p.now()
	if p.tried++; p.tried == 1 {
		p.began = now
	}
	if now.Sub(p.began) < patience || now.Sub(p.last) < pace {
		return
	}
	p.last, p.shown = now, true
	fmt.Fprintf(p.out, "\r\x1b[K%d instances tried in %d s (Ctrl-C ends it)", p.tried, int(now.Sub(p.began).Seconds()))
}

// clear takes the line away.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.shown = false
	}
}
