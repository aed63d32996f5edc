//go:build redis

package realredis

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// TestMain is also the program that hands over, when a test starts this binary as that.
func TestMain(m *testing.M) {
	if order := os.Getenv(orderVariable); order != "" {
		os.Exit(handOver(order))
	}
	os.Exit(m.Run())
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
