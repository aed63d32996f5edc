package process

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What real nodes are made of: killing one child, changing the thread that forks, handing files over.

func TestKillEndsAChildForGoodAndFreesItsName(t *testing.T) {
	s, exits := supervise(t)
	node := shell("node", "trap '' TERM; while :; do sleep 0.05; done")
	node.Restart = true
	for _, spec := range []Spec{node, shell("other", "exec sleep 60")} {
		if err := s.Start(spec); err != nil {
			t.Fatal(err)
		}
	}
	first := s.Statuses()[0].Process
	if err := s.Kill(t.Context(), "node"); err != nil {
		t.Fatal(err)
	}
	if first.Alive() {
		t.Error("it still runs")
	}
	if left := s.Statuses(); len(left) != 1 || left[0].Name != "other" || !left[0].Running() {
		t.Errorf("left are %+v, want the other", left)
	}
	select { // longer than the pause before a restart
	case status := <-exits:
		t.Errorf("its end was told as a crash: %+v", status)
	case <-time.After(firstPause + firstPause/2):
	}
	if len(s.Statuses()) != 1 {
		t.Error("it was started again")
	}
	if err := s.Start(node); err != nil {
		t.Fatal(err)
	}
	if again := s.Statuses()[1]; again.Name != "node" || !again.Running() || again.Process == first {
		t.Errorf("under the same name there is %+v", again)
	}
}

func TestKillOfNobody(t *testing.T) {
	s, _ := supervise(t)
	if err := s.Kill(t.Context(), "nobody"); err != nil {
		t.Error(err)
	}
}

// Between two runs of a child that crashes there is nothing to kill, but a next run that must not come.
func TestKillDuringThePauseBeforeARestart(t *testing.T) {
	s, exits := supervise(t)
	crashing := shell("crashing", "exit 1")
	crashing.Restart = true
	if err := s.Start(crashing); err != nil {
		t.Fatal(err)
	}
	receive(t, exits)
	if err := s.Kill(t.Context(), "crashing"); err != nil {
		t.Fatal(err)
	}
	select {
	case status := <-exits:
		t.Errorf("it ran once more: %+v", status)
	case <-time.After(firstPause + firstPause/2):
	}
}

func TestWhatIsChangedInsideIsForLaterChildren(t *testing.T) {
	s, _ := supervise(t)
	read := func(name string) string {
		t.Helper()
		if err := s.Start(shell(name, "umask; echo done")); err != nil {
			t.Fatal(err)
		}
		log := s.Statuses()[len(s.Statuses())-1].Log
		eventually(t, name, func() bool { return slices.Contains(Tail(log), "done") })
		return Tail(log)[0]
	}
	before := read("before")
	err := s.Inside(func() error {
		// The umask is a thread's own only after this, as a namespace is.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return err
		}
		unix.Umask(0o123)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if after := read("after"); strings.TrimLeft(after, "0") != "123" || after == before {
		t.Errorf("the umask was %s and is %s, want 123", before, after)
	}
	if own := unix.Umask(0o022); own == 0o123 {
		t.Error("the supervisor's other threads changed too")
	} else {
		unix.Umask(own)
	}
}

func TestInsideIsAlwaysTheSameThread(t *testing.T) {
	s, _ := supervise(t)
	threads := map[int]bool{}
	for range 20 {
		if err := s.Inside(func() error { threads[unix.Gettid()] = true; return nil }); err != nil {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
	if len(threads) != 1 {
		t.Errorf("it ran on %d threads", len(threads))
	}
}

func TestErrorsOfInside(t *testing.T) {
	s := New(t.TempDir(), func([]Status) {}, func(Status) {})
	wrong := errors.New("wrong")
	if err := s.Inside(func() error { return wrong }); !errors.Is(err, wrong) {
		t.Errorf("got %v", err)
	}
	if err := s.Stop(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	if err := s.Inside(func() error { return nil }); err == nil {
		t.Error("it ran on a supervisor that has stopped")
	}
}

func TestAChildWhoseStartFailsIsEnded(t *testing.T) {
	s, _ := supervise(t)
	wrong, pid := errors.New("no cable"), 0
	spec := shell("node", "exec sleep 60")
	spec.Started = func(child int) error { pid = child; return wrong }
	if err := s.Start(spec); !errors.Is(err, wrong) {
		t.Fatalf("got %v", err)
	}
	if _, err := Identify(pid); err == nil {
		t.Errorf("process %d is left", pid)
	}
	if len(s.Statuses()) != 0 {
		t.Error("it is listed as a child")
	}
}

func TestFilesAreHandedOverAtEveryStart(t *testing.T) {
	s, exits := supervise(t)
	path := filepath.Join(t.TempDir(), "file")
	var files []*os.File
	for _, name := range []string{path + "3", path + "4"} {
		file, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = file.Close() })
		files = append(files, file)
	}
	spec := shell("writer", "echo three >&3; echo four >&4; exit 1")
	spec.Files, spec.Restart = files, true
	if err := s.Start(spec); err != nil {
		t.Fatal(err)
	}
	receive(t, exits)
	receive(t, exits) // after a restart
	for name, want := range map[string]string{path + "3": "three\nthree\n", path + "4": "four\nfour\n"} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s has %q, %v, want %q", filepath.Base(name), got, err, want)
		}
	}
}
