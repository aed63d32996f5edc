package simulation

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/redis"
)

// faults are how likely what goes wrong is. The zero value is a world in which everything works.
type faults struct {
	refused   float64       // a call is refused and has no effect
	unanswers float64       // a call has its effect, and its answer is lost
	crashes   float64       // the process that calls crashes, before or after
	lagging   float64       // an event arrives late
	lagMost   time.Duration // how late at most
}

// lag is how long an event takes to reach a process.
func (f faults) lag(w *World, _ *feed) time.Duration {
	if f.lagging > 0 && w.chance(f.lagging) {
		return w.between(time.Millisecond, f.lagMost)
	}
	return w.steadyLag + w.between(time.Millisecond, 20*time.Millisecond)
}

// faultsOf draws what happens to a call: an error instead of it, or after it.
func (w *World) faultsOf(a *access, r request) (before, after error) {
	f := w.faults
	if a == w.system || a == w.user || f == (faults{}) {
		return nil, nil
	}
	switch {
	case w.chance(f.crashes):
		w.tell("fault", "%s crashes before: %s", a.process, r)
		w.crash(a)
		return errCrashed, nil
	case w.chance(f.crashes):
		w.tell("fault", "%s crashes after: %s", a.process, r)
		return nil, w.crashAfter(a)
	case w.chance(f.refused):
		w.tell("fault", "refused: %s", r)
		return refusals[w.random.Intn(len(refusals))](), nil
	case w.chance(f.unanswers):
		w.tell("fault", "answer lost: %s", r)
		return nil, context.DeadlineExceeded
	}
	return nil, nil
}

// ask answers as the Redis with that address would: the first of a shard that has the data is its master.
func (w *World) ask(_ context.Context, addr string) (redis.Role, error) {
	for _, name := range w.machineNames() {
		m := w.machines[name]
		for _, p := range sorted(m.running) {
			if p.ip+":6379" != addr {
				continue
			}
			if !m.reachable() || p.stopping {
				return redis.Role{}, errors.New("timeout")
			}
			if !p.synced {
				return redis.Role{Kind: redis.Master}, nil
			}
			if others := w.holders(p.name); len(others) > 0 && ordinalOf(others[0].name.Name) < ordinalOf(p.name.Name) {
				return redis.Role{Kind: redis.Replica}, nil
			}
			return redis.Role{Kind: redis.Master, Offset: 1000}, nil
		}
	}
	return redis.Role{}, errors.New("no route to host")
}

// shardOf names the shard of an instance; a set without shards is one.
func (w *World) shardOf(instance types.NamespacedName) string {
	name, ordinal := splitName(instance.Name)
	if size := w.shardSize[name]; size > 0 {
		return podspec.Name(name, int32(ordinal)/size)
	}
	return name
}

func (w *World) crash(a *access) {
	a.crashed = true
	if w.placer.access == a {
		w.placer.crash()
	}
	w.after(w.between(time.Second, 20*time.Second), "restart "+a.process, func() {
		w.tell("fault", "%s starts again", a.process)
		if w.operator.access == a {
			w.must(w.startOperator())
		} else {
			w.must(w.startPlacer())
		}
	})
}

func (w *World) crashAfter(a *access) error {
	w.crash(a)
	return fmt.Errorf("the answer: %w", errCrashed)
}

// refusals are the ways in which a server refuses a call that is in order.
var refusals = []func() error{
	func() error { return apierrors.NewTooManyRequests("too many requests", 1) },
	func() error { return apierrors.NewInternalError(errors.New("etcdserver: request timed out")) },
	func() error { return apierrors.NewServiceUnavailable("apiserver is shutting down") },
	func() error { return errors.New("connection refused") },
}
