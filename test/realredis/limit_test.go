//go:build redis

package realredis

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// limitVariable set to a number of thousandths of a core limits each agent to that, as a kubelet does with the limit of a container:
// a quota in each 100 ms. Whatever else runs shall not decide, so it is let before others within that. It takes root, and a controller of cgroups that the machine has to give.
const limitVariable = "AGENT_CPU"

// limited makes a cgroup for one process, which is to end before this test: begin puts it there.
func limited(t testing.TB) (begin func(pid int)) {
	t.Helper()
	text := os.Getenv(limitVariable)
	if text == "" {
		return func(int) {}
	}
	milli, err := strconv.Atoi(text)
	if err != nil || milli < 1 {
		t.Fatalf("%s=%s is no number of thousandths of a core", limitVariable, text)
	}
	const period = 100_000 // microseconds
	quota := milli * period / 1000
	root, files := "/sys/fs/cgroup", [][2]string{{"cpu.max", fmt.Sprintf("%d %d", quota, period)}, {"cpu.weight", "1000"}}
	if info, err := os.Stat(filepath.Join(root, "cpu")); err == nil && info.IsDir() { // version 1
		root, files = filepath.Join(root, "cpu"), [][2]string{{"cpu.cfs_period_us", strconv.Itoa(period)}, {"cpu.cfs_quota_us", strconv.Itoa(quota)}, {"cpu.shares", "10240"}}
	}
	group, err := os.MkdirTemp(root, fmt.Sprintf("%s%d-", scratchName, os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := until(5*time.Second, func() bool { return os.Remove(group) == nil }); err != nil {
			t.Errorf("the cgroup %s is left", group)
		}
	})
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(group, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range files {
		write(file[0], file[1])
	}
	return func(pid int) { write("cgroup.procs", strconv.Itoa(pid)) }
}
