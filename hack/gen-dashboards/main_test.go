package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDashboardsAreUpToDate(t *testing.T) {
	for _, d := range dashboards() {
		want, err := render(d)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("../..", directory, d.file))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s is not what its panels say (%v): run make generate", d.file, err)
		}
	}
}

// Panels that cover each other are moved by Grafana, and then no longer stand as described.
func TestPanelsDoNotOverlap(t *testing.T) {
	for _, d := range dashboards() {
		taken := map[[2]int]int{}
		for i, place := range layout(d.panels) {
			for x := place["x"].(int); x < place["x"].(int)+place["w"].(int); x++ {
				for y := place["y"].(int); y < place["y"].(int)+place["h"].(int); y++ {
					if other, there := taken[[2]int{x, y}]; there || x >= 24 {
						t.Fatalf("%s: panels %d and %d are both at %d, %d", d.file, other, i, x, y)
					}
					taken[[2]int{x, y}] = i
				}
			}
		}
	}
}
