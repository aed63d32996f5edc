package kubectlshoal

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/shoal-dev/shoal/kubectlshoal/answer"
)

// prometheus knows node a1, whose newest sample is 5 seconds old, and node a2, whose newest is 400 seconds old.
func prometheus(t *testing.T) string {
	t.Helper()
	const now = 1764000000
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query().Get("query")
		values := [2]int{}
		switch {
		case strings.Contains(query, "timestamp("):
			values = [2]int{now - 5, now - 400}
		case strings.Contains(query, "node_cpu"):
			values = [2]int{3, 4} // of 4
		case strings.Contains(query, "MemTotal"):
			values = [2]int{6 << 30, 8 << 30} // of 8 GiB
		case strings.Contains(query, "receive"):
			values = [2]int{125_000_000 / 4, 0} // of 1,000 Mbit/s
		case strings.Contains(query, "transmit"):
			values = [2]int{125_000_000 / 2, 0}
		}
		_, _ = fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"instance":"a1:9100"},"value":[%d,"%d"]},`+
			`{"metric":{"instance":"a2:9100"},"value":[%d,"%d"]}]}}`, now, values[0], now, values[1])
	}))
	t.Cleanup(s.Close)
	return s.URL
}

const measuredFleet = `
kind: Nodes
names: [a1, a2]
cpu: "4"
memory: 8Gi
---
apiVersion: v1
kind: Node
metadata: {name: a3}
spec: {unschedulable: true}
status: {allocatable: {cpu: "4", memory: 8Gi, pods: "110"}}
---
kind: Pods
names: [cache-0]
node: a1
labels: {shoal.dev/placement-policy: cache}
---
kind: Pods
names: [cache-1]
node: a2
labels: {shoal.dev/placement-policy: cache}
`

// fleetFile is the file of measuredFleet, in which a1 advertises bandwidth.
func fleetFile(t *testing.T) string {
	t.Helper()
	text := strings.Replace(expanded(t, measuredFleet), "    cpu: \"4\"\n", "    cpu: \"4\"\n    shoal.dev/net-ingress-mbps: \"1000\"\n    shoal.dev/net-egress-mbps: \"1000\"\n", 1)
	name := filepath.Join(t.TempDir(), "cluster.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// ages are rounded: the answer of the server takes its time.
func ages(text string) string {
	return regexp.MustCompile(`measured (6m4|)[0-9]s ago`).ReplaceAllStringFunc(text, func(s string) string {
		if strings.Contains(s, "6m4") {
			return "measured 6m40s ago"
		}
		return "measured 5s ago"
	})
}

// The load of now is not laid over a dump: neither that of the cluster that kubectl talks to, nor that of a Prometheus over a
// dump of another time.
func TestNoLoadOfNowOverADump(t *testing.T) {
	asked := false
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer s.Close()
	file := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const taken = `{"apiVersion":"dump.shoal.dev/v1","kind":"ClusterDump","takenAt":%q,"items":[{"apiVersion":"v1","kind":"Node","metadata":{"name":"a1"}}]}`
	old, fresh := file("old.json", fmt.Sprintf(taken, "2023-11-14T20:00:00Z")), file("fresh.json", fmt.Sprintf(taken, "2023-11-14T22:13:00Z")) // it is 22:13:20
	config := file("config.yaml", `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: shoal-scheduler
  pluginConfig: [{name: LoadBalance, args: {load: {type: MetricsAPI}}}]
`)
	kubeconfig := file("kubeconfig", fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":%q}}],"contexts":[{"name":"c","context":{"cluster":"c"}}],"current-context":"c"}`, s.URL))
	for _, c := range []struct {
		want string
		args []string
	}{
		{"would be asked of the current cluster and not of the one in " + fresh + ": leave out --scheduler-config", []string{"--cluster-dump", fresh, "--scheduler-config", config}},
		{"old.json was taken at 2023-11-14T20:00:00Z, and Prometheus would say how busy the nodes are now: leave out --prometheus", []string{"--cluster-dump", old, "--prometheus", s.URL}},
	} {
		got := run(t, "", append([]string{"nodes", "--kubeconfig", kubeconfig}, c.args...)...)
		if !strings.Contains(got, c.want) || !strings.HasSuffix(got, "exit 1\n") || asked {
			t.Errorf("asked: %v; got %s", asked, got)
		}
	}
	if got := run(t, "", "nodes", "--cluster-dump", fresh, "--prometheus", s.URL); strings.Contains(got, "leave out") || !asked {
		t.Errorf("a dump of 20 seconds ago is the present, asked: %v; got %s", asked, got)
	}
}

// Pages and outputs go into tickets.
func TestNoPasswordIsShown(t *testing.T) {
	address, file := prometheus(t), fleetFile(t)
	address = strings.Replace(address, "://", "://somebody:secret-word@", 1)
	for _, more := range []string{"", "-o=json", "-o=wide"} {
		args := []string{"nodes", "--cluster-dump", file, "--prometheus", address}
		if more != "" {
			args = append(args, more)
		}
		if got := run(t, "", args...); strings.Contains(got, "secret-word") || !strings.Contains(got, "somebody") {
			t.Errorf("%s:\n%s", more, got)
		}
	}
}

func TestNodesShowMeasuredLoad(t *testing.T) {
	url, file := prometheus(t), fleetFile(t)
	got := ages(run(t, "", "nodes", "--cluster-dump", file, "--prometheus", url))
	want := `3 nodes: asked for are 25 % of cpu, 12 % of memory, 0 % of pods; 2 instances of 1 group
Load of 1 of 2 nodes is measured (Prometheus at ` + url + `); the rest shows requests

NODE  GROUP OF NODES  INSTANCES  CPU               MEMORY            SHOWN                        STATE
a1    -               1          ████████··  75 %  ████████··  75 %  measured 5s ago              ok
a2    -               1          ███·······  25 %  ██········  12 %  requests, measured 6m40s ago ok
a3    -               0          ··········  0 %   ··········  0 %   requests                     cordoned
`
	if squeezed(got) != squeezed(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	wide := ages(run(t, "", "nodes", "--cluster-dump", file, "--prometheus", url, "-o", "wide"))
	if want := "measured 5s ago 25 % 12 % 0 % 25 % 50 % ok"; !strings.Contains(squeezed(wide), want) {
		t.Errorf("no %q in\n%s", want, wide)
	}
	page := ages(run(t, "", "nodes", "--cluster-dump", file, "--prometheus", url, "--html", "-"))
	for _, want := range []string{
		"a1: 1 instance, cpu 75 %, memory 75 %, pods 0 % (measured 5s ago)", "Load of 1 of 2 nodes is measured",
		"<td>25 %</td><td>12 %</td><td>0 %</td><td>requests, measured 6m40s ago</td>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
}

func squeezed(text string) string { return regexp.MustCompile(` +`).ReplaceAllString(text, " ") }

func TestMeasuredLoadAsJSON(t *testing.T) {
	text := run(t, "", "nodes", "--cluster-dump", fleetFile(t), "--prometheus", prometheus(t), "-o", "json")
	published(t, text)
	var f answer.Fleet
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		t.Fatal(err)
	}
	fresh, stale, none := f.Nodes[0].Load, f.Nodes[1].Load, f.Nodes[2].Load
	if *fresh.CPU != 75 || *fresh.Ingress != 25 || *fresh.Egress != 50 || fresh.Stale || f.Nodes[0].Fill.CPU != 25 {
		t.Errorf("a1: %s", text)
	}
	if !stale.Stale || stale.AgeSeconds < 400 || stale.Ingress != nil || none != nil || f.Measured.Fresh != 1 || f.Measured.Nodes != 2 {
		t.Errorf("a2 and a3: %s", text)
	}
}

// Without a source nothing but requests is claimed; with one that does not answer neither, and it says why; a URL that cannot
// be one is a mistake.
func TestNodesWithoutMeasuredLoad(t *testing.T) {
	file := fleetFile(t)
	if got := run(t, "", "nodes", "--cluster-dump", file); strings.Contains(got, "measured") || strings.Count(got, "requests") != 3 {
		t.Errorf("got\n%s", got)
	}
	silent := httptest.NewServer(http.NotFoundHandler())
	silent.Close()
	got := run(t, "", "nodes", "--cluster-dump", file, "--prometheus", silent.URL)
	if !strings.Contains(got, "Load of 0 of 2 nodes is measured") || !strings.Contains(got, "refused") || strings.Contains(got, "exit") {
		t.Errorf("got\n%s", got)
	}
	if got := run(t, "", "nodes", "--cluster-dump", file, "--prometheus", "localhost:9090"); !strings.Contains(got, "must be http:// or https://") || !strings.Contains(got, "exit 1") {
		t.Errorf("got\n%s", got)
	}
}

// The scheduler's configuration says how a server is asked; --prometheus says where it is reached from here, and gets none of
// the credentials that were meant for the other.
func TestMeasuredAsTheSchedulerDoes(t *testing.T) {
	var mu sync.Mutex // resources are asked for at the same time
	asked, credentials := []string{}, ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked, credentials = append(asked, r.URL.Query().Get("query")), r.Header.Get("Authorization")
		_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"node":"a1"},"value":[1764000000,"1763999995"]}]}}`)
	}))
	defer s.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "config.yaml")
	text := fmt.Sprintf(`apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: shoal-scheduler
  pluginConfig:
  - name: LoadBalance
    args:
      load:
        type: Prometheus
        prometheus: {url: "http://prometheus.invalid:9090", nodeLabel: node, bearerTokenFile: %q, queries: [{name: cpu, query: "node:cpu:p95"}]}
`, token)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := run(t, "", "nodes", "--cluster-dump", fleetFile(t), "--scheduler-config", config, "--prometheus", s.URL)
	if !strings.Contains(strings.Join(asked, "\n"), "node:cpu:p95") || credentials != "" {
		t.Errorf("it asked %q with %q:\n%s", asked, credentials, got)
	}
}
