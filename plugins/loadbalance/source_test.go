package loadbalance

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/load"
)

// secured answers over TLS to those who have the token.
func secured(t *testing.T, text string) (url, ca, token string) {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = fmt.Fprint(w, text)
	}))
	t.Cleanup(s.Close)
	ca, token = filepath.Join(t.TempDir(), "ca.crt"), filepath.Join(t.TempDir(), "token")
	for name, content := range map[string][]byte{
		ca: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), token: []byte("secret\n"),
	} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s.URL, ca, token
}

func TestPrometheusWithCredentials(t *testing.T) {
	now := float64(time.Now().Unix())
	url, ca, token := secured(t, fmt.Sprintf(`{"data":{"result":[{"metric":{"node":"a"},"value":[%f,"%f"]}]}}`, now, now))
	from := func(change func(*config.PrometheusSource)) *config.LoadSource {
		p := config.PrometheusSource{
			URL: url, NodeLabel: "node", Percentile: 95, WindowSeconds: 900, RateWindowSeconds: 120, StepSeconds: 30, Devices: "eth0",
			CAFile: ca, BearerTokenFile: token, Queries: []config.Query{{Name: "cpu", Query: "node:cpu:p95"}, {Name: config.QueryAge, Query: "node:age"}},
		}
		change(&p)
		return &config.LoadSource{Type: config.SourcePrometheus, Prometheus: p}
	}
	for name, c := range map[string]struct {
		change func(*config.PrometheusSource)
		want   string
	}{
		"with both":     {func(*config.PrometheusSource) {}, ""},
		"without token": {func(p *config.PrometheusSource) { p.BearerTokenFile = "" }, "401 Unauthorized"},
		"without trust": {func(p *config.PrometheusSource) { p.CAFile = "" }, "certificate"},
	} {
		source, err := SourceOf(from(c.change), nil)
		if err != nil {
			t.Fatal(err)
		}
		if name == "with both" {
			if texts := source.(*load.Prometheus).QueryTexts(); texts[load.CPU] != "node:cpu:p95" || texts[load.Dimensions] != "node:age" {
				t.Errorf("it asks %q", texts)
			}
		}
		got, err := source.Measure(t.Context())
		if c.want == "" && (err != nil || !got["a"][load.Memory].Known()) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if _, err := SourceOf(from(func(p *config.PrometheusSource) { p.CAFile = "/nowhere" }), nil); err == nil {
		t.Error("a missing file is not noticed at the start")
	}
}

func TestMetricsAPIWithTheSchedulersCredentials(t *testing.T) {
	url, ca, token := secured(t, `{"items":[{"metadata":{"name":"a"},"timestamp":"2026-01-02T12:00:00Z","window":"20s","usage":{"cpu":"1","memory":"1Gi"}}]}`)
	cluster := &rest.Config{Host: url, BearerTokenFile: token, TLSClientConfig: rest.TLSClientConfig{CAFile: ca}}
	source, err := SourceOf(&config.LoadSource{Type: config.SourceMetricsAPI}, cluster)
	if err != nil {
		t.Fatal(err)
	}
	got, err := source.Measure(t.Context())
	if err != nil || got["a"][load.CPU].Amount != 1000 {
		t.Errorf("%v, %v", got, err)
	}
}
