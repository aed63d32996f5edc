package simulation

import (
	"fmt"
	"time"

	api "github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// The verbs of scenarios that are about roles.

// WithRoles gives a set roles before it is applied: of Sentinels who call instances by name or by IP address, or of no HA system.
func (w *World) WithRoles(set *v1alpha1.InstanceSet, provider string, names bool) error {
	if err := w.withRoles(); err != nil {
		return err
	}
	w.haveRoles(set, names, provider == string(v1alpha1.RoleProviderStatic))
	return nil
}

// Redis does something to the Redis of an instance: "kill", "promote" as a person would who tells nobody, or "demote" to a replica of
// the instance that is given.
func (w *World) Redis(instance, what, of string) error {
	c, there := w.engineNamed(instance)
	if !there {
		return fmt.Errorf("there is no redis of %s", instance)
	}
	switch what {
	case "kill":
		w.kill(c.on, c.process)
	case "promote":
		w.promote(c.process, c.engine.term+1)
	case "demote":
		master, there := w.engineNamed(of)
		if !there {
			return fmt.Errorf("there is no redis of %s", of)
		}
		w.follow(c.process, w.addrOf(master.process))
	default:
		return fmt.Errorf("a redis cannot be %q", what)
	}
	return nil
}

// RestartAgent has the agent of an instance start again; its last report arrives late, or not at all with 0.
func (w *World) RestartAgent(instance string) error {
	c, there := w.engineNamed(instance)
	if !there {
		return fmt.Errorf("there is no agent of %s", instance)
	}
	w.bootAgent(c, c.engine.agent.set)
	return nil
}

// HoldReport has the agent of an instance report now, and the report take so long.
func (w *World) HoldReport(instance string, long time.Duration) error {
	c, there := w.engineNamed(instance)
	if !there {
		return fmt.Errorf("there is no agent of %s", instance)
	}
	c.engine.agent.held = long
	c.engine.agent.push()
	return nil
}

// CutAgents has no agent reach the manager, or takes that back.
func (w *World) CutAgents(on bool) { w.ha.agentsCut = on }

// Clock is by how much the clock of a manager that starts from now on is off.
func (w *World) Clock(off time.Duration) { w.ha.skew = func() time.Duration { return off } }

// Sentinels does something to those of all sets that have these numbers, or to all: "silent" (they reach nobody), "deaf" (they do not
// hear each other), "anew" (they forget everything), or "heal".
func (w *World) Sentinels(what string, numbers ...int) error {
	for _, name := range w.ha.names() {
		for _, s := range w.ha.sets[name].sentinels {
			if !chosen(s.number, numbers) {
				continue
			}
			switch what {
			case "silent":
				s.silent = true
			case "deaf":
				s.deaf = true
			case "anew":
				s.anew()
			case "heal":
				s.silent, s.deaf = false, false
			default:
				return fmt.Errorf("sentinels cannot be %q", what)
			}
		}
	}
	return nil
}

func chosen(number int, of []int) bool {
	for _, n := range of {
		if n == number {
			return true
		}
	}
	return len(of) == 0
}

// Order has the manager order an agent to do something, and says what it answers.
func (w *World) Order(instance string, action api.Action, master string, epoch int64) (string, error) {
	c, there := w.engineNamed(instance)
	if !there {
		return "", fmt.Errorf("there is no agent of %s", instance)
	}
	report, _ := c.engine.agent.steps.Next()
	request := api.Request{Version: api.Version, Action: action, BootID: report.BootID, Epoch: epoch, Lock: 1}
	if m, there := w.engineNamed(master); there {
		request.Master = w.addrOf(m.process)
	}
	answer, reached := w.order(instance, request)
	switch {
	case !reached:
		return "its agent is not reached\n", nil
	case answer.Refused != "":
		return fmt.Sprintf("refused: %s: %s\n", answer.Refused, answer.Problem), nil
	case answer.Changed:
		return "done\n", nil
	}
	return "nothing to do\n", nil
}
