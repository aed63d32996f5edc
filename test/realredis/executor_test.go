//go:build redis

package realredis

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/switchover"
	"github.com/shoal-dev/shoal/switchover/decide"
)

const orderVariable = "SHOAL_TEST_SWITCHOVER"

// order is what a process that hands over is told.
type order struct {
	Shard   switchover.Shard
	Request decide.Request
	// Cluster is where instances have agents; then Shard counts for its lock alone.
	Cluster *cluster
}

// run does what is ordered.
func (o order) run(ctx context.Context, before func(decide.Step) error) (decide.Step, error) {
	if o.Cluster == nil {
		return switchover.Run(ctx, o.Shard, o.Request, switchover.Options{Before: func(_ context.Context, step decide.Step) error { return before(step) }})
	}
	return o.Cluster.run(ctx, o.Shard.Lock, o.Request, before)
}

// handOver is that process. It says each step before it does it, and waits to be told to go on.
func handOver(text string) int {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	in, out := bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)
	end, err := o.run(context.Background(), func(step decide.Step) error {
		if step.Do == decide.End {
			return nil
		}
		if err := out.Encode(step); err != nil {
			return err
		}
		_, err := in.ReadString('\n')
		return err
	})
	if err == nil {
		err = out.Encode(end)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// process is such a process as its test sees it.
type process struct {
	*exec.Cmd
	steps *json.Decoder
	tell  func() error
}

func (s *shard) process(request decide.Request) *process {
	s.t.Helper()
	text, err := json.Marshal(s.order(s.described(), request))
	if err != nil {
		s.t.Fatal(err)
	}
	c := exec.Command(os.Args[0], "-test.run=^$")
	c.Env = append(os.Environ(), orderVariable+"="+string(text))
	c.Stderr = os.Stderr
	stdin, err := c.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	start(s.t, c)
	return &process{c, json.NewDecoder(stdout), func() error { _, err := stdin.Write([]byte("\n")); return err }}
}

// next is the step that the process is about to do.
func (p *process) next(t testing.TB) decide.Step {
	t.Helper()
	var step decide.Step
	if err := p.steps.Decode(&step); err != nil {
		t.Fatalf("the process that hands over: %v", err)
	}
	return step
}

func (p *process) goOn(t testing.TB) {
	t.Helper()
	if err := p.tell(); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Fatal(err)
	}
}

// handOver runs a request in this process, to its end.
func (s *shard) handOver(request decide.Request, before func(decide.Step)) decide.Step {
	s.t.Helper()
	return s.handOverOf(s.described(), request, before)
}

// decides is handOver of the next one, with everybody there again: it decides, in the end. On a machine that does much else
// each single one may have to leave it open, for as long as Sentinels may take to finish what they have begun because of that.
func (s *shard) decides(request decide.Request) (step decide.Step) {
	s.t.Helper()
	for deadline := time.Now().Add(healing); ; {
		step = s.handOver(request, nil)
		if step.Result != decide.Undecided || !s.excused(step) || time.Now().After(deadline) {
			break
		}
		s.t.Logf("%s: %s %s", step.Result, step.Code, step.Text)
	}
	if step.Result == decide.Undecided {
		s.t.Errorf("the next one ends with %+v", step)
	}
	return step
}

// excused: it was left open as is right where an answer took too long, though nobody is stopped, or where Sentinels took such an
// instance for down: then they may promote somebody, and are left to it.
func (s *shard) excused(end decide.Step) bool {
	return s.said("+sdown master")+s.said("+try-failover")+s.said("+tilt") > 0 || end.Code == reason.MasterUnreachable || strings.Contains(end.Text, "timeout") || strings.Contains(end.Text, "deadline exceeded")
}

// handsOver is handOver, again if it was given up as is right on a machine that does much else: by whoever did it, or in the
// middle, so that the next one has to finish.
func (s *shard) handsOver(request decide.Request) (step decide.Step) {
	s.t.Helper()
	for deadline := time.Now().Add(healing); ; {
		step = s.handOver(request, nil)
		if !overloaded(step) && (step.Result != decide.Undecided || step.Code == reason.TwoMasters) || time.Now().After(deadline) {
			break
		}
		s.t.Logf("%s: %s %s", step.Result, step.Code, step.Text)
	}
	if step.Result != decide.HandedOver {
		s.t.Fatalf("it ends with %+v", step)
	}
	return step
}

func (s *shard) order(described switchover.Shard, request decide.Request) order {
	return order{described, request, s.cluster()}
}

func (s *shard) handOverOf(described switchover.Shard, request decide.Request, before func(decide.Step)) decide.Step {
	s.t.Helper()
	step, err := s.order(described, request).run(context.Background(), func(step decide.Step) error {
		if before != nil {
			before(step)
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return step
}
