//go:build redis

package realredis

import (
	"errors"
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
