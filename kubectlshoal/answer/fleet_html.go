package answer

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
)

//go:embed fleet.html.tmpl
var fleetPage string

// The picture: cells in rows of perRow, in pixels.
const (
	perRow = 20
	cell   = 40
	gap    = 4
	head   = 28
)

// tile is one node in the picture.
type tile struct {
	NodeHeat
	X, Y  int
	Color template.CSS
	Tip   string
}

// band is the nodes of one group in the picture.
type band struct {
	Title string
	Y     int
	Tiles []tile
}

// HTML writes the heat map as a page that needs nothing but itself: no scripts, no fonts, no network. The picture is an SVG, and
// a table below it says the same to those who cannot see colours.
func (f *Fleet) HTML(out io.Writer, title string) error {
	page, err := template.New("page").Parse(fleetPage)
	if err != nil {
		return fmt.Errorf("reading the template of the page: %w", err)
	}
	bands, height := f.bands()
	err = page.Execute(out, map[string]any{
		"Title": title, "Fleet": f, "Counts": fmt.Sprintf("%s, %s of %s", count(len(f.Nodes), "node"), count(f.Instances, "instance"), count(f.Groups, "group")), "Bands": bands, "Height": height, "Width": perRow*(cell+gap) + gap, "Cell": cell,
		"Legend": []template.CSS{color(0), color(25), color(50), color(75), color(100)},
	})
	if err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}

func (f *Fleet) bands() ([]band, int) {
	var bands []band
	y := 0
	for i, n := range f.Nodes {
		if i == 0 || n.Group != f.Nodes[i-1].Group {
			if len(bands) > 0 {
				y += cell + 2*gap
			}
			bands = append(bands, band{Title: cmp.Or(n.Group, "no "+f.GroupedBy), Y: y + head - 2*gap})
			y += head
		}
		b := &bands[len(bands)-1]
		at := len(b.Tiles)
		if at > 0 && at%perRow == 0 {
			y += cell + gap
		}
		tip := fmt.Sprintf("%s: %s, cpu %d %%, memory %d %%, pods %d %%", n.Node, count(n.Instances, "instance"), n.Fill.CPU, n.Fill.Memory, n.Fill.Pods)
		if n.State != "" {
			tip += ", " + n.State
		}
		b.Tiles = append(b.Tiles, tile{n, gap + at%perRow*(cell+gap), y, color(n.Fill.fullest()), tip})
	}
	return bands, y + cell + gap
}

// color goes from white over yellow to red as a node fills. It is also told apart in grey: darker is fuller.
func color(percent int) template.CSS {
	percent = min(100, max(0, percent))
	return template.CSS(fmt.Sprintf("hsl(%d,75%%,%d%%)", 60-percent*60/100, 95-percent*45/100)) //nolint:gosec // numbers only
}
