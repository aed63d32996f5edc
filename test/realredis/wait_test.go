//go:build redis

package realredis

import (
	"context"
	"errors"
	"testing"
	"time"
)

// until waits for something to be true.
func until(within time.Duration, is func() bool) error {
	deadline := time.Now().Add(within)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !is() {
		if time.Now().After(deadline) {
			return errors.New("not within " + within.String())
		}
		<-ticker.C
	}
	return nil
}

// pass lets time pass in which something might happen that must not, or has to have time to.
func pass(d time.Duration) { <-time.After(d) }

// stalls measures, until it is asked, by how much somebody was woken late who asked to be woken every ten milliseconds.
func stalls(t testing.TB) (worst func() time.Duration) {
	ctx, stop := context.WithCancel(t.Context())
	result := make(chan time.Duration, 1)
	go func() {
		const every = 10 * time.Millisecond
		late := time.Duration(0)
		for ctx.Err() == nil {
			asked := time.Now()
			pass(every)
			late = max(late, time.Since(asked)-every)
		}
		result <- late
	}()
	return func() time.Duration { stop(); return <-result }
}
