//go:build redis

package realredis

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// starts are processes to be started by one thread that lives as long as this program: the kernel kills a process with
// Pdeathsig when the thread that started it ends, and threads of Go come and go.
var starts = make(chan func())

func init() {
	go func() {
		runtime.LockOSThread()
		for start := range starts {
			start()
		}
	}()
}

// start runs a process that dies with this one, however that dies, and ends with the test.
func start(t testing.TB, c *exec.Cmd) {
	t.Helper()
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	failed := make(chan error)
	starts <- func() { failed <- c.Start() }
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	pid := c.Process.Pid
	t.Cleanup(func() { kill(t, c); gone(t, pid) })
}

// kill ends the process and whatever it has started, and waits for it. It may have ended already.
func kill(t testing.TB, c *exec.Cmd) {
	t.Helper()
	if c.ProcessState == nil {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		_ = c.Wait() // it was killed, and says so
	}
}

// gone: nothing is left of a process group.
func gone(t testing.TB, pid int) {
	t.Helper()
	if err := until(5*time.Second, func() bool { return syscall.Kill(-pid, 0) == syscall.ESRCH || !lives(pid) }); err != nil {
		t.Errorf("process group %d is still there", pid)
	}
}

// lives: one of a process group has not ended. A child that a server was making a copy with is killed with it, has nothing left,
// and is in the way until whoever inherits it has taken notice, which takes some a second or two.
func lives(group int) bool {
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range all {
		text, err := os.ReadFile(name)
		_, rest, found := strings.Cut(string(text), ") ") // redis-server) S parent group
		var state string
		var parent, of int
		if _, scanned := fmt.Sscan(rest, &state, &parent, &of); err == nil && found && scanned == nil && of == group && state != "Z" {
			return true
		}
	}
	return false
}

func freeze(t testing.TB, c *exec.Cmd) {
	t.Helper()
	if err := c.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

func thaw(t testing.TB, c *exec.Cmd) {
	t.Helper()
	if err := c.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}
