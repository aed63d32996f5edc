package configuration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
)

// Engine is the Redis beside the agent (probe.Redis is one). While somebody hands over a master, each of these returns
// redis.ErrOthers, and has done nothing.
type Engine interface {
	// Inspect returns what it is, and the values of those parameters that it knows.
	Inspect(ctx context.Context, names ...string) (redis.State, map[string]string, error)
	// Configure changes parameters while it runs, all or none, and reads them back.
	Configure(ctx context.Context, settings map[string]string) (map[string]string, error)
	// Shutdown ends the run, so that it is started again. It writes its data to the disk before. may is asked last, with what the engine is
	// by then; its error is returned, and nothing was done.
	Shutdown(ctx context.Context, run string, may func(redis.State) error) error
}

// Keeper is who keeps the configuration of one engine. Step is not for concurrent use; Report and Ready are.
type Keeper struct {
	store  Store
	engine Engine
	within time.Duration
	now    func() time.Time

	memory memory
	known  bool // what is remembered was read, and the file written
	// since is when this boot of the agent began to wait for a start of the engine. ordered: this boot has told it to end.
	since   time.Time
	ordered bool
	again   time.Time // when an engine that refuses to end is told again
	// absentSince is since when nobody listens, and settlingSince since when an engine that has started is waited for.
	absentSince, settlingSince time.Time

	mu       sync.Mutex // of what is told:
	revision string
	state    *agent.ConfigurationState
	ready    bool
}

// New makes a Keeper. An engine that is not back with a new configuration within that time has refused it.
func New(store Store, engine Engine, within time.Duration) *Keeper {
	return &Keeper{store: store, engine: engine, within: within, now: time.Now, state: &agent.ConfigurationState{State: agent.StateApplying, Problem: "nothing was read yet"}}
}

// Report is what a report says of the configuration: what the engine runs with, and how far another one is, nil if none is wanted.
func (k *Keeper) Report() (revision string, state *agent.ConfigurationState) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.revision, k.state
}

// Ready is an error until the engine may start: its file is there.
func (k *Keeper) Ready() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ready {
		return nil
	}
	problem := "it was not written yet"
	if k.state != nil && k.state.Problem != "" {
		problem = k.state.Problem
	}
	return errors.New("the engine's file is not there: " + problem)
}

// wish is what is wanted: refused says why it cannot be.
type wish struct {
	agent.Configuration
	allowed string // the revision for which a master may be restarted
	refused string
}

func (k *Keeper) wish() wish {
	text, allowed, err := k.store.Wanted()
	if err != nil {
		return wish{refused: err.Error()}
	}
	if text == "" {
		return wish{refused: "the pod has no configuration in its annotations"}
	}
	c, err := agent.DecodeConfiguration(strings.NewReader(text))
	if err != nil {
		return wish{refused: err.Error()}
	}
	w := wish{Configuration: c, allowed: allowed}
	if r := k.memory.Refused; r != nil && r.Revision == c.Revision {
		w.refused = r.Problem
	}
	return w
}

// Due reports whether Step has anything to do. It looks at files alone.
func (k *Keeper) Due(ctx context.Context) bool {
	if !k.known {
		return true
	}
	m, w := k.memory, k.wish()
	if m.Good == nil || m.Trial != nil || m.Back != nil || m.Settling != nil {
		return true
	}
	if w.refused != "" {
		k.tell(ctx, w, agent.StateRefused, w.refused)
		return false
	}
	return w.Revision != m.Good.Revision || m.Refused != nil || k.told()
}

// told: there is something to tell of a configuration that is wanted.
func (k *Keeper) told() bool {
	_, state := k.Report()
	return state != nil
}

// Step goes one step towards what is wanted. It waits for nothing but the engine's answers; whoever restarts takes further steps until
// the engine is back. It reports whether the engine was told anything.
func (k *Keeper) Step(ctx context.Context) (touched bool) {
	if err := k.recall(); err != nil {
		k.tell(ctx, wish{}, agent.StateApplying, err.Error())
		return false
	}
	w := k.wish()
	if w.refused == "" {
		if why := refused(w.Configuration, k.memory.Good); why != "" {
			w.refused = why
			if err := k.remember(func(m *memory) { m.Refused = &refusal{w.Configuration, why} }); err != nil {
				k.tell(ctx, w, agent.StateApplying, err.Error())
				return false
			}
		}
	}
	touched, state, problem, err := k.towards(ctx, w)
	switch {
	case errors.Is(err, redis.ErrOthers):
		k.tell(ctx, w, agent.StateApplying, "somebody is handing over a master")
	case err != nil:
		k.tell(ctx, w, agent.StateApplying, err.Error())
	case w.refused != "":
		k.tell(ctx, w, agent.StateRefused, w.refused)
	case state == "" && k.memory.runs() != w.Revision: // another one is wanted by now, or nobody may hear of it yet
		k.tell(ctx, w, agent.StateApplying, problem)
	default:
		k.tell(ctx, w, state, problem)
	}
	return touched
}

// towards does what is to be done next. Nothing is to be done if the state is "".
func (k *Keeper) towards(ctx context.Context, w wish) (touched bool, state, problem string, err error) {
	m := k.memory
	switch {
	case m.Trial != nil:
		return k.resolve(ctx, w)
	case m.Good == nil && w.refused != "":
		return false, agent.StateRefused, w.refused, nil
	case m.Good == nil:
		return k.before(w)
	case m.Back != nil:
		return k.goBack(ctx, w)
	case m.Settling != nil && (w.refused != "" || w.Revision == m.Good.Revision): // another one may be the cure
		return k.settle(ctx)
	case w.refused != "":
		return false, agent.StateRefused, w.refused, nil
	case w.Revision != m.Good.Revision:
		return k.apply(ctx, w)
	case m.Refused != nil && m.Refused.Revision != w.Revision:
		err := k.remember(func(m *memory) { m.Refused = nil }) // when it is wanted again, it is tried again
		return false, "", "", err
	}
	return false, "", "", nil
}

// recall reads what is remembered, once, and has the file be what that says.
func (k *Keeper) recall() error {
	if k.known {
		return nil
	}
	text, err := k.store.Recall()
	if err != nil {
		return err
	}
	if k.memory, err = recalled(text); err != nil {
		return err
	}
	if file := k.memory.file(); file != nil {
		if err := k.render(*file); err != nil {
			return err
		}
	}
	k.known = true
	return nil
}

func (k *Keeper) render(c agent.Configuration) error {
	if err := k.store.Render(render(c)); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ready = true
	return nil
}

// remember changes what is remembered, unless it cannot be written.
func (k *Keeper) remember(change func(*memory)) error {
	m := k.memory
	change(&m)
	if err := k.store.Remember(m.text()); err != nil {
		return err
	}
	k.memory = m
	return nil
}

// tell is what is reported from now on.
func (k *Keeper) tell(ctx context.Context, w wish, state, problem string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	revision := k.memory.runs()
	var next *agent.ConfigurationState
	if state != "" {
		next = &agent.ConfigurationState{Wanted: w.Revision, State: state, Problem: agent.Clip(problem)}
	}
	if before := k.state; revision != k.revision || (before == nil) != (next == nil) || before != nil && *before != *next {
		logr.FromContextOrDiscard(ctx).Info("The state of the configuration has changed", "runs", revision, "wanted", w.Revision, "state", state, "problem", agent.Clip(problem))
	} else {
		return
	}
	k.revision, k.state = revision, next
}

// silence is an error of an engine that does not answer, in a report.
func silence(doing string, err error) string {
	return fmt.Sprintf("%s: the engine does not answer: %v", doing, err)
}
