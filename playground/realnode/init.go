package realnode

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Init is process 1 of a node. It starts the second process and collects every process that has lost its parent; when the
// second process ends, so does it, and with it the node. It has nothing else to do with processes: a wait for any child
// would take from a package that waits for a certain one.
//
// It returns the exit code of the second process.
func Init(self, dir string) (int, error) {
	second, err := syscall.ForkExec(self, []string{self, "node-agent", dir}, &syscall.ProcAttr{
		Env:   os.Environ(), //nolint:forbidigo // not read here: the second process has what the first one has
		Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return 1, fmt.Errorf("starting the second process of the node: %w", err)
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 1, fmt.Errorf("waiting for processes: %w", err)
		case pid == second && status.Exited():
			return status.ExitStatus(), nil
		case pid == second && status.Signaled():
			return 128 + int(status.Signal()), nil
		}
	}
}
