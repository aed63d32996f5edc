package decide

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/shoal-dev/shoal/reason"
)

// TestScenarios runs testdata/scenarios. Each file is the story of Switchovers of one shard:
//
//	shard [paused] [no-set] [no-orders]     begins anew; each line is an instance: r-0 [master] [lost]
//	                                        or a Switchover: request NAME [to=r-1] [timeout=10s] [ttl=1h] [besteffort] [created=-5m]
//	change [paused] [resumed]               the same lines replace what is there; `gone r-2` takes an instance away
//	later 5s                                time passes
//	leader                                  another manager leads: it has seen nothing yet, and hands over nothing
//	decide NAME                             prints what becomes of it
//	do NAME                                 the same, and carries it out: what began is being handed over (taken)
//	end NAME                                what was handed over has ended; with done=false, the process was killed
//	delete NAME                             somebody deletes it
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/scenarios", func(t *testing.T, path string) {
		w := newWorld()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "shard" {
				w = newWorld()
			}
			for _, arg := range d.CmdArgs {
				w.word(arg.Key)
			}
			for line := range strings.Lines(d.Input) {
				if err := w.line(strings.Fields(line)); err != nil {
					t.Fatalf("%s: %s: %v", d.Pos, line, err)
				}
			}
			name := ""
			if len(d.CmdArgs) > 0 {
				name = d.CmdArgs[0].Key
			}
			switch d.Cmd {
			case "shard", "change":
				return "ok\n"
			case "later":
				long, err := time.ParseDuration(name)
				if err != nil {
					t.Fatal(err)
				}
				w.now = w.now.Add(long)
				return "ok\n"
			case "leader":
				w.leader()
				return "ok\n"
			case "decide", "do":
				v := w.decide(name)
				if d.Cmd == "do" {
					w.do(name, v)
				}
				return printed(v)
			case "end":
				w.end(name)
				return "ok\n"
			case "delete":
				w.delete(name)
				return "ok\n"
			}
			t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
			return ""
		})
	})
}

func printed(v Verdict) string {
	text := string(v.Do)
	if v.From != "" {
		text += " from=" + v.From
	}
	if v.Code != 0 {
		text += " " + v.Code.Name()
	}
	if v.Text != "" {
		text += ": " + v.Text
	}
	if v.Again != 0 {
		text += fmt.Sprintf("; again in %s", v.Again)
	}
	return text + "\n"
}

// world is an API server with the Switchovers of one shard, and a manager.
type world struct {
	now                    time.Time
	requests               map[string]*Request
	instances              []Instance
	noSet, paused, noOrder bool
	taken                  string // is being handed over for that one
}

func newWorld() *world {
	return &world{now: time.Unix(100_000, 0), requests: map[string]*Request{}}
}

func (w *world) word(word string) {
	switch word {
	case "paused", "resumed":
		w.paused = word == "paused"
	case "no-set":
		w.noSet = true
	case "no-orders":
		w.noOrder = true
	}
}

func (w *world) line(words []string) error {
	switch words[0] {
	case "request":
		return w.create(words[1], words[2:])
	case "gone":
		for n, i := range w.instances {
			if i.Name == words[1] {
				w.instances = append(w.instances[:n], w.instances[n+1:]...)
				break
			}
		}
		return nil
	}
	i := Instance{Name: words[0]}
	for _, word := range words[1:] {
		switch word {
		case "master":
			i.Master = true
		case "lost":
			i.Lost = true
		default:
			return fmt.Errorf("unknown word %q", word)
		}
	}
	for n := range w.instances {
		if w.instances[n].Name == i.Name {
			w.instances[n] = i
			return nil
		}
	}
	w.instances = append(w.instances, i)
	return nil
}

func (w *world) create(name string, words []string) error {
	r := &Request{Name: name, Created: w.now, Timeout: 10 * time.Second, TTL: time.Hour}
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		var err error
		switch key {
		case "to":
			r.To = value
		case "besteffort":
			r.BestEffort = true
		case "timeout":
			r.Timeout, err = time.ParseDuration(value)
		case "ttl":
			r.TTL, err = time.ParseDuration(value)
		case "created":
			var ago time.Duration
			ago, err = time.ParseDuration(value)
			r.Created = w.now.Add(ago)
		default:
			err = fmt.Errorf("unknown word %q", word)
		}
		if err != nil {
			return err
		}
	}
	w.requests[name] = r
	return nil
}

func (w *world) snapshot(name string) (Snapshot, bool) {
	r := w.requests[name]
	if r == nil {
		return Snapshot{}, false
	}
	if r.Seen.IsZero() {
		r.Seen = w.now
	}
	s := Snapshot{Now: w.now, Request: *r, Set: !w.noSet, Paused: w.paused, Instances: w.instances, Orders: !w.noOrder, Taken: w.taken != ""}
	for other, o := range w.requests {
		if other != name {
			s.Others = append(s.Others, *o)
		}
	}
	return s, true
}

func (w *world) decide(name string) Verdict {
	s, there := w.snapshot(name)
	if !there {
		return Verdict{Do: "Gone"}
	}
	return Decide(s)
}

func (w *world) do(name string, v Verdict) {
	r := w.requests[name]
	switch v.Do {
	case Begin, GoOn:
		r.From, r.Held, r.Attempts, w.taken = v.From, true, r.Attempts+1, name
	case Refuse, Done:
		r.Completed = w.now
	case Release:
		if r.Held = false; r.Deleted {
			delete(w.requests, name)
		}
	case Delete:
		w.delete(name)
	}
}

func (w *world) end(name string) {
	w.requests[name].Completed, w.taken = w.now, ""
}

func (w *world) delete(name string) {
	if r := w.requests[name]; r != nil {
		if r.Deleted = true; !r.Held {
			delete(w.requests, name)
		}
	}
}

func (w *world) leader() {
	w.taken = ""
	for _, r := range w.requests {
		r.Seen = time.Time{}
	}
}

func TestAgain(t *testing.T) {
	for _, c := range []struct {
		code     reason.Code
		stepped  bool
		attempts int
		want     bool
	}{
		{reason.NoMaster, true, 1, true}, {reason.NoMaster, true, 2, true}, {reason.NoMaster, true, MaxAttempts, false},
		{reason.HandedOverInPart, true, 1, true},
		{reason.MasterUnreachable, true, 1, true}, {reason.MasterUnreachable, false, 1, false}, // nothing was begun: Sentinel's
		{reason.HandedOver, true, 1, false}, {reason.TargetBehind, true, 1, false}, // given back is an end
		{reason.TwoMasters, true, 1, false}, {reason.HistoriesDiffer, true, 1, false}, {reason.AnotherMaster, true, 1, false}, // decided by others
	} {
		if got := Again(c.code, c.stepped, c.attempts); got != c.want {
			t.Errorf("%s after steps %t, attempt %d: %t", c.code.Name(), c.stepped, c.attempts, got)
		}
	}
}
