//go:build redis

package realredis

import (
	"os/exec"
	"runtime"
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
	if err := until(5*time.Second, func() bool { return syscall.Kill(-pid, 0) == syscall.ESRCH }); err != nil {
		t.Errorf("process group %d is still there", pid)
	}
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
