package agent

import (
	"context"
	"time"

	"github.com/shoal-dev/shoal/agent/probe"
	"github.com/shoal-dev/shoal/api/agent"
)

// Steps are what Run does one after the other, for whoever has the time in his own hands, as the simulation has: nothing of it
// waits. An agent that is taken in steps does not run.
type Steps struct{ a *Agent }

// Steps takes the agent in steps.
func (a *Agent) Steps() Steps { return Steps{a} }

// News is what a step has brought up: something to report at once, or to ask about elections at once.
type News struct{ Report, Moved bool }

func (s Steps) news() (n News) {
	select {
	case <-s.a.changed:
		n.Report = true
	default:
	}
	select {
	case <-s.a.moved:
		n.Moved = true
	default:
	}
	return n
}

// Look looks at the engine.
func (s Steps) Look(ctx context.Context) News {
	s.a.look(ctx)
	return s.news()
}

// Next is the next report; false if nothing is known that could be reported.
func (s Steps) Next() (agent.Report, bool) {
	if !s.a.anything() {
		return agent.Report{}, false
	}
	return s.a.next(), true
}

// Hear takes what most of the HA system say, and whether the role fits it.
func (s Steps) Hear(e probe.Election, now time.Time) (n News, fits bool) {
	s.a.hear(e, now)
	s.a.mu.Lock()
	fits = s.a.epoch() != 0
	s.a.mu.Unlock()
	return s.news(), fits
}

// Act does what a request asks for, as if the manager had sent it.
func (s Steps) Act(ctx context.Context, request agent.Request) (agent.Answer, News) {
	answer := s.a.act(ctx, request)
	return answer, s.news()
}

// Configure takes a step with the configuration, if there is one to keep.
func (s Steps) Configure(ctx context.Context) News {
	if s.a.o.Configuration != nil {
		s.a.configure(ctx)
	}
	return s.news()
}
