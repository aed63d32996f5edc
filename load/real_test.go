package load

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/model"
)

// program finds a program of Debian's packages, or skips the test; with REQUIRE_MONITORING set, it fails.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing := t.Skipf
		if os.Getenv("REQUIRE_MONITORING") != "" {
			missing = t.Fatalf
		}
		missing("%s is not installed: sudo make monitoring-deps", name)
	}
	return path
}

// start runs a program until the test ends, and shows what it said if the test failed.
func start(t *testing.T, path string, args ...string) *exec.Cmd {
	t.Helper()
	c, said := exec.Command(path, args...), &bytes.Buffer{}
	c.Stdout, c.Stderr, c.Dir = said, said, t.TempDir()
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it does not outlive a test that is killed
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if t.Failed() {
			t.Logf("%s: ... %s", filepath.Base(path), said.Bytes()[max(0, said.Len()-2000):])
		}
	})
	return c
}

// exporterArgs name the collectors that the queries need, and no more.
var exporterArgs = []string{"--collector.disable-defaults", "--collector.cpu", "--collector.meminfo", "--collector.netdev", "--collector.bonding"}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// monitoring starts a Prometheus that scrapes the targets every second under two jobs, as happens when two teams install
// monitoring.
func monitoring(t *testing.T, targets ...string) (running *exec.Cmd, url string) {
	t.Helper()
	address, dir := freePort(t), t.TempDir()
	list := `["` + strings.Join(targets, `","`) + `"]`
	text := fmt.Sprintf(`global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
- {job_name: node, static_configs: [{targets: %s}]}
- {job_name: again, static_configs: [{targets: %s}]}
`, list, list)
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	running = start(t, program(t, "prometheus"), "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	return running, "http://" + address
}

func exporter(t *testing.T) (running *exec.Cmd, target string) {
	t.Helper()
	target = freePort(t)
	return start(t, program(t, "prometheus-node-exporter"), append(exporterArgs, "--web.listen-address="+target)...), target
}

// eventually measures until the answer is good.
func eventually(t *testing.T, p *Prometheus, good func(map[string]Reading, error) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		got, err := p.Measure(ctx)
		if good(got, err) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("a minute later: %v, %v", got, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// bytesPerSecond is what each of the two devices below the bond of the made-up machine receives, and sends half of.
const bytesPerSecond = 1e6

// machine serves the metrics of a machine with a bond over two devices, a device of a pod, and counters that begin anew
// every five seconds, as after a restart of the machine.
func machine(t *testing.T) (target string) {
	t.Helper()
	began := time.Now()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		bytes := bytesPerSecond * math.Mod(time.Since(began).Seconds(), 5)
		for device, share := range map[string]float64{"eth0": 1, "eth1": 1, "ethbond": 2, "veth7": 1, "lo": 1, "eth0.100": 1} {
			_, _ = fmt.Fprintf(w, "node_network_receive_bytes_total{device=%q} %f\n", device, bytes*share)
			_, _ = fmt.Fprintf(w, "node_network_transmit_bytes_total{device=%q} %f\n", device, bytes*share/2)
		}
		_, _ = fmt.Fprint(w, "node_bonding_slaves{master=\"ethbond\"} 2\nnode_memory_MemTotal_bytes 100\nnode_memory_MemAvailable_bytes 25\n")
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestRealPrometheus(t *testing.T) {
	t.Parallel()
	madeUp := machine(t)
	_, real := exporter(t)
	server, url := monitoring(t, real, madeUp)
	p, err := NewPrometheus(http.DefaultClient, PrometheusOptions{
		URL: url, NodeLabel: "instance", Percentile: 95,
		Window: 10 * time.Second, RateWindow: 5 * time.Second, Step: time.Second, Devices: "eth[^.]*|ifb.*",
	})
	if err != nil {
		t.Fatal(err)
	}
	// The made-up machine: each byte once, although a bond carries it too, two jobs report it, and counters begin anew.
	eventually(t, p, func(got map[string]Reading, _ error) bool { return got[madeUp][Ingress].Known() })
	<-time.After(p.settles() + 3*time.Second) // until the rates are full of what they count
	eventually(t, p, func(got map[string]Reading, err error) bool { return err == nil && got[real][CPU].Known() })
	got, err := p.Measure(t.Context())
	in, out := got[madeUp][Ingress].Amount, got[madeUp][Egress].Amount
	if want := int64(2 * 8 * bytesPerSecond); in < want*7/10 || in > want*13/10 || out < want*7/20 || out > want*13/20 {
		t.Errorf("%d bit/s in and %d out, want about %d and half of it", in, out, want)
	}
	if got[madeUp][Memory].Amount != 75 {
		t.Errorf("%d bytes in use, want 75", got[madeUp][Memory].Amount)
	}
	// The real one: two jobs scrape it, and it still has no more CPUs and memory than there are.
	r := got[real]
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	if most := int64(runtime.NumCPU()) * 1000; r[CPU].Amount <= 0 || r[CPU].Amount > most+most/20 {
		t.Errorf("it uses %d of %d thousandths of a CPU", r[CPU].Amount, most)
	}
	if most := memoryOfTheMachine(t); r[Memory].Amount <= 0 || r[Memory].Amount > most {
		t.Errorf("it uses %d of %d bytes", r[Memory].Amount, most)
	}
	if age := time.Since(r[CPU].At); age > 10*time.Second {
		t.Errorf("scraped every second, and %s old", age)
	}
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, p, func(_ map[string]Reading, err error) bool {
		return err != nil && strings.Contains(err.Error(), "refused")
	})
}

// A silent exporter is seen at once by the age, although the percentile goes on for a whole window.
func TestRealExporterFallsSilent(t *testing.T) {
	t.Parallel()
	running, target := exporter(t)
	_, url := monitoring(t, target)
	p, err := NewPrometheus(http.DefaultClient, PrometheusOptions{
		URL: url, NodeLabel: "instance", Percentile: 95,
		Window: 5 * time.Minute, RateWindow: 5 * time.Second, Step: time.Second, Devices: "eth[^.]*|ifb.*",
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, p, func(got map[string]Reading, _ error) bool { return got[target][Memory].Known() })
	_ = running.Process.Kill()
	eventually(t, p, func(got map[string]Reading, _ error) bool { return len(got) == 0 })
	var still int
	if err := p.query(t.Context(), p.queries[Memory], func(string, *model.Sample) bool { still++; return true }); err != nil || still != 1 {
		t.Errorf("the percentile has %d nodes, %v: the test shows nothing", still, err)
	}
}

func memoryOfTheMachine(t *testing.T) int64 {
	t.Helper()
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		t.Fatal(err)
	}
	return int64(info.Totalram) * int64(info.Unit)
}
