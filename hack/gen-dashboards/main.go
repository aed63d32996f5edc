// Command gen-dashboards writes the Grafana dashboards in manifests/monitoring/dashboards/ from the panels in panels.go.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

const directory = "manifests/monitoring/dashboards"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gen-dashboards:", err)
		os.Exit(1)
	}
}

func run() error {
	old, err := filepath.Glob(filepath.Join(directory, "*.json"))
	if err != nil {
		return fmt.Errorf("listing %s: %w", directory, err)
	}
	for _, file := range old {
		if err := os.Remove(file); err != nil {
			return fmt.Errorf("removing an old dashboard: %w", err)
		}
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return fmt.Errorf("making %s: %w", directory, err)
	}
	for _, d := range dashboards() {
		text, err := render(d)
		if err != nil {
			return fmt.Errorf("writing %s: %w", d.file, err)
		}
		if err := os.WriteFile(filepath.Join(directory, d.file), text, 0o644); err != nil {
			return fmt.Errorf("writing %s: %w", d.file, err)
		}
	}
	return nil
}

type object map[string]any

// render is the dashboard as Grafana reads it. Which Prometheus it asks is chosen on the page.
func render(d dashboard) ([]byte, error) {
	var panels []object
	places := layout(d.panels)
	for i, p := range d.panels {
		panels = append(panels, p.json(i+1, places[i]))
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(object{
		"uid": d.uid, "title": d.title, "tags": []string{"shoal"}, "schemaVersion": 39, "editable": true,
		"refresh": "1m", "time": object{"from": "now-6h", "to": "now"}, "panels": panels,
		"templating": object{"list": []object{{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}}},
	})
	return text.Bytes(), err
}

func (p panel) json(id int, place object) object {
	kind := "timeseries"
	if p.number {
		kind = "stat"
	}
	source := object{"type": "prometheus", "uid": "${datasource}"}
	var targets []object
	for i, q := range p.queries {
		targets = append(targets, object{"refId": string(rune('A' + i)), "datasource": source, "expr": q.expr, "legendFormat": q.legend})
	}
	return object{
		"id": id, "type": kind, "title": p.title, "description": p.about, "datasource": source, "targets": targets, "gridPos": place,
		"fieldConfig": object{"defaults": object{"unit": unit(p.unit), "min": 0}, "overrides": []object{}},
	}
}

func unit(u string) string {
	if u == "" {
		return "short"
	}
	return u
}

// Grafana's grid is 24 columns wide. Three panels stand in a row; numbers are half as high.
const (
	width       = 8
	graphHeight = 8
)

// layout is where the panels stand, row by row in their order. Numbers come first, so that rows are of one height.
func layout(panels []panel) []object {
	var places []object
	y, height := 0, 0
	for i, p := range panels {
		if i%3 == 0 {
			y += height
			height = graphHeight
			if p.number {
				height = graphHeight / 2
			}
		}
		places = append(places, object{"x": i % 3 * width, "y": y, "w": width, "h": height})
	}
	return places
}
