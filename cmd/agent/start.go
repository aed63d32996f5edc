package main

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shoal-dev/shoal/api/agent"
)

// start is when this process started, the zero value where the kernel does not say. The clock is asked itself, and not /proc/uptime: there
// are systems where that counts from the start of the container.
func start() agent.Start {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return agent.Start{} // a sandbox without it: the order of boots is then as if it were not known
	}
	var since unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &since); err != nil {
		return agent.Start{} // as above
	}
	s := agent.Start{Kernel: strings.ReplaceAll(strings.TrimSpace(string(id)), "-", ""), Since: since.Nano()}
	if s.Validate() != nil {
		return agent.Start{} // as above
	}
	return s
}
