package switchover

import (
	"context"
	"errors"
	"fmt"

	"github.com/shoal-dev/shoal/redis"
)

// elect asks every Sentinel for its vote in one epoch, and returns the epoch if most of them gave it. Which epoch they are in
// is not to be asked for: it grows with the elections of all shards that they watch. So the one that is tried is further
// away each time; it is a number of 64 bits, and gaps in it mean nothing.
func (r *run) elect(ctx context.Context) (uint64, error) {
	epoch, need := r.memory.Epoch, 0
	all := len(r.sentinels)
	for _, s := range r.seen {
		epoch = max(epoch, s.Epoch)
		if s.Reachable {
			all, need = max(all, s.Peers+1), max(need, s.Quorum)
		}
	}
	need = max(need, all/2+1)
	for ahead := uint64(1); ahead < 1<<24; ahead *= 2 {
		epoch += ahead
		votes, answers := r.votes(ctx, epoch)
		if votes >= need {
			return epoch, nil
		}
		if answers < need {
			return 0, fmt.Errorf("%d of %d Sentinels that are needed answer", answers, need)
		}
	}
	return 0, errors.New("no epoch found in which most Sentinels vote")
}

// votes asks all Sentinels at the same time.
func (r *run) votes(ctx context.Context, epoch uint64) (votes, answers int) {
	type vote struct{ given, answered bool }
	results := make(chan vote, len(r.sentinels))
	for n, l := range r.sentinels {
		go func() {
			given := false
			err := l.on(func(c *redis.Conn) (err error) {
				given, err = c.Vote(ctx, r.seen[n].Master, epoch, r.candidate)
				return err
			})
			results <- vote{given, err == nil}
		}()
	}
	for range r.sentinels {
		v := <-results
		if v.given {
			votes++
		}
		if v.answered {
			answers++
		}
	}
	return votes, answers
}

// tell says to every Sentinel that addr is master. Whether they believe it shows in the next look.
func (r *run) tell(ctx context.Context, addr string) error {
	results := make(chan error, len(r.sentinels))
	for _, l := range r.sentinels {
		go func() {
			results <- l.on(func(c *redis.Conn) error { return c.Announce(ctx, r.shard.Monitor, addr, r.memory.Epoch) })
		}()
	}
	var failed error
	for range r.sentinels {
		failed = errors.Join(failed, <-results)
	}
	return failed
}
