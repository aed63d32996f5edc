// Package control is how the parts of a playground give each other orders: HTTP over a socket in a directory that only
// the owner can enter. Such a socket is a file, so it reaches into another network namespace, and works on when that
// namespace is cut off.
package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Serve answers orders on the socket until ctx ends. A socket that is there already is replaced.
func Serve(ctx context.Context, path string, handler http.Handler) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("replacing the control socket: %w", err)
	}
	short, release, err := shorten(path)
	if err != nil {
		return err
	}
	defer release()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", short)
	if err != nil {
		return fmt.Errorf("opening the control socket %s: %w", path, err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the control socket %s: %w", path, err)
	}
	return nil
}

// Call gives one order and returns when it is carried out. The error is the other side's own words.
func Call(ctx context.Context, path, method, order string, body io.Reader) error {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		short, release, err := shorten(path)
		if err != nil {
			return nil, err
		}
		defer release()
		return (&net.Dialer{}).DialContext(ctx, "unix", short)
	}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, method, "http://playground"+order, body)
	if err != nil {
		return fmt.Errorf("making the order %s: %w", order, err)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return fmt.Errorf("calling %s: %w", path, err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return errors.New(strings.TrimSpace(string(text)))
	}
	return nil
}

// Handle makes a handler of a function, whose error becomes the answer.
func Handle(do func(*http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := do(r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}

// shorten names the socket by a descriptor of its directory: the kernel takes no path of more than 107 bytes.
func shorten(path string) (string, func(), error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, fmt.Errorf("finding the control socket: %w", err)
	}
	short := fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
	return short, func() { _ = dir.Close() }, nil
}
