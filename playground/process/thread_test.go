package process

import (
	"os"
	"syscall"
	"testing"
)

// The namespaces of the main thread are those of the process for all who look from outside, and it cannot end: a network
// namespace that it is in would stay until the process ends, with the bridge in it.
func TestChildrenAreNotForkedByTheMainThread(t *testing.T) {
	for range 500 {
		s := New(t.TempDir(), func([]Status) {}, func(Status) {})
		err := s.Inside(func() error {
			if syscall.Gettid() == os.Getpid() {
				t.Error("the main thread forks")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Stop(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			return
		}
	}
}
