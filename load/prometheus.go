package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"text/template"
	"time"

	"github.com/prometheus/common/model"
)

// Prometheus reads the metrics of node-exporter from a server with Prometheus' query API.
type Prometheus struct {
	client *http.Client
	asks   PrometheusOptions
	// queries per dimension, and the one for the time of the newest sample.
	queries map[Dimension]string
	age     string
	now     func() time.Time
}

// PrometheusOptions say what is asked for, and how.
type PrometheusOptions struct {
	// URL of the server, such as http://prometheus.monitoring:9090, with the path under which it is served.
	URL string
	// NodeLabel is the label that names the node: by its name, or by an address with or without port.
	NodeLabel string
	// Percentile of the values in Window, from 1 to 100.
	Percentile int32
	// Window is what the percentile is taken of, every Step. Rates are over RateWindow, which must hold two scrapes.
	Window, RateWindow, Step time.Duration
	// Devices is a regular expression for the names of physical network devices.
	Devices string
	// Queries replace the built-in ones, for instance by recording rules. Their values are cores, bytes, and bytes per
	// second, with the node in NodeLabel.
	Queries map[Dimension]string
	// AgeQuery replaces the built-in query for the time of a node's newest sample, in seconds since 1970.
	AgeQuery string
}

// The built-in queries. Rates handle counters that begin anew. A node that two jobs scrape counts once (max by). CPU is
// what was neither idle nor waiting for a disk, from one pair of series per CPU. Only physical devices count, and a bond
// is named among them only by mistake: then the devices below it count and it does not.
var queryTexts = map[Dimension]string{
	CPU:     `sum by ({{.L}}) (1 - sum by ({{.L}}, cpu) (max by ({{.L}}, cpu, mode) (rate(node_cpu_seconds_total{mode=~"idle|iowait"}[{{.R}}]))))`,
	Memory:  `max by ({{.L}}) (node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes)`,
	Ingress: fmt.Sprintf(networkText, "receive"),
	Egress:  fmt.Sprintf(networkText, "transmit"),
}

const (
	networkText = `sum by ({{.L}}) (max by ({{.L}}, device) (rate(node_network_%s_bytes_total{device=~"{{.D}}"}[{{.R}}]))` +
		` unless on ({{.L}}, device) label_replace(node_bonding_slaves, "device", "$1", "master", "(.+)"))`
	percentileText = `quantile_over_time({{.Q}}, (%s)[{{.W}}:{{.S}}])`
	// A time that is further away is none.
	maxAgeSeconds = 1e9
	ageText       = `max by ({{.L}}) (timestamp(node_memory_MemAvailable_bytes))`
)

// NewPrometheus makes a source. The client carries credentials and trust, if the server wants any.
func NewPrometheus(client *http.Client, o PrometheusOptions) (*Prometheus, error) {
	p := &Prometheus{client: direct(client), asks: o, queries: map[Dimension]string{}, now: time.Now}
	var err error
	for d, text := range queryTexts {
		if p.queries[d], err = o.fill(fmt.Sprintf(percentileText, text)); err != nil {
			return nil, err
		}
	}
	maps.Copy(p.queries, o.Queries)
	if p.age = o.AgeQuery; p.age == "" {
		p.age, err = o.fill(ageText)
	}
	return p, err
}

func (o PrometheusOptions) fill(text string) (string, error) {
	parsed, err := template.New("query").Parse(text)
	if err != nil {
		return "", fmt.Errorf("parsing a query: %w", err)
	}
	var out strings.Builder
	err = parsed.Execute(&out, map[string]string{
		"L": o.NodeLabel, "Q": fmt.Sprint(float64(o.Percentile) / 100),
		"D": strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(o.Devices),
		"R": model.Duration(o.RateWindow).String(), "W": model.Duration(o.Window).String(), "S": model.Duration(o.Step).String(),
	})
	return out.String(), err
}

// Measures all dimensions.
func (p *Prometheus) Measures() []Dimension { return []Dimension{CPU, Memory, Ingress, Egress} }

// Measure asks for the age of the metrics, which decides which nodes there are: a percentile goes on to exist for a whole
// window after a node fell silent. Without it nothing is measured. Then it asks one query per dimension, all at once: one of these
// that is late has cost only itself when the time is over.
//
// One age stands for all four dimensions of a node: by default, that of node_memory_MemAvailable_bytes. Of a collector that falls
// silent while the others of its node go on, the percentile stays, and counts as fresh, for up to Window.
func (p *Prometheus) Measure(ctx context.Context) (map[string]Reading, error) {
	ages, err := p.ages(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking Prometheus for the age of the metrics: %w", err)
	}
	var amounts [Dimensions]map[string]int64
	var errs [Dimensions]error
	var asked sync.WaitGroup
	for _, d := range p.Measures() {
		asked.Go(func() { amounts[d], errs[d] = p.amounts(ctx, d, ages) })
	}
	asked.Wait()
	nodes := make(map[string]Reading, len(ages))
	for node, at := range ages {
		var r Reading
		for d, of := range amounts {
			if amount, ok := of[node]; ok {
				r[d] = Value{Amount: amount, At: at, Covers: at.Add(-p.settles())}
			}
		}
		nodes[node] = r
	}
	return nodes, errors.Join(errs[:]...)
}

// ages says of each node when its newest sample was taken.
func (p *Prometheus) ages(ctx context.Context) (map[string]time.Time, error) {
	ages, asked := map[string]time.Time{}, p.now()
	return ages, p.query(ctx, p.age, func(node string, sample *model.Sample) bool {
		// The server's own clock on both sides: how far it differs from ours does not matter.
		seconds := float64(sample.Timestamp)/1000 - float64(sample.Value)
		if math.IsNaN(seconds) || math.Abs(seconds) > maxAgeSeconds {
			return false
		}
		at := asked.Add(-max(time.Duration(seconds*float64(time.Second)), 0))
		if at.After(ages[node]) {
			ages[node] = at
		}
		return true
	})
}

// amounts says of each node how much of a dimension is in use: the highest of several values, so that a node that is named
// twice is not taken for emptier than it is. With an error there are none: the nodes that half an answer leaves out are not
// chance. Of nodes without an age nothing is kept: a query by pod and container would fill the memory with their names.
func (p *Prometheus) amounts(ctx context.Context, d Dimension, ages map[string]time.Time) (map[string]int64, error) {
	amounts := map[string]int64{}
	err := p.query(ctx, p.queries[d], func(node string, sample *model.Sample) bool {
		amount, ok := d.amount(float64(sample.Value))
		if _, there := ages[node]; ok && there {
			amounts[node] = max(amounts[node], amount)
		}
		return ok
	})
	if err != nil {
		return nil, fmt.Errorf("asking Prometheus for %s: %w", d, err)
	}
	return amounts, nil
}

// settles is how long a pod must have run to be in the percentile in full: until the rates are full of it, and then for
// the share of the window that lies above the percentile, and a step more because it is sampled.
func (p *Prometheus) settles() time.Duration {
	above := p.asks.Window * time.Duration(100-p.asks.Percentile) / 100
	return p.asks.RateWindow + above + p.asks.Step
}

// query hands over the samples of an instant query by node. A series without the label names no node and is passed over.
// It is an error if take refuses every value: then the query is wrong and not a node.
func (p *Prometheus) query(ctx context.Context, query string, take func(node string, sample *model.Sample) bool) error {
	address := strings.TrimSuffix(p.asks.URL, "/") + "/api/v1/query?" + url.Values{"query": {query}}.Encode()
	var taken, refused, nameless int
	err := elements(ctx, p.client, address, []string{"data", "result"}, func(raw json.RawMessage) error {
		sample := &model.Sample{}
		if err := json.Unmarshal(raw, sample); err != nil {
			return err
		}
		if sample.Timestamp == 0 || sample.Histogram != nil {
			return errors.New("it has no value at a time: the query must give an instant vector")
		}
		node := string(sample.Metric[model.LabelName(p.asks.NodeLabel)])
		switch {
		case node == "":
			nameless++
		case take(node, sample):
			taken++
		default:
			refused++
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case taken == 0 && refused > 0:
		return fmt.Errorf("none of its %d values is a number of at least 0", refused)
	case taken == 0 && nameless > 0:
		return fmt.Errorf("none of its %d series has the label %q", nameless, p.asks.NodeLabel)
	case taken == 0:
		return errors.New("it has no series: is node-exporter scraped?")
	}
	return nil
}

// QueryTexts are the queries in the order of the dimensions, and the one for the age: for documentation and diagnosis.
func (p *Prometheus) QueryTexts() []string {
	var texts []string
	for _, d := range slices.Sorted(maps.Keys(p.queries)) {
		texts = append(texts, p.queries[d])
	}
	return append(texts, p.age)
}
