package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// Identity names one process for certain. The kernel gives pids out again, the pair of pid and start time it does not.
type Identity struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks between boot and the start of the process: field 22 of /proc/<pid>/stat
}

// Identify looks up the process that has the pid now.
func Identify(pid int) (Identity, error) {
	_, start, err := readStat(pid)
	if err != nil {
		return Identity{}, err
	}
	return Identity{PID: pid, Start: start}, nil
}

// Alive says whether this very process still runs. A zombie does not.
func (id Identity) Alive() bool {
	if id.PID <= 0 {
		return false
	}
	state, start, err := readStat(id.PID)
	return err == nil && start == id.Start && state != 'Z' && state != 'X'
}

// Signal sends a signal to this very process. That it has ended already is no error.
func (id Identity) Signal(signal syscall.Signal) error {
	if id.PID <= 0 {
		return nil
	}
	// FindProcess holds a pidfd: if the process is the right one now, then the signal cannot reach another one later.
	handle, err := os.FindProcess(id.PID)
	if err != nil {
		return fmt.Errorf("finding process %d: %w", id.PID, err)
	}
	defer func() { _ = handle.Release() }()
	if !id.Alive() {
		return nil
	}
	if err := handle.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("sending %v to process %d: %w", signal, id.PID, err)
	}
	return nil
}

// killTimeout is for the kernel: a process in the middle of writing ends when the disk answers.
const killTimeout = 10 * time.Second

// End asks the process to terminate, kills it when it has not done so within the grace, and returns when it is gone.
func (id Identity) End(ctx context.Context, grace time.Duration) error {
	if err := id.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if id.waitGone(ctx, grace) == nil {
		return nil
	}
	if err := id.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	if err := id.waitGone(ctx, killTimeout); err != nil {
		return fmt.Errorf("waiting for process %d to end after SIGKILL: %w", id.PID, err)
	}
	return nil
}

func (id Identity) waitGone(ctx context.Context, timeout time.Duration) error {
	return wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, timeout, true, func(context.Context) (bool, error) {
		return !id.Alive(), nil
	})
}

func readStat(pid int) (state byte, start uint64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("looking up process %d: %w", pid, err)
	}
	return parseStat(string(text))
}

// parseStat reads the state (field 3) and the start time (field 22) of a line of /proc/<pid>/stat, see proc(5).
func parseStat(line string) (state byte, start uint64, err error) {
	// Field 2 is the program's name in brackets and may itself contain blanks and brackets: count from the last one.
	_, rest, found := cutLast(line, ")")
	fields := strings.Fields(rest)
	if !found || len(fields) < 20 {
		return 0, 0, fmt.Errorf("parsing %q: not a line of /proc/<pid>/stat", line)
	}
	start, err = strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("parsing the start time of %q: %w", line, err)
	}
	return fields[0][0], start, nil
}

func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(separator):], true
}
