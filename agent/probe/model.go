package probe

import (
	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
)

// What is decided from the state of a Redis, for a model of one: an Engine that has no connection.

// ReportOf is what an agent says of a Redis in that state.
func ReportOf(s redis.State) agent.Report { return reportOf(s) }

// Judge says whether a Redis in that state has anything to do for the request; the error is a *Refusal.
func Judge(s redis.State, r agent.Request) (needed bool, err error) {
	needed, why := judge(s, r)
	if why != "" {
		return false, &Refusal{why}
	}
	return needed, nil
}
