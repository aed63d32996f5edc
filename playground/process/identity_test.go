package process

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const rest = " 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 1000 200"
	for _, test := range []struct {
		name, line string
		state      byte
		fails      bool
	}{
		{name: "plain", line: "7 (etcd) S" + rest, state: 'S'},
		{name: "brackets and blanks in the name", line: "7 (a) b (c) R" + rest, state: 'R'},
		{name: "zombie", line: "7 (x) Z" + rest, state: 'Z'},
		{name: "cut off", line: "7 (x) S 1 2 3", fails: true},
		{name: "empty", line: "", fails: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			state, start, err := parseStat(test.line)
			if test.fails {
				if err == nil {
					t.Fatalf("got %c and %d, want an error", state, start)
				}
				return
			}
			if err != nil || state != test.state || start != 4711 {
				t.Errorf("got %c, %d, %v, want %c and 4711", state, start, err, test.state)
			}
		})
	}
}

func TestAnotherProcessOfTheSamePIDIsNotTouched(t *testing.T) {
	command := exec.Command("sleep", "60")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = command.Process.Kill(); _ = command.Wait() }()
	identity, err := Identify(command.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if !identity.Alive() {
		t.Error("the process does not count as alive")
	}
	earlier := Identity{PID: identity.PID, Start: identity.Start - 1}
	if earlier.Alive() {
		t.Error("a process of another start time counts as this one")
	}
	if err := earlier.End(context.Background(), time.Second); err != nil {
		t.Errorf("ending a process that is long gone: %v", err)
	}
	if !identity.Alive() {
		t.Fatal("the stranger was killed")
	}
	if err := identity.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := identity.waitGone(context.Background(), 5*time.Second); err != nil {
		t.Error("a killed process that nobody has waited for counts as alive")
	}
}

func TestEndKillsWhatDoesNotListen(t *testing.T) {
	command := exec.Command("sh", "-c", `trap "" TERM; while :; do sleep 1; done`)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = command.Wait() }()
	identity, err := Identify(command.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := identity.End(context.Background(), 200*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if identity.Alive() {
		t.Error("it is still alive")
	}
}

func TestNobodyIsNotAlive(t *testing.T) {
	if (Identity{}).Alive() {
		t.Error("the zero identity counts as alive")
	}
	if err := (Identity{}).Signal(syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	self, err := Identify(os.Getpid())
	if err != nil || !self.Alive() {
		t.Errorf("this process: %v, alive %v", err, self.Alive())
	}
}
