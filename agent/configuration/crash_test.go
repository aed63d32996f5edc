package configuration

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
)

// Whatever happens and wherever the agent ends in the middle: no master is restarted unasked, the file
// never has what must not be in it, what is reported to run does run, and is back when it was restarted, and when things calm down the engine runs with what is wanted, or
// that is refused, and it runs with what ran before.
func TestAgentsThatEndInTheMiddle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := &history{world: newWorld(t), t: rt}
		h.judge = h.shutdown
		for _, name := range []string{"hz", "tcp-backlog", "maxmemory"} {
			h.server.refuses[name] = "bad"
		}
		h.want(agent.NewConfiguration([]agent.Parameter{{Name: "hz", Value: "20"}, {Name: "databases", Value: "32"}}), "")
		rt.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) { h.holds() },
			"step": func(t *rapid.T) {
				h.crash = rapid.SampledFrom([]int{0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}).Draw(t, "crash")
				h.step()
				h.crash = 0
			},
			"start": func(*rapid.T) { h.start() },
			"stop":  func(*rapid.T) { h.server.up, h.ordered = false, false },
			"boot":  func(*rapid.T) { h.boot() },
			"pass": func(t *rapid.T) {
				h.clock = h.clock.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Minute, 2 * time.Minute}).Draw(t, "time"))
			},
			"role": func(t *rapid.T) {
				h.server.state.Kind = rapid.SampledFrom([]redis.Kind{redis.Master, redis.Replica}).Draw(t, "kind")
			},
			"trouble": func(t *rapid.T) {
				s := h.server
				s.state.LinkUp, s.state.Loading = rapid.Bool().Draw(t, "link"), rapid.Bool().Draw(t, "loading")
				s.promoted = rapid.IntRange(0, 4).Draw(t, "promoted") == 0
				s.others, s.stuck, s.broken, s.lost = rapid.Bool().Draw(t, "others"), rapid.Bool().Draw(t, "stuck"), rapid.Bool().Draw(t, "broken"), rapid.Bool().Draw(t, "lost")
			},
			"want": func(t *rapid.T) {
				list := []agent.Parameter{{Name: "databases", Value: rapid.SampledFrom([]string{"32", "32", "32", "16"}).Draw(t, "databases")}}
				for _, p := range []agent.Parameter{{Name: "hz"}, {Name: "tcp-backlog"}, {Name: "maxmemory"}} {
					if p.Value = rapid.SampledFrom([]string{"", "30", "40", "bad"}).Draw(t, p.Name); p.Value != "" {
						list = append(list, p)
					}
				}
				if rapid.IntRange(0, 9).Draw(t, "unknown") == 0 {
					list = append(list, agent.Parameter{Name: "dir", Value: "/"})
				}
				c, allowed := agent.NewConfiguration(list), ""
				if rapid.Bool().Draw(t, "allow") {
					allowed = c.Revision
				}
				h.want(c, allowed)
			},
		})
		h.calm()
	})
}

type history struct {
	*world
	t *rapid.T
	// began is the file that the run has started with, and at the time of that.
	began string
	at    time.Time
	// ordered: the agent has ended the run before this one, and nobody has heard of this one yet.
	ordered bool
}

func (h *history) start() {
	if h.server.up {
		return
	}
	if h.server.start(); h.server.up {
		h.began, h.at = h.files[engineFile], h.clock
	}
}

// shutdown is what holds of each order to end.
func (h *history) shutdown() {
	s := h.server
	if m := h.keeper.memory; s.state.Kind == redis.Master {
		allowed := m.Trial != nil && m.Trial.Revision == h.allowed
		if m.Back != nil {
			allowed = h.allowed == m.Good.Revision || h.allowed == m.Refused.Revision
		}
		if !allowed {
			h.t.Fatalf("a master is restarted, and %q is allowed", h.allowed)
		}
	}
	if s.state.Kind == redis.Replica && (!s.state.LinkUp || s.state.Loading) {
		h.t.Fatal("a replica is restarted that is not in sync")
	}
	h.ordered = !s.stuck
}

// holds is so at any time.
func (h *history) holds() {
	text := h.files[engineFile]
	if strings.Contains(text, "dir ") {
		h.t.Fatalf("the file has what nobody may set:\n%s", text)
	}
	if good := h.keeper.memory.Good; good != nil {
		if value, _ := good.Value("databases"); !strings.Contains(text, "databases "+value) {
			h.t.Fatalf("what never changes has changed from %s:\n%s", value, text)
		}
	}
	revision, state := h.keeper.Report()
	if revision == "" {
		return
	}
	good := h.keeper.memory.Good
	if good == nil || good.Revision != revision {
		h.t.Fatalf("%s is reported to run, and %+v does", revision, good)
	}
	if s := h.server.state; h.ordered && h.server.up {
		if h.ordered = false; s.Loading || s.Kind == redis.Replica && !s.LinkUp && h.clock.Sub(h.at) < longSettling {
			h.t.Fatalf("%s is reported to run, and its engine, which was restarted, is not back: %+v", revision, s)
		}
	}
	if h.server.up {
		if why := differs(*good, h.server.values); why != "" {
			h.t.Fatalf("it is reported to run with %+v, %+v: %s", good, state, why)
		}
	}
}

// calm lets the agent come to an end.
func (h *history) calm() {
	s := h.server
	s.others, s.stuck, s.broken, s.lost, s.promoted = false, false, false, false, false
	s.state.Kind, s.state.LinkUp, s.state.Loading = redis.Replica, true, false
	for range 150 {
		h.start()
		h.step()
		h.clock = h.clock.Add(20 * time.Second)
	}
	revision, state := h.keeper.Report()
	m := h.keeper.memory
	switch {
	case m.Good == nil: // nothing has ever started
		if !strings.Contains(h.wanted.Encode(), "bad") && !strings.Contains(h.wanted.Encode(), "dir") {
			h.t.Fatalf("%+v is never applied: %+v", h.wanted, state)
		}
		return
	case state == nil && revision != h.wanted.Revision, state != nil && (state.State != agent.StateRefused || state.Wanted != h.wanted.Revision):
		h.t.Fatalf("%+v is wanted, and %s, %+v is reported", h.wanted, revision, state)
	}
	if !s.up {
		h.t.Fatal("it does not run")
	}
	if why := differs(*m.Good, s.values); why != "" {
		h.t.Fatalf("it should run with %+v: %s", m.Good, why)
	}
	if want := string(render(*m.Good)); h.began != want {
		// What was changed while it runs is in the file since.
		if text := h.files[engineFile]; text != want {
			h.t.Fatalf("its next start would find\n%s\nwant\n%s", text, want)
		}
	}
}
