package load

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func metricsAPI(t *testing.T, status int, text string) *MetricsAPI {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/apis/metrics.k8s.io/v1beta1/nodes" {
			t.Errorf("it asks for %s", r.URL)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(s.Close)
	m := NewMetricsAPI(http.DefaultClient, s.URL+"/")
	m.now = func() time.Time { return noon }
	return m
}

func nodeMetrics(name, at, cpu, memory string) string {
	return fmt.Sprintf(`{"metadata":{"name":%q},"timestamp":%q,"window":"20s","usage":{"cpu":%q,"memory":%q}}`, name, at, cpu, memory)
}

func nodeMetricsList(items ...string) string {
	return `{"kind":"NodeMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[` + strings.Join(items, ",") + `]}`
}

func TestMetricsAPI(t *testing.T) {
	got, err := metricsAPI(t, http.StatusOK, nodeMetricsList(
		nodeMetrics("a", "2026-01-02T11:59:30Z", "1500123456n", "1048576Ki"),
		nodeMetrics("b", "2026-01-02T12:00:30Z", "2", "1Gi"), // a clock that is ahead
		nodeMetrics("a", "2026-01-02T11:58:00Z", "9", "9Gi"), // older
		`{"metadata":{"name":"c"},"timestamp":"2026-01-02T11:59:30Z","window":"20s","usage":{"memory":"-1"}}`,
	)).Measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, b, c := got["a"], got["b"], got["c"]
	at, covers := noon.Add(-30*time.Second).Local(), noon.Add(-50*time.Second).Local()
	if a != (Reading{CPU: {1500, at, covers}, Memory: {1 << 30, at, covers}}) {
		t.Errorf("a: %+v", a)
	}
	if b[CPU].At != noon || b[Memory].At != noon {
		t.Errorf("b was measured in the future: %+v", b)
	}
	if c != (Reading{}) {
		t.Errorf("c: %v", c)
	}
}

func TestWhatTheMetricsAPIMayAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		text, want string
	}{
		"not installed": {http.StatusNotFound, "404 page not found", "404 Not Found: 404 page not found"},
		"not ready":     {http.StatusServiceUnavailable, "", "503"},
		"forbidden":     {http.StatusForbidden, `{"message":"nodes.metrics.k8s.io is forbidden"}`, "nodes.metrics.k8s.io is forbidden"},
		"text":          {http.StatusOK, "hello", "invalid character"},
		"cut off":       {http.StatusOK, nodeMetricsList(nodeMetrics("a", "2026-01-02T11:59:30Z", "1", "1"))[:150], "EOF"},
		"bad window":    {http.StatusOK, nodeMetricsList(`{"metadata":{"name":"c"},"window":"","usage":{}}`), "element 0"},
		"bad amount":    {http.StatusOK, nodeMetricsList(nodeMetrics("a", "2026-01-02T11:59:30Z", "much", "1")), "element 0"},
	} {
		if _, err := metricsAPI(t, c.status, c.text).Measure(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
