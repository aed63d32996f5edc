package configuration

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
)

// appendOnly is asked for beside what is wanted: an engine that has turned it off would start with what it was then.
const appendOnly = "appendonly"

// before writes the file of an engine that does not run: before its first start, or when it cannot start with the one that is there.
func (k *Keeper) before(w wish) (touched bool, state, problem string, err error) {
	if err := k.remember(func(m *memory) {
		m.Trial = &trial{Configuration: w.Configuration, Restart: true, Replaced: m.file()}
	}); err != nil {
		return false, "", "", err
	}
	if err := k.render(w.Configuration); err != nil {
		return false, "", "", err
	}
	return false, agent.StateApplying, "the engine has yet to start with it", nil
}

// apply begins to change what differs.
func (k *Keeper) apply(ctx context.Context, w wish) (touched bool, state, problem string, err error) {
	good := *k.memory.Good
	running, values, err := k.engine.Inspect(ctx, append(namesOf(&w.Configuration, &good), appendOnly)...)
	if errors.Is(err, redis.ErrOthers) {
		return false, "", "", err
	}
	if err != nil {
		return k.absent(w, err)
	}
	k.absentSince = time.Time{}
	change, why := changeTo(w.Configuration, good, k.memory.proven(), values)
	if why != "" {
		return k.refuse(w.Configuration, why, nil)
	}
	if running.Loading {
		return false, agent.StateApplying, "the engine is loading its data", nil
	}
	may := func(s redis.State) *held { return holds(s, w.allowed == w.Revision, w.Configuration, values) }
	if change.restart {
		if h := may(running); h != nil {
			return false, h.state, h.why, nil
		}
	}
	if err := k.remember(func(m *memory) {
		m.Trial = &trial{Configuration: w.Configuration, Run: running.RunID, Old: change.old}
	}); err != nil {
		return false, "", "", err
	}
	if len(change.set) > 0 {
		if why, err := k.set(ctx, change.set); err != nil {
			return true, "", "", err // the next step finds out what has become of it
		} else if why != "" {
			return k.takeBack(ctx, why)
		}
	}
	if !change.restart {
		return true, "", "it was set, and the engine has yet to be in sync", k.adopt(k.memory.Settling)
	}
	return k.restart(ctx, running.RunID, may)
}

const (
	// longAbsent is for how long nobody must listen for an engine to count as one that does not run: a restart is shorter.
	longAbsent = time.Minute
	// longTrial is for how long one that does not run has a file, and then the other one: the kubelet's longest pause between two
	// starts, twice.
	longTrial = 10 * time.Minute
)

// absent: the engine does not answer, and nothing was begun. If it does not run, another file may be what it needs; or not, and so it
// has both in turn.
func (k *Keeper) absent(w wish, err error) (touched bool, state, problem string, _ error) {
	if !errors.Is(err, syscall.ECONNREFUSED) {
		k.absentSince = time.Time{}
	} else if k.absentSince.IsZero() {
		k.absentSince = k.now()
	}
	if k.absentSince.IsZero() || k.now().Sub(k.absentSince) < longAbsent {
		return false, agent.StateApplying, silence("nothing was done yet", err), nil
	}
	if name := added(w.Configuration, *k.memory.Good); name != "" {
		return false, agent.StateApplying, silence(name+" is immutable, and the engine's value is not known", err), nil
	}
	k.absentSince = time.Time{}
	return k.before(w)
}

// set changes dynamic parameters; the text says why it was refused, or that it was read back as something else.
func (k *Keeper) set(ctx context.Context, set map[string]string) (why string, err error) {
	found, err := k.engine.Configure(ctx, set)
	switch {
	case err != nil && redis.Answered(err):
		return saying(set, err), nil
	case err != nil:
		return "", err
	}
	var asked []agent.Parameter
	for name, value := range set {
		asked = append(asked, agent.Parameter{Name: name, Value: value})
	}
	return differs(agent.NewConfiguration(asked), found), nil
}

// held is why an engine is not restarted as it is, and what is told of that.
type held struct{ state, why string }

func (h *held) Error() string { return h.why }

// holds says what keeps an engine with those values from being restarted with a configuration; nil if nothing does.
func holds(s redis.State, allowed bool, next agent.Configuration, values map[string]string) *held {
	state, why := holding(s, allowed, next, values)
	if why == "" {
		return nil
	}
	return &held{state, why}
}

func holding(s redis.State, allowed bool, next agent.Configuration, values map[string]string) (state, why string) {
	file, _ := next.Value(appendOnly)
	switch {
	case agent.SameValue(appendOnly, file, "yes") && values[appendOnly] != "yes": // of no interest to it is what SHUTDOWN writes
		return agent.StateApplying, "it takes a restart, which reads the append-only file, and that was turned off: it lacks what was written since"
	case s.Loading:
		return agent.StateApplying, "it takes a restart, and the engine is loading its data"
	case s.Kind == redis.Master && !allowed:
		return agent.StateMaster, "it takes a restart, and the engine is a master"
	case s.Rewriting:
		return agent.StateApplying, "it takes a restart, and the engine is writing its append-only file anew"
	case s.Kind == redis.Master:
		return "", ""
	case s.Master == redis.Nobody:
		return agent.StateApplying, "it takes a restart, and the engine follows nobody: it waits for an order"
	case s.Syncing:
		return agent.StateApplying, "it takes a restart, and a copy of its master's data is on its way"
	case !s.LinkUp: // its master may be gone, and this the copy that is needed
		return agent.StateApplying, "it takes a restart, and the engine is not in sync with its master"
	}
	return "", ""
}

// restart has the next start of the engine read the trial, and ends this run.
func (k *Keeper) restart(ctx context.Context, run string, may func(redis.State) *held) (touched bool, state, problem string, err error) {
	tried := *k.memory.Trial
	tried.Restart = true
	if err := k.remember(func(m *memory) { m.Trial = &tried }); err != nil {
		return true, "", "", err
	}
	if err := k.render(tried.Configuration); err != nil {
		return true, "", "", err
	}
	err = k.shutdown(ctx, run, may)
	var meanwhile *held
	switch {
	case errors.Is(err, redis.ErrOthers):
		return true, agent.StateApplying, "somebody is handing over a master", k.drop(ctx)
	case errors.As(err, &meanwhile):
		return true, meanwhile.state, meanwhile.why, k.drop(ctx)
	case err != nil && redis.Answered(err):
		return k.takeBack(ctx, "the engine refuses to end: "+err.Error())
	}
	k.ordered, k.since = err == nil, k.now() // if nobody knows, it is told again
	return true, agent.StateApplying, "the engine is restarting", nil
}

// shutdown ends a run, if it may by what it is then.
func (k *Keeper) shutdown(ctx context.Context, run string, may func(redis.State) *held) error {
	return k.engine.Shutdown(ctx, run, func(s redis.State) error {
		if h := may(s); h != nil {
			return h
		}
		return nil
	})
}

// adopt: the engine runs with the trial, as was read back.
func (k *Keeper) adopt(s *settling) error {
	tried := k.memory.Trial.Configuration
	if err := k.render(tried); err != nil {
		return err
	}
	k.ordered = false
	return k.remember(func(m *memory) { *m = memory{Good: &tried, Settling: s} })
}

// refuse remembers that a configuration cannot be. after says whether the engine may run with some of it.
func (k *Keeper) refuse(c agent.Configuration, why string, after *back) (touched bool, state, problem string, err error) {
	why = agent.Clip(why)
	if good := k.memory.Good; good != nil {
		if err := k.render(*good); err != nil {
			return false, "", "", err
		}
	}
	k.ordered, k.again = false, k.now()
	if err := k.remember(func(m *memory) { m.Trial, m.Refused, m.Back = nil, &refusal{c, why}, after }); err != nil {
		return false, "", "", err
	}
	return after != nil, agent.StateRefused, why, nil
}

// drop takes a trial back whose engine runs on: the values of before, and the file.
func (k *Keeper) drop(ctx context.Context) error {
	if old := k.memory.Trial.Old; len(old) > 0 {
		if why, err := k.set(ctx, old); err != nil {
			return err
		} else if why != "" {
			return fmt.Errorf("putting the values of before back: %s", why)
		}
	}
	if err := k.render(*k.memory.Good); err != nil {
		return err
	}
	return k.remember(func(m *memory) { m.Trial = nil })
}

// takeBack is drop for a trial that is refused.
func (k *Keeper) takeBack(ctx context.Context, why string) (touched bool, state, problem string, err error) {
	tried := k.memory.Trial.Configuration
	if err := k.drop(ctx); err != nil {
		return true, "", "", err
	}
	_, state, problem, err = k.refuse(tried, why, nil)
	return true, state, problem, err
}
