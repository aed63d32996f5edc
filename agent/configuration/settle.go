package configuration

import (
	"context"
	"errors"
	"time"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
)

// An engine that was restarted runs with its configuration before it has its data, or follows its master. Whoever hears that it runs
// may disturb the next of its shard: so nobody hears it before.

// longSettling is for how long an engine is waited for that does not get in sync. Its master may be gone, or nobody there who says whom to
// follow: that is not because of the configuration, and another one, which is to get it too, may be who is waited for.
const longSettling = 10 * time.Minute

// settling is what is remembered of an engine that has just started; nil if all may hear of it. A replica is waited for if it was told to
// end: then it was in sync. Of others nobody knows.
func (k *Keeper) settling(running redis.State, inSync bool) *settling {
	k.settlingSince = k.now()
	if running.Loading || inSync && lacks(running) != "" {
		return &settling{inSync}
	}
	return nil
}

// lacks is what keeps an engine from being of use to its shard, "" if nothing does.
func lacks(s redis.State) string {
	switch {
	case s.Loading:
		return "the engine has started with it, and is loading its data"
	case s.Kind == redis.Master || s.LinkUp:
		return ""
	case s.Master == redis.Nobody:
		return "the engine has started with it, and follows nobody: it waits for an order"
	case s.Syncing:
		return "the engine has started with it, and a copy of its master's data is on its way"
	}
	return "the engine has started with it, and is not in sync with its master yet"
}

// settle waits for what an engine lacks.
func (k *Keeper) settle(ctx context.Context) (touched bool, state, problem string, err error) {
	if k.settlingSince.IsZero() {
		k.settlingSince = k.now() // by this boot of the agent
	}
	long := k.now().Sub(k.settlingSince) >= longSettling
	running, _, err := k.engine.Inspect(ctx)
	switch {
	case errors.Is(err, redis.ErrOthers):
		return false, "", "", err
	case err != nil && !long:
		return false, agent.StateApplying, silence("the engine has started with it", err), nil
	case err == nil && (running.Loading || k.memory.Settling.InSync && (running.Syncing || !long)):
		if problem := lacks(running); problem != "" {
			return false, agent.StateApplying, problem, nil
		}
	}
	return true, "", "", k.remember(func(m *memory) { m.Settling = nil })
}
