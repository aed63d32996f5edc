package switchover

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/shoal-dev/shoal/redis"
	"github.com/shoal-dev/shoal/switchover/decide"
)

// Options are of one Run.
type Options struct {
	// Before is called before each step but Wait, if it is set. An error ends the run there, as a crash would.
	Before func(context.Context, decide.Step) error
	// Patience is between two looks while something is waited for; 0 means 2 ms.
	Patience time.Duration
}

// run is one execution of a request.
type run struct {
	shard     Shard
	request   decide.Request
	instances map[string]*line[Session]
	sentinels []*line[*redis.Conn]
	memory    decide.Memory
	// candidate is the name under which votes are asked for: 40 hexadecimal digits, as those of Sentinels are.
	candidate string
	seen      []decide.Sentinel
}

// patience is Options.Patience where that is not set.
const patience = 2 * time.Millisecond

// Run hands over. The last step says how it ended, and an error that ctx ended, or Options.Before, or that somebody has the lock
// by now (redis.ErrLater): then whoever comes next runs the same request. It takes at most about twice the timeout of the request.
func Run(ctx context.Context, shard Shard, request decide.Request, o Options) (decide.Step, error) {
	id := make([]byte, 20)
	if _, err := rand.Read(id); err != nil {
		return decide.Step{}, fmt.Errorf("making a name for the election: %w", err)
	}
	r := &run{shard: shard, request: request.Defaults(), instances: map[string]*line[Session]{}, candidate: hex.EncodeToString(id)}
	r.memory.Began = time.Now()
	for _, i := range shard.Instances {
		open := i.Open
		if open == nil {
			open = direct(i.Addr, shard.Access)
		}
		r.instances[i.Name] = &line[Session]{addr: i.Addr, open: func(ctx context.Context) (Session, error) { return open(ctx, shard.Lock) }}
	}
	for _, addr := range shard.Sentinels {
		r.sentinels = append(r.sentinels, &line[*redis.Conn]{addr: addr, open: func(ctx context.Context) (*redis.Conn, error) {
			return evicting(ctx, addr, shard.SentinelAccess, shard.Lock)
		}})
	}
	defer r.close()
	return r.loop(ctx, o)
}

func (r *run) close() {
	for _, l := range r.instances {
		l.drop(nil)
	}
	for _, l := range r.sentinels {
		l.drop(nil)
	}
}

func (r *run) loop(ctx context.Context, o Options) (decide.Step, error) {
	long := cmp.Or(o.Patience, patience)
	for {
		s := r.snapshot(ctx)
		if err := r.shutOut(); err != nil {
			return decide.Step{}, fmt.Errorf("handing over from %s: %w", r.request.From, err)
		}
		step := decide.Decide(s)
		if err := ctx.Err(); err != nil {
			return step, fmt.Errorf("handing over from %s: %w", r.request.From, err)
		}
		if step.Do == decide.Wait {
			rest(ctx, long)
			continue
		}
		if r.request.Configured == nil { // from here on it may be what a step has set
			configured := decide.Configured(s.Request, s.Instances)
			r.request.Configured = &configured
		}
		if o.Before != nil {
			if err := o.Before(ctx, step); err != nil {
				return step, err
			}
		}
		if step.Do == decide.End {
			return step, nil
		}
		begun, trouble := time.Now(), ""
		epoch, err := r.do(ctx, step)
		if err != nil {
			trouble = err.Error()
		}
		if r.memory = r.memory.After(step, begun, epoch, trouble); err != nil {
			rest(ctx, long)
		}
	}
}

// shutOut says where somebody was met who has the lock by now.
func (r *run) shutOut() error {
	for _, l := range r.instances {
		if errors.Is(l.trouble, redis.ErrLater) {
			return l.trouble
		}
	}
	for _, l := range r.sentinels {
		if errors.Is(l.trouble, redis.ErrLater) {
			return l.trouble
		}
	}
	return nil
}

func rest(ctx context.Context, long time.Duration) {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// snapshot looks at everybody.
func (r *run) snapshot(ctx context.Context) decide.Snapshot {
	began := time.Now()
	instances, sentinels := r.look(ctx)
	r.seen = sentinels
	now := time.Now()
	s := decide.Snapshot{Now: now, Took: now.Sub(began), Request: r.request, Instances: instances, Sentinels: sentinels}
	r.memory = r.memory.Seen(s)
	s.Memory = r.memory
	return s
}

// do carries out a step. An error says that it is not known whether it was done: the next look shows.
func (r *run) do(ctx context.Context, step decide.Step) (epoch uint64, err error) {
	switch step.Do {
	case decide.Elect:
		return r.elect(ctx)
	case decide.Tell:
		return 0, r.tell(ctx, r.addrOf(step.Instance))
	}
	l := r.instances[step.Instance]
	if l == nil {
		return 0, errors.New("there is no instance " + step.Instance)
	}
	return 0, l.on(func(c Session) error {
		switch step.Do {
		case decide.SetFence:
			return c.SetMinReplicas(ctx, step.Fence.Replicas, step.Fence.Lag)
		case decide.Pause:
			return c.Pause(ctx, step.Long)
		case decide.Unpause:
			return c.Unpause(ctx)
		case decide.Demote:
			return c.Follow(ctx, redis.Nobody)
		case decide.Promote, decide.Return:
			return c.Promote(ctx)
		case decide.Follow:
			return c.Follow(ctx, r.addrOf(step.Master))
		}
		return fmt.Errorf("there is no action %s", step.Do)
	})
}

func (r *run) addrOf(name string) string {
	for _, i := range r.shard.Instances {
		if i.Name == name {
			return i.Addr
		}
	}
	return ""
}
