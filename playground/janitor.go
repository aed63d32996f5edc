package playground

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/shoal-dev/shoal/playground/cgroup"
)

// cgroup is the group of all real nodes of the cluster in this directory. Its name follows from the path, so that a later
// 'up' or 'down' finds it whatever became of the state.
func (l layout) cgroup() string {
	return fmt.Sprintf("/shoal-playground-%x", sha256.Sum256([]byte(l)))[:len("/shoal-playground-")+12]
}

// janitor is a process that outlives the supervisor, and cleans up what the kernel does not: it removes cgroups when the
// processes in them are gone. Everything else of a real node ends with its processes.
type janitor struct {
	command *exec.Cmd
	alive   *os.File // while this is open somebody keeps the cluster
	ended   bool
}

func startJanitor(program string, l layout) (*janitor, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	defer func() { _ = reader.Close() }()
	command := exec.Command(program, "janitor", l.cgroup())
	command.Stdin = reader
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // and no parent death signal: its work begins then
	if err := command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the janitor: %w", err), writer.Close())
	}
	return &janitor{command: command, alive: writer}, nil
}

// finish lets the janitor clean up now, and returns when it has.
func (j *janitor) finish(context.Context) error {
	if j == nil || j.ended {
		return nil
	}
	j.ended = true
	if err := j.alive.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("telling the janitor: %w", err)
	}
	if err := j.command.Wait(); err != nil {
		return fmt.Errorf("waiting for the janitor to remove the cgroups: %w", err)
	}
	return nil
}

// Janitor waits for the end of the input, and then removes the group.
func Janitor(ctx context.Context, input io.Reader, group string) error {
	if _, err := io.Copy(io.Discard, input); err != nil {
		return fmt.Errorf("waiting for the supervisor's end: %w", err)
	}
	return removeCgroup(ctx, group)
}

func (l layout) sweepCgroups(ctx context.Context) error { return removeCgroup(ctx, l.cgroup()) }

const (
	sweepEvery   = 50 * time.Millisecond
	sweepTimeout = 30 * time.Second
)

// removeCgroup removes the group as soon as no process is in it. On a machine that can have no real nodes there is none.
func removeCgroup(ctx context.Context, group string) error {
	groups, err := cgroup.Detect()
	if err != nil {
		return nil //nolint:nilerr // without the controllers there was no node
	}
	var last error
	err = wait.PollUntilContextTimeout(ctx, sweepEvery, sweepTimeout, true, func(context.Context) (bool, error) {
		last = groups.Remove(group)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("removing the cgroup %s: %w", group, errors.Join(err, last))
	}
	return nil
}
