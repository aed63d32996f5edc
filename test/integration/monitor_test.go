//go:build integration

package integration

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// monitor plays a Prometheus that knows every node, until answers says otherwise. It has a query for each resource, by its name.
type monitor struct {
	*httptest.Server
	nodes []string

	mu           sync.Mutex
	cores        map[string][]float64 // used CPUs of a node; several for one that is named several times; 1 if none
	answers      func(w http.ResponseWriter, r *http.Request)
	asked        int // requests
	atOnce, most int // requests that are being answered, and the most at one time
	largest      int64
}

func newMonitor(t *testing.T, nodes []string, cores map[string][]float64) *monitor {
	t.Helper()
	m := &monitor{nodes: nodes, cores: cores}
	m.Server = httptest.NewServer(m)
	t.Cleanup(m.Close)
	t.Cleanup(m.CloseClientConnections)
	return m
}

// source are the arguments with which LoadBalance asks it.
func (m *monitor) source(interval, maxAge int) map[string]any {
	var queries []any
	for _, name := range []string{"cpu", "memory", "shoal.dev/net-ingress-mbps", "shoal.dev/net-egress-mbps", "age"} {
		queries = append(queries, map[string]any{"name": name, "query": name})
	}
	return map[string]any{
		"type": "Prometheus", "intervalSeconds": interval, "timeoutSeconds": 5, "maxAgeSeconds": maxAge,
		"prometheus": map[string]any{"url": m.URL, "windowSeconds": 1, "rateWindowSeconds": 1, "stepSeconds": 1, "queries": queries},
	}
}

// set changes what is measured and how it is answered; nil for as it should be.
func (m *monitor) set(cores map[string][]float64, answers func(http.ResponseWriter, *http.Request)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cores, m.answers = cores, answers
}

// ServeHTTP answers a query.
func (m *monitor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.asked++
	m.atOnce++
	m.most = max(m.most, m.atOnce)
	answers, cores := m.answers, maps.Clone(m.cores)
	m.mu.Unlock()
	counted := &counter{ResponseWriter: w}
	if answers != nil {
		answers(counted, r)
	} else {
		m.well(counted, r.FormValue("query"), cores)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.atOnce--
	m.largest = max(m.largest, counted.sent)
}

func (m *monitor) well(w io.Writer, query string, cores map[string][]float64) {
	now := float64(time.Now().UnixMilli()) / 1000
	var series []string
	for _, node := range m.nodes {
		values := map[string][]float64{"age": {now}, "memory": {1e9}, "cpu": {1}}[query]
		if of := cores[node]; query == "cpu" && len(of) > 0 {
			values = of
		} else if len(values) == 0 {
			values = []float64{1e6}
		}
		for _, v := range values {
			series = append(series, fmt.Sprintf(`{"metric":{"instance":%q},"value":[%f,"%f"]}`, node, now, v))
		}
	}
	_, _ = fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[%s]}}`, strings.Join(series, ","))
}

// counter counts what is sent.
type counter struct {
	http.ResponseWriter
	sent int64
}

func (c *counter) Write(text []byte) (int, error) {
	n, err := c.ResponseWriter.Write(text)
	c.sent += int64(n)
	return n, err
}

// What may stand in place of an answer.

func noNumber(w http.ResponseWriter, _ *http.Request) {
	now := float64(time.Now().UnixMilli()) / 1000
	_, _ = fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"instance":"nan-000"},"value":[%f,"NaN"]},{"metric":{"instance":"nan-001"},"value":[%f,"NaN"]}]}}`, now, now)
}

func someText(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = io.WriteString(w, "<html><body>Please log in.</body></html>")
}

// trickle sends a space now and then, for as long as somebody listens.
func trickle(w http.ResponseWriter, r *http.Request) {
	for {
		if _, err := io.WriteString(w, " "); err != nil {
			return
		}
		_ = http.NewResponseController(w.(*counter).ResponseWriter).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// aMillion series of 280 bytes, as a query without an aggregation gives.
func aMillion(w http.ResponseWriter, _ *http.Request) {
	now, long := strconv.FormatInt(time.Now().Unix(), 10), strings.Repeat("x", 180)
	text := []byte(`{"status":"success","data":{"resultType":"vector","result":[`)
	for i := range 1_000_000 {
		text = append(strconv.AppendInt(append(text, `{"metric":{"instance":"machine-`...), int64(i), 10), `","pod":"`+long+`"},"value":[`+now+`,"`+now+`"]},`...)
		if len(text) < 64<<10 {
			continue
		}
		if _, err := w.Write(text); err != nil {
			return
		}
		text = text[:0]
	}
	_, _ = fmt.Fprintf(w, `%s{"metric":{"instance":"last"},"value":[%s,"1"]}]}}`, text, now)
}

// aGiant is one series whose name does not end.
func aGiant(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"instance":"`)
	long := strings.Repeat("x", 64<<10)
	for range 2048 {
		if _, err := io.WriteString(w, long); err != nil {
			return
		}
	}
}

// aged answers as it should where the age is asked for, so that all four resources are asked for too, at the same time.
func aged(answers http.HandlerFunc) http.HandlerFunc {
	of := &monitor{nodes: named("")}
	return func(w http.ResponseWriter, r *http.Request) {
		if query := r.FormValue("query"); query == "age" {
			of.well(w, query, nil)
			return
		}
		answers(w, r)
	}
}

// machines is what the node-exporters of nodes with 8 CPUs serve, each below a path of its name.
type machines struct {
	*httptest.Server
	mu sync.Mutex
	of map[string]*machine
}

// machine has a counter of idle seconds per CPU, which goes on at the pace of its load.
type machine struct {
	idle, load float64
	since      time.Time
}

func newMachines(t *testing.T, nodes []string) *machines {
	t.Helper()
	m := &machines{of: map[string]*machine{}}
	for _, node := range nodes {
		m.of[node] = &machine{load: 1, since: time.Now()}
	}
	m.Server = httptest.NewServer(m)
	t.Cleanup(m.Close)
	return m
}

// uses sets how many of its 8 CPUs a node uses from now on.
func (m *machines) uses(node string, cores float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of[node].now().load = cores
}

func (m *machine) now() *machine {
	now := time.Now()
	m.idle += now.Sub(m.since).Seconds() * (1 - m.load/8)
	m.since = now
	return m
}

// ServeHTTP serves the metrics of one node.
func (m *machines) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node := m.of[strings.TrimPrefix(r.URL.Path, "/")]
	if node == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	idle := node.now().idle
	for cpu := range 8 {
		_, _ = fmt.Fprintf(w, "node_cpu_seconds_total{cpu=\"%d\",mode=\"idle\"} %f\n", cpu, idle)
	}
	_, _ = fmt.Fprint(w, "node_memory_MemTotal_bytes 34359738368\nnode_memory_MemAvailable_bytes 30000000000\n")
	_, _ = fmt.Fprint(w, "node_network_receive_bytes_total{device=\"eth0\"} 1\nnode_network_transmit_bytes_total{device=\"eth0\"} 1\n")
}

// prometheus is the real one, which can be killed and started again with what it has stored.
type prometheus struct {
	t            *testing.T
	address, dir string
	running      *exec.Cmd
}

// newPrometheus starts Debian's Prometheus on the machines, or skips the test; with REQUIRE_MONITORING set, it fails.
func newPrometheus(t *testing.T, m *machines) *prometheus {
	t.Helper()
	if _, err := exec.LookPath("prometheus"); err != nil {
		if os.Getenv("REQUIRE_MONITORING") != "" {
			t.Fatal("prometheus is not installed: sudo make monitoring-deps")
		}
		t.Skip("prometheus is not installed: sudo make monitoring-deps")
	}
	p := &prometheus{t: t, address: freeAddress(t), dir: t.TempDir()}
	config := "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- job_name: node\n  static_configs:\n"
	for _, node := range slices.Sorted(maps.Keys(m.of)) {
		config += fmt.Sprintf("  - {targets: [%q], labels: {instance: %q, __metrics_path__: %q}}\n", m.Listener.Addr(), node, "/"+node)
	}
	if err := os.WriteFile(filepath.Join(p.dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p.start()
	t.Cleanup(p.kill)
	return p
}

func (p *prometheus) start() {
	p.t.Helper()
	p.running = exec.Command("prometheus", "--config.file="+filepath.Join(p.dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(p.dir, "data"), "--web.listen-address="+p.address)
	p.running.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it does not outlive a test that is killed
	if err := p.running.Start(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *prometheus) kill() {
	_ = p.running.Process.Kill()
	_ = p.running.Wait()
}

// source are the arguments with which LoadBalance asks it: its own queries, over seconds instead of minutes.
func (p *prometheus) source(maxAge int) map[string]any {
	return map[string]any{
		"type": "Prometheus", "intervalSeconds": 5, "timeoutSeconds": 5, "maxAgeSeconds": maxAge,
		"prometheus": map[string]any{"url": "http://" + p.address, "windowSeconds": 6, "rateWindowSeconds": 4, "stepSeconds": 1},
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
