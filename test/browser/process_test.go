//go:build browser

package browser

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// family is a program that starts another and waits for it, as a browser does. It says the numbers of both.
const family = `sleep 600 & echo $$ $!; wait`

// played is set in a copy of this test that plays a part in TestNothingIsLeftBehind.
const played = "SHOAL_BROWSER_PART"

// TestPart is played by copies of this test.
func TestPart(t *testing.T) {
	switch os.Getenv(played) {
	case "find":
		program(t, "a-browser-that-nobody-has")
	case "start":
		cmd := exec.Command("sh", "-c", family)
		cmd.Stdout = os.Stdout
		start(t, cmd)
		_ = cmd.Wait()
	default:
		t.Skip("it is a part in another test")
	}
}

func part(name string, environment ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run", "^TestPart$", "-test.v")
	cmd.Env = append(append(os.Environ(), "REQUIRE_BROWSER=", played+"="+name), environment...)
	return cmd
}

// Without a browser the test is skipped; where one is required it fails.
func TestMissingBrowser(t *testing.T) {
	if out, err := part("find").CombinedOutput(); err != nil || !strings.Contains(string(out), "--- SKIP") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := part("find", "REQUIRE_BROWSER=1").CombinedOutput(); err == nil || !strings.Contains(string(out), "--- FAIL") {
		t.Errorf("%v: %s", err, out)
	}
}

// What is started is gone when its group was ended, its children too; and when the test that started it was killed.
func TestNothingIsLeftBehind(t *testing.T) {
	cmd := exec.Command("sh", "-c", family)
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, cmd)
	parent, child := numbers(t, bufio.NewReader(said))
	endGroup(cmd)
	_ = cmd.Wait()
	gone(t, parent, "the program")
	gone(t, child, "its child")

	test := part("start")
	if said, err = test.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := test.Start(); err != nil {
		t.Fatal(err)
	}
	parent, child = numbers(t, bufio.NewReader(said))
	defer func() { _ = syscall.Kill(child, syscall.SIGKILL) }() // the kernel ends the program alone; a browser's children see that
	_ = test.Process.Kill()
	_ = test.Wait()
	gone(t, parent, "what a killed test had started")
}

// numbers reads two process numbers, after what a test says at its start.
func numbers(t *testing.T, said *bufio.Reader) (parent, child int) {
	t.Helper()
	for {
		line, err := said.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		words := strings.Fields(line)
		if len(words) != 2 {
			continue
		}
		first, wrong := strconv.Atoi(words[0])
		second, alsoWrong := strconv.Atoi(words[1])
		if wrong == nil && alsoWrong == nil {
			return first, second
		}
	}
}

// gone waits until a process has ended; one that waits for its parent to look has.
func gone(t *testing.T, pid int, what string) {
	t.Helper()
	deadline, tick := time.After(patience), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if _, after, _ := strings.Cut(string(state), ") "); errors.Is(err, os.ErrNotExist) || strings.HasPrefix(after, "Z") {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Errorf("%s (process %d) still runs", what, pid)
			_ = syscall.Kill(pid, syscall.SIGKILL)
			return
		}
	}
}
