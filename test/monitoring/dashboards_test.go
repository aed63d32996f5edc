package monitoring

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// dashboard is what of a dashboard Grafana has to understand before it shows anything.
type dashboard struct {
	UID        string `json:"uid"`
	Title      string `json:"title"`
	Templating struct {
		List []struct {
			Name  string `json:"name"`
			Type  string `json:"type"`
			Query any    `json:"query"`
		} `json:"list"`
	} `json:"templating"`
	Panels []struct {
		ID         int        `json:"id"`
		Title      string     `json:"title"`
		Type       string     `json:"type"`
		Datasource datasource `json:"datasource"`
		Targets    []struct {
			Expr       string     `json:"expr"`
			Legend     string     `json:"legendFormat"`
			RefID      string     `json:"refId"`
			Datasource datasource `json:"datasource"`
		} `json:"targets"`
	} `json:"panels"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

var (
	variables  = regexp.MustCompile(`\$\{?(\w+)`)
	legends    = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)
	aggregates = regexp.MustCompile(`\b(sum|max|min|avg|count|histogram_quantile)\b`)
	// corePanels are the kinds that every Grafana has.
	corePanels = []string{"stat", "timeseries", "table", "bargauge", "gauge", "heatmap", "text", "row", "state-timeline"}
)

// No Grafana looks at the dashboards in a test: these are the mistakes after which it shows an empty page or panel.
func TestDashboardsResolve(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "manifests/monitoring/dashboards/*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	uids := map[string]string{}
	for _, file := range files {
		name := filepath.Base(file)
		var d dashboard
		if err := json.Unmarshal([]byte(read(t, "manifests/monitoring/dashboards/"+name)), &d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if other := uids[d.UID]; other != "" || d.UID == "" {
			t.Errorf("%s and %s have the uid %q: one would take the place of the other", name, other, d.UID)
		}
		uids[d.UID] = name
		for _, wrong := range unresolved(d) {
			t.Errorf("%s: %s", name, wrong)
		}
	}
}

// unresolved says which variables, data sources, kinds of panels and labels of a dashboard do not exist.
func unresolved(d dashboard) (wrong []string) {
	var known []string
	prometheus := ""
	for _, v := range d.Templating.List {
		known = append(known, v.Name)
		if v.Type == "datasource" && v.Query == "prometheus" {
			prometheus = "${" + v.Name + "}"
		}
	}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.ID == 0 {
			wrong = append(wrong, p.Title+": another panel has its id")
		}
		ids[p.ID] = true
		if !slices.Contains(corePanels, p.Type) {
			wrong = append(wrong, p.Title+": no panel is a "+p.Type)
		}
		for _, target := range p.Targets {
			for _, source := range []datasource{p.Datasource, target.Datasource} {
				if source.Type != "prometheus" || source.UID != prometheus || prometheus == "" {
					wrong = append(wrong, p.Title+": its data source is "+source.UID)
				}
			}
			for _, m := range variables.FindAllStringSubmatch(target.Expr+target.Legend, -1) {
				if !slices.Contains(known, m[1]) && !strings.HasPrefix(m[1], "__") {
					wrong = append(wrong, p.Title+": no variable is called "+m[1])
				}
			}
			for _, m := range legends.FindAllStringSubmatch(target.Legend, -1) {
				if aggregates.MatchString(target.Expr) && !regexp.MustCompile(`by \([^)]*\b`+m[1]+`\b`).MatchString(target.Expr) {
					wrong = append(wrong, p.Title+": its query keeps no label "+m[1])
				}
			}
		}
	}
	return wrong
}

// The checks above find something when it is wrong.
func TestUnresolvedIsFound(t *testing.T) {
	text := read(t, "manifests/monitoring/dashboards/scheduler.json")
	for change, want := range map[string]string{
		`"uid": "${datasource}" -> "uid": "${source}"`:       "its data source is ${source}",
		`"name": "datasource" -> "name": "other"`:            "its data source is ${datasource}",
		`"type": "timeseries" -> "type": "graph"`:            "no panel is a graph",
		`"id": 2, -> "id": 1,`:                               "another panel has its id",
		`[5m] -> [$window]`:                                  "no variable is called window",
		`"legendFormat": "{{ -> "legendFormat": "{{pod}} {{`: "its query keeps no label pod",
	} {
		from, to, _ := strings.Cut(change, " -> ")
		changed := strings.ReplaceAll(text, from, to)
		var d dashboard
		if err := json.Unmarshal([]byte(changed), &d); err != nil || changed == text {
			t.Errorf("%s: %v", change, err)
			continue
		}
		if got := strings.Join(unresolved(d), "; "); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", change, got, want)
		}
	}
}
