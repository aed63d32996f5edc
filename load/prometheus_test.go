package load

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

var defaultOptions = PrometheusOptions{
	NodeLabel: "instance", Percentile: 95,
	Window: 15 * time.Minute, RateWindow: 2 * time.Minute, Step: 30 * time.Second, Devices: `eth[0-9]+`,
}

const evaluated = 1764000000.0 // seconds since 1970, on the server's clock

// kindOf tells by its text what a query asks for.
func kindOf(query string) string {
	for _, k := range [][2]string{{"timestamp(", "age"}, {"node_cpu", "cpu"}, {"MemTotal", "memory"}, {"receive", "ingress"}, {"transmit", "egress"}} {
		if strings.Contains(query, k[0]) {
			return k[1]
		}
	}
	return query
}

// vector is an answer with one series per pair of instance and value.
func vector(pairs ...string) string {
	var series []string
	for i := 0; i < len(pairs); i += 2 {
		series = append(series, fmt.Sprintf(`{"metric":{"instance":%q},"value":[%f,%q]}`, pairs[i], evaluated, pairs[i+1]))
	}
	return `{"status":"success","data":{"resultType":"vector","result":[` + strings.Join(series, ",") + `]}}`
}

func secondsAgo(n float64) string { return fmt.Sprint(evaluated - n) }

// healthy answers for two nodes, of which b was scraped 40 seconds ago.
func healthy() map[string]string {
	return map[string]string{
		"age":     vector("a", fmt.Sprintf("%f", evaluated), "b", fmt.Sprintf("%f", evaluated-40)),
		"cpu":     vector("a", "1.5", "b", "0.25"),
		"memory":  vector("a", "1073741824", "b", "5"),
		"ingress": vector("a", "125000000", "b", "0"),
		"egress":  vector("a", "1000", "b", "2000"),
	}
}

func with(change map[string]string) map[string]string {
	answers := healthy()
	maps.Copy(answers, change)
	return answers
}

// server answers each kind of query with its text.
func server(t *testing.T, answers map[string]string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answers[kindOf(r.URL.Query().Get("query"))])
	}))
	t.Cleanup(s.Close)
	return s
}

func source(t *testing.T, url string, o PrometheusOptions) *Prometheus {
	t.Helper()
	o.URL = url
	p, err := NewPrometheus(http.DefaultClient, o)
	if err != nil {
		t.Fatal(err)
	}
	p.now = func() time.Time { return time.Unix(5000, 0) } // another clock than the server's
	return p
}

func TestPrometheusMeasuresAllDimensions(t *testing.T) {
	got, err := source(t, server(t, healthy()).URL, defaultOptions).Measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for d, amount := range [Dimensions]int64{1500, 1 << 30, 1e9, 8000} {
		a, b := got["a"][d], got["b"][d]
		if a.Amount != amount {
			t.Errorf("%s of a: %d, want %d", Dimension(d), a.Amount, amount)
		}
		if age := time.Unix(5000, 0).Sub(b.At); age != 40*time.Second {
			t.Errorf("b was scraped %s ago, want 40s", age)
		}
		// 2m of rates, 5 % of 15m, and a step of 30s
		if d := a.At.Sub(a.Covers); d != 195*time.Second {
			t.Errorf("it covers pods that began %s before, want 3m15s", d)
		}
	}
}

func TestWhatPrometheusMayAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		answers map[string]string
		nodes   int    // that are known
		missing string // dimension that is unknown of a
		err     string
	}{
		"text":                 {with(map[string]string{"age": "<html>Please log in</html>"}), 0, "", "reading application/json: invalid character '<'"},
		"nothing":              {with(map[string]string{"age": ""}), 0, "", "EOF"},
		"an error":             {with(map[string]string{"cpu": `{"status":"error","errorType":"bad_data","error":"e"}`}), 2, "cpu", `there is no "data"`},
		"cut off":              {with(map[string]string{"memory": strings.TrimSuffix(vector("a", "1", "b", "2"), `]}}`)}), 2, "memory", "EOF"},
		"cut off in a series":  {with(map[string]string{"memory": vector("a", "1", "b", "2")[:120]}), 2, "memory", "reading element 1"},
		"a matrix":             {with(map[string]string{"cpu": `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"instance":"a"},"values":[[1,"2"]]}]}}`}), 2, "cpu", "instant vector"},
		"a scalar":             {with(map[string]string{"cpu": `{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}`}), 2, "cpu", "element 0"},
		"null":                 {with(map[string]string{"cpu": `{"status":"success","data":{"resultType":"vector","result":null}}`}), 2, "cpu", "want [, got"},
		"no series":            {with(map[string]string{"egress": vector()}), 2, "egress", "no series"},
		"only NaN":             {with(map[string]string{"ingress": vector("a", "NaN", "b", "NaN")}), 2, "ingress", "none of its 2 values"},
		"NaN for one node":     {with(map[string]string{"ingress": vector("a", "NaN", "b", "7")}), 2, "ingress", ""},
		"infinite":             {with(map[string]string{"ingress": vector("a", "+Inf", "b", "7")}), 2, "ingress", ""},
		"negative":             {with(map[string]string{"ingress": vector("a", "-1", "b", "7")}), 2, "ingress", ""},
		"age NaN":              {with(map[string]string{"age": vector("a", "NaN", "b", "NaN")}), 0, "", "none of its 2 values"},
		"age infinite":         {with(map[string]string{"age": vector("a", "+Inf", "b", fmt.Sprint(evaluated))}), 1, "", ""},
		"not a number":         {with(map[string]string{"cpu": vector("a", "many")}), 2, "cpu", "element 0"},
		"no age of a":          {with(map[string]string{"age": vector("b", secondsAgo(0))}), 1, "", ""},
		"another label":        {with(map[string]string{"age": strings.ReplaceAll(healthy()["age"], "instance", "node")}), 0, "", `none of its 2 series has the label "instance"`},
		"fields in any order":  {with(map[string]string{"cpu": `{"data":{"result":[{"value":[1,"2"],"metric":{"instance":"a"}}],"resultType":"vector"},"warnings":["w"],"status":"success"}`}), 2, "", ""},
		"one hundred deep":     {with(map[string]string{"cpu": strings.Repeat(`{"data":`, 100)}), 2, "cpu", "EOF"},
		"twenty thousand deep": {with(map[string]string{"cpu": `{"x":` + strings.Repeat(`[`, 20000)}), 2, "cpu", "reading"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := source(t, server(t, c.answers).URL, defaultOptions).Measure(t.Context())
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if len(got) != c.nodes {
				t.Errorf("%d nodes are known, want %d: %v", len(got), c.nodes, got)
			}
			for d := range Dimension(Dimensions) {
				if a, ok := got["a"]; ok && a[d].Known() == (d.String() == c.missing) {
					t.Errorf("%s is known: %v", d, a[d].Known())
				}
			}
		})
	}
}

// A node that a source names twice is not taken for emptier than it is.
func TestDuplicatesCountAsTheHighest(t *testing.T) {
	got, err := source(t, server(t, with(map[string]string{"cpu": vector("a", "2", "a", "3", "a", "1")})).URL, defaultOptions).Measure(t.Context())
	if err != nil || got["a"][CPU].Amount != 3000 {
		t.Errorf("%v, %v", got["a"], err)
	}
}

func TestStatusOfPrometheus(t *testing.T) {
	elsewhere := server(t, healthy())
	for code, want := range map[int]string{
		http.StatusUnauthorized: "401 Unauthorized: no, really", http.StatusServiceUnavailable: "503", http.StatusFound: "302", http.StatusNoContent: "204",
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", elsewhere.URL+r.URL.String())
			w.WriteHeader(code)
			_, _ = io.WriteString(w, "no,\n\n really"+strings.Repeat(" ", 1<<20)+"unread")
		}))
		_, err := source(t, s.URL, defaultOptions).Measure(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "unread") {
			t.Errorf("%d: %v, want %s", code, err, want)
		}
		s.Close()
		if _, err := source(t, s.URL, defaultOptions).Measure(t.Context()); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("a killed server: %v", err)
		}
	}
}

func TestQueriesSayWhatCounts(t *testing.T) {
	p := source(t, "http://x", defaultOptions)
	texts := p.QueryTexts()
	const cpu = `quantile_over_time(0.95, (sum by (instance) (1 - sum by (instance, cpu) (max by (instance, cpu, mode) (rate(node_cpu_seconds_total{mode=~"idle|iowait"}[2m])))))[15m:30s])`
	if texts[CPU] != cpu {
		t.Errorf("got  %s\nwant %s", texts[CPU], cpu)
	}
	if want := `unless on (instance, device) label_replace(node_bonding_slaves, "device", "$1", "master", "(.+)")`; !strings.Contains(texts[Ingress], want) {
		t.Errorf("a bond counts twice: %s", texts[Ingress])
	}
	o := defaultOptions
	o.Queries, o.AgeQuery = map[Dimension]string{CPU: "node:cpu:p95"}, "node:age"
	if texts := source(t, "http://x", o).QueryTexts(); texts[CPU] != "node:cpu:p95" || texts[4] != "node:age" || !strings.Contains(texts[Memory], "MemTotal") {
		t.Errorf("replaced: %v", texts)
	}
	o.Devices = `a"b\d`
	if texts := source(t, "http://x", o).QueryTexts(); !slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, `device=~"a\"b\\d"`) }) {
		t.Errorf("a quote ends the string: %v", texts[Ingress])
	}
}
