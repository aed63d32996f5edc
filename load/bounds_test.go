package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
)

// endless answers with series, or with whatever piece is repeated, until the reader has had enough; it says how much was sent.
func endless(t *testing.T, piece func(i int) string) (*httptest.Server, func() int) {
	t.Helper()
	sent, done := 0, make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer close(done)
		_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"vector","result":[`)
		for i := range 10_000_000 {
			n, err := io.WriteString(w, piece(i))
			sent += n
			if err != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return s, func() int { <-done; return sent }
}

// What a wrong query may give: a series per pod, container and device. Neither memory nor time may follow it.
func TestAMillionSeriesAreNotRead(t *testing.T) {
	s, sent := endless(t, func(i int) string {
		return fmt.Sprintf(`{"metric":{"instance":"n%d","pod":"a-rather-long-name-of-a-pod-%d"},"value":[1764000000,"1764000000"]},`, i, i)
	})
	_, err := source(t, s.URL, defaultOptions).Measure(t.Context())
	if err == nil || !strings.Contains(err.Error(), "more than 50000 elements") {
		t.Errorf("got %v", err)
	}
	if n := sent(); n > 2*maxAnswerBytes {
		t.Errorf("%d bytes were taken off the server", n)
	}
}

func TestAnAnswerWithoutEndIsNotRead(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s, _ := endless(t, func(i int) string { return map[bool]string{true: `"`}[i == 0] + strings.Repeat("x", 4096) })
	_, err := source(t, s.URL, defaultOptions).Measure(t.Context())
	if !errors.Is(err, errTooLarge) {
		t.Errorf("got %v", err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.HeapSys - before.HeapSys; after.HeapSys > before.HeapSys && grown > 8*maxAnswerBytes {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}

// A server that sends a byte now and then keeps a connection alive for ever.
func TestASlowServerIsGivenUp(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := io.WriteString(w, " "); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}))
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := source(t, s.URL, defaultOptions).Measure(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}
