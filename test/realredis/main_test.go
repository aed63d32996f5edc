//go:build redis

package realredis

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain is also the program that hands over, when a test starts this binary as that.
func TestMain(m *testing.M) {
	if order := os.Getenv(orderVariable); order != "" {
		os.Exit(handOver(order))
	}
	removeLeft()
	code := m.Run()
	_ = os.Remove(agentFile())
	os.Exit(code)
}

// removeLeft removes the folders of those who were killed, and could not do it themselves.
func removeLeft() {
	folders, _ := filepath.Glob(filepath.Join(scratchParent(), scratchName+"*"))
	for _, folder := range folders {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(folder), scratchName), "-")
		n, err := strconv.Atoi(pid)
		if err == nil && n > 0 && errors.Is(syscall.Kill(n, 0), syscall.ESRCH) {
			_ = os.RemoveAll(folder)
		}
	}
}

// A folder of one who is gone is removed, and that of one who is alive is not.
func TestFoldersOfTheKilledAreRemoved(t *testing.T) {
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(scratchParent(), fmt.Sprintf("%s%d-1", scratchName, ended.Process.Pid))
	if err := os.MkdirAll(filepath.Join(left, "server0"), 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(left)
	own := scratch(t)
	removeLeft()
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", left, err)
	}
	if _, err := os.Stat(own); err != nil {
		t.Errorf("the folder of a test that runs: %v", err)
	}
}

// requireVariable set to 1 makes a missing Redis a failure: where the tests are meant to run, they must not be skipped.
const requireVariable = "REQUIRE_REDIS"

func needRedis(t testing.TB) {
	t.Helper()
	for _, program := range []string{"redis-server", "redis-sentinel"} {
		if _, err := exec.LookPath(program); err != nil {
			text := fmt.Sprintf("there is no %s on the PATH: `sudo make redis-deps` installs it", program)
			if os.Getenv(requireVariable) == "1" {
				t.Fatal(text)
			}
			t.Skip(text)
		}
	}
}

// leaveVariable has this binary start a shard and wait to be killed.
const leaveVariable = "SHOAL_TEST_LEAVE"

// TestToBeKilled is what TestNothingIsLeft kills.
func TestToBeKilled(t *testing.T) {
	if os.Getenv(leaveVariable) == "" {
		t.Skip("it is started by another test")
	}
	newShard(t, shape{servers: 2, sentinels: 1, downAfter: downAfter})
	_, _ = os.Stdout.WriteString("started\n") // its parent fails if it does not hear that
	select {}
}

// TestNothingIsLeft kills a test: its servers and Sentinels die with it, and whoever comes next removes its folder.
func TestNothingIsLeft(t *testing.T) {
	needRedis(t)
	c := exec.Command(os.Args[0], "-test.run=^TestToBeKilled$")
	c.Env = append(os.Environ(), leaveVariable+"=1")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, c)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.Contains(line, "started") {
		t.Fatalf("it said %q, %v", line, err)
	}
	prefix := fmt.Sprintf("%s%d-", scratchName, c.Process.Pid)
	if n := len(processesOf(prefix)); n != 3 {
		t.Errorf("it has %d processes", n)
	}
	kill(t, c)
	if err := until(30*time.Second, func() bool { return len(processesOf(prefix)) == 0 }); err != nil {
		t.Errorf("processes %v are left", processesOf(prefix))
	}
	removeLeft()
	if left, _ := filepath.Glob(filepath.Join(scratchParent(), prefix+"*")); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}

// processesOf are those whose working directory is in a folder of that name.
func processesOf(prefix string) (out []string) {
	all, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range all {
		if at, err := os.Readlink(link); err == nil && strings.Contains(at, prefix) {
			out = append(out, link)
		}
	}
	return out
}
