package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// MetricsAPI reads metrics.k8s.io, which metrics-server usually serves: CPU and memory of the last seconds, without a
// percentile.
type MetricsAPI struct {
	client *http.Client
	url    string
	now    func() time.Time
}

// NewMetricsAPI makes a source; server is the URL of the API server, and the client has the credentials for it.
func NewMetricsAPI(client *http.Client, server string) *MetricsAPI {
	path := "/apis/" + v1beta1.SchemeGroupVersion.String() + "/nodes"
	return &MetricsAPI{client: direct(client), url: strings.TrimSuffix(server, "/") + path, now: time.Now}
}

// Measures CPU and memory.
func (m *MetricsAPI) Measures() []Dimension { return []Dimension{CPU, Memory} }

// Measure is one request for all nodes.
func (m *MetricsAPI) Measure(ctx context.Context) (map[string]Reading, error) {
	nodes, now := map[string]Reading{}, m.now()
	err := elements(ctx, m.client, m.url, []string{"items"}, func(raw json.RawMessage) error {
		var item v1beta1.NodeMetrics
		if err := json.Unmarshal(raw, &item); err != nil {
			return err
		}
		at := item.Timestamp.Time
		if at.After(now) { // its clock is ahead: it cannot be newer than now
			at = now
		}
		r := nodes[item.Name]
		for d, name := range map[Dimension]corev1.ResourceName{CPU: corev1.ResourceCPU, Memory: corev1.ResourceMemory} {
			used, has := item.Usage[name]
			amount, ok := d.amount(used.AsApproximateFloat64())
			if has && ok && at.After(r[d].At) {
				r[d] = Value{Amount: amount, At: at, Covers: at.Add(-max(item.Window.Duration, 0))}
			}
		}
		if item.Name != "" {
			nodes[item.Name] = r
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("asking the metrics API: %w", err)
	}
	return nodes, nil
}
