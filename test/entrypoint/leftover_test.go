//go:build linux

package entrypoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// In a container the script is process 1, which inherits every process that loses its parent. One that nobody waits for
// stays in the table for ever, and the container runs out of processes in hours.
func TestNothingIsLeftBehind(t *testing.T) {
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	const good, planted = "redis-server \"$@\" &\n\tserver=$!\n\twatch &\n", "watch &\n\texec redis-server \"$@\"\n"
	if !strings.Contains(string(text), good) {
		t.Fatalf("the script has no %q", good)
	}
	broken := filepath.Join(t.TempDir(), "shoal-redis")
	if err := os.WriteFile(broken, []byte(strings.Replace(string(text), good, planted, 1)), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Run("as it is", func(t *testing.T) {
		t.Parallel()
		if n := leftBehind(t, script); n > 2 {
			t.Errorf("%d ended processes are left", n)
		}
	})
	t.Run("planted: redis-server is process 1", func(t *testing.T) {
		t.Parallel()
		if n := leftBehind(t, broken); n <= 2 {
			t.Errorf("%d ended processes are left, and the test above proves nothing", n)
		}
	})
}

// leftBehind runs an instance as process 1 of a namespace for some looks, and counts its children that have ended.
func leftBehind(t *testing.T, script string) int {
	t.Helper()
	s := newShard(t, script)
	c := s.command(0, "--bind", "127.0.0.1")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Cloneflags: syscall.CLONE_NEWPID}
	c.Stdout, c.Stderr = s.logs[0], s.logs[0]
	c.WaitDelay = 10 * time.Second
	if err := c.Start(); errors.Is(err, syscall.EPERM) {
		t.Skip("only root may make a namespace of processes")
	} else if err != nil {
		t.Fatal(err)
	}
	s.running[0] = c
	if err := until(patience, func() error {
		if role := s.cli(0, "ROLE"); !strings.HasPrefix(role, "master") {
			return errors.New(role)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	<-time.After(8 * time.Second)
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	ended := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it ended meanwhile
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		if strings.HasPrefix(rest, fmt.Sprintf("Z %d ", c.Process.Pid)) {
			ended++
		}
	}
	return ended
}
