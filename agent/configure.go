package agent

import (
	"context"
	"time"

	"github.com/shoal-dev/shoal/api/agent"
)

// configureEvery is how often the files are looked at from which the configuration comes. They are small, and on this machine.
const configureEvery = time.Second

// keep brings the configuration that is wanted to the engine. The first step comes before the engine has started.
func (a *Agent) keep(ctx context.Context) {
	ticker := time.NewTicker(configureEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		a.configure(ctx)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// configure takes one step, while no action is done. What the engine is afterwards is looked at, and reported.
func (a *Agent) configure(ctx context.Context) {
	keeper := a.o.Configuration
	if keeper.Due(ctx) {
		if a.turn(ctx) != nil {
			return // there is a next step
		}
		touched := keeper.Step(ctx)
		<-a.acting
		if touched {
			a.look(ctx)
		}
	}
	revision, state := keeper.Report()
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.configured
	if before.same(revision, state) {
		return
	}
	a.configured = configured{revision, state}
	signal(a.changed)
	switch {
	case state != nil && state.State == agent.StateRefused && !before.is(state.State, state.Wanted):
		a.metrics.configurations.WithLabelValues("refused").Inc()
	case revision != "" && revision != before.revision && before.state != nil && before.state.State != agent.StateRefused:
		a.metrics.configurations.WithLabelValues("applied").Inc()
	}
}

// configured is what was told of the configuration last.
type configured struct {
	revision string
	state    *agent.ConfigurationState
}

func (c configured) same(revision string, state *agent.ConfigurationState) bool {
	return c.revision == revision && (c.state == state || c.state != nil && state != nil && *c.state == *state)
}

func (c configured) is(state, wanted string) bool {
	return c.state != nil && c.state.State == state && c.state.Wanted == wanted
}
