package decide

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// silence is when an instance is silent: as the controller has it, though nothing here depends on that.
const silence = 8 * time.Minute

// TestScenarios runs testdata/shards. Each file is the story of one shard whose agents report each five minutes and are silent after eight:
//
//	shard                       begins anew; each line is a pod, or what the HA system says
//	r-0 says=master epoch=6 label=master heard=10s
//	sentinels name=r-0 epoch=6
//	later 1m                    time passes, and nobody is heard; with lines, these change meanwhile
//	decide                      prints the plan and judges the shard
//	do                          the same, and carries the steps out; the next snapshot shows it
//
// Of a pod: says=master|replica|none|unknown [epoch=N] [loading] [protected] [unlinked] [empty|full] [anew] [of=r-0] is a report that arrives now, or arrived
// heard=10s ago; label=master|replica|nothing; node=healthy|silent|lost; starting, unready, ready, going, ended, gone; unheard;
// stranger is a pod with the labels of the shard that is none of its instances.
// Of the HA system: sentinels name=r-0 epoch=6 [few|sure] [floor=N] [for=10s] | sentinels silent | static. hushed and listening
// say whether most agents of the set are silent, dark and lit whether most of its nodes are; unseen says that the cache may lack a
// pod of the shard; handing-over and handed-over whether a switchover is under way.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/shards", func(t *testing.T, path string) {
		var s story
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "shard":
				s = story{Snapshot{Now: time.Unix(1000, 0), Silence: silence, Complete: true, HA: View{Static: true}}}
			case "later":
				wait, err := time.ParseDuration(d.CmdArgs[0].Key)
				if err != nil {
					t.Fatal(err)
				}
				s.Now = s.Now.Add(wait)
			}
			for line := range strings.Lines(d.Input) {
				if err := s.line(strings.Fields(line)); err != nil {
					t.Fatalf("%s: %s: %v", d.Pos, line, err)
				}
			}
			switch d.Cmd {
			case "decide", "do":
				plan := Decide(s.Snapshot)
				if d.Cmd == "do" {
					s.do(plan)
				}
				return printed(plan)
			case "shard", "later":
				return "ok\n"
			}
			t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
			return ""
		})
	})
}

type story struct{ Snapshot }

func (s *story) line(words []string) error {
	switch words[0] {
	case "static":
		s.HA = View{Static: true}
	case "sentinels":
		return s.sentinels(words[1:])
	case "hushed", "listening":
		s.Hushed = words[0] == "hushed"
	case "dark", "lit":
		s.Dark = words[0] == "dark"
	case "handing-over", "handed-over":
		s.HandingOver = words[0] == "handing-over"
	case "unseen":
		s.Complete = false
	default:
		return s.pod(words[0], words[1:])
	}
	return nil
}

func (s *story) sentinels(words []string) error {
	v := View{Heard: true, Agreed: true, Since: s.Now}
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		var err error
		switch key {
		case "silent":
			v.Heard, v.Trouble = false, "the connection timed out"
		case "few":
			v.Agreed = false
		case "sure":
			v.Sure = true
		case "name":
			v.Addr, v.Master = value+":6379", value
			if s.find(value) == nil {
				v.Master = ""
			}
		case "epoch":
			v.Epoch, err = strconv.ParseInt(value, 10, 64)
		case "floor":
			v.Floor, err = strconv.ParseInt(value, 10, 64)
		case "for":
			var since time.Duration
			since, err = time.ParseDuration(value)
			v.Since = s.Now.Add(-since)
		default:
			return fmt.Errorf("unknown word %q", word)
		}
		if err != nil {
			return err
		}
	}
	s.HA = v
	return nil
}

func (s *story) find(name string) *Instance {
	for n := range s.Instances {
		if s.Instances[n].Name == name {
			return &s.Instances[n]
		}
	}
	return nil
}

func (s *story) pod(name string, words []string) error {
	i := s.find(name)
	if i == nil {
		s.Instances = append(s.Instances, Instance{Name: name, UID: "uid-of-" + name, Running: true, Ready: true, BegunAt: s.Now})
		i = s.find(name)
	}
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		var err error
		switch key {
		case "says":
			if !i.claims() {
				i.ClaimedAt = s.Now
			}
			i.Running, i.Ready, i.Heard, i.HeardAt = true, true, true, s.Now
			i.Report, i.UnlinkedAt, i.BehindAt, i.Follows = Report{Role: Role(value)}, time.Time{}, time.Time{}, ""
			i.EmptyAt, i.FullAt = time.Time{}, time.Time{}
		case "epoch":
			i.Report.Epoch, err = strconv.ParseInt(value, 10, 64)
		case "heard":
			var ago time.Duration
			ago, err = time.ParseDuration(value)
			i.HeardAt, i.ClaimedAt = s.Now.Add(-ago), s.Now.Add(-ago)
		case "loading":
			i.Report.Loading = true
		case "protected":
			i.Report.Protected = true
		case "empty":
			i.Report.Holds = HoldsNothing
		case "full":
			i.Report.Holds, i.FullAt = HoldsData, s.Now
		case "anew":
			i.EmptyAt = s.Now
		case "unheard":
			i.Heard = false
		case "label":
			i.Label = Role(strings.TrimPrefix(value, "nothing"))
		case "node":
			i.Node = map[string]NodeState{"healthy": NodeHealthy, "silent": NodeSilent, "lost": NodeLost}[value]
		case "starting":
			i.Running, i.Ready = false, false
		case "unready":
			i.Ready = false
		case "ready":
			i.Ready = true
		case "of":
			i.Follows, i.FollowsAt = value, s.Now
		case "unlinked":
			i.Report.Unlinked, i.UnlinkedAt = true, s.Now
		case "going":
			i.Going = true
		case "ended":
			i.Ended = true
		case "stranger":
			i.Stranger = true
		case "gone":
			s.remove(name)
		default:
			return fmt.Errorf("unknown word %q", word)
		}
		if err != nil {
			return err
		}
	}
	if (i.Report.Behind() || i.Report.Mute()) && i.BehindAt.IsZero() {
		i.BehindAt = s.Now
	}
	return nil
}

func (s *story) remove(name string) {
	for n := range s.Instances {
		if s.Instances[n].Name == name {
			s.Instances = append(s.Instances[:n], s.Instances[n+1:]...)
			return
		}
	}
}

func (s *story) do(p Plan) {
	for _, step := range p.Steps {
		if i := s.find(step.Instance); i != nil {
			i.Label = step.To
		}
	}
}

func printed(p Plan) string {
	var b strings.Builder
	for _, step := range p.Steps {
		fmt.Fprintln(&b, step)
	}
	for _, j := range p.Joins {
		fmt.Fprintln(&b, j)
	}
	if len(p.Steps) == 0 && len(p.Joins) == 0 {
		fmt.Fprintln(&b, "nothing to do")
	}
	verdict := func(name string, v Verdict) {
		text := v.Reason.Text()
		if v.Text != "" {
			text = v.Text + ": " + text
		}
		fmt.Fprintf(&b, "%s=%t/%s %s\n", name, v.True, v.Reason.Name(), text)
	}
	verdict("NoMaster", p.NoMaster)
	if p.TwoMasters.True {
		verdict("TwoMasters", p.TwoMasters)
	}
	if p.Behind.True && !p.NoMaster.True { // without a master it always is
		verdict("Behind", p.Behind)
	}
	for _, e := range p.Empty {
		fmt.Fprintf(&b, "empty: %s\n", e)
	}
	for _, w := range p.Waits {
		fmt.Fprintf(&b, "waits: %s: %s\n", w.Instance, w)
	}
	if len(p.Unknown) > 0 {
		fmt.Fprintf(&b, "unknown: %s\n", strings.Join(p.Unknown, ", "))
	}
	for _, i := range p.Ignored {
		fmt.Fprintf(&b, "ignored: %s: %s (%s)\n", i.Who, i.Text, i.Reason)
	}
	return b.String()
}
