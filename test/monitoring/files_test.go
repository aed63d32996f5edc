package monitoring

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const (
	root      = "../.."
	rulesFile = "manifests/monitoring/rules.yaml"
)

// alert is one rule of rulesFile.
type alert struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string  `json:"name"`
			Rules []alert `json:"rules"`
		} `json:"groups"`
	}
	if err := yaml.UnmarshalStrict([]byte(read(t, rulesFile)), &file); err != nil {
		t.Fatal(err)
	}
	var all []alert
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("no alerts were read")
	}
	return all
}

// expressions are all of alerts and dashboards, by where they stand.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, a := range alerts(t) {
		all["alert "+a.Alert] = a.Expr
	}
	files, err := filepath.Glob(filepath.Join(root, "manifests/monitoring/dashboards/*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("dashboards %v, %v", files, err)
	}
	for _, file := range files {
		var d struct {
			Panels []struct {
				Title   string `json:"title"`
				Targets []struct {
					RefID string `json:"refId"`
					Expr  string `json:"expr"`
				} `json:"targets"`
			} `json:"panels"`
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				all[filepath.Base(file)+", panel "+p.Title+", query "+target.RefID] = target.Expr
			}
		}
	}
	return all
}

// selector is a metric in an expression, and the matchers of its labels.
type selector struct {
	name     string
	matchers map[string]string
}

var (
	words    = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*`)
	grouping = regexp.MustCompile(`\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`)
	braces   = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)?\{([^}]*)\}`)
	matchers = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
	ranges   = regexp.MustCompile(`\[[^\]]*\]`)
	calls    = regexp.MustCompile(`[a-z_0-9]+\s*\(`)
)

// selectorsOf finds the metrics in an expression. It knows as much of PromQL as our expressions use.
func selectorsOf(expr string) []selector {
	var all []selector
	rest := braces.ReplaceAllStringFunc(grouping.ReplaceAllString(expr, " "), func(text string) string {
		parts := braces.FindStringSubmatch(text)
		s := selector{parts[1], map[string]string{}}
		for _, m := range matchers.FindAllStringSubmatch(parts[2], -1) {
			s.matchers[m[1]] = m[2]
		}
		all = append(all, s)
		return " "
	})
	rest = calls.ReplaceAllString(ranges.ReplaceAllString(rest, " "), " ")
	for _, word := range words.FindAllString(rest, -1) {
		if word != "or" && word != "and" && word != "unless" {
			all = append(all, selector{name: word})
		}
	}
	return all
}

func TestSelectors(t *testing.T) {
	for expr, want := range map[string]string{
		`max(a) - max(b_total)`: "a b_total",
		`histogram_quantile(0.99, sum by (kind, le) (rate(a_bucket[5m])))`: "a_bucket",
		`sum(a{x=~"1|2"}) or vector(0)`:                                    "a",
		`count by (job) (up{job="a"} == 1) < 2`:                            "up",
		`a / on (x) group_left (y) b`:                                      "a b",
	} {
		var got []string
		for _, s := range selectorsOf(expr) {
			got = append(got, s.name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: found %v, want %s", expr, got, want)
		}
	}
}
