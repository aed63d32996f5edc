package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"
)

// endless answers with series, or with whatever piece is repeated, until the reader has had enough; it says how much was sent.
func endless(t *testing.T, begin string, piece func(i int) string) (*httptest.Server, func() int) {
	t.Helper()
	sent, done := 0, make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer close(done)
		_, _ = io.WriteString(w, begin)
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
	s, sent := endless(t, `{"status":"success","data":{"resultType":"vector","result":[`, func(i int) string {
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

// Nothing has to be an answer of many elements: one that does not end is given up early, wherever it stands.
func TestAGiantElementIsNotRead(t *testing.T) {
	for where, begin := range map[string]string{
		"the list":       `{"status":"success","data":{"resultType":"vector","result":["`,
		"what is before": `{"warnings":"`,
		"spaces":         ` `,
	} {
		s, sent := endless(t, begin, func(int) string {
			return strings.Repeat(map[bool]string{true: " ", false: "x"}[where == "spaces"], 4096)
		})
		if _, err := source(t, s.URL, defaultOptions).Measure(t.Context()); !errors.Is(err, errGiantElement) {
			t.Errorf("in %s: got %v", where, err)
		}
		if n := sent(); n > 8<<20 { // what the kernel keeps between the two comes on top
			t.Errorf("in %s: %d bytes were taken off the server", where, n)
		}
	}
}

// The largest element and the largest answer that are read, and what is a byte beyond.
func TestTheBoundsOfAnAnswer(t *testing.T) {
	read := func(text string) error {
		client := &http.Client{Transport: answering(func(*http.Request) (int, string, error) { return http.StatusOK, text, nil })}
		return elements(t.Context(), client, "http://server", nil, func(json.RawMessage) error { return nil })
	}
	element := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	if err := read("[" + element(maxElementBytes-1) + "," + element(maxElementBytes-1) + "]"); err != nil {
		t.Error(err)
	}
	if err := read("[" + element(maxElementBytes+1) + "]"); !errors.Is(err, errGiantElement) {
		t.Errorf("got %v", err)
	}
	one := element(32<<10-1) + ","
	many := strings.Repeat(one, maxAnswerBytes/len(one)-1)
	last := element(maxAnswerBytes - len(many) - 2)
	if err := read("[" + many + last + "]"); err != nil {
		t.Error(err)
	}
	if err := read("[" + many + one + last + "]"); !errors.Is(err, errTooLarge) {
		t.Errorf("got %v", err)
	}
}

// All four resources at once are answered with what never ends, after an age that is right: what is alive of it meanwhile is little, and
// does not grow with the answer.
func TestFourEndlessAnswersNeedLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it parses 200,000 series")
	}
	const most = 8 << 20 // four buffers, and what the two ends of four connections need
	piece := strings.Repeat("x", 64<<10)
	for name, text := range map[string]func(i int) string{
		"a giant element": func(i int) string { return map[bool]string{true: `{"metric":{"instance":"`}[i == 0] + piece },
		"a million series": func(i int) string { // of nodes that are none, each with the longest name that one can have
			return fmt.Sprintf(`{"metric":{"instance":"n%d-%s"},"value":[1764000000,"1764000000"]},`, i, piece[:240])
		},
	} {
		grown, err := growth(t, text)
		if err == nil {
			t.Errorf("%s was read to its end", name)
		}
		t.Logf("%s: %d KiB", name, grown>>10)
		if grown > most {
			t.Errorf("%s: %d KiB are in memory", name, grown>>10)
		}
	}
}

// growth measures while four queries are answered with texts that do not end, and says by how much memory grew that was still in use.
func growth(t *testing.T, text func(i int) string) (int64, error) {
	const between = 4 << 20 // bytes of one answer from one look to the next
	var mu sync.Mutex
	var before, peak int64
	alive := func() {
		mu.Lock()
		defer mu.Unlock()
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}} // and not what has become garbage since
		runtime.GC()
		metrics.Read(live)
		peak = max(peak, int64(live[0].Value.Uint64())) //nolint:gosec // far from it
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if kindOf(r.URL.Query().Get("query")) == "age" {
			_, _ = io.WriteString(w, healthy()["age"])
			return
		}
		_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"vector","result":[`)
		for i, sent := 0, 0; i < 1_000_000; i++ {
			n, err := io.WriteString(w, text(i))
			if err != nil {
				return
			}
			if sent += n; sent/between > (sent-n)/between || i == 16 {
				alive()
			}
		}
	}))
	t.Cleanup(s.Close)
	p := source(t, s.URL, defaultOptions)
	alive()
	before, peak = peak, 0
	_, err := p.Measure(t.Context())
	s.Close() // and with it the handlers end
	return max(peak-before, 0), err
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
