package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// supervise starts a supervisor whose exits arrive on a channel.
func supervise(t *testing.T) (*Supervisor, chan Status) {
	t.Helper()
	exits := make(chan Status, 10)
	s := New(t.TempDir(), func([]Status) {}, func(status Status) { exits <- status })
	t.Cleanup(func() {
		if err := s.Stop(context.Background(), time.Second); err != nil {
			t.Error(err)
		}
	})
	return s, exits
}

func shell(name, script string) Spec {
	return Spec{Name: name, Path: "/bin/sh", Args: []string{"-c", script}}
}

func receive(t *testing.T, exits chan Status) Status {
	t.Helper()
	select {
	case status := <-exits:
		return status
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was told within 10 s")
		return Status{}
	}
}

func TestTheEndOfAChildIsToldWithItsLastWords(t *testing.T) {
	s, exits := supervise(t)
	if err := s.Start(shell("talker", "seq 1 100; echo; echo cannot go on >&2; exit 3")); err != nil {
		t.Fatal(err)
	}
	status := receive(t, exits)
	if status.Exit.How != "exit status 3" {
		t.Errorf("how is %q", status.Exit.How)
	}
	if tail := status.Exit.Tail; len(tail) != tailLines || tail[len(tail)-1] != "cannot go on" || tail[len(tail)-2] != "100" {
		t.Errorf("tail is %q", tail)
	}
	if status.Running() || s.Statuses()[0].Exit == nil {
		t.Error("its end is not recorded")
	}
}

func TestOnlyWhoAsksForItIsStartedAgain(t *testing.T) {
	s, exits := supervise(t)
	again := shell("again", "exec sleep 60")
	again.Restart = true
	for _, spec := range []Spec{again, shell("once", "exec sleep 60")} {
		if err := s.Start(spec); err != nil {
			t.Fatal(err)
		}
	}
	first := s.Statuses()
	for _, status := range first {
		if err := status.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if told := receive(t, exits); told.Exit.How != "signal: killed" {
			t.Errorf("%s: %s", told.Name, told.Exit.How)
		}
	}
	eventually(t, "the restart", func() bool { return s.Statuses()[0].Restarts == 1 })
	now := s.Statuses()
	if !now[0].Running() || now[0].Process == first[0].Process || now[0].Exit == nil {
		t.Errorf("after the restart: %+v", now[0])
	}
	if now[1].Running() || now[1].Restarts != 0 {
		t.Errorf("started again without being asked: %+v", now[1])
	}
}

func TestStopEndsTheYoungestFirst(t *testing.T) {
	dir := t.TempDir()
	s := New(dir, func([]Status) {}, func(status Status) { t.Errorf("%s ended by itself", status.Name) })
	order := filepath.Join(dir, "order")
	for _, name := range []string{"a", "b", "c"} {
		script := fmt.Sprintf("trap 'echo %s >>%s; exit' TERM; echo ready; while :; do sleep 0.05; done", name, order)
		if err := s.Start(shell(name, script)); err != nil {
			t.Fatal(err)
		}
		eventually(t, name, func() bool { return slices.Contains(Tail(filepath.Join(dir, name+".log")), "ready") })
	}
	if err := s.Stop(context.Background(), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(order)
	if err != nil || strings.Join(strings.Fields(string(text)), "") != "cba" {
		t.Errorf("stopped in the order %q, %v", text, err)
	}
	for _, status := range s.Statuses() {
		if status.Running() {
			t.Errorf("%s still runs", status.Name)
		}
	}
	if err := s.Start(shell("late", "true")); err == nil {
		t.Error("a child was started after Stop")
	}
}

// A supervisor that is killed cannot clean up. This test starts itself as one.
func TestChildrenEndWithTheirSupervisor(t *testing.T) {
	const marker = "PROCESS_TEST_SUPERVISOR"
	if dir := os.Getenv(marker); dir != "" {
		s := New(dir, func([]Status) {}, func(Status) {})
		if err := s.Start(shell("orphan", "exec sleep 60")); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("child %d\n", s.Statuses()[0].Process.PID)
		<-t.Context().Done()
	}
	command := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	command.Env = append(os.Environ(), marker+"="+t.TempDir())
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = command.Process.Kill(); _ = command.Wait() }()
	pid := 0
	for pid == 0 {
		var word string
		if _, err := fmt.Fscan(out, &word); err != nil {
			t.Fatalf("the supervisor said nothing: %v", err)
		}
		if word == "child" {
			if _, err := fmt.Fscan(out, &pid); err != nil {
				t.Fatal(err)
			}
		}
	}
	child, err := Identify(pid)
	if err != nil || !child.Alive() {
		t.Fatalf("the child does not run: %v", err)
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the child", func() bool { return !child.Alive() })
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	timeout := time.After(10 * time.Second)
	for !done() {
		select {
		case <-ticker.C:
		case <-timeout:
			t.Fatalf("%s did not happen within 10 s", what)
		}
	}
}
