package configuration

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
)

// resolve finds out what has become of a trial.
func (k *Keeper) resolve(ctx context.Context, w wish) (touched bool, state, problem string, err error) {
	tried := k.memory.Trial
	if k.since.IsZero() {
		k.since = k.now() // this boot of the agent knows of no restart: whatever time was left begins anew
	}
	running, values, err := k.engine.Inspect(ctx, namesOf(&tried.Configuration, tried.Replaced)...)
	switch {
	case errors.Is(err, redis.ErrOthers):
		return false, "", "", err
	case err != nil:
		return k.silent(w, err)
	case running.RunID == tried.Run:
		return k.sameRun(ctx, w, differs(tried.Configuration, values) == "")
	}
	k.since = time.Time{}
	why := differs(tried.Configuration, values)
	switch before := tried.Replaced; {
	case before != nil && shows(*before, tried.Configuration, values) && differs(*before, values) == "":
		if err := k.render(*before); err != nil {
			return false, "", "", err
		}
		err := k.remember(func(m *memory) { *m = memory{Good: before, Settling: k.settling(running, false)} })
		return false, agent.StateApplying, "the engine has started with the file of before", err
	case why == "":
		begins := k.settling(running, tried.inSync())
		if begins != nil {
			state, problem = agent.StateApplying, lacks(running)
		}
		return true, state, problem, k.adopt(begins)
	case !tried.Restart: // it has started anew for another reason, with the file of before
		err := k.remember(func(m *memory) { m.Trial = nil })
		return false, agent.StateApplying, "the engine has started anew", err
	case k.memory.Good == nil: // there is nothing to go back to
		c := tried.Configuration
		if err := k.remember(func(m *memory) { *m = memory{Good: &c, Refused: &refusal{c, agent.Clip(why)}} }); err != nil {
			return false, "", "", err
		}
		return false, agent.StateRefused, agent.Clip(why), nil
	}
	return k.refuse(tried.Configuration, why, &back{InSync: tried.inSync()})
}

// silent: the engine does not answer. One that did not run when its file was written may take as long as it likes: it may wait for its
// master, and what keeps it from starting need not be the file.
func (k *Keeper) silent(w wish, err error) (bool, string, string, error) {
	tried, good, long := k.memory.Trial, k.memory.Good, k.now().Sub(k.since)
	switch {
	case tried.Run == "" && good != nil && (w.refused != "" || w.Revision == good.Revision || added(w.Configuration, *good) != "" || long >= longTrial):
		k.since, k.absentSince = time.Time{}, k.now().Add(longTrial-longAbsent)
		if err := k.render(*good); err != nil {
			return false, "", "", err
		}
		return false, agent.StateApplying, "the file is again that of before", k.remember(func(m *memory) { m.Trial = nil })
	case tried.Run == "" && w.refused == "" && w.Revision != tried.Revision:
		return k.before(w) // it may be the cure
	case tried.Run == "":
		return false, agent.StateApplying, silence("the engine has yet to start with it", err), nil
	case !tried.Restart:
		return false, agent.StateApplying, silence("nobody knows what has become of it", err), nil
	case long < k.within:
		return false, agent.StateApplying, "the engine is restarting", nil
	}
	k.since = time.Time{}
	return k.refuse(tried.Configuration, fmt.Sprintf("the engine was not back with it within %s, see its log: %v", k.within, err), &back{InSync: true})
}

// sameRun: the engine has not ended. Either it is about to, or something has failed between one thing and the next.
func (k *Keeper) sameRun(ctx context.Context, w wish, applied bool) (touched bool, state, problem string, err error) {
	if tried := k.memory.Trial; applied && !tried.Restart && tried.Revision == w.Revision {
		k.since = time.Time{}
		return true, "", "it was set, and the engine has yet to be in sync", k.adopt(k.memory.Settling)
	}
	switch waiting := k.now().Sub(k.since) < k.within; {
	case k.ordered && waiting:
		return false, agent.StateApplying, "the engine is to end, and has not yet", nil
	case k.ordered:
		k.since = time.Time{}
		return k.takeBack(ctx, fmt.Sprintf("the engine has not ended within %s", k.within))
	}
	k.since = time.Time{}
	return true, agent.StateApplying, "it begins anew", k.drop(ctx)
}

// tellAgain is for how long an engine that refuses to end is left alone.
const tellAgain = time.Minute

// goBack has an engine that started with a configuration that was refused start once more, with the file of before.
func (k *Keeper) goBack(ctx context.Context, w wish) (touched bool, state, problem string, err error) {
	good, bad := *k.memory.Good, k.memory.Refused.Configuration
	running, values, err := k.engine.Inspect(ctx, append(namesOf(&good, &bad), appendOnly)...)
	if errors.Is(err, redis.ErrOthers) {
		return false, "", "", err
	}
	if err != nil {
		return false, agent.StateApplying, silence("the configuration of before is to run again", err), nil
	}
	told := k.memory.Back.Run
	if told != "" && told != running.RunID || told == "" && !shows(bad, good, values) {
		return true, agent.StateApplying, "", k.remember(func(m *memory) { m.Back, m.Settling = nil, k.settling(running, m.Back.InSync) })
	}
	may := func(s redis.State) *held {
		return holds(s, w.allowed == good.Revision || w.allowed == bad.Revision, good, values)
	}
	if h := may(running); h != nil {
		return false, h.state, h.why, nil
	}
	if k.now().Before(k.again) {
		return false, agent.StateApplying, "the engine is to end, and has not yet", nil
	}
	k.again = k.now().Add(tellAgain)
	if err := k.remember(func(m *memory) { m.Back = &back{running.RunID, true} }); err != nil {
		return false, "", "", err
	}
	err = k.shutdown(ctx, running.RunID, may)
	var meanwhile *held
	switch {
	case err != nil && redis.Answered(err):
		return true, agent.StateApplying, "the engine refuses to end: " + err.Error(), nil
	case errors.Is(err, redis.ErrOthers):
		return true, "", "", errors.Join(err, k.remember(func(m *memory) { m.Back = &back{InSync: true} }))
	case errors.As(err, &meanwhile):
		k.again = time.Time{}
		return true, meanwhile.state, meanwhile.why, k.remember(func(m *memory) { m.Back = &back{InSync: true} })
	}
	return true, agent.StateApplying, "the engine is restarting", nil
}
