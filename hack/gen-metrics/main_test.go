package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

func TestEveryDeclaredMetricIsDocumented(t *testing.T) {
	all, err := declared(root)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Errorf("only %d metrics were found", len(all))
	}
	for _, m := range all {
		if !strings.Contains(string(text), "| `"+m.name+"` | "+m.kind+" |") {
			t.Errorf("%s declares %s, which is not in %s: run make generate", m.where, m.name, page)
		}
		if !ours.MatchString(m.name) || m.help == "" {
			t.Errorf("%s: %q, %q: want a name like shoal_part_what_unit, and a help", m.where, m.name, m.help)
		}
	}
	if string(text) != render(all) {
		t.Errorf("%s is out of date: run make generate", page)
	}
}

func TestLabelsHaveFewValues(t *testing.T) {
	all, err := declared(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		for _, label := range m.labels {
			switch label {
			case "pod", "node", "namespace", "name", "set", "policy", "instance", "group":
				t.Errorf("%s: %s has the label %s: there are as many as there are objects", m.where, m.name, label)
			}
		}
	}
}

// Each way to declare a metric is read, and what cannot be read is an error and not a gap in the page.
func TestSources(t *testing.T) {
	for name, c := range map[string]struct{ source, want string }{
		"a counter":        {`var _ = prometheus.NewCounter(prometheus.CounterOpts{Name: "shoal_a_total", Help: "A."})`, "shoal_a_total counter [] A."},
		"by a pointer":     {`var _ = metrics.NewGaugeVec(&metrics.GaugeOpts{Name: "shoal_a", Help: "A."}, []string{"x", "y"})`, "shoal_a gauge [x y] A."},
		"a description":    {`var _ = prometheus.NewDesc("shoal_a", "A.", []string{"x"}, nil)`, "shoal_a gauge [x] A."},
		"a computed name":  {`const name = "shoal_a_total"; var _ = prometheus.NewCounter(prometheus.CounterOpts{Name: name})`, "not declared in a way"},
		"another's metric": {`var _ = prometheus.NewCounter(prometheus.CounterOpts{Name: "go_a", Help: "A."})`, "go_a counter [] A."},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte("package a\n"+c.source+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			all, err := declared(dir)
			got := ""
			for _, m := range all {
				got += strings.Join([]string{m.name, m.kind, "[" + strings.Join(m.labels, " ") + "]", m.help}, " ")
			}
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
