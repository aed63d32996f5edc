package configuration

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
)

// Scenarios are stories of one agent and its Redis. The commands:
//
//	want a=1 b=2 [allow]    another configuration is wanted; with allow, a master may be restarted for it
//	raw TEXT                the annotation has that text
//	step [n]                n seconds pass, in each of which the agent does what is due; what it did, and what it reports if that is new
//	start                   the kubelet starts Redis, if it does not run
//	redis k=v ...           role=master|replica link=up|down keys=n follows=host:port loading|syncing|rewriting|others|stuck|deaf|broken|lost|late|promoted=on|off refuses=name:value
//	                        forced=name:value (its command line), stops (it ends by itself)
//	set a=1                 somebody else changes a value of the Redis that runs
//	pass 90s                time passes
//	boot                    the agent starts anew
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/scenarios", func(t *testing.T, path string) {
		w := newWorld(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			w.TB = t
			return w.tell(d)
		})
	})
}

func (w *world) tell(d *datadriven.TestData) string {
	switch d.Cmd {
	case "want":
		var list []agent.Parameter
		allow := false
		for _, a := range d.CmdArgs {
			if allow = allow || a.Key == "allow"; a.Key != "allow" {
				list = append(list, agent.Parameter{Name: a.Key, Value: strings.Join(a.Vals, " ")})
			}
		}
		c := agent.NewConfiguration(list)
		allowed := ""
		if allow {
			allowed = c.Revision
		}
		w.want(c, allowed)
	case "raw":
		w.wanted = agent.Configuration{}
		w.files[wantedFile] = d.Input
	case "step":
		seconds := 1
		if len(d.CmdArgs) > 0 {
			seconds, _ = strconv.Atoi(d.CmdArgs[0].Key)
		}
		out := ""
		for range seconds {
			w.step()
			out += w.news()
			w.clock = w.clock.Add(time.Second)
		}
		return or(out, "nothing\n")
	case "start":
		return w.server.start() + "\n"
	case "redis":
		for _, a := range d.CmdArgs {
			w.server.becomes(a.Key, strings.Join(a.Vals, " "))
		}
	case "set":
		for _, a := range d.CmdArgs {
			w.server.values[a.Key] = strings.Join(a.Vals, " ")
		}
	case "pass":
		long, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			d.Fatalf(w, "%v", err)
		}
		w.clock = w.clock.Add(long)
	case "boot":
		w.boot()
	default:
		d.Fatalf(w, "there is no command %s", d.Cmd)
	}
	return ""
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func (s *server) becomes(what, value string) {
	on := value == "on"
	name, text, _ := strings.Cut(value, ":")
	switch what {
	case "role":
		s.state.Kind = redis.Replica
		if value == "master" {
			s.state.Kind = redis.Master
		}
	case "follows":
		s.state.Master = value
	case "link":
		s.state.LinkUp = value == "up"
	case "keys":
		s.state.Keys, _ = strconv.ParseInt(value, 10, 64)
	case "loading":
		s.state.Loading = on
	case "rewriting":
		s.state.Rewriting = on
	case "syncing":
		s.state.Syncing = on
	case "others":
		s.others = on
	case "stuck":
		s.stuck = on
	case "deaf":
		s.deaf = on
	case "broken":
		s.broken = on
	case "late":
		s.late = on
	case "promoted":
		s.promoted = on
	case "lost":
		s.lost = on
	case "refuses":
		s.refuses[name] = text
	case "forced":
		s.forced[name] = text
	case "stops":
		s.up = false
	default:
		panic("there is no " + what)
	}
}
