package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
	"github.com/shoal-dev/shoal/switchover"
)

// Refusal is an action that was not tried: the instance is not what it needs.
type Refusal struct{ Text string }

func (r *Refusal) Error() string { return r.Text }

// ErrLine says that the connection that a request rests on is lost. Nothing was done.
var ErrLine = errors.New("the connection to the engine is lost, and with it what was seen on it: look again")

// Act does what a valid request asks for, and returns what it found, as fields of an answer. It does so over the connection of an
// earlier Look if the request names that, and otherwise over one of its own. The connection has the name of those who hand over
// masters, and ends theirs and those of earlier actions: an order that was given up, and is still under way, is not carried out
// after this one. Those of a later lock are left alone, and the error is redis.ErrLater. ConfigSet on a connection of its own yields to
// them too, and ends nobody; ConfigGet has no part in it. Another error is a *Refusal, ErrLine, or a *Failure after which it is
// not known whether it was done.
func (r *Redis) Act(ctx context.Context, request agent.Request) (agent.Answer, error) {
	r.acting.Lock()
	defer r.acting.Unlock()
	if request.Action == agent.Look && request.Line == 0 {
		if err := r.open(ctx, request.Lock); err != nil {
			return agent.Answer{}, err
		}
		request.Line = r.line.number
	}
	if request.Line != 0 {
		return r.onLine(ctx, request)
	}
	conn, err := r.connect(ctx, switchover.ConnectionName, request.Lock)
	if err != nil {
		return agent.Answer{}, fail(err)
	}
	defer func() { _ = conn.Close() }() // whatever it says, what was asked for is done or not
	switch request.Action {
	case agent.ConfigGet:
	case agent.ConfigSet: // a fence may be among it, on which what a later one does rests
		err = conn.Yield(ctx)
	default:
		r.hangUp()
		_, err = conn.Evict(ctx)
	}
	if err != nil {
		return agent.Answer{}, trouble(err)
	}
	return carryOut(ctx, conn, request)
}

// carryOut does what is asked for over a connection that may.
func carryOut(ctx context.Context, conn *redis.Conn, request agent.Request) (agent.Answer, error) {
	if request.Action == agent.ConfigGet || request.Action == agent.ConfigSet {
		found, err := configure(ctx, conn, request)
		return agent.Answer{Parameters: found, Changed: err == nil && request.Action == agent.ConfigSet}, trouble(err)
	}
	state, err := conn.State(ctx)
	if err != nil {
		return agent.Answer{}, fail(err)
	}
	if request.Action == agent.Look {
		return agent.Answer{State: stateOf(state)}, nil
	}
	needed, why := judge(state, request)
	if why != "" {
		return agent.Answer{}, &Refusal{why}
	}
	if !needed {
		return agent.Answer{}, nil
	}
	if err := order(ctx, conn, request); err != nil {
		return agent.Answer{}, fail(err)
	}
	return agent.Answer{Changed: true}, nil
}

// trouble is a *Failure, unless it is that of somebody later, or none.
func trouble(err error) error {
	if err == nil || errors.Is(err, redis.ErrLater) {
		return err
	}
	return fail(err)
}

// judge says whether there is anything to do, or why it must not be done.
func judge(s redis.State, r agent.Request) (needed bool, why string) {
	master, protected := s.Kind == redis.Master, s.Kind == redis.Replica && s.Master == redis.Nobody
	switch r.Action {
	case agent.Protect:
		return !protected, ""
	case agent.Demote:
		if !master && !protected {
			return false, "it is no master: it follows " + s.Master
		}
		return master, ""
	case agent.Leave:
		if master {
			return false, "it is a master: hand over first"
		}
		return !protected, ""
	case agent.Join:
		if master {
			return false, "it is a master: its data would be replaced"
		}
		if !protected && s.Master != r.Master {
			return false, "it follows " + s.Master
		}
		return s.Master != r.Master, ""
	case agent.Follow:
		if master {
			return false, "it is a master: demote it first"
		}
		return s.Master != r.Master, ""
	case agent.Promote:
		if !master && (s.Syncing || s.Loading) {
			return false, "its data is not complete: a copy is on its way, or is being read"
		}
		return !master, ""
	case agent.Pause:
		if !master {
			return false, "it is no master, and takes no writes"
		}
	}
	return true, ""
}

func order(ctx context.Context, conn *redis.Conn, r agent.Request) error {
	switch r.Action {
	case agent.Protect, agent.Demote, agent.Leave:
		return conn.Follow(ctx, redis.Nobody)
	case agent.Join, agent.Follow:
		return conn.Follow(ctx, r.Master)
	case agent.Promote:
		return conn.Promote(ctx)
	case agent.Pause:
		return conn.Pause(ctx, time.Duration(r.Milliseconds)*time.Millisecond)
	case agent.Unpause:
		return conn.Unpause(ctx)
	}
	return fmt.Errorf("there is no action %s", r.Action)
}

// configure sets, and reads back. Whatever the server answers, only what was asked for is returned.
func configure(ctx context.Context, conn *redis.Conn, r agent.Request) ([]agent.Parameter, error) {
	names, settings := []string{}, map[string]string{}
	for _, p := range r.Parameters {
		names = append(names, p.Name)
		settings[p.Name] = p.Value
	}
	if r.Action == agent.ConfigSet {
		if err := conn.Set(ctx, settings); err != nil {
			return nil, err
		}
	}
	there, err := conn.Settings(ctx, names...)
	if err != nil {
		return nil, err
	}
	var found []agent.Parameter
	for _, name := range names {
		if value, known := there[name]; known {
			found = append(found, agent.Parameter{Name: name, Value: value})
		}
	}
	return found, nil
}
