package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serve answers on the socket until the test ends. It returns when somebody listens there, which is later than the file
// is there.
func serve(t *testing.T, path string, handler http.Handler) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, path, handler) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	ticks := time.NewTicker(time.Millisecond)
	defer ticks.Stop()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-ticks.C {
		if listens(t, path) {
			return
		}
	}
	t.Fatal("nobody listened within 10 s")
}

func listens(t *testing.T, path string) bool {
	t.Helper()
	short, release, err := shorten(path)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "unix", short)
	if err != nil {
		return false
	}
	_ = connection.Close()
	return true
}

func TestAnOrderIsCarriedOutWithItsBody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	var got string
	mux := http.NewServeMux()
	mux.Handle("POST /load/{name}", Handle(func(r *http.Request) error {
		body, err := io.ReadAll(r.Body)
		got = r.PathValue("name") + " " + string(body)
		return err
	}))
	serve(t, path, mux)
	if err := Call(t.Context(), path, http.MethodPost, "/load/x", strings.NewReader("text")); err != nil {
		t.Fatal(err)
	}
	if got != "x text" {
		t.Errorf("the other side saw %q", got)
	}
}

func TestTheErrorIsTheOtherSidesWords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	serve(t, path, Handle(func(*http.Request) error { return fmt.Errorf("making it: %w", errors.New("no room")) }))
	err := Call(t.Context(), path, http.MethodPost, "/", nil)
	if err == nil || err.Error() != "making it: no room" {
		t.Errorf("got %q", err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	err := Call(t.Context(), path, http.MethodPost, "/", nil)
	if err == nil || !strings.Contains(err.Error(), "calling "+path) {
		t.Errorf("got %q, want the path of the socket", err)
	}
}

// The kernel takes 107 bytes; the directories of tests are longer than that.
func TestThePathMayBeLong(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	serve(t, path, Handle(func(*http.Request) error { return nil }))
	if err := Call(t.Context(), path, http.MethodPost, "/", nil); err != nil {
		t.Error(err)
	}
}

func TestASocketOfAnEarlierRunIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	stale, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := stale.Close(); err != nil {
		t.Fatal(err)
	}
	serve(t, path, Handle(func(*http.Request) error { return nil }))
	if err := Call(t.Context(), path, http.MethodPost, "/", nil); err != nil {
		t.Error(err)
	}
}
