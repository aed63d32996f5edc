//go:build redis

package realredis

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestMain is also the program that hands over, when a test starts this binary as that.
func TestMain(m *testing.M) {
	if order := os.Getenv(orderVariable); order != "" {
		os.Exit(handOver(order))
	}
	removeLeft()
	os.Exit(m.Run())
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
